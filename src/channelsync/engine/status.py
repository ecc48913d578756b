"""Status: how the house stands, in one consistent read. Written for people who look once a day."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection

from channelsync.domain.vocabulary import Instant, PushKind
from channelsync.engine.alarms import IS_SHORT
from channelsync.engine.core import Engine
from channelsync.engine.first_load import Load, view_loads
from channelsync.engine.sums import Coverage, PoolStatus, Sums, listing_counts, view_sums
from channelsync.store import tables
from channelsync.store.tables import ListingState

__all__ = [
    "Alarm",
    "ChannelStatus",
    "Status",
    "channel_names",
    "channel_statuses",
    "view_overdue",
    "view_status",
]

DAY_SECONDS: Final = 86_400.0
OVERDUE_SECONDS: Final = 30.0
"""Work that has been due for longer shows that nobody works."""


def _waiting_of(what: str, table: sa.Table, waits: Any, applying: Any) -> sa.Select[Any]:
    text = sa.literal_column(f"'{what}'", sa.Text).label("what")
    some = sa.func.sum(applying).label("applying")
    columns = (text, table.c.channel, sa.func.count().label("many"), some)
    return sa.select(*columns).where(waits).group_by(table.c.channel)


# Asked again and again: made once, for making them costs more than running them.
_NOTHING: Final = sa.literal_column("0", sa.Integer)
_APPLIES: Final = sa.and_(
    tables.pushes.c.kind == sa.literal_column(f"'{PushKind.SET.value}'"),
    tables.pushes.c.accepted_at.is_not(None),
    tables.pushes.c.seen_at.is_(None),
)
_WAITING: Final = sa.union_all(
    _waiting_of(
        "open",
        tables.pushes,
        tables.pushes.c.closed_at.is_(None),
        sa.case((_APPLIES, sa.literal_column("1", sa.Integer)), else_=_NOTHING),
    ),
    _waiting_of("parked", tables.order_lines, tables.order_lines.c.parked.is_not(None), _NOTHING),
)
_BROKEN: Final = (
    sa.select(tables.assumptions)
    .where(tables.assumptions.c.listing_id == 0, sa.not_(tables.assumptions.c.holds))
    .order_by(tables.assumptions.c.channel, tables.assumptions.c.assumption)
)
_AT: Final = {name: sa.bindparam(name, type_=sa.Double) for name in ("_now", "_since")}
_OLDEST_WORK: Final = sa.select(sa.func.min(tables.work.c.not_before)).where(
    tables.work.c.done_version < tables.work.c.want_version,
    tables.work.c.attempts == sa.literal_column("0"),
    sa.or_(tables.work.c.lease_until.is_(None), tables.work.c.lease_until <= _AT["_now"]),
)
_COUNTS: Final = sa.select(
    sa.select(sa.func.count())
    .where(tables.dead_letters.c.state == sa.literal_column("'dead'"))
    .scalar_subquery()
    .label("dead_letters"),
    sa.select(sa.func.count())
    .where(tables.holds.c.state == sa.literal_column("'active'"))
    .scalar_subquery()
    .label("holds"),
    sa.select(sa.func.sum(tables.shortfalls.c.units))
    .where(tables.shortfalls.c.at > _AT["_since"], IS_SHORT)
    .scalar_subquery()
    .label("shortfall_units"),
    _OLDEST_WORK.scalar_subquery().label("oldest_work"),
)
_CHANNELS: Final = sa.select(tables.channels).order_by(tables.channels.c.name)
_ALARMS: Final = (
    sa.select(tables.alarms)
    .where(tables.alarms.c.cleared_at.is_(None))
    .order_by(tables.alarms.c.raised_at)
)


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
    applying: int
    """Sets that were taken in and not seen applied yet."""
    parked_lines: int
    """Order lines of offers that are not mapped to an item."""
    broken: tuple[str, ...]
    """Assumptions that do not hold for the whole channel, and why."""
    load: Load | None
    """How far the first load of its listings is; None: it is over, or never began."""


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
    summed_at: Instant
    """When the sums over all items and listings were counted."""
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


async def view_status(engine: Engine, tx: AsyncConnection, sums: Sums | None = None) -> Status:
    """Everything, from the caller's read transaction; `sums` may be a little older."""
    now = engine.now()
    sums = sums or await view_sums(engine, tx)
    channels = await channel_statuses(engine, tx, now, sums)
    counts = await _counts(tx, now)
    return Status(
        at=now,
        channels=channels,
        summed_at=sums.at,
        pools=sums.pools,
        proof_coverage=sums.proof_coverage,
        open_pushes=sum(channel.open_pushes for channel in channels),
        dead_letters=int(counts.dead_letters),
        holds=int(counts.holds),
        shortfall_units=int(counts.shortfall_units or 0),
        overdue_seconds=_overdue(counts.oldest_work, now),
        alarms=await _alarms(tx),
    )


