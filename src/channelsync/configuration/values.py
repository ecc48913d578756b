"""How single values are written in the file: percentages, durations, local times, names."""

from __future__ import annotations

import re
from datetime import date, datetime
from decimal import Decimal
from typing import Annotated, Any, Final, TypeAlias

from pydantic import BeforeValidator, Field, PlainSerializer, WithJsonSchema

__all__ = [
    "BasisPoints",
    "Day",
    "DurationSeconds",
    "LocalTime",
    "Margin",
    "Name",
    "Seconds",
    "Text",
    "Units",
    "basis_points",
    "percent_text",
]

_PERCENT: Final = re.compile(r"(\d{1,3})(?:\.(\d{1,2}))?\s?%", re.ASCII)
_DURATION: Final = re.compile(r"(\d{1,9})\s?(s|m|h|d)", re.ASCII)
_LOCAL_TIME: Final = re.compile(
    r"\d{4}-\d{2}-\d{2}[T ]\d{2}:\d{2}(:\d{2}(\.\d{1,6})?)?(Z|[+-]\d{2}:\d{2})?",
    re.ASCII,
)
_DAY: Final = re.compile(r"\d{4}-\d{2}-\d{2}", re.ASCII)
_NAME: Final = re.compile(r"[a-z0-9][a-z0-9_-]{0,62}")
_SECONDS_IN: Final = {"s": 1, "m": 60, "h": 3_600, "d": 86_400}
_DURATION_DAYS_MAX: Final = 366


def basis_points(value: object) -> int:
    """The basis points of `"50%"` or `"33.33%"`.

    Raises:
        ValueError: not a percentage from 0 to 100 with at most two decimals.
    """
    if isinstance(value, int | float) and not isinstance(value, bool):
        raise ValueError(f'a percentage is wanted; write "{value:g}%" if you mean percent')  # noqa: TRY004 - pydantic reports ValueError
    found = _PERCENT.fullmatch(value) if isinstance(value, str) else None
    if found is None:
        raise ValueError("a percentage from 0% to 100% is wanted, with at most two decimals")
    points = int(found[1]) * 100 + int((found[2] or "").ljust(2, "0"))
    if points > 100 * 100:
        raise ValueError("more than 100%")
    return points


def percent_text(points: int) -> str:
    """`5000` as `50%`."""
    return f"{Decimal(points) / 100:f}%"


def _duration_seconds(value: object) -> float:
    found = _DURATION.fullmatch(value) if isinstance(value, str) else None
    if found is None:
        raise ValueError(
            "a duration is wanted: a whole number and a unit, such as 90s, 15m, 2h, 7d"
        )
    seconds = int(found[1]) * _SECONDS_IN[found[2]]
    if not 0 < seconds <= _DURATION_DAYS_MAX * 86_400:
        raise ValueError(f"a duration above 0 and up to {_DURATION_DAYS_MAX}d is wanted")
    return float(seconds)


def _local_time(value: object) -> datetime:
    if not isinstance(value, str) or not _LOCAL_TIME.fullmatch(value):
        raise ValueError(
            "a date with a time is wanted, such as 2026-11-27T00:00:00 or 2026-11-27T00:00:00+01:00"
        )
    try:
        return datetime.fromisoformat(value)
    except ValueError:
        raise ValueError("there is no such time") from None


def _day(value: object) -> date:
    if not isinstance(value, str) or not _DAY.fullmatch(value):
        raise ValueError("a day is wanted, such as 2027-03-01")
    try:
        return date.fromisoformat(value)
    except ValueError:
        raise ValueError("there is no such day") from None


def _name(value: object) -> str:
    if isinstance(value, str) and _NAME.fullmatch(value):
        return value
    made = re.sub(r"[^a-z0-9_]+", "-", str(value).lower()).strip("-_")[:63]
    raise ValueError(
        "a name is 1 to 63 lower-case letters, digits, - and _, and begins with a letter or digit"
        + (f', such as "{made}"' if made else "")
    )


def _text(value: object) -> object:
    if isinstance(value, bool | int | float):
        raise ValueError("text is wanted here; put it in quotes")  # noqa: TRY004 - pydantic reports ValueError
    return value


def _iso(value: date) -> str:
    return value.isoformat()


def _pattern(pattern: re.Pattern[str], example: str) -> WithJsonSchema:
    schema: dict[str, Any] = {"type": "string", "pattern": f"^{pattern.pattern}$"}
    return WithJsonSchema({**schema, "examples": [example]})


BasisPoints: TypeAlias = Annotated[
    int,
    BeforeValidator(basis_points),
    PlainSerializer(percent_text, return_type=str),
    WithJsonSchema(
        {
            "type": "string",
            "pattern": r"^(100(\.0{1,2})?|\d{1,2}(\.\d{1,2})?)\s?%$",
            "examples": ["50%"],
        }
    ),
]
"""A percentage in the file, basis points (10,000 = 100 %) in the program."""

DurationSeconds: TypeAlias = Annotated[
    float, BeforeValidator(_duration_seconds), _pattern(_DURATION, "15m")
]
"""`90s`, `15m`, `2h`, `7d` in the file, seconds in the program."""

LocalTime: TypeAlias = Annotated[
    datetime,
    BeforeValidator(_local_time),
    PlainSerializer(_iso, return_type=str),
    _pattern(_LOCAL_TIME, "2026-11-27T00:00:00"),
]
"""A time of the file's `timezone`, or with an offset of its own."""

Day: TypeAlias = Annotated[
    date,
    BeforeValidator(_day),
    PlainSerializer(_iso, return_type=str),
    _pattern(_DAY, "2027-03-01"),
]
"""A day of the file's `timezone`."""

Name: TypeAlias = Annotated[str, BeforeValidator(_name), _pattern(_NAME, "soho-till")]
"""A name that the merchant gives and that stands in addresses and metrics."""

Text: TypeAlias = Annotated[str, BeforeValidator(_text), Field(min_length=1, max_length=200)]
"""Any text; a bare number is refused because YAML may have changed it (007)."""

Units: TypeAlias = Annotated[int, Field(strict=True, ge=0, le=1_000_000_000)]
"""A number of units, 0 or more."""

Seconds: TypeAlias = Annotated[float, Field(strict=True, ge=0, le=366 * 86_400.0)]
"""A number of seconds, 0 or more."""

Margin: TypeAlias = Annotated[float, Field(strict=True, gt=0, le=1e9)]
"""Profit per unit, in any one currency."""
