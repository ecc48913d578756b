"""Recover: what dead processes left behind. At every start, and again and again while it runs.

An attempt of a dead sender may still apply within the channel's limit from now on, and no later.
Dead is who holds no presence any more (`channelsync.ports.Presence`); a lease that has ended proves
nothing, since its holder may only be frozen. Where several processes work, an attempt's deadline
must have passed for a while as well: its sender writes nothing after it.

This process ends its own attempts alike, if their end could not be recorded.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

import sqlalchemy as sa
import structlog
from sqlalchemy.ext.asyncio import AsyncConnection

from channelsync.domain.escrow import ChannelLimits, Outcome, finish_attempt
from channelsync.engine.attempts import push_as_sent
from channelsync.engine.core import Engine, limits_of
from channelsync.engine.grants import Grants, PushNote
from channelsync.engine.leases import free_leases, lease_owners
from channelsync.engine.work import WorkKind, mark
from channelsync.store import tables
from channelsync.store.tables import MovementKind

__all__ = ["recover"]

_log = structlog.get_logger("channelsync.recover")

UNOPENED = ChannelLimits(
    apply_limit_seconds=86_400.0, quarantine_seconds=3_600.0, clock_skew_seconds=60.0
)
"""For a channel that is not open, hence with limits unknown: wait longer than any would need."""
GRACE_SECONDS: Final = 20.0
"""So long after its deadline an attempt of another process is left alone."""
TICKET_LIFE_SECONDS: Final = 7 * 86_400.0
"""No channel speaks of a batch that is older than this."""
_OPEN: Final = (
    sa.select(tables.attempts)
    .where(tables.attempts.c.ended_at.is_(None))
    .order_by(tables.attempts.c.id)
)


async def recover(engine: Engine) -> int:
    """End every attempt whose sender is dead, as unknown, and free the leases of the dead.

    Returns how many attempts were ended.
    """
    me = engine.environment.owner
    async with engine.database.read() as connection:
        waiting = await _open_attempts(connection)
        owners = {row.owner for row in waiting} | await lease_owners(connection)
    dead = await engine.presence.absent(owners - {me}) if owners - {me} else set()
    ended = 0
    for attempt in waiting:
        if _is_over(engine, attempt, dead):
            ended += await _end(engine, attempt)
    if dead:
        await engine.database.transact(lambda tx: free_leases(tx, dead))
    if ended:
        _log.warning("attempts of unknown end: their senders are gone", count=ended)
    return ended


async def _open_attempts(connection: AsyncConnection) -> Sequence[Any]:
    return (await connection.execute(_OPEN)).all()


def _is_over(engine: Engine, attempt: Any, dead: set[str]) -> bool:
    if attempt.ticket is not None:
        # The channel itself answers for it, whoever sent it.
        return bool(engine.now() > attempt.started_at + TICKET_LIFE_SECONDS)
    late = engine.now() > attempt.deadline + GRACE_SECONDS
    if attempt.owner == engine.environment.owner:
        return late and attempt.request_id not in engine.sending
    return attempt.owner in dead and (late or engine.presence.is_alone)


async def _end(engine: Engine, attempt: Any) -> bool:
    """End one attempt, unless somebody was quicker."""

    async def act(tx: AsyncConnection) -> bool:
        now = engine.now()
        pushes = tables.pushes
        query = sa.select(pushes).where(pushes.c.request_id == attempt.request_id)
        rows = (await tx.execute(query)).all()
        grants = Grants(tx, now, "recover")
        await grants.load(row.listing_id for row in rows)
        if not await _close(tx, attempt.id, now):
            return False
        for row in rows:
            _end_push(engine, grants, row, now)
        await grants.flush()
        for row in rows[:1]:
            await mark(tx, WorkKind.PUBLISH, row.channel, not_before=now)
            await mark(tx, WorkKind.SETTLE, row.channel, not_before=now)
        return True

    return await engine.database.transact(act)


async def _close(tx: AsyncConnection, attempt_id: int, now: float) -> bool:
    attempts = tables.attempts
    statement = (
        sa.update(attempts)
        .where(attempts.c.id == attempt_id, attempts.c.ended_at.is_(None))
        .values(ended_at=now, outcome=Outcome.UNKNOWN, detail="the sender died")
    )
    return bool((await tx.execute(statement)).rowcount)


def _end_push(engine: Engine, grants: Grants, row: Any, now: float) -> None:
    """The attempt is open no more, even where another copy has closed its push meanwhile."""
    running = engine.channels.get(row.channel)
    limits = limits_of(running) if running is not None else UNOPENED
    listing = grants[row.listing_id]
    if not listing.grant.attempts_open:
        return
    push = push_as_sent(row)
    grant = finish_attempt(listing.grant, push, Outcome.UNKNOWN, now=now, limits=limits)
    note = PushNote(result=Outcome.UNKNOWN, reason="the sender died")
    grants.put(listing.id, grant, MovementKind.UNCHARGE, reference=row.id, note=note)
