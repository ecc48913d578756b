"""Status: how the house stands, in one consistent read. Written for people who look once a day."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection

from channelsync.domain.stock import StockLevel, pool_stock
from channelsync.domain.vocabulary import Instant
from channelsync.engine.core import Engine
from channelsync.engine.first_load import Load, view_loads
from channelsync.store import tables
from channelsync.store.tables import ListingState

__all__ = [
    "Alarm",
    "ChannelStatus",
    "Coverage",
    "PoolStatus",
    "Status",
    "channel_names",
    "channel_statuses",
    "proof_coverage",
    "view_status",
]

DAY_SECONDS: Final = 86_400.0
OVERDUE_SECONDS: Final = 30.0
"""Work that has been due for longer shows that nobody works."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ChannelStatus:
    """One channel. Quantities are listing units."""

    channel: str
    connector: str
    pool: str
    mode: str
    """live, shadow (computes and sends nothing) or paused, as configured."""
    state: str
    """adopting, active or removed."""
    paused: str | None
    """Why an operator, or the channel itself, stopped its pushes."""
    heard_at: Instant | None
    """The newest sign of life of its order feed."""
    quiet: bool
    """Whether the feed has been silent for longer than its limit."""
    watermark_at: Instant | None
    """Every order line up to then is counted."""
    failing_since: Instant | None
    last_error: str | None
    listings: int
    refused: int
    """Offers found and not synced; `explain` says why."""
    unsettled: int
    """Listings that were never settled: each holds its items up on every channel."""
    exposure: int
    open_pushes: int
    parked_lines: int
    """Order lines of offers that are not mapped to an item."""
    broken: tuple[str, ...]
    """Assumptions that do not hold for the whole channel, and why."""
    load: Load | None
    """How far the first load of its listings is; None: it is over, or never began."""


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


@dataclass(frozen=True, slots=True, kw_only=True)
class Coverage:
    """For how many listings every assumption of the guarantee stands."""

    proven: int
    listings: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Alarm:
    """Something that wants a person."""

    kind: str
    subject: str
    message: str
    channel: str | None
    raised_at: Instant


@dataclass(frozen=True, slots=True, kw_only=True)
class Status:
    """The whole house."""

    at: Instant
    channels: tuple[ChannelStatus, ...]
    pools: tuple[PoolStatus, ...]
    proof_coverage: Coverage
    open_pushes: int
    dead_letters: int
    holds: int
    shortfall_units: int
    """Demand accepted beyond stock within the last day, whatever the cause."""
    overdue_seconds: float | None
    """For how long work has been waiting that nobody does; None while all is done in time."""
    alarms: tuple[Alarm, ...]


async def view_status(engine: Engine, tx: AsyncConnection) -> Status:
    """Everything, from the caller's read transaction."""
    now = engine.now()
    channels = await channel_statuses(engine, tx, now)
    return Status(
        at=now,
        channels=channels,
        pools=await _pools(engine, tx),
        proof_coverage=await proof_coverage(tx),
        open_pushes=sum(channel.open_pushes for channel in channels),
        dead_letters=await _count(tx, tables.dead_letters.c.state == "dead"),
        holds=await _count(tx, tables.holds.c.state == "active"),
        shortfall_units=await _shortfalls(tx, now),
        overdue_seconds=await _overdue(tx, now),
        alarms=await _alarms(tx),
    )


async def _count(tx: AsyncConnection, condition: sa.ColumnElement[bool]) -> int:
    return int((await tx.execute(sa.select(sa.func.count()).where(condition))).scalar_one())


async def _shortfalls(tx: AsyncConnection, now: Instant) -> int:
    shortfalls = tables.shortfalls
    query = sa.select(sa.func.sum(shortfalls.c.units)).where(shortfalls.c.at > now - DAY_SECONDS)
    return int((await tx.execute(query)).scalar() or 0)


async def _overdue(tx: AsyncConnection, now: Instant) -> float | None:
    work = tables.work
    query = sa.select(sa.func.min(work.c.not_before)).where(
        work.c.done_version < work.c.want_version,
        work.c.attempts == 0,
        sa.or_(work.c.lease_until.is_(None), work.c.lease_until <= now),
    )
    oldest: Instant | None = (await tx.execute(query)).scalar()
    if oldest is None or now - oldest < OVERDUE_SECONDS:
        return None
    return now - oldest


async def _alarms(tx: AsyncConnection) -> tuple[Alarm, ...]:
    alarms = tables.alarms
    query = sa.select(alarms).where(alarms.c.cleared_at.is_(None)).order_by(alarms.c.raised_at)
    return tuple(
        Alarm(
            kind=row.kind,
            subject=row.subject,
            message=row.message,
            channel=row.channel,
            raised_at=row.raised_at,
        )
        for row in await tx.execute(query)
    )


# ------------------------------------------------------------------ channels


async def channel_names(tx: AsyncConnection) -> tuple[str, ...]:
    """Every channel of the store, by name."""
    names = tables.channels.c.name
    return tuple((await tx.execute(sa.select(names).order_by(names))).scalars())


