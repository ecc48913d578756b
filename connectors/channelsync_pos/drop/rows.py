"""A dropped file as rows: UTF-8, RFC 4180, one header, every cell checked on its own.

Cells that begin like a formula are data here: this program runs none. Columns of money are known
and dropped.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from typing import Annotated, Any, Final, Literal
from zoneinfo import ZoneInfo

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, TypeAdapter, ValidationError

from channelsync.sdk.types import Instant
from channelsync_pos.drop.errors import RowError, SheetRefused
from channelsync_pos.times import instant, iso
from channelsync_pos.wire import SEQUENCE_MAX, CountedUnits, Identifier, Name, Units

__all__ = ["COLUMNS", "ROWS_MAX", "CountRow", "ReturnRow", "Row", "SaleRow", "VoidRow", "ZRow"]
__all__ += ["read_rows"]

COLUMNS: Final = (
    "register_id",
    "sequence",
    "sale_id",
    "line_id",
    "type",
    "occurred_at",
    "location",
    "sku",
    "quantity",
    "unit_price",
    "currency",
    "original_sale_id",
    "restock",
)
OPTIONAL: Final = frozenset({"location", "unit_price", "currency", "original_sale_id", "restock"})
ROWS_MAX: Final = 50_000
FUTURE_SECONDS: Final = 300.0
MISTAKES_MAX: Final = 200
"""Mistakes that are named one by one; a file that is wrong altogether needs no longer list."""
_YES: Final = frozenset({"true", "yes", "1"})
_NO: Final = frozenset({"false", "no", "0", ""})


def _number(value: object) -> int:
    text = str(value)
    if not (text.isascii() and text.isdigit()) or len(text) > len(str(SEQUENCE_MAX)):
        raise ValueError("write a whole number in digits")
    return int(text)


def _said(value: object) -> bool:
    text = str(value).casefold()
    if text not in _YES | _NO:
        raise ValueError("write true or false")
    return text in _YES


def _optional(value: object) -> object:
    return None if value == "" else value


_Sequence = Annotated[int, BeforeValidator(_number), Field(ge=1, le=SEQUENCE_MAX)]
_Total = Annotated[int, BeforeValidator(_number), Field(ge=0, le=SEQUENCE_MAX)]
_Place = Annotated[Name | None, BeforeValidator(_optional)]


class Row(BaseModel):
    """What every row says."""

    model_config = ConfigDict(extra="ignore", frozen=True, hide_input_in_errors=True)

    row: int
    register_id: Identifier
    occurred_at: Instant


class SaleRow(Row):
    """Units of one SKU that were sold."""

    type: Literal["SALE"]
    sequence: _Sequence
    sale_id: Identifier
    line_id: Identifier
    location: _Place = None
    sku: Name
    quantity: Units


class ReturnRow(Row):
    """Units of one SKU that came back; `sale_id` is the return's own."""

    type: Literal["RETURN"]
    sequence: _Sequence
    sale_id: Identifier
    line_id: Identifier
    location: _Place = None
    sku: Name
    quantity: Units
    original_sale_id: Annotated[Identifier | None, BeforeValidator(_optional)] = None
    restock: Annotated[bool, BeforeValidator(_said)] = False


class VoidRow(Row):
    """A sale that was taken back as a whole."""

    type: Literal["VOID"]
    sequence: _Sequence
    sale_id: Identifier


class CountRow(Row):
    """Units of one SKU that lie at a location."""

    type: Literal["COUNT"]
    sequence: _Sequence
    location: _Place = None
    sku: Name
    quantity: CountedUnits


class ZRow(Row):
    """The last row: how many sales the file has, and how many units they sold."""

    type: Literal["ZTOTAL"]
    sequence: _Total
    quantity: _Total


_ANY: TypeAdapter[SaleRow | ReturnRow | VoidRow | CountRow | ZRow] = TypeAdapter(
    Annotated[SaleRow | ReturnRow | VoidRow | CountRow | ZRow, Field(discriminator="type")]
)
_TYPES: Final = "SALE, RETURN, VOID, COUNT or ZTOTAL"


