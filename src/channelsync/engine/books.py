"""Stock and claims of items, read in one transaction: what may be taken, and from where."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection

from channelsync.domain.books import Claim, ItemBooks
from channelsync.domain.escrow import SettleReason
from channelsync.domain.routing import Candidate, route
from channelsync.domain.stock import PoolStock, StockLevel, pool_stock
from channelsync.domain.vocabulary import Instant
from channelsync.engine.grants import Listing
from channelsync.store import tables
from channelsync.store.many import among
from channelsync.store.tables import ListingState

__all__ = ["Place", "StockBooks", "adopting", "books_of", "load_stock"]


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

    def pool_stock(self, item_id: int, default_safety_stock: int) -> PoolStock:
        """The item over the whole pool."""
        found = (self.levels.get((item_id, place)) for place in self.places)
        own = [level for level in found if level is not None]
        return pool_stock(own, default_safety_stock=default_safety_stock)

    def route(self, item_id: int, units: int, *, preferred: str | None = None) -> dict[int, int]:
        """Where `units` of an order come from: units by location id."""
        return route(units, [self._candidate(item_id, place, preferred) for place in self._open()])

    def reserve(self, item_id: int, location_id: int, units: int) -> None:
        """Remember that a route was taken, so that the next one sees it."""
        level = self.levels.get((item_id, location_id), StockLevel())
        reserved = max(level.reserved + units, 0)
        self.levels[item_id, location_id] = replace(level, reserved=reserved)

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
    where = sa.and_(tables.locations.c.pool == pool, tables.locations.c.active)
    places = (await tx.execute(sa.select(tables.locations).where(where))).all()
    query = (
        sa.select(tables.stock)
        .join(tables.locations, tables.locations.c.id == tables.stock.c.location_id)
        .where(where, among(tx, tables.stock.c.item_id, wanted))
    )
    rows = (await tx.execute(query)).all()
    return StockBooks(
        pool=pool,
        places={row.id: Place(id=row.id, code=row.code, priority=row.priority) for row in places},
        levels={(row.item_id, row.location_id): _level(row) for row in rows},
        counted_at={
            (row.item_id, row.location_id): row.counted_at
            for row in rows
            if row.counted_at is not None
        },
    )


def _level(row: Any) -> StockLevel:
    return StockLevel(
        on_hand=row.on_hand,
        reserved=row.reserved,
        safety_stock=row.safety_stock,
        on_order=row.on_order,
        in_transit=row.in_transit,
    )


def adopting(listing: Listing) -> bool:
    """Whether what it may sell is unknown: never settled, or back after an absence."""
    return not listing.grant.settled or SettleReason.ADOPTING in listing.grant.settle_reasons


def books_of(item_id: int, pool: str, atp: int, listings: Iterable[Listing]) -> ItemBooks:
    """ATP of an item against the claims of the pool's listings that contain it.

    A listing that was refused before it was ever settled is outside the books (and outside the
    guarantee): counting it as "all" would stop every other channel for good.
    """
    claims = tuple(
        Claim(
            listing_id=str(listing.id),
            units=listing.recipe[item_id],
            exposure=None if adopting(listing) else listing.grant.exposure,
        )
        for listing in listings
        if item_id in listing.recipe
        and listing.pool == pool
        and (listing.grant.settled or listing.state is ListingState.ACTIVE)
    )
    return ItemBooks(atp=atp, claims=claims)
