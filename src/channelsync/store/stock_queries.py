"""Reads of items, locations and stock levels, now and at an instant in the past."""

from __future__ import annotations

import difflib
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, TypeAlias

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection

from channelsync.domain.stock import StockLevel
from channelsync.domain.vocabulary import Instant
from channelsync.store.ledger import STOCK_QUANTITIES
from channelsync.store.locks import lock_items
from channelsync.store.tables import MovementKind, Quantity, items, locations, movements, stock

__all__ = [
    "Item",
    "Location",
    "Place",
    "StoredLevel",
    "closest",
    "find_items",
    "last_moves",
    "levels_at",
    "load_items",
    "load_levels",
    "load_locations",
    "units_moved_since",
]

Place: TypeAlias = tuple[int, int]
"""Item id and location id."""

_CORRECTIONS: Final = (MovementKind.BASELINE, MovementKind.COUNT, MovementKind.REPAIR)
"""Kinds that put the books right; every other change of `on_hand` is units that came or went."""
_PARAMETERS_MAX: Final = 500
"""Values in one IN list; databases bound the parameters of a statement."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Item:
    """One sellable thing."""

    id: int
    sku: str
    name: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Location:
    """A place that holds stock."""

    id: int
    code: str
    name: str
    pool: str
    active: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredLevel:
    """Stock of one item at one location, and the instant of its last count."""

    level: StockLevel = field(default_factory=StockLevel)
    counted_at: Instant | None = None


async def find_items(tx: AsyncConnection, skus: Iterable[str]) -> dict[str, Item]:
    """Those of the SKUs that exist, spelt exactly so."""
    found: dict[str, Item] = {}
    for part in _parts(sorted(set(skus))):
        query = sa.select(items.c.id, items.c.sku, items.c.name).where(items.c.sku.in_(part))
        for row in await tx.execute(query):
            found[row.sku] = Item(id=row.id, sku=row.sku, name=row.name)
    return found


async def load_items(tx: AsyncConnection) -> list[Item]:
    """Every item, by SKU."""
    query = sa.select(items.c.id, items.c.sku, items.c.name).order_by(items.c.sku)
    return [Item(id=row.id, sku=row.sku, name=row.name) for row in await tx.execute(query)]


async def load_locations(tx: AsyncConnection) -> dict[str, Location]:
    """Every location by its code."""
    rows = await tx.execute(sa.select(locations).order_by(locations.c.priority, locations.c.code))
    return {
        row.code: Location(
            id=row.id, code=row.code, name=row.name, pool=row.pool, active=row.active
        )
        for row in rows
    }


async def load_levels(
    tx: AsyncConnection, item_ids: Iterable[int] | None = None, *, for_update: bool = False
) -> dict[Place, StoredLevel]:
    """Present levels of some items, or of all. A place without a row is not in the answer.

    With `for_update` their items are locked, so that a difference worked out from the levels is
    still right when it is written.
    """
    query = sa.select(stock).order_by(stock.c.item_id, stock.c.location_id)
    if item_ids is None:
        return {_place(row): _level(row) for row in await tx.execute(query)}
    wanted = sorted(set(item_ids))
    if for_update:
        await lock_items(tx, wanted)
    found: dict[Place, StoredLevel] = {}
    for part in _parts(wanted):
        rows = await tx.execute(query.where(stock.c.item_id.in_(part)))
        found |= {_place(row): _level(row) for row in rows}
    return found


async def levels_at(tx: AsyncConnection, item_id: int, at: Instant) -> dict[Place, StoredLevel]:
    """Levels of an item as the books showed them at `at`, from movements.

    `counted_at` is then the instant at which the last count that changed anything was entered.
    """
    counted = sa.func.max(sa.case((movements.c.kind == MovementKind.COUNT, movements.c.at)))
    query = (
        sa.select(
            movements.c.item_id,
            movements.c.location_id,
            movements.c.quantity,
            sa.func.sum(movements.c.delta).label("units"),
            counted.label("counted_at"),
        )
        .where(movements.c.item_id == item_id, movements.c.at <= at)
        .group_by(movements.c.item_id, movements.c.location_id, movements.c.quantity)
    )
    sums: defaultdict[Place, dict[str, int]] = defaultdict(dict)
    counts: dict[Place, Instant | None] = {}
    for row in await tx.execute(query):
        sums[_place(row)][row.quantity] = int(row.units)
        if row.quantity == Quantity.ON_HAND:
            counts[_place(row)] = row.counted_at
    return {
        place: StoredLevel(
            level=StockLevel(**{name.value: units.get(name, 0) for name in STOCK_QUANTITIES}),
            counted_at=counts.get(place),
        )
        for place, units in sums.items()
    }


async def units_moved_since(
    tx: AsyncConnection, item_ids: Iterable[int], since: Instant
) -> dict[Place, int]:
    """Units on hand that came (or went, below 0) after `since`; corrections of books left out.

    What counts is when the units moved, not when that was booked: a shipment of this morning that
    was heard of only now is part of what was counted at noon.
    """
    moved_at = sa.func.coalesce(movements.c.moved_at, movements.c.at)
    moved: dict[Place, int] = {}
    for part in _parts(sorted(set(item_ids))):
        query = (
            sa.select(
                movements.c.item_id,
                movements.c.location_id,
                sa.func.sum(movements.c.delta).label("units"),
            )
            .where(
                movements.c.item_id.in_(part),
                movements.c.quantity == Quantity.ON_HAND,
                movements.c.kind.not_in(_CORRECTIONS),
                moved_at > since,
            )
            .group_by(movements.c.item_id, movements.c.location_id)
        )
        moved |= {_place(row): int(row.units) for row in await tx.execute(query)}
    return moved


async def last_moves(tx: AsyncConnection, item_ids: Iterable[int]) -> dict[Place, Instant]:
    """When units on hand came or went last; corrections of books left out."""
    last = sa.func.max(sa.func.coalesce(movements.c.moved_at, movements.c.at)).label("at")
    found: dict[Place, Instant] = {}
    for part in _parts(sorted(set(item_ids))):
        query = (
            sa.select(movements.c.item_id, movements.c.location_id, last)
            .where(
                movements.c.item_id.in_(part),
                movements.c.quantity == Quantity.ON_HAND,
                movements.c.kind.not_in(_CORRECTIONS),
            )
            .group_by(movements.c.item_id, movements.c.location_id)
        )
        found |= {_place(row): row.at for row in await tx.execute(query)}
    return found


def closest(wanted: str, known: Iterable[str]) -> str | None:
    """The known word most like the wanted one, in whatever case; None when nothing is like it."""
    by_folded = {word.casefold(): word for word in known}
    found = difflib.get_close_matches(wanted.strip().casefold(), by_folded, n=1, cutoff=0.7)
    return by_folded[found[0]] if found else None


def _parts(values: Sequence[Any]) -> Iterator[Sequence[Any]]:
    for start in range(0, len(values), _PARAMETERS_MAX):
        yield values[start : start + _PARAMETERS_MAX]


def _place(row: Any) -> Place:
    return row.item_id, row.location_id


def _level(row: Any) -> StoredLevel:
    numbers = {name.value: getattr(row, name) for name in STOCK_QUANTITIES}
    return StoredLevel(level=StockLevel(**numbers), counted_at=row.counted_at)