def read_rows(content: bytes, *, zone: ZoneInfo | None, now: Instant) -> Sequence[Row]:
    """Every row of a file, in its order.

    Raises:
        SheetRefused: with every mistake of its header, or of its rows.
    """
    records = list(_records(content))
    if not records:
        raise SheetRefused([RowError(row=1, column="", message="there is no header")])
    columns = _header(records[0])
    if len(records) - 1 > ROWS_MAX:
        message = f"it has {len(records) - 1} rows: split it, {ROWS_MAX} at most may be one report"
        raise SheetRefused([RowError(row=0, column="", message=message)])
    rows: list[Row] = []
    errors: list[RowError] = []
    for number, cells in enumerate(records[1:], start=2):
        if len(errors) > MISTAKES_MAX:
            break
        if not any(cell.strip() for cell in cells):
            continue
        found = _row(number, cells, columns, zone, now)
        if isinstance(found, Row):
            rows.append(found)
        else:
            errors += found
    if errors:
        raise SheetRefused(errors[:MISTAKES_MAX])
    return rows


def _records(content: bytes) -> Iterator[list[str]]:
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        row = content[: error.start].count(b"\n") + 1
        raise SheetRefused([RowError(row=row, column="", message="it is not UTF-8")]) from error
    reader = csv.reader(io.StringIO(text, newline=""), strict=True)
    read = 0
    try:
        for cells in reader:
            read += 1
            yield cells
    except csv.Error as error:
        message = f"it cannot be read ({error}): check its quotes"
        raise SheetRefused([RowError(row=read + 1, column="", message=message)]) from error


def _header(cells: Sequence[str]) -> list[str]:
    columns = [cell.strip() for cell in cells]
    errors = [
        RowError(row=1, column=column, message=f"unknown column; known are {', '.join(COLUMNS)}")
        for column in dict.fromkeys(columns)
        if column not in COLUMNS
    ]
    errors += [
        RowError(row=1, column=column, message="the column is there twice")
        for column in COLUMNS
        if columns.count(column) > 1
    ]
    errors += [
        RowError(row=1, column=column, message="the column is missing")
        for column in COLUMNS
        if column not in columns and column not in OPTIONAL
    ]
    if errors:
        raise SheetRefused(errors)
    return columns


def _row(
    number: int,
    cells: Sequence[str],
    columns: Sequence[str],
    zone: ZoneInfo | None,
    now: Instant,
) -> Row | list[RowError]:
    if len(cells) != len(columns):
        message = f"it has {len(cells)} cells, the header {len(columns)}"
        return [RowError(row=number, column="", message=message)]
    told: dict[str, Any] = dict(zip(columns, (cell.strip() for cell in cells), strict=True))
    errors: list[RowError] = []
    try:
        told["occurred_at"] = _instant(told["occurred_at"], zone, now)
    except ValueError as error:
        errors.append(RowError(row=number, column="occurred_at", message=str(error)))
        told["occurred_at"] = now
    try:
        found = _ANY.validate_python(told | {"row": number})
    except ValidationError as error:
        return errors + [_mistake(number, one) for one in error.errors(include_url=False)]
    return errors or found


def _mistake(row: int, one: Mapping[str, Any]) -> RowError:
    """A mistake without the value that was given: a cell may hold anything."""
    if one["type"] in {"union_tag_invalid", "union_tag_not_found"}:
        return RowError(row=row, column="type", message=f"write {_TYPES}")
    column = str(one["loc"][-1])
    message = str(one["msg"]).removeprefix("Value error, ")
    if one["type"] == "string_pattern_mismatch":
        message = "it is empty, too long, or has characters that may not be"
    return RowError(row=row, column=column, message=message)


def _instant(text: str, zone: ZoneInfo | None, now: Instant) -> Instant:
    """The instant of a cell; a time without an offset is one of the shop's own zone.

    An hour that the clocks repeat is taken for the later one, and one that they skip as if they had
    not: sales are then heard of late rather than counted into a stock-take that did not see them.
    """
    at = _local(text, zone) if zone is not None else instant(text)
    if at > now + FUTURE_SECONDS:
        raise ValueError(f"it lies in the future, at {iso(at)}: set the register's clock")
    return at


def _local(text: str, zone: ZoneInfo) -> Instant:
    try:
        parsed = datetime.fromisoformat(text)
    except ValueError:
        return instant(text)
    if parsed.tzinfo is not None:
        return instant(text)
    later = max(
        (parsed.replace(tzinfo=zone, fold=fold) for fold in (0, 1)),
        key=lambda moment: moment.timestamp(),
    )
    return instant(later.isoformat())
