"""Stock and claims of items, read in one transaction: what may be taken, and from where."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Final

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection

from channelsync.domain.books import Claim, ItemBooks
from channelsync.domain.escrow import SettleReason
from channelsync.domain.routing import Candidate, route
from channelsync.domain.stock import PoolStock, StockLevel, pool_stock
from channelsync.domain.vocabulary import Instant
from channelsync.engine.grants import Listing
from channelsync.store import tables
from channelsync.store.prepared import Prepared
from channelsync.store.tables import ListingState

__all__ = ["Place", "StockBooks", "adopting", "books_of", "load_stock"]

# Rows are taken apart by position, and `_level` takes the last five.
_OF_STOCK: Final = (
    *("item_id", "location_id", "counted_at"),
    *("on_hand", "reserved", "safety_stock", "on_order", "in_transit"),
)


_OF_POOL: Final = sa.and_(
    tables.locations.c.pool == sa.bindparam("pool"), tables.locations.c.active
)
_PLACES: Final = Prepared(
    lambda _listed: sa.select(
        tables.locations.c.id, tables.locations.c.code, tables.locations.c.priority
    ).where(_OF_POOL)
)
_LEVELS: Final = Prepared(
    lambda listed: (
        sa.select(*(tables.stock.c[name] for name in _OF_STOCK))
        .join(tables.locations, tables.locations.c.id == tables.stock.c.location_id)
        .where(_OF_POOL, listed(tables.stock.c.item_id, "item_ids"))
    )
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """One location of a pool."""

    id: int
    code: str
    priority: int


@dataclass(slots=True, kw_only=True)
class StockBooks:
    """Levels of some items over the locations of one pool, kept current as orders are routed."""

    pool: str
    places: Mapping[int, Place]
    levels: dict[tuple[int, int], StockLevel] = field(default_factory=dict)
    counted_at: Mapping[tuple[int, int], Instant] = field(default_factory=dict)
    """When a person last counted an item at a location."""
    kept: Collection[tuple[int, int]] = ()
    """Items and locations that the store has numbers of."""

    def pool_stock(self, item_id: int, default_safety_stock: int) -> PoolStock:
        """The item over the whole pool."""
        levels = self.levels
        own = [levels[item_id, place] for place in self.places if (item_id, place) in levels]
        return pool_stock(own, default_safety_stock=default_safety_stock)

    def route(self, item_id: int, units: int, *, preferred: str | None = None) -> dict[int, int]:
        """Where `units` of an order come from: units by location id."""
        if len(self.places) == 1 and units:
            return dict.fromkeys(self.places, units)  # there is nothing to choose
        return route(units, [self._candidate(item_id, place, preferred) for place in self._open()])

    def reserve(self, item_id: int, location_id: int, units: int) -> None:
        """Remember that a route was taken, so that the next one sees it."""
        level = self.levels.get((item_id, location_id), StockLevel())
        self.levels[item_id, location_id] = StockLevel(
            on_hand=level.on_hand,
            reserved=max(level.reserved + units, 0),
            safety_stock=level.safety_stock,
            on_order=level.on_order,
            in_transit=level.in_transit,
        )

    def _open(self) -> list[Place]:
        return [self.places[key] for key in sorted(self.places)]

    def _candidate(self, item_id: int, place: Place, preferred: str | None) -> Candidate:
        level = self.levels.get((item_id, place.id), StockLevel())
        return Candidate(
            location_id=place.id,
            available=level.on_hand - level.reserved,
            priority=place.priority,
            preferred=place.code == preferred,
        )


async def load_stock(tx: AsyncConnection, pool: str, item_ids: Iterable[int]) -> StockBooks:
    """The levels of items in a pool."""
    wanted = sorted(set(item_ids))
    places = await _PLACES.rows(tx, pool=pool)
    levels: dict[tuple[int, int], StockLevel] = {}
    counts: dict[tuple[int, int], Instant] = {}
    rows = await _LEVELS.rows(tx, pool=pool, item_ids=wanted)
    for item_id, location_id, counted_at, *units in rows:
        levels[item_id, location_id] = _level(*units)
        if counted_at is not None:
            counts[item_id, location_id] = counted_at
    return StockBooks(
        pool=pool,
        places={row.id: Place(id=row.id, code=row.code, priority=row.priority) for row in places},
        levels=levels,
        counted_at=counts,
        kept=frozenset(levels),
    )


def _level(
    on_hand: int, reserved: int, safety_stock: int, on_order: int, in_transit: int
) -> StockLevel:
    return StockLevel(
        on_hand=on_hand,
        reserved=reserved,
        safety_stock=safety_stock,
        on_order=on_order,
        in_transit=in_transit,
    )


def adopting(listing: Listing) -> bool:
    """Whether what it may sell is unknown: never settled, or back after an absence."""
    grant = listing.grant
    return grant.exposure is None or SettleReason.ADOPTING in grant.settle_reasons


def books_of(item_id: int, pool: str, atp: int, listings: Iterable[Listing]) -> ItemBooks:
    """ATP of an item against the claims of the pool's listings that contain it.

    A listing that was refused before it was ever settled is outside the books (and outside the
    guarantee): counting it as "all" would stop every other channel for good.
    """
    claims = []
    for listing in listings:
        units = listing.recipe.get(item_id)
        if units is None or listing.pool != pool:
            continue
        exposure = listing.grant.exposure
        if exposure is None and listing.state is not ListingState.ACTIVE:
            continue
        if adopting(listing):
            exposure = None
        claims.append(Claim(listing_id=str(listing.id), units=units, exposure=exposure))
    return ItemBooks(atp=atp, claims=tuple(claims))