async def _counts(tx: AsyncConnection, now: Instant) -> Any:
    """Dead letters, holds, shortfalls and the oldest work that waits, in one statement."""
    return (await tx.execute(_COUNTS, {"_now": now, "_since": now - DAY_SECONDS})).one()


async def view_overdue(tx: AsyncConnection, now: Instant) -> float | None:
    """For how long work has been waiting that nobody does; None while all is done in time."""
    return _overdue((await tx.execute(_OLDEST_WORK, {"_now": now})).scalar(), now)


def _overdue(oldest: Instant | None, now: Instant) -> float | None:
    if oldest is None or now - oldest < OVERDUE_SECONDS:
        return None
    return now - oldest


async def _alarms(tx: AsyncConnection) -> tuple[Alarm, ...]:
    return tuple(
        Alarm(
            kind=row.kind,
            subject=row.subject,
            message=row.message,
            channel=row.channel,
            raised_at=row.raised_at,
        )
        for row in await tx.execute(_ALARMS)
    )


# ------------------------------------------------------------------ channels


async def channel_names(tx: AsyncConnection) -> tuple[str, ...]:
    """Every channel of the store, by name."""
    names = tables.channels.c.name
    return tuple((await tx.execute(sa.select(names).order_by(names))).scalars())


async def channel_statuses(
    engine: Engine, tx: AsyncConnection, now: Instant, sums: Sums | None = None
) -> tuple[ChannelStatus, ...]:
    """Every channel of the store, removed ones included, by name.

    Numbers of listings are those of `sums`, else of the latest that a large house keeps.
    """
    rows = (await tx.execute(_CHANNELS)).all()
    known = sums or engine.sums.kept()
    listings = await listing_counts(tx) if known is None else known.listings
    waiting = await _waiting(tx)
    broken = await _broken(tx)
    loads = await view_loads(tx, rows, now=now)
    return tuple(
        _channel(
            engine,
            row,
            now,
            listings=listings.get(row.name, Counter()),
            waiting=waiting.get(row.name, Counter()),
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
    waiting: Mapping[str, int],
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
        open_pushes=waiting.get("open", 0),
        applying=waiting.get("applying", 0),
        parked_lines=waiting.get("parked", 0),
        broken=broken,
        load=load,
    )


async def _waiting(tx: AsyncConnection) -> dict[str, Counter[str]]:
    """By channel: pushes `open`, those of them that are `applying`, and order lines `parked`."""
    found: dict[str, Counter[str]] = {}
    for row in await tx.execute(_WAITING):
        counts = found.setdefault(row.channel, Counter())
        counts[row.what] += int(row.many)
        counts["applying"] += int(row.applying or 0)
    return found


async def _broken(tx: AsyncConnection) -> dict[str, tuple[str, ...]]:
    found: dict[str, list[str]] = {}
    for row in await tx.execute(_BROKEN):
        found.setdefault(row.channel, []).append(f"{row.assumption}: {row.why}")
    return {channel: tuple(said) for channel, said in found.items()}
