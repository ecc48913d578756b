"""Setup: bring locations and channels in the store in line with the configuration."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection

from channelsync.domain.escrow import SettleReason
from channelsync.domain.vocabulary import Instant
from channelsync.domain.wording import counted
from channelsync.engine.alarms import clear_alarm, raise_alarm
from channelsync.engine.audit import note_change
from channelsync.engine.core import Engine
from channelsync.engine.events import EVENTS_KEY
from channelsync.engine.notify import NOTICES_KEY
from channelsync.engine.prune import PRUNE_KEY
from channelsync.engine.seal import LEDGER_KEY
from channelsync.engine.work import WorkKind, mark, mark_every_item
from channelsync.store import tables
from channelsync.store.audit_chain import Change
from channelsync.store.locks import lock_setup
from channelsync.store.tables import ChannelState

__all__ = [
    "CHANNEL_WORK",
    "ChannelSetup",
    "LocationSetup",
    "Setup",
    "apply_setup",
    "note_applied_configuration",
    "note_refused_configuration",
    "note_right_configuration",
    "note_unusable",
]

REFUSED: Final = "configuration_refused"
UNUSABLE: Final = "channel_unusable"
CHANNEL_WORK = (
    WorkKind.DISCOVER,
    WorkKind.POLL,
    WorkKind.PULL,
    WorkKind.SUBSCRIBE,
    WorkKind.SETTLE,
    WorkKind.WATCH,
    WorkKind.INTAKE,
    WorkKind.PUBLISH,
)


PRUNE_AFTER_SECONDS: Final = 600.0
"""A start has other things to do first."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LocationSetup:
    """A location as configured; earlier in its pool serves first."""

    code: str
    name: str
    pool: str
    priority: int


@dataclass(frozen=True, slots=True, kw_only=True)
class ChannelSetup:
    """A channel as configured."""

    name: str
    connector: str
    pool: str
    mode: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Setup:
    """What the configuration says of places and channels."""

    fingerprint: str
    locations: tuple[LocationSetup, ...]
    channels: tuple[ChannelSetup, ...]


async def apply_setup(engine: Engine, setup: Setup) -> None:
    """Write the configuration into the store, in one transaction.

    A new channel starts adopting, from the instant of the stock baseline. A channel that is no
    longer configured keeps its exposure: nothing proves that it stopped selling.
    """

    async def act(tx: AsyncConnection) -> None:
        await lock_setup(tx)
        now = engine.now()
        await _locations(tx, setup.locations)
        await _channels(tx, setup, now)
        await _removed(tx, {channel.name for channel in setup.channels}, now)
        await tx.execute(
            sa.insert(tables.configurations).values(fingerprint=setup.fingerprint, applied_at=now)
        )
        await mark(tx, WorkKind.EXPIRE, "holds", not_before=now)
        for kind in (WorkKind.SEAL, WorkKind.ANCHOR):
            await mark(tx, kind, LEDGER_KEY, not_before=now)
        await mark(tx, WorkKind.SEQUENCE, EVENTS_KEY, not_before=now)
        await mark(tx, WorkKind.NOTIFY, NOTICES_KEY, not_before=now)
        await mark(tx, WorkKind.PRUNE, PRUNE_KEY, not_before=now + PRUNE_AFTER_SECONDS)
        await mark_every_item(tx, now)

    await engine.database.transact(act)


async def note_applied_configuration(
    engine: Engine, *, before: str, after: str, changes: Sequence[str]
) -> None:
    """The audit trail tells that a changed file was taken over, and what it changes."""
    async with engine.database.write() as tx:
        change = Change(
            at=engine.now(),
            actor="daemon",
            action="configuration.apply",
            subject="configuration",
            before={"fingerprint": before},
            after={"fingerprint": after, "changes": list(changes)},
        )
        await note_change(tx, change)


async def note_refused_configuration(engine: Engine, error: str) -> None:
    """A changed file was refused; the old configuration stays, and the alarm says why."""
    async with engine.database.write() as tx:
        now = engine.now()
        await tx.execute(
            sa.insert(tables.configurations).values(fingerprint="", applied_at=now, error=error)
        )
        await raise_alarm(tx, REFUSED, "configuration", error, now=now)


async def note_right_configuration(engine: Engine) -> None:
    """The file is right (again), whether or not it says anything new."""
    async with engine.database.write() as tx:
        await clear_alarm(tx, REFUSED, "configuration", now=engine.now())


