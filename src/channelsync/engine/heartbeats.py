"""Heartbeats: how each channel fared over the last day, hour by hour, as its alarms tell."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Final

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection

from channelsync.domain.vocabulary import Instant
from channelsync.store.tables import alarms, channels

__all__ = ["BEATS", "BEAT_SECONDS", "Beat", "Health", "view_heartbeats"]

BEATS: Final = 48
BEAT_SECONDS: Final = 1_800.0
_KINDS: Final = ("channel_degraded", "channel_unusable", "feed_quiet")
"""Alarms that say that a channel was not to be reached, or said nothing."""


class Health(StrEnum):
    """Of one part of the day."""

    WELL = "well"
    ILL = "ill"
    UNKNOWN = "unknown"
    """From before the channel was known here."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Beat:
    """One part of the day."""

    begins_at: Instant
    health: Health


async def view_heartbeats(tx: AsyncConnection, now: Instant) -> Mapping[str, Sequence[Beat]]:
    """By channel, the oldest part first; the last one is the one that goes on."""
    since = now - BEATS * BEAT_SECONDS
    ill: dict[str, list[Any]] = {}
    query = sa.select(alarms.c.channel, alarms.c.raised_at, alarms.c.cleared_at).where(
        alarms.c.kind.in_(_KINDS),
        alarms.c.channel.is_not(None),
        sa.or_(alarms.c.cleared_at.is_(None), alarms.c.cleared_at > since),
    )
    for row in await tx.execute(query):
        ill.setdefault(row.channel, []).append(row)
    known = await tx.execute(sa.select(channels.c.name, channels.c.baseline_at))
    return {row.name: _beats(row.baseline_at, ill.get(row.name, ()), now) for row in known}


def _beats(known_since: Instant, ill: Sequence[Any], now: Instant) -> tuple[Beat, ...]:
    first = now - BEATS * BEAT_SECONDS
    begins = [first + number * BEAT_SECONDS for number in range(BEATS)]
    return tuple(Beat(begins_at=at, health=_health(at, known_since, ill)) for at in begins)


def _health(begins_at: Instant, known_since: Instant, ill: Sequence[Any]) -> Health:
    ends_at = begins_at + BEAT_SECONDS
    if ends_at <= known_since:
        return Health.UNKNOWN
    for row in ill:
        if row.raised_at < ends_at and (row.cleared_at is None or row.cleared_at > begins_at):
            return Health.ILL
    return Health.WELL
