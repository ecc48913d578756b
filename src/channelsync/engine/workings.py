"""Workings: how well the machinery turns, by channel, for monitoring."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection

from channelsync.domain.vocabulary import Instant
from channelsync.engine.business import at_rest, view_stockout_ratio
from channelsync.engine.core import Engine
from channelsync.engine.status import ChannelStatus
from channelsync.store import tables
from channelsync.store.tables import ListingState

__all__ = [
    "STALENESS_BUCKETS",
    "ChannelWorkings",
    "ListingFigures",
    "Staleness",
    "Workings",
    "view_listing_figures",
    "view_workings",
]

STALENESS_BUCKETS: Final = (60.0, 300.0, 900.0, 3_600.0, 14_400.0, 86_400.0)
"""Upper bounds, in seconds."""
SENDING_SECONDS: Final = 86_400.0
SENDINGS_MAX: Final = 5_000
"""So many of the latest are looked at."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Staleness:
    """How old what is known of the listings of a channel is."""

    channel: str
    within: tuple[int, ...]
    """Listings not older than each of `STALENESS_BUCKETS`."""
    listings: int
    seconds: float
    """All ages together."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ListingFigures:
    """What only a look at every listing tells."""

    accuracy: Mapping[str, float]
    """By channel: settled listings at rest that show what is expected, over those at rest."""
    staleness: tuple[Staleness, ...]
    stockout_ratio: float | None

    @property
    def listings(self) -> int:
        """Over how many they are."""
        return sum(one.listings for one in self.staleness)


@dataclass(frozen=True, slots=True, kw_only=True)
class ChannelWorkings:
    """One channel."""

    channel: str
    breaker: int
    """0 pushes go, 1 calls fail and are tried at growing intervals, 2 stopped until resumed."""
    waited_seconds: float
    """How long this process has waited for the channel's rate."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Workings:
    """Everything."""

    channels: tuple[ChannelWorkings, ...] = ()
    sendings: tuple[tuple[str, tuple[float, ...]], ...] = ()
    """Channel, and how long each of its requests took over the last day, shortest first."""
    refused_work: tuple[tuple[str, int], ...] = ()
    """Kind of work, and how often it was stopped because the books would have become wrong."""


async def view_listing_figures(tx: AsyncConnection, now: Instant) -> ListingFigures:
    """All of them, from the caller's read transaction."""
    return ListingFigures(
        accuracy=await _accuracy(tx),
        staleness=await _staleness(tx, now),
        stockout_ratio=await view_stockout_ratio(tx),
    )


async def view_workings(
    engine: Engine, tx: AsyncConnection, channels: tuple[ChannelStatus, ...], now: Instant
) -> Workings:
    """Everything, from the caller's read transaction."""
    return Workings(
        channels=tuple(
            ChannelWorkings(
                channel=one.channel,
                breaker=_breaker(one),
                waited_seconds=_waited(engine, one.channel),
            )
            for one in channels
        ),
        sendings=await _sendings(tx, now),
        refused_work=await _refused_work(tx),
    )


def _breaker(channel: ChannelStatus) -> int:
    if channel.paused is not None:
        return 2
    return int(channel.failing_since is not None)


def _waited(engine: Engine, channel: str) -> float:
    running = engine.channels.get(channel)
    return 0.0 if running is None else running.waited_seconds()


async def _accuracy(tx: AsyncConnection) -> dict[str, float]:
    listings = tables.listings
    right = sa.case((listings.c.remote == listings.c.exposure, 1), else_=0)
    query = (
        sa.select(listings.c.channel, sa.func.sum(right), sa.func.count())
        .where(at_rest())
        .group_by(listings.c.channel)
    )
    return {channel: int(good) / int(of) for channel, good, of in await tx.execute(query)}


async def _staleness(tx: AsyncConnection, now: Instant) -> tuple[Staleness, ...]:
    listings = tables.listings
    seen_later = listings.c.remote_at > listings.c.settled_at
    known_at = sa.case((seen_later, listings.c.remote_at), else_=listings.c.settled_at)
    age: sa.ColumnElement[Any] = now - known_at
    within = [sa.func.sum(sa.case((age <= bound, 1), else_=0)) for bound in STALENESS_BUCKETS]
    query = (
        sa.select(listings.c.channel, sa.func.count(), sa.func.sum(age), *within)
        .where(listings.c.state == ListingState.ACTIVE, listings.c.settled_at.is_not(None))
        .group_by(listings.c.channel)
        .order_by(listings.c.channel)
    )
    return tuple(
        Staleness(
            channel=channel,
            listings=int(number),
            seconds=max(float(seconds), 0.0),
            within=tuple(int(one) for one in counts),
        )
        for channel, number, seconds, *counts in await tx.execute(query)
    )


async def _sendings(tx: AsyncConnection, now: Instant) -> tuple[tuple[str, tuple[float, ...]], ...]:
    attempts, requests = tables.attempts, tables.requests
    query = (
        sa.select(requests.c.channel, attempts.c.ended_at - attempts.c.started_at)
        .join(requests, requests.c.id == attempts.c.request_id)
        .where(attempts.c.ended_at.is_not(None), attempts.c.started_at > now - SENDING_SECONDS)
        .order_by(attempts.c.started_at.desc())
        .limit(SENDINGS_MAX)
    )
    found: dict[str, list[float]] = {}
    for channel, seconds in await tx.execute(query):
        found.setdefault(channel, []).append(float(seconds))
    return tuple((channel, tuple(sorted(took))) for channel, took in sorted(found.items()))


async def _refused_work(tx: AsyncConnection) -> tuple[tuple[str, int], ...]:
    alarms = tables.alarms
    query = sa.select(alarms.c.subject).where(
        alarms.c.kind == "work_failing", alarms.c.message.like("InvariantViolated:%")
    )
    counts: dict[str, int] = {}
    for subject in (await tx.execute(query)).scalars():
        kind = subject.partition("/")[0]
        counts[kind] = counts.get(kind, 0) + 1
    return tuple(sorted(counts.items()))