async def note_unusable(
    engine: Engine, configured: Iterable[str], unusable: Mapping[str, str]
) -> None:
    """Say which configured channels do not open, and why; those that open again are fine."""
    async with engine.database.write() as tx:
        now = engine.now()
        for name in sorted(configured):
            if name in unusable:
                await raise_alarm(tx, UNUSABLE, name, unusable[name], now=now, channel=name)
            else:
                await clear_alarm(tx, UNUSABLE, name, now=now)


async def _locations(tx: AsyncConnection, wanted: Iterable[LocationSetup]) -> None:
    locations = tables.locations
    known = set((await tx.execute(sa.select(locations.c.code))).scalars())
    for location in wanted:
        values = {
            "name": location.name,
            "pool": location.pool,
            "priority": location.priority,
            "active": True,
        }
        if location.code in known:
            statement = sa.update(locations).where(locations.c.code == location.code)
            await tx.execute(statement.values(values))
        else:
            await tx.execute(sa.insert(locations).values(values | {"code": location.code}))
    codes = [location.code for location in wanted]
    gone = sa.update(locations).where(locations.c.code.not_in(codes)).values(active=False)
    await tx.execute(gone)


async def _channels(tx: AsyncConnection, setup: Setup, now: Instant) -> None:
    channels = tables.channels
    known = {row.name: row for row in await tx.execute(sa.select(channels))}
    same = await _is_in_force(tx, setup.fingerprint)
    for channel in setup.channels:
        values: dict[str, object] = {
            "connector": channel.connector,
            "pool": channel.pool,
            "mode": channel.mode,
        }
        row = known.get(channel.name)
        if row is None:
            values |= {
                "name": channel.name,
                "state": ChannelState.ADOPTING,
                "baseline_at": await _baseline(tx, channel.pool, now),
            }
            await tx.execute(sa.insert(channels).values(values))
        else:
            if row.state == ChannelState.REMOVED:
                values["state"] = ChannelState.ADOPTING
                await _doubt_listings(tx, channel.name)
            statement = sa.update(channels).where(channels.c.name == channel.name)
            await tx.execute(statement.values(values))
        for kind in CHANNEL_WORK:
            if kind is WorkKind.DISCOVER and same and _is_being_loaded(row):
                continue
            await mark(tx, kind, channel.name, not_before=now)


async def _is_in_force(tx: AsyncConnection, fingerprint: str) -> bool:
    """Whether the last configuration that was applied is this one."""
    applied = tables.configurations
    query = sa.select(applied.c.fingerprint).where(applied.c.error.is_(None))
    last = await tx.execute(query.order_by(applied.c.id.desc()).limit(1))
    return last.scalar() == fingerprint


def _is_being_loaded(row: Any) -> bool:
    """Whether a first load goes on whose catalogue is known: the next search keeps its time.

    To read a large catalogue again takes as many calls as the load itself.
    """
    if row is None or row.state == ChannelState.REMOVED:
        return False
    return row.discovered_at is not None and row.loaded_at is None


async def _doubt_listings(tx: AsyncConnection, channel: str) -> None:
    """A channel that comes back may show anything: its listings count as "all" until settled."""
    listings = tables.listings
    await tx.execute(
        sa.update(listings)
        .where(listings.c.channel == channel, listings.c.exposure.is_not(None))
        .values(settle_reasons=[SettleReason.ADOPTING], settle_wanted=True)
    )


async def _baseline(tx: AsyncConnection, pool: str, now: Instant) -> Instant:
    """The instant of the earliest count in the pool: orders since then are not in it."""
    stock, locations = tables.stock, tables.locations
    query = (
        sa.select(sa.func.min(stock.c.counted_at))
        .join(locations, locations.c.id == stock.c.location_id)
        .where(locations.c.pool == pool)
    )
    counted: Instant | None = (await tx.execute(query)).scalar()
    return now if counted is None else counted


async def _removed(tx: AsyncConnection, configured: set[str], now: Instant) -> None:
    channels, listings = tables.channels, tables.listings
    gone = sa.and_(
        channels.c.name.not_in(sorted(configured)), channels.c.state != ChannelState.REMOVED
    )
    names = (await tx.execute(sa.select(channels.c.name).where(gone))).scalars().all()
    if not names:
        return
    await tx.execute(sa.update(channels).where(gone).values(state=ChannelState.REMOVED))
    for name in names:
        held = sa.select(sa.func.sum(listings.c.exposure)).where(listings.c.channel == name)
        units = (await tx.execute(held)).scalar() or 0
        if units:
            message = (
                f"it was removed while it may still sell {counted(units, 'unit')}; they stay"
                " set aside until it is configured again, or its listings are at 0 and it is"
                " forgotten"
            )
            await raise_alarm(tx, "channel_removed", name, message, now=now, channel=name)
