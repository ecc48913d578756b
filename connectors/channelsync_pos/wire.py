"""The events of `channelsync-pos/1` as they cross the wire, reduced to what may be kept.

A model here is the whitelist: what it does not name (prices, cashiers, customers, notes) is
dropped while reading and reaches neither the database nor a log. Source: the interface itself,
docs/reference/pos-interface.md.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Annotated, Any, Final, TypeAlias

from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    PlainSerializer,
    StringConstraints,
    ValidationError,
    model_validator,
)

from channelsync.sdk.errors import BadDelivery
from channelsync.sdk.types import Instant
from channelsync_pos.times import instant, iso

__all__ = [
    "COUNTED",
    "EVENTS",
    "HEARTBEAT",
    "LINES_MAX",
    "RETURNED",
    "SALE",
    "SEQUENCE_MAX",
    "VOIDED",
    "CountEvent",
    "Envelope",
    "Event",
    "Heartbeat",
    "Identifier",
    "Name",
    "ReturnEvent",
    "SaleEvent",
    "VoidEvent",
    "problems",
    "read_envelope",
    "read_event",
]

SALE: Final = "pos.sale.completed"
VOIDED: Final = "pos.sale.voided"
RETURNED: Final = "pos.return.completed"
COUNTED: Final = "pos.stock.counted"
HEARTBEAT: Final = "pos.register.heartbeat"

LINES_MAX: Final = 500
UNITS_MAX: Final = 1_000_000
SEQUENCE_MAX: Final = 2**53 - 1
PROBLEMS_MAX: Final = 3
KIND: Final = re.compile(r"[a-z0-9_]{1,20}(?:[./][a-z0-9_]{1,20}){1,3}", re.ASCII)
"""What looks like the name of a type, and may be repeated in a message."""
DECIMAL: Final = re.compile(r"(\d{1,9})(?:\.(\d{1,9}))?", re.ASCII)

Identifier: TypeAlias = Annotated[
    str, StringConstraints(pattern=r"^[A-Za-z0-9][A-Za-z0-9._:#-]{0,63}$")
]
"""Of a register, sale, return or line: no slash, so that ids can be joined by one."""
Name: TypeAlias = Annotated[
    str, StringConstraints(pattern=r"^[^\s\x00-\x1f\x7f][^\x00-\x1f\x7f]{0,127}$")
]
"""Of a SKU or location: printable, exact."""
Sequence: TypeAlias = Annotated[int, Field(strict=True, ge=1, le=SEQUENCE_MAX)]
When: TypeAlias = Annotated[
    Instant, BeforeValidator(instant), PlainSerializer(iso, return_type=str)
]


def _whole_units(value: object) -> int:
    """Units written as decimal text. A fraction is refused: stock is kept in whole units."""
    plain_number = isinstance(value, int) and not isinstance(value, bool)
    match = DECIMAL.fullmatch(str(value)) if plain_number or isinstance(value, str) else None
    if match is None:
        raise ValueError('write units as decimal text, like "2"; the sign comes from the type')
    if (match[2] or "").strip("0"):
        raise ValueError("a fraction: only whole units can be kept; sell weighed goods by the gram")
    return int(match[1])


_AS_TEXT = PlainSerializer(str, return_type=str)
Units: TypeAlias = Annotated[
    int, BeforeValidator(_whole_units), Field(ge=1, le=UNITS_MAX), _AS_TEXT
]
CountedUnits: TypeAlias = Annotated[
    int, BeforeValidator(_whole_units), Field(ge=0, le=UNITS_MAX), _AS_TEXT
]


class _Whitelist(BaseModel):
    model_config = ConfigDict(extra="ignore", frozen=True, hide_input_in_errors=True)


class SaleLine(_Whitelist):
    """Units of one SKU that were sold."""

    line_id: Identifier
    sku: Name
    quantity: Units


class ReturnLine(SaleLine):
    """Units of one SKU that came back; `restock`: looked at, and on the shelf again."""

    restock: bool = Field(strict=True)


class CountLine(_Whitelist):
    """Units of one SKU that lie in the shop."""

    sku: Name
    quantity: CountedUnits


class Event(_Whitelist):
    """What every event says: which register, and its place in that register's numbering."""

    register_id: Identifier
    sequence: Sequence


