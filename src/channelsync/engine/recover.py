"""Recover: what a dead process left behind. Runs once, before any work, under the data lock."""

from __future__ import annotations

import sqlalchemy as sa
import structlog
from sqlalchemy.ext.asyncio import AsyncConnection

from channelsync.domain.escrow import ChannelLimits, Outcome, finish_attempt
from channelsync.engine.core import Engine, limits_of
from channelsync.engine.grants import Grants, PushNote
from channelsync.engine.work import WorkKind, mark_many
from channelsync.store import tables
from channelsync.store.tables import MovementKind

__all__ = ["recover"]

_log = structlog.get_logger("channelsync.recover")

UNOPENED = ChannelLimits(
    apply_limit_seconds=86_400.0, quarantine_seconds=3_600.0, clock_skew_seconds=60.0
)
"""For a channel that is not open, hence with limits unknown: wait longer than any would need."""


async def recover(engine: Engine) -> int:
    """End every attempt whose sender is dead, as unknown, and free every lease.

    The caller holds the data directory's lock, so every earlier process is known dead. From now on
    an attempt of theirs may still apply within the channel's limit, and no later.
    Returns how many attempts were open.
    """
    async with engine.database.write() as tx:
        now = engine.now()
        open_attempts = (
            await tx.execute(
                sa.select(tables.attempts.c.id, tables.attempts.c.request_id).where(
                    tables.attempts.c.ended_at.is_(None)
                )
            )
        ).all()
        channels = set()
        for attempt in open_attempts:
            channels.add(await _end(engine, tx, attempt.request_id))
            await tx.execute(
                sa.update(tables.attempts)
                .where(tables.attempts.c.id == attempt.id)
                .values(ended_at=now, outcome=Outcome.UNKNOWN, detail="the sender died")
            )
        await tx.execute(sa.update(tables.work).values(lease_until=None, lease_token=None))
        await mark_many(tx, WorkKind.PUBLISH, sorted(channels), not_before=now)
        await mark_many(tx, WorkKind.SETTLE, sorted(channels), not_before=now)
    if open_attempts:
        _log.warning("attempts of a dead process ended as unknown", count=len(open_attempts))
    return len(open_attempts)


async def _end(engine: Engine, tx: AsyncConnection, request_id: str) -> str:
    now = engine.now()
    query = sa.select(
        tables.pushes.c.listing_id, tables.pushes.c.id, tables.pushes.c.channel
    ).where(tables.pushes.c.request_id == request_id)
    rows = (await tx.execute(query)).all()
    channel = rows[0].channel
    running = engine.channels.get(channel)
    limits = limits_of(running) if running is not None else UNOPENED
    grants = Grants(tx, now, "recover")
    await grants.load(row.listing_id for row in rows)
    for row in rows:
        listing = grants[row.listing_id]
        push = listing.grant.push
        if push is None or push.push_id != row.id or not listing.grant.attempts_open:
            continue
        grant = finish_attempt(listing.grant, push, Outcome.UNKNOWN, now=now, limits=limits)
        note = PushNote(result=Outcome.UNKNOWN, reason="the sender died")
        grants.put(listing.id, grant, MovementKind.UNCHARGE, reference=row.id, note=note)
    await grants.flush()
    return str(channel)
