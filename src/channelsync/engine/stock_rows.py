"""Rows of a stock sheet held against the books: what each means, and every mistake."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from sqlalchemy.ext.asyncio import AsyncConnection

from channelsync.domain.vocabulary import Instant
from channelsync.engine.stock_changes import CountPlan, plan_count, spoken_instant
from channelsync.engine.stock_checks import check_sku, check_text
from channelsync.engine.stock_errors import (
    RowError,
    StaleCount,
    StockError,
    StockRefused,
    UnknownItem,
    UnknownLocation,
)
from channelsync.engine.stock_places import require_unfolded
from channelsync.engine.stock_sheet import SheetRow
from channelsync.store.stock_queries import (
    Item,
    Location,
    Place,
    StoredLevel,
    closest,
    find_items,
    last_moves,
    load_items,
    load_levels,
    load_locations,
    units_moved_since,
)

__all__ = ["SheetLine", "SheetOrder", "resolve_rows"]

SUGGESTIONS_MAX = 20
"""Searching for similar SKUs takes time; the first mistakes show what went wrong."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SheetOrder:
    """How a sheet is to be taken."""

    source: str
    counted_at: Instant
    at_is_stated: bool
    """Whether somebody said so; else it is the instant of the import."""
    reason: str
    now: Instant
    create_missing: bool


@dataclass(slots=True, kw_only=True)
class _Books:
    """What the sheet is held against."""

    items: dict[str, Item]
    locations: dict[str, Location]
    levels: Mapping[Place, StoredLevel]
    moved: Mapping[Place, int]
    last_moves: Mapping[Place, Instant]
    all_skus: list[str]
    suggestions_left: int = SUGGESTIONS_MAX


@dataclass(frozen=True, slots=True, kw_only=True)
class SheetLine:
    """A row whose item and location are known; a new item has no id yet."""

    row: SheetRow
    sku: str
    item: Item | None
    location: Location | None
    stored: StoredLevel
    count: CountPlan | None


async def resolve_rows(
    tx: AsyncConnection, rows: list[SheetRow], order: SheetOrder, errors: list[RowError]
) -> list[SheetLine]:
    """Find the items and locations of `rows`; what is wrong with them is added to `errors`."""
    books = await _load(tx, rows, order)
    lines: list[SheetLine] = []
    first_at: dict[tuple[str, str], int] = {}
    named: dict[str, tuple[int, str]] = {}
    for row in rows:
        mistakes: list[RowError] = []
        line = _line(row, books, order, mistakes)
        key = (line.sku, line.location.code if line.location else "")
        if key in first_at:
            message = f"{line.sku} at {key[1] or 'no location'} is in row {first_at[key]} already"
            mistakes.append(RowError(row=row.row, column="", message=message))
        first_at.setdefault(key, row.row)
        if row.name is not None:
            before = named.setdefault(line.sku, (row.row, row.name))
            if before[1] != row.name:
                message = f"row {before[0]} gives {line.sku} another name"
                mistakes.append(RowError(row=row.row, column="name", message=message))
        errors += mistakes
        lines.append(line)
    return lines


async def _load(tx: AsyncConnection, rows: list[SheetRow], order: SheetOrder) -> _Books:
    await require_unfolded(tx, order.counted_at)
    # As it stands, or without the spaces that spreadsheets like to add.
    known = await find_items(tx, {spelt for row in rows for spelt in (row.sku, row.sku.strip())})
    item_ids = [item.id for item in known.values()]
    missing = any(row.sku not in known and row.sku.strip() not in known for row in rows)
    return _Books(
        items=known,
        locations=await load_locations(tx),
        levels=await load_levels(tx, item_ids, for_update=True),
        moved=await units_moved_since(tx, item_ids, order.counted_at),
        last_moves={} if order.at_is_stated else await last_moves(tx, item_ids),
        all_skus=[item.sku for item in await load_items(tx)] if missing else [],
    )


