"""A channel's health: its failure is said once, and so is its recovery."""

from __future__ import annotations

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection

from channelsync.domain.vocabulary import Instant
from channelsync.engine.alarms import clear_alarm, raise_alarm
from channelsync.engine.work import Claim, WorkKind
from channelsync.store import tables

__all__ = ["note_failure", "note_success"]

_BY_CHANNEL = frozenset(
    {
        WorkKind.POLL,
        WorkKind.PULL,
        WorkKind.FETCH,
        WorkKind.DISCOVER,
        WorkKind.SUBSCRIBE,
        WorkKind.SETTLE,
        WorkKind.WATCH,
        WorkKind.PUBLISH,
    }
)
"""Kinds whose run speaks with a channel; their key begins with its name."""


async def note_failure(
    tx: AsyncConnection, held: Claim, error: str, *, now: Instant, expected: bool
) -> None:
    """Remember that a run failed. A channel that fails is degraded until a poll succeeds."""
    if held.kind not in _BY_CHANNEL or not expected:
        subject = f"{held.kind}/{held.key}"
        await raise_alarm(tx, "work_failing", subject, error, now=now)
        return
    channel = held.key.partition("\t")[0]
    channels = tables.channels
    await tx.execute(
        sa.update(channels)
        .where(channels.c.name == channel)
        .values(
            failing_since=sa.func.coalesce(channels.c.failing_since, now), last_error=error[:500]
        )
    )
    message = f"{held.kind} fails: {error}"
    subject = f"{channel}/{held.kind}"
    await raise_alarm(tx, "channel_degraded", subject, message, now=now, channel=channel)


async def note_success(tx: AsyncConnection, held: Claim, *, now: Instant) -> None:
    """A run went well; clears what its failure had raised."""
    if not held.attempts:
        return
    await clear_alarm(tx, "work_failing", f"{held.kind}/{held.key}", now=now)
    if held.kind not in _BY_CHANNEL:
        return
    channel = held.key.partition("\t")[0]
    await clear_alarm(tx, "channel_degraded", f"{channel}/{held.kind}", now=now)
    channels, alarms = tables.channels, tables.alarms
    still_failing = sa.exists().where(
        alarms.c.kind == "channel_degraded",
        alarms.c.channel == channel,
        alarms.c.cleared_at.is_(None),
    )
    await tx.execute(
        sa.update(channels)
        .where(channels.c.name == channel, sa.not_(still_failing))
        .values(failing_since=None, last_error=None)
    )
