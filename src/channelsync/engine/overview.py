"""The overview: everything that the live page shows, in one consistent read.

Item numbers are item units over one pool; exposures, targets and shown numbers are listing units.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection

from channelsync.domain.permissions import EVERYWHERE, Reach
from channelsync.domain.stock import PoolStock, StockLevel, pool_stock
from channelsync.domain.vocabulary import Instant
from channelsync.engine import demand
from channelsync.engine.alarms import IS_SHORT
from channelsync.engine.core import Engine
from channelsync.engine.figures import Lag, view_apply_lags
from channelsync.engine.orders_view import LineView, view_lines
from channelsync.engine.status import Status, view_status
from channelsync.engine.sums import Sums
from channelsync.store import tables
from channelsync.store.tables import ListingState

__all__ = [
    "ItemRow",
    "Overview",
    "PushRow",
    "Share",
    "ShortfallRow",
    "item_rows",
    "view_overview",
]

ITEMS_MAX: Final = 100
"""Items on the page; the search reaches the others."""
RECENT_MAX: Final = 12
SHORTFALLS_MAX: Final = 8
SHORTFALLS_SECONDS: Final = 86_400.0
APPLIED_SECONDS: Final = 3_600.0
APPLIED_MAX: Final = 500
"""Of so many of the latest sets the delay is shown."""


# Asked for every page: made once, for making them costs more than running them.
_ITEMS: Final[sa.BindParameter[int]] = sa.bindparam("_items", expanding=True)
_LEVELS: Final = (
    sa.select(
        tables.stock.c.item_id,
        tables.locations.c.pool,
        tables.stock.c.on_hand,
        tables.stock.c.reserved,
        tables.stock.c.safety_stock,
        tables.stock.c.on_order,
    )
    .join(tables.locations, tables.locations.c.id == tables.stock.c.location_id)
    .where(tables.locations.c.active, tables.stock.c.item_id.in_(_ITEMS))
)
_OFFERS: Final = tables.listings.c
_SHARES: Final = (
    sa.select(
        tables.recipes.c.item_id,
        tables.recipes.c.units,
        tables.channels.c.pool,
        _OFFERS.id,
        _OFFERS.channel,
        _OFFERS.exposure,
        _OFFERS.target,
        _OFFERS.remote,
        _OFFERS.settle_wanted,
        _OFFERS.state,
        demand.LAST_SALE_AT.label("sold_at"),
        sa.exists()
        .where(tables.pushes.c.listing_id == _OFFERS.id, tables.pushes.c.closed_at.is_(None))
        .label("pushing"),
    )
    .join(tables.listings, _OFFERS.id == tables.recipes.c.listing_id)
    .join(tables.channels, tables.channels.c.name == _OFFERS.channel)
    .where(tables.recipes.c.item_id.in_(_ITEMS), _OFFERS.state != ListingState.GONE)
    .order_by(_OFFERS.channel, _OFFERS.id)
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Share:
    """What one listing may still sell of an item, and what it shows."""

    channel: str
    listing_id: int
    exposure: int | None
    """None: never settled, so it counts as all."""
    units: int
    """Item units in one listing unit."""
    target: int
    remote: int | None
    pushing: bool
    settling: bool
    state: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ItemRow:
    """One item in one pool."""

    item_id: int
    sku: str
    name: str
    pool: str
    stock: PoolStock
    shares: tuple[Share, ...]
    last_sale_at: Instant | None

    @property
    def exposure(self) -> int:
        """Item units that all channels together may still sell."""
        return sum(share.units * (share.exposure or 0) for share in self.shares)

    @property
    def free(self) -> int:
        """Units that nobody may sell yet; below 0 is a deficit."""
        return self.stock.atp - self.exposure

    @property
    def oversold(self) -> int:
        """Units promised that are not there."""
        return max(self.stock.reserved - self.stock.on_hand, 0)

    @property
    def adopting(self) -> bool:
        """Whether a listing was never settled: nothing of the item is raised anywhere."""
        return any(
            share.exposure is None and share.state == ListingState.ACTIVE for share in self.shares
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class PushRow:
    """One push, with why and what became of it."""

    push_id: str
    channel: str
    sku: str
    kind: str
    units: int
    state: str
    result: str
    reason: str
    cause: str
    opened_at: Instant
    closed_at: Instant | None
    accepted_at: Instant | None
    """When the channel took it in, if that is another thing than applying it."""
    seen_at: Instant | None
    """When it was seen applied."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ShortfallRow:
    """Accepted demand of one item beyond what the books allowed, within the last day."""

    at: Instant
    """The latest of it."""
    sku: str
    channel: str | None
    units: int
    cause: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Overview:
    """The whole page."""

    status: Status
    items: tuple[ItemRow, ...]
    items_found: int
    """Items that the search matches, shown or not."""
    pushes: tuple[PushRow, ...]
    orders: tuple[LineView, ...]
    shortfalls: tuple[ShortfallRow, ...]
    apply_lags: tuple[Lag, ...]
    """From a set that was taken in until it was seen applied, lately."""

    @property
    def oversold(self) -> int:
        """Units promised that are not there, over all items."""
        return sum(pool.oversold for pool in self.status.pools)