class SaleEvent(Event):
    """Goods left the shop."""

    sale_id: Identifier
    location: Name | None = None
    occurred_at: When
    recorded_offline: bool = False
    lines: tuple[SaleLine, ...] = Field(min_length=1, max_length=LINES_MAX)

    @model_validator(mode="after")
    def _line_ids_differ(self) -> SaleEvent:
        _require_distinct("line_id", [line.line_id for line in self.lines])
        return self


class VoidEvent(Event):
    """A sale was taken back as a whole: its goods are on the shelf."""

    sale_id: Identifier
    sale_register_id: Identifier | None = None
    occurred_at: When


class ReturnEvent(Event):
    """Goods came back, with or without knowing from which sale."""

    return_id: Identifier
    sale_id: Identifier | None = None
    sale_register_id: Identifier | None = None
    location: Name | None = None
    occurred_at: When
    lines: tuple[ReturnLine, ...] = Field(min_length=1, max_length=LINES_MAX)

    @model_validator(mode="after")
    def _line_ids_differ(self) -> ReturnEvent:
        _require_distinct("line_id", [line.line_id for line in self.lines])
        return self


class CountEvent(Event):
    """Somebody counted the shelves."""

    location: Name | None = None
    as_of: When
    lines: tuple[CountLine, ...] = Field(min_length=1, max_length=LINES_MAX)

    @model_validator(mode="after")
    def _skus_differ(self) -> CountEvent:
        _require_distinct("sku", [line.sku for line in self.lines])
        return self


class Heartbeat(Event):
    """The register is in contact, and everything before this number has been sent."""


def _require_distinct(what: str, values: list[str]) -> None:
    for value in sorted(set(values)):
        if values.count(value) > 1:
            raise ValueError(f"{what} {value!r} stands on two lines: join them, or rename one")


EVENTS: Final[Mapping[str, type[Event]]] = {
    SALE: SaleEvent,
    VOIDED: VoidEvent,
    RETURNED: ReturnEvent,
    COUNTED: CountEvent,
    HEARTBEAT: Heartbeat,
}


class Envelope(_Whitelist):
    """A webhook's body."""

    type: str
    data: dict[str, Any]


def read_envelope(body: bytes | Mapping[str, Any]) -> Envelope:
    """A webhook's body, or one event of a page; its data is not yet read.

    Raises:
        BadDelivery: it is not of that shape, or no JSON.
    """
    try:
        if isinstance(body, bytes):
            return Envelope.model_validate_json(body)
        return Envelope.model_validate(body)
    except ValidationError as error:
        raise BadDelivery(f"not a till's event: {problems(error)}") from None


def read_event(kind: str, data: Mapping[str, Any]) -> Event:
    """The event of type `kind`, reduced.

    Raises:
        BadDelivery: an unknown type, or data that does not fit it; the message says where, and
            repeats nothing of the data.
    """
    model = EVENTS.get(kind)
    if model is None:
        # What is no type's name may be anything, a person's name included.
        told = f" {kind!r}" if KIND.fullmatch(kind) else ""
        raise BadDelivery(f"unknown type{told}: known are {', '.join(sorted(EVENTS))}")
    try:
        return model.model_validate(dict(data))
    except ValidationError as error:
        raise BadDelivery(f"{kind}: {problems(error)}") from None


def problems(error: ValidationError) -> str:
    """Where and what, for people, without the values that were given."""
    found = error.errors(include_url=False, include_input=False, include_context=False)
    told = [
        f"{'.'.join(str(part) for part in one['loc']) or 'body'}: "
        f"{one['msg'].removeprefix('Value error, ')}"
        for one in found[:PROBLEMS_MAX]
    ]
    more = len(found) - len(told)
    return "; ".join(told) + (f"; and {more} more" if more else "")
