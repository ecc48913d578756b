"""An item's stock as people read it: pools, their locations, ATP now and to come."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from channelsync.domain.stock import PoolStock, StockLevel, pool_stock
from channelsync.domain.vocabulary import Instant
from channelsync.store.stock_queries import Item, Location, Place, StoredLevel

__all__ = ["ItemStock", "LocationStock", "PoolView", "view_stock"]


@dataclass(frozen=True, slots=True, kw_only=True)
class LocationStock:
    """An item at one location."""

    code: str
    name: str
    level: StockLevel
    counted_at: Instant | None


@dataclass(frozen=True, slots=True, kw_only=True)
class PoolView:
    """An item over the locations of one pool."""

    pool: str
    stock: PoolStock
    locations: tuple[LocationStock, ...]
    uninspected: int | None = None
    """Units that came back and that nobody has looked at; None: not known of that time."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ItemStock:
    """An item's stock in every pool, pools without any of it included."""

    sku: str
    name: str
    pools: tuple[PoolView, ...]


def view_stock(
    item: Item,
    places: Iterable[Location],
    levels: Mapping[Place, StoredLevel],
    *,
    default_safety_stock: int = 0,
    uninspected: Mapping[tuple[int, str], int] | None = None,
) -> ItemStock:
    """Arrange an item's levels. A location out of use shows only what it still has.

    `uninspected` are units by item id and pool.
    """
    by_pool: dict[str, list[LocationStock]] = {}
    for place in places:
        stored = levels.get((item.id, place.id))
        if stored is None and not place.active:
            continue
        stored = stored or StoredLevel()
        by_pool.setdefault(place.pool, []).append(
            LocationStock(
                code=place.code,
                name=place.name,
                level=stored.level,
                counted_at=stored.counted_at,
            )
        )
    return ItemStock(
        sku=item.sku,
        name=item.name,
        pools=tuple(
            PoolView(
                pool=pool,
                stock=pool_stock(
                    (place.level for place in own), default_safety_stock=default_safety_stock
                ),
                locations=tuple(own),
                uninspected=None if uninspected is None else uninspected.get((item.id, pool), 0),
            )
            for pool, own in sorted(by_pool.items())
        ),
    )