async def view_overview(
    engine: Engine,
    *,
    search: str = "",
    items_max: int = ITEMS_MAX,
    sums: Sums | None = None,
) -> Overview:
    """Everything at this instant; `sums` may be a little older."""
    async with engine.database.read() as tx:
        now = engine.now()
        known = None if sums is None or search else sums.catalogue
        found, count = await _items(tx, search, items_max, known)
        return Overview(
            status=await view_status(engine, tx, sums),
            items=await item_rows(engine, tx, found),
            items_found=count,
            pushes=await _pushes(tx),
            orders=await view_lines(tx, limit=RECENT_MAX),
            shortfalls=await _shortfalls(tx, now - SHORTFALLS_SECONDS),
            apply_lags=await view_apply_lags(tx, now - APPLIED_SECONDS, latest=APPLIED_MAX),
        )


# ------------------------------------------------------------------ items


async def _items(
    tx: AsyncConnection, search: str, limit: int, known: int | None
) -> tuple[Sequence[Any], int]:
    """What is shown, and how many there are; counting takes a while, so that may be `known`."""
    items = tables.items
    matches: sa.ColumnElement[bool] = sa.true()
    if search:
        # The search is text, not a pattern: its % and _ stand for themselves.
        matches = sa.or_(
            items.c.sku.icontains(search, autoescape=True),
            items.c.name.icontains(search, autoescape=True),
        )
    query = sa.select(items.c.id, items.c.sku, items.c.name).where(matches)
    rows = (await tx.execute(query.order_by(items.c.sku).limit(limit))).all()
    if len(rows) < limit:
        return rows, len(rows)
    if known is not None:
        return rows, max(known, len(rows))
    counted = sa.select(sa.func.count()).select_from(items).where(matches)
    count = (await tx.execute(counted)).scalar_one()
    return rows, int(count)


async def item_rows(
    engine: Engine, tx: AsyncConnection, found: Sequence[Any], reach: Reach = EVERYWHERE
) -> tuple[ItemRow, ...]:
    """Items, each once for every pool that has some of it or sells it, within reach."""
    ids = [row.id for row in found]
    levels = await _levels(tx, ids, reach)
    shares, sales = await _shares(tx, ids, reach)
    pools: dict[int, set[str]] = {}
    for item_id, pool in (*levels, *shares):
        pools.setdefault(item_id, set()).add(pool)
    rows = []
    for row in found:
        rows += [
            ItemRow(
                item_id=row.id,
                sku=row.sku,
                name=row.name,
                pool=pool,
                stock=pool_stock(
                    levels.get((row.id, pool), ()),
                    default_safety_stock=engine.policy.safety_stock_in(pool),
                ),
                shares=tuple(shares.get((row.id, pool), ())),
                last_sale_at=sales.get((row.id, pool)),
            )
            for pool in sorted(pools.get(row.id, ()))
        ]
    return tuple(rows)


