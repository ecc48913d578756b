"""How pages say numbers, times and causes, and the templates that say them.

Autoescape is on: SKUs, names and reasons are other people's text.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from functools import cache
from pathlib import Path
from typing import Any, Final

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup, escape

from channelsync.domain.vocabulary import Assumption, Instant
from channelsync.engine.alarms import SOLD_AGAIN

__all__ = [
    "STATIC",
    "assets_version",
    "cause_words",
    "coded",
    "day_of",
    "length_of_time",
    "said",
    "template_environment",
    "units",
]

WEB: Final = Path(__file__).resolve().parents[1]
STATIC: Final = WEB / "static"
ORDER_LENGTH: Final = 12
CAUSES: Final[Mapping[str, str]] = {
    "beyond_grant": "sold past what the channel was granted",
    SOLD_AGAIN: (
        "sold again what a cancel had put back, before the cancel was heard of: nothing is missing"
    ),
    "outside_counter": "sold past the channel's own counter (staff order, second writer)",
    Assumption.APPLIES_IN_TIME: "a write of ours applied after its limit, or twice",
    Assumption.SOLE_WRITER: "somebody else wrote the channel's number",
    Assumption.FEED_COMPLETE: "the channel showed its orders too late",
}


@cache
def template_environment() -> Environment:
    """The templates of the web half, with the filters below."""
    environment = Environment(
        loader=FileSystemLoader(WEB / "templates"),
        autoescape=True,
        trim_blocks=True,
        lstrip_blocks=True,
        undefined=StrictUndefined,
    )
    filters: dict[str, Callable[[Any], str]] = {
        "iso": _iso,
        "clock": _clock,
        "moment": _moment,
        "day": day_of,
        "units": units,
        "words": lambda text: str(text).replace("_", " "),
        "seconds": length_of_time,
        "cause": cause_words,
        "tail": _tail,
        "percent": _percent,
        "coded": coded,
    }
    environment.filters |= filters
    return environment


@cache
def assets_version() -> str:
    """Changes with the assets, so that a browser never mixes two versions."""
    digest = hashlib.sha256()
    for path in sorted(STATIC.rglob("*")):
        if path.is_file():
            digest.update(path.read_bytes())
    return digest.hexdigest()[:12]


def coded(text: str) -> Markup:
    """The text, escaped, with what stands between backticks as code."""
    parts = text.split("`")
    if len(parts) % 2 == 0:
        return escape(text)
    shown = [
        Markup("<code>{}</code>").format(part) if index % 2 else escape(part)
        for index, part in enumerate(parts)
    ]
    return Markup().join(shown)


def units(count: Any) -> str:
    """A number with a narrow space between thousands, which reads in every language."""
    return f"{count:,}".replace(",", "\N{NARROW NO-BREAK SPACE}")


def length_of_time(seconds: float) -> str:
    """A length of time for people."""
    if seconds < 100:  # noqa: PLR2004 - seconds say more than minutes up to here
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 6_000 else f"{seconds / 3_600:.0f} h"  # noqa: PLR2004


def cause_words(cause: str) -> str:
    """Why a shortfall happened, for people: what was seen, then what was learnt of it."""
    return "; ".join(CAUSES.get(one, one.replace("_", " ")) for one in str(cause).split(": "))


def said(value: Any) -> str:
    """What the trail keeps of something, short enough to read: `paused: no → yes` has two of it."""
    if value is None:
        return ""
    if not isinstance(value, Mapping):
        return str(value)
    return ", ".join(f"{name}: {'–' if one is None else one}" for name, one in value.items())


def _iso(at: Instant) -> str:
    return datetime.fromtimestamp(at, UTC).isoformat(timespec="milliseconds")


def _clock(at: Instant) -> str:
    return datetime.fromtimestamp(at, UTC).strftime("%H:%M:%S UTC")


def day_of(at: Instant) -> str:
    """The day of an instant, as UTC counts days."""
    return datetime.fromtimestamp(at, UTC).strftime("%Y-%m-%d")


def _moment(at: Instant) -> str:
    return datetime.fromtimestamp(at, UTC).strftime("%Y-%m-%d %H:%M:%S UTC")


def _tail(reference: str) -> str:
    """What tells an order from others, short enough for a column."""
    last = str(reference).rsplit("/", 1)[-1]
    return last if len(last) <= ORDER_LENGTH else f"…{last[1 - ORDER_LENGTH :]}"


def _percent(share: float | None) -> str:
    """A share; rounded down, so that 100 % is said only of all."""
    return "–" if share is None else f"{int(share * 1_000) / 10:g} %"
