"""A dropped file as events, the same as a till's webhooks would tell.

A file is whole: its last row tells how many sales and units it has, so that one cut off on its way
is never taken for a quiet day.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias, TypeVar
from zoneinfo import ZoneInfo

from channelsync.sdk.types import Instant
from channelsync_pos.drop.errors import RowError, SheetRefused
from channelsync_pos.drop.rows import CountRow, ReturnRow, Row, SaleRow, VoidRow, ZRow, read_rows
from channelsync_pos.times import iso
from channelsync_pos.wire import COUNTED, LINES_MAX, RETURNED, SALE, VOIDED, Event, read_event

__all__ = ["Report", "read_report"]

_Kind = TypeVar("_Kind", bound=Row)
_Numbered: TypeAlias = SaleRow | ReturnRow | VoidRow | CountRow


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """Everything that one file says."""

    events: tuple[Event, ...]
    closed_at: Instant
    """When the register was read off: the file holds everything that it did until then."""


def read_report(content: bytes, *, register_id: str, zone: ZoneInfo | None, now: Instant) -> Report:
    """Read a file of one register.

    Raises:
        SheetRefused: with every mistake that was found; nothing of it may be counted.
    """
    rows = read_rows(content, zone=zone, now=now)
    errors = [
        RowError(
            row=row.row,
            column="register_id",
            message=f"it is {row.register_id}, and the file's name says {register_id}",
        )
        for row in rows
        if row.register_id != register_id
    ]
    total = _total(rows, errors)
    events = [*_sales(rows, errors), *_returns(rows, errors), *_voids(rows, errors)]
    events += _counts(rows, errors)
    _require_own_numbers(rows, errors)
    if errors or total is None:
        raise SheetRefused(errors)
    ordered = sorted(events, key=lambda event: event.sequence)
    return Report(events=tuple(ordered), closed_at=total.occurred_at)


def _total(rows: Sequence[Row], errors: list[RowError]) -> ZRow | None:
    """The last row, held against the others."""
    last = rows[-1] if rows else None
    early = [row for row in rows[:-1] if isinstance(row, ZRow)]
    errors += [
        RowError(row=row.row, column="type", message="ZTOTAL stands only in the last row")
        for row in early
    ]
    if not isinstance(last, ZRow):
        message = "the last row is no ZTOTAL: the file was cut off, or is not finished"
        errors.append(RowError(row=last.row if last else 1, column="type", message=message))
        return None
    sold = [row for row in rows if isinstance(row, SaleRow)]
    for column, told, found, what in (
        ("sequence", last.sequence, len({row.sale_id for row in sold}), "sales"),
        ("quantity", last.quantity, sum(row.quantity for row in sold), "units sold"),
    ):
        if told != found:
            message = f"ZTOTAL tells of {told} {what}, the rows of {found}"
            errors.append(RowError(row=last.row, column=column, message=message))
    return last


# ------------------------------------------------------------------ events


def _sales(rows: Sequence[Row], errors: list[RowError]) -> Iterator[Event]:
    for lines in _groups(rows, SaleRow, lambda row: row.sale_id):
        alike = _same(lines, ("sequence", "occurred_at", "location"), "sale", errors)
        if alike and _lines_fit(lines, [row.line_id for row in lines], errors):
            own = {"sale_id": lines[0].sale_id, "location": lines[0].location}
            told = [row.model_dump(include={"line_id", "sku", "quantity"}) for row in lines]
            yield _event(SALE, lines[0], own | {"lines": told})


def _returns(rows: Sequence[Row], errors: list[RowError]) -> Iterator[Event]:
    shared = ("sequence", "occurred_at", "location", "original_sale_id")
    for lines in _groups(rows, ReturnRow, lambda row: row.sale_id):
        first = lines[0]
        alike = _same(lines, shared, "return", errors)
        if alike and _lines_fit(lines, [row.line_id for row in lines], errors):
            own = {
                "return_id": first.sale_id,
                "sale_id": first.original_sale_id,
                "location": first.location,
            }
            parts = {"line_id", "sku", "quantity", "restock"}
            told = [row.model_dump(include=parts) for row in lines]
            yield _event(RETURNED, first, own | {"lines": told})


def _voids(rows: Sequence[Row], errors: list[RowError]) -> Iterator[Event]:
    for lines in _groups(rows, VoidRow, lambda row: row.sale_id):
        if _same(lines, ("sequence", "occurred_at"), "void", errors):
            yield _event(VOIDED, lines[0], {"sale_id": lines[0].sale_id})


def _counts(rows: Sequence[Row], errors: list[RowError]) -> Iterator[Event]:
    """A stock-take of any size: one number of the register, as many events as it needs."""
    for lines in _groups(rows, CountRow, lambda row: (row.sequence, row.location)):
        first = lines[0]
        alike = _same(lines, ("occurred_at",), "count", errors)
        if not alike or not _each_once(lines, [row.sku for row in lines], "sku", errors):
            continue
        as_of = {"as_of": iso(first.occurred_at), "location": first.location}
        for start in range(0, len(lines), LINES_MAX):
            part = lines[start : start + LINES_MAX]
            told = [row.model_dump(include={"sku", "quantity"}) for row in part]
            yield _event(COUNTED, first, as_of | {"lines": told})


def _event(kind: str, row: _Numbered, own: Mapping[str, Any]) -> Event:
    """An event as any till would tell it; its rows were checked before."""
    told = {
        "register_id": row.register_id,
        "sequence": row.sequence,
        "occurred_at": iso(row.occurred_at),
    }
    return read_event(kind, {**told, **own})


# ------------------------------------------------------------------ rows that belong together


def _groups(
    rows: Sequence[Row], kind: type[_Kind], key: Callable[[_Kind], Hashable]
) -> list[list[_Kind]]:
    found: dict[Hashable, list[_Kind]] = {}
    for row in rows:
        if isinstance(row, kind):
            found.setdefault(key(row), []).append(row)
    return list(found.values())


def _same(lines: Sequence[Row], columns: Sequence[str], what: str, errors: list[RowError]) -> bool:
    """Whether the rows of one event agree in what they share."""
    first = lines[0]
    found = [
        RowError(
            row=row.row,
            column=column,
            message=f"row {first.row} of the same {what} says something else",
        )
        for row in lines[1:]
        for column in columns
        if getattr(row, column) != getattr(first, column)
    ]
    errors += found
    return not found


def _lines_fit(lines: Sequence[Row], line_ids: Sequence[str], errors: list[RowError]) -> bool:
    if len(lines) > LINES_MAX:
        message = f"it is one of {len(lines)} lines: {LINES_MAX} at most may be one event"
        errors.append(RowError(row=lines[0].row, column="", message=message))
        return False
    return _each_once(lines, line_ids, "line_id", errors)


def _each_once(
    lines: Sequence[Row], values: Sequence[str], column: str, errors: list[RowError]
) -> bool:
    first_at: dict[str, int] = {}
    found = []
    for row, value in zip(lines, values, strict=True):
        if value in first_at:
            message = f"the same stands in row {first_at[value]}: join them, or rename one"
            found.append(RowError(row=row.row, column=column, message=message))
        first_at.setdefault(value, row.row)
    errors += found
    return not found


def _require_own_numbers(rows: Sequence[Row], errors: list[RowError]) -> None:
    """A number of the register is of one event."""
    owners: dict[int, tuple[int, Hashable]] = {}
    for row in rows:
        if not isinstance(row, _Numbered):
            continue
        event = (row.type, getattr(row, "sale_id", None))
        first, owner = owners.setdefault(row.sequence, (row.row, event))
        if owner != event:
            message = f"row {first} uses this number for another event"
            errors.append(RowError(row=row.row, column="sequence", message=message))