async def channel_statuses(
    engine: Engine, tx: AsyncConnection, now: Instant
) -> tuple[ChannelStatus, ...]:
    """Every channel of the store, removed ones included, by name."""
    channels = tables.channels
    rows = (await tx.execute(sa.select(channels).order_by(channels.c.name))).all()
    listings = await _listing_counts(tx)
    pushes = await _by_channel(tx, tables.pushes, tables.pushes.c.closed_at.is_(None))
    parked = await _by_channel(tx, tables.order_lines, tables.order_lines.c.parked.is_not(None))
    broken = await _broken(tx)
    loads = await view_loads(tx, now=now)
    return tuple(
        _channel(
            engine,
            row,
            now,
            listings=listings.get(row.name, Counter()),
            open_pushes=pushes.get(row.name, 0),
            parked_lines=parked.get(row.name, 0),
            broken=broken.get(row.name, ()),
            load=loads.get(row.name),
        )
        for row in rows
    )


def _channel(
    engine: Engine,
    row: Any,
    now: Instant,
    *,
    listings: Mapping[str, int],
    open_pushes: int,
    parked_lines: int,
    broken: tuple[str, ...],
    load: Load | None,
) -> ChannelStatus:
    signs = [at for at in (row.last_poll_at, row.last_delivery_at) if at is not None]
    heard_at = max(signs, default=None)
    running = engine.channels.get(row.name)
    limit = running.quiet_limit_seconds if running is not None else None
    return ChannelStatus(
        channel=row.name,
        connector=row.connector,
        pool=row.pool,
        mode=row.mode,
        state=row.state,
        paused=row.paused_reason,
        heard_at=heard_at,
        quiet=heard_at is not None and limit is not None and now - heard_at > limit,
        watermark_at=row.watermark,
        failing_since=row.failing_since,
        last_error=row.last_error,
        listings=listings.get(ListingState.ACTIVE, 0),
        refused=listings.get(ListingState.REFUSED, 0),
        unsettled=listings.get("unsettled", 0),
        exposure=listings.get("exposure", 0),
        open_pushes=open_pushes,
        parked_lines=parked_lines,
        broken=broken,
        load=load,
    )


async def _listing_counts(tx: AsyncConnection) -> dict[str, Counter[str]]:
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


async def _by_channel(
    tx: AsyncConnection, table: sa.Table, condition: sa.ColumnElement[bool]
) -> dict[str, int]:
    query = sa.select(table.c.channel, sa.func.count()).where(condition).group_by(table.c.channel)
    return {row[0]: int(row[1]) for row in await tx.execute(query)}


async def _broken(tx: AsyncConnection) -> dict[str, tuple[str, ...]]:
    stored = tables.assumptions
    query = (
        sa.select(stored)
        .where(stored.c.listing_id == 0, sa.not_(stored.c.holds))
        .order_by(stored.c.channel, stored.c.assumption)
    )
    found: dict[str, list[str]] = {}
    for row in await tx.execute(query):
        found.setdefault(row.channel, []).append(f"{row.assumption}: {row.why}")
    return {channel: tuple(said) for channel, said in found.items()}


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


async def _pools(engine: Engine, tx: AsyncConnection) -> tuple[PoolStatus, ...]:
    levels = await _levels(tx)
    claimed = await _claimed(tx)
    by_pool: dict[str, list[tuple[Any, int]]] = {}
    for pool, item_id in sorted(levels.keys() | claimed.keys()):
        stock = pool_stock(
            levels.get((pool, item_id), ()),
            default_safety_stock=engine.policy.safety_stock_in(pool),
        )
        by_pool.setdefault(pool, []).append((stock, claimed.get((pool, item_id), 0)))
    return tuple(_pool(pool, own) for pool, own in sorted(by_pool.items()))


def _pool(pool: str, own: list[tuple[Any, int]]) -> PoolStatus:
    atp = sum(stock.atp for stock, _ in own)
    exposure = sum(claimed for _, claimed in own)
    return PoolStatus(
        pool=pool,
        items=len(own),
        on_hand=sum(stock.on_hand for stock, _ in own),
        reserved=sum(stock.reserved for stock, _ in own),
        atp=atp,
        exposure=exposure,
        free=atp - exposure,
        deficits=sum(stock.atp < claimed for stock, claimed in own),
    )


async def _levels(tx: AsyncConnection) -> dict[tuple[str, int], list[StockLevel]]:
    stock, locations = tables.stock, tables.locations
    query = (
        sa.select(stock, locations.c.pool)
        .join(locations, locations.c.id == stock.c.location_id)
        .where(locations.c.active)
    )
    found: dict[tuple[str, int], list[StockLevel]] = {}
    for row in await tx.execute(query):
        level = StockLevel(
            on_hand=row.on_hand,
            reserved=row.reserved,
            safety_stock=row.safety_stock,
            on_order=row.on_order,
        )
        found.setdefault((row.pool, row.item_id), []).append(level)
    return found


async def _claimed(tx: AsyncConnection) -> dict[tuple[str, int], int]:
    """Item units that settled listings may still sell, by pool and item."""
    recipes, listings, channels = tables.recipes, tables.listings, tables.channels
    units = sa.func.sum(recipes.c.units * listings.c.exposure).label("units")
    query = (
        sa.select(channels.c.pool, recipes.c.item_id, units)
        .join(listings, listings.c.id == recipes.c.listing_id)
        .join(channels, channels.c.name == listings.c.channel)
        .where(listings.c.exposure.is_not(None))
        .group_by(channels.c.pool, recipes.c.item_id)
    )
    return {(row.pool, row.item_id): int(row.units) for row in await tx.execute(query)}