async def _levels(
    tx: AsyncConnection, item_ids: Sequence[int], reach: Reach
) -> Mapping[tuple[int, str], list[StockLevel]]:
    query = _LEVELS
    if reach.locations is not None:
        query = query.where(tables.locations.c.code.in_(sorted(reach.locations)))
    found: dict[tuple[int, str], list[StockLevel]] = {}
    for row in await tx.execute(query, {"_items": item_ids}):
        level = StockLevel(
            on_hand=row.on_hand,
            reserved=row.reserved,
            safety_stock=row.safety_stock,
            on_order=row.on_order,
        )
        found.setdefault((row.item_id, row.pool), []).append(level)
    return found


async def _shares(
    tx: AsyncConnection, item_ids: Sequence[int], reach: Reach
) -> tuple[dict[tuple[int, str], list[Share]], dict[tuple[int, str], Instant]]:
    query = _SHARES
    if reach.channels is not None:
        query = query.where(tables.listings.c.channel.in_(sorted(reach.channels)))
    shares: dict[tuple[int, str], list[Share]] = {}
    sales: dict[tuple[int, str], Instant] = {}
    for row in await tx.execute(query, {"_items": item_ids}):
        key = (row.item_id, row.pool)
        shares.setdefault(key, []).append(_share(row))
        if row.sold_at is not None:
            sales[key] = max(row.sold_at, sales.get(key, row.sold_at))
    return shares, sales


def _share(row: Any) -> Share:
    return Share(
        channel=row.channel,
        listing_id=row.id,
        exposure=row.exposure,
        units=row.units,
        target=row.target,
        remote=row.remote,
        pushing=row.pushing,
        settling=row.settle_wanted,
        state=row.state,
    )


# ------------------------------------------------------------------ what happened

_PUSHED: Final = tables.pushes.c
_PUSHES: Final = (
    sa.select(
        *(_PUSHED.id, _PUSHED.channel, tables.listings.c.sku, _PUSHED.kind, _PUSHED.units),
        *(_PUSHED.state, _PUSHED.result, _PUSHED.reason, _PUSHED.cause, _PUSHED.opened_at),
        *(_PUSHED.closed_at, _PUSHED.accepted_at, _PUSHED.seen_at),
    )
    .join(tables.listings, tables.listings.c.id == _PUSHED.listing_id)
    .where(sa.or_(_PUSHED.copies > 0, _PUSHED.closed_at.is_(None)))
    .order_by(_PUSHED.opened_at.desc(), _PUSHED.id)
    .limit(RECENT_MAX)
)
_SHORT: Final = tables.shortfalls.c
_SHORTFALLS: Final = (
    sa.select(
        tables.items.c.sku,
        _SHORT.channel,
        _SHORT.cause,
        sa.func.sum(_SHORT.units).label("units"),
        sa.func.max(_SHORT.at).label("at"),
    )
    .join(tables.items, tables.items.c.id == _SHORT.item_id)
    .where(_SHORT.at >= sa.bindparam("_since"), IS_SHORT)
    .group_by(tables.items.c.sku, _SHORT.channel, _SHORT.cause)
    .order_by(sa.func.max(_SHORT.at).desc(), tables.items.c.sku)
    .limit(SHORTFALLS_MAX)
)


async def _pushes(tx: AsyncConnection) -> tuple[PushRow, ...]:
    return tuple(
        PushRow(
            push_id=row.id,
            channel=row.channel,
            sku=row.sku,
            kind=row.kind,
            units=row.units,
            state=row.state,
            result=row.result or "",
            reason=row.reason,
            cause=row.cause,
            opened_at=row.opened_at,
            closed_at=row.closed_at,
            accepted_at=row.accepted_at,
            seen_at=row.seen_at,
        )
        for row in await tx.execute(_PUSHES)
    )


async def _shortfalls(tx: AsyncConnection, since: Instant) -> tuple[ShortfallRow, ...]:
    return tuple(
        ShortfallRow(
            at=row.at, sku=row.sku, channel=row.channel, units=int(row.units), cause=row.cause
        )
        for row in await tx.execute(_SHORTFALLS, {"_since": since})
    )
