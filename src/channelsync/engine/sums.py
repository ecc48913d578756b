"""Sums over all items and listings: what only a look at every row of them tells.

The database adds up; with a hundred thousand items that takes it a moment, so whoever shows sums
again and again keeps the latest (`latest_sums`) and has them counted anew beside what he does.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection

from channelsync.domain.vocabulary import Instant
from channelsync.engine.latest import Latest
from channelsync.engine.policy import Policy
from channelsync.store import tables
from channelsync.store.tables import ListingState

if TYPE_CHECKING:
    from channelsync.engine.core import Engine

__all__ = [
    "Coverage",
    "PoolStatus",
    "Sums",
    "latest_sums",
    "listing_counts",
    "proof_coverage",
    "view_sums",
]

SMALL_ITEMS: Final = 2_000
"""Sums over no more items are counted at every look."""


_CATALOGUE: Final = sa.select(sa.func.count()).select_from(tables.items)


@dataclass(frozen=True, slots=True, kw_only=True)
class PoolStatus:
    """One pool, in item units."""

    pool: str
    items: int
    on_hand: int
    reserved: int
    atp: int
    exposure: int
    """What all listings together may still sell."""
    free: int
    deficits: int
    """Items promised beyond their ATP; their listings are being cut."""
    oversold: int
    """Units promised that are not there."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Coverage:
    """For how many listings every assumption of the guarantee stands."""

    proven: int
    listings: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Sums:
    """All of them, of one instant."""

    at: Instant
    pools: tuple[PoolStatus, ...]
    proof_coverage: Coverage
    catalogue: int
    """Items that we know, stocked or not."""
    listings: Mapping[str, Counter[str]]
    """By channel: listings by state, those `unsettled`, and the `exposure` of all."""

    @property
    def items(self) -> int:
        """Over how many items they are."""
        return sum(pool.items for pool in self.pools)

    @property
    def oversold(self) -> int:
        """Units promised that are not there, over all pools."""
        return sum(pool.oversold for pool in self.pools)


async def view_sums(engine: Engine, tx: AsyncConnection) -> Sums:
    """Everything, from the caller's read transaction."""
    return Sums(
        at=engine.now(),
        pools=await _pools(tx, engine.policy),
        proof_coverage=await proof_coverage(tx),
        catalogue=(await tx.execute(_CATALOGUE)).scalar_one(),
        listings=await listing_counts(tx),
    )


def latest_sums(engine: Engine, *, small_items: int = SMALL_ITEMS) -> Latest[Sums]:
    """They as whoever looks again and again is told. Of a small house always those of now."""
    return Latest(
        engine.database,
        lambda tx: view_sums(engine, tx),
        is_small=lambda sums: sums.items <= small_items,
    )


# ------------------------------------------------------------------ listings


async def listing_counts(tx: AsyncConnection) -> dict[str, Counter[str]]:
    """By channel: listings by state, those unsettled, and the exposure of all."""
    listings = tables.listings
    unsettled = sa.and_(listings.c.exposure.is_(None), listings.c.state == ListingState.ACTIVE)
    query = sa.select(
        listings.c.channel,
        listings.c.state,
        sa.func.count().label("listings"),
        sa.func.sum(sa.case((unsettled, 1), else_=0)).label("unsettled"),
        sa.func.sum(sa.func.coalesce(listings.c.exposure, 0)).label("exposure"),
    ).group_by(listings.c.channel, listings.c.state)
    found: dict[str, Counter[str]] = {}
    for row in await tx.execute(query):
        counts = found.setdefault(row.channel, Counter())
        counts[row.state] += row.listings
        counts["unsettled"] += int(row.unsettled)
        counts["exposure"] += int(row.exposure)
    return found


async def proof_coverage(tx: AsyncConnection) -> Coverage:
    """Active listings, and those of them for which every assumption of the guarantee stands."""
    listings, stored = tables.listings, tables.assumptions
    broken = sa.exists().where(
        stored.c.channel == listings.c.channel,
        sa.or_(stored.c.listing_id == 0, stored.c.listing_id == listings.c.id),
        sa.not_(stored.c.holds),
    )
    proven = sa.and_(listings.c.exposure.is_not(None), sa.not_(broken))
    query = sa.select(
        sa.func.count().label("listings"),
        sa.func.sum(sa.case((proven, 1), else_=0)).label("proven"),
    ).where(listings.c.state == ListingState.ACTIVE)
    row = (await tx.execute(query)).one()
    return Coverage(proven=int(row.proven or 0), listings=int(row.listings))