def _line(row: SheetRow, books: _Books, order: SheetOrder, mistakes: list[RowError]) -> SheetLine:
    sku = row.sku if row.sku in books.items else row.sku.strip()
    item = books.items.get(sku)
    if item is None:
        _check_new(row, sku, books, order, mistakes)
    if row.name is not None:
        _check_name(row, row.name, mistakes)
    location = _location(row, books, mistakes)
    stored, plan = StoredLevel(), None
    if item is not None and location is not None:
        stored = books.levels.get((item.id, location.id), stored)
    if row.safety_stock is not None and row.safety_stock < 0:
        message = f"{row.safety_stock} is below 0"
        mistakes.append(RowError(row=row.row, column="safety_stock", message=message))
    if row.on_hand is not None:
        place = _Place(
            key=None if item is None or location is None else (item.id, location.id),
            text=f"{sku} at {location.code}" if location else sku,
            stored=stored,
        )
        plan = _count(row, row.on_hand, place, books, order, mistakes)
    return SheetLine(row=row, sku=sku, item=item, location=location, stored=stored, count=plan)


def _check_new(
    row: SheetRow, sku: str, books: _Books, order: SheetOrder, mistakes: list[RowError]
) -> None:
    refusal: StockError | None = None
    if order.create_missing:
        try:
            check_sku(sku)
        except StockRefused as error:
            refusal = error
    else:
        near = closest(sku, books.all_skus) if books.suggestions_left > 0 else None
        books.suggestions_left -= 1
        refusal = UnknownItem(sku, near)
    if refusal is not None:
        mistakes.append(RowError(row=row.row, column="sku", message=str(refusal)))


def _check_name(row: SheetRow, name: str, mistakes: list[RowError]) -> None:
    try:
        check_text("name", name)
    except StockRefused as error:
        mistakes.append(RowError(row=row.row, column="name", message=str(error)))


def _location(row: SheetRow, books: _Books, mistakes: list[RowError]) -> Location | None:
    """The location that a row means; a shop with one location need not name it."""
    if row.location is None:
        if len(books.locations) == 1:
            return next(iter(books.locations.values()))
        if row.on_hand is not None or row.safety_stock is not None:
            message = f"say which: {', '.join(sorted(books.locations)) or 'there is none yet'}"
            mistakes.append(RowError(row=row.row, column="location", message=message))
        return None
    code = row.location if row.location in books.locations else row.location.strip()
    if code not in books.locations:
        refusal = UnknownLocation(code, closest(code, books.locations))
        mistakes.append(RowError(row=row.row, column="location", message=str(refusal)))
    return books.locations.get(code)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Place:
    """What a row counts."""

    key: Place | None
    """None: it is new, or unknown."""
    text: str
    stored: StoredLevel


def _count(
    row: SheetRow,
    on_hand: int,
    place: _Place,
    books: _Books,
    order: SheetOrder,
    mistakes: list[RowError],
) -> CountPlan | None:
    """The count of a row.

    One that agrees with the books is right even where it could not be taken: below 0 (a till sold
    what it saw), or before a later count.
    """
    moved = books.moved.get(place.key, 0) if place.key else 0
    plan = plan_count(place.stored, on_hand, counted_at=order.counted_at, moved_since=moved)
    message = None
    if plan.stale:
        if on_hand == plan.before:
            return None
        last = spoken_instant(plan.last_counted_at or order.counted_at)
        message = str(StaleCount(place.text, spoken_instant(order.counted_at), last))
    elif plan.after != plan.before:
        message = _doubt(on_hand, place, books)
    if message is not None:
        mistakes.append(RowError(row=row.row, column="on_hand", message=message))
    return plan


def _doubt(on_hand: int, place: _Place, books: _Books) -> str | None:
    """Why a count that would change the books cannot be taken; None: it can.

    A sheet that was exported, worked on and brought back holds numbers of an hour ago. Taken for
    counts of this moment they would undo what was sold meanwhile.
    """
    if on_hand < 0:
        return f"{on_hand} is below 0: nobody can count that"
    last = books.last_moves.get(place.key) if place.key else None
    counted_at = place.stored.counted_at
    if last is None or (counted_at is not None and last <= counted_at):
        return None
    return (
        f"units of {place.text} came or went at {spoken_instant(last)}, after its last count: say"
        " with --at when this one was taken (--at now, if this moment)"
    )
