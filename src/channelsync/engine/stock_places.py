"""Find an item, or an item at a location, by what people call them; and how far back to ask."""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy.ext.asyncio import AsyncConnection

from channelsync.domain.vocabulary import Instant
from channelsync.engine.stock_changes import spoken_instant
from channelsync.engine.stock_errors import StockRefused, UnknownItem, UnknownLocation
from channelsync.store.folding import folded_before
from channelsync.store.stock_queries import (
    Item,
    Location,
    StoredLevel,
    closest,
    find_items,
    load_items,
    load_levels,
    load_locations,
)

__all__ = ["Place", "find_item", "find_place", "require_unfolded"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """One item at one location, with its present level."""

    item: Item
    location: Location
    stored: StoredLevel

    @property
    def text(self) -> str:
        """For messages."""
        return f"{self.item.sku} at {self.location.code}"


async def find_item(tx: AsyncConnection, sku: str) -> Item:
    """The item of a SKU.

    Raises:
        UnknownItem: nothing has it; the closest one is suggested.
    """
    found = await find_items(tx, [sku])
    if sku not in found:
        raise UnknownItem(sku, closest(sku, [item.sku for item in await load_items(tx)]))
    return found[sku]


async def find_place(tx: AsyncConnection, sku: str, code: str) -> Place:
    """An item at a location; its stock rows are locked in a write transaction.

    Raises:
        UnknownItem, UnknownLocation: there is no such place.
    """
    item = await find_item(tx, sku)
    places = await load_locations(tx)
    if code not in places:
        raise UnknownLocation(code, closest(code, places))
    location = places[code]
    levels = await load_levels(tx, [item.id], for_update=True)
    stored = levels.get((item.id, location.id), StoredLevel())
    return Place(item=item, location=location, stored=stored)


async def require_unfolded(tx: AsyncConnection, at: Instant) -> None:
    """Every movement since `at` is in the ledger.

    Raises:
        StockRefused: some of them lie in an archive.
    """
    folded = await folded_before(tx)
    if folded is not None and at < folded:
        raise StockRefused(
            f"{spoken_instant(at)} is too long ago: movements before {spoken_instant(folded)} were"
            " moved into an archive (`channelsync db fold`)"
        )