# ------------------------------------------------------------------ pools


async def _pools(tx: AsyncConnection, policy: Policy) -> tuple[PoolStatus, ...]:
    """As `domain.stock.pool_stock` adds up an item, and then all items of a pool."""
    parts = sa.union_all(_stocked(), _claimed()).subquery()
    by_item = (
        sa.select(
            parts.c.pool,
            sa.func.sum(parts.c.on_hand).label("on_hand"),
            sa.func.sum(parts.c.reserved).label("reserved"),
            sa.func.sum(parts.c.safety_stock).label("safety_stock"),
            sa.func.sum(parts.c.atp).label("atp"),
            sa.func.sum(parts.c.claimed).label("claimed"),
        )
        .group_by(parts.c.pool, parts.c.item_id)
        .subquery()
    )
    own = by_item.c
    kept_back = sa.case(
        (
            own.safety_stock == 0,
            _least(_default_safety_stock(own.pool, policy), _some(own.on_hand)),
        ),
        else_=0,
    )
    atp = own.atp - kept_back
    query = (
        sa.select(
            own.pool,
            sa.func.count().label("items"),
            sa.func.sum(own.on_hand).label("on_hand"),
            sa.func.sum(own.reserved).label("reserved"),
            sa.func.sum(atp).label("atp"),
            sa.func.sum(own.claimed).label("claimed"),
            sa.func.sum(sa.case((atp < own.claimed, 1), else_=0)).label("deficits"),
            sa.func.sum(_some(own.reserved - own.on_hand)).label("oversold"),
        )
        .group_by(own.pool)
        .order_by(own.pool)
    )
    return tuple(_pool(row) for row in await tx.execute(query))


def _pool(row: Any) -> PoolStatus:
    atp, claimed = int(row.atp), int(row.claimed)
    return PoolStatus(
        pool=row.pool,
        items=int(row.items),
        on_hand=int(row.on_hand),
        reserved=int(row.reserved),
        atp=atp,
        exposure=claimed,
        free=atp - claimed,
        deficits=int(row.deficits),
        oversold=int(row.oversold),
    )


def _stocked() -> sa.Select[Any]:
    """Stock of the locations in use; a negative one counts."""
    stock, locations = tables.stock, tables.locations
    kept_back = _least(stock.c.safety_stock, _some(stock.c.on_hand))
    return (
        sa.select(
            locations.c.pool,
            stock.c.item_id,
            stock.c.on_hand,
            stock.c.reserved,
            stock.c.safety_stock,
            (stock.c.on_hand - stock.c.reserved - kept_back).label("atp"),
            sa.literal_column("0", sa.Integer).label("claimed"),
        )
        .join(locations, locations.c.id == stock.c.location_id)
        .where(locations.c.active)
    )


def _claimed() -> sa.Select[Any]:
    """Item units that settled listings may still sell."""
    recipes, listings, channels = tables.recipes, tables.listings, tables.channels
    stocked = ("on_hand", "reserved", "safety_stock", "atp")
    nothing = [sa.literal_column("0", sa.Integer).label(name) for name in stocked]
    return (
        sa.select(
            channels.c.pool,
            recipes.c.item_id,
            *nothing,
            (recipes.c.units * listings.c.exposure).label("claimed"),
        )
        .join(listings, listings.c.id == recipes.c.listing_id)
        .join(channels, channels.c.name == listings.c.channel)
        .where(listings.c.exposure.is_not(None))
    )


def _default_safety_stock(pool: Any, policy: Policy) -> Any:
    given = [(pool == name, units) for name, units in sorted(policy.safety_stock.items())]
    return sa.case(*given, else_=0) if given else sa.literal_column("0")


def _some(number: Any) -> Any:
    """The number, or 0 if it is below."""
    return sa.case((number > 0, number), else_=0)


def _least(one: Any, other: Any) -> Any:
    """The smaller one; databases have different names for it."""
    return sa.case((one < other, one), else_=other)
