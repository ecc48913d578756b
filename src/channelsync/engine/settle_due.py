"""Which listings a read-back can prove something of now, and when the next one can be."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection

from channelsync.domain.escrow import ChannelLimits
from channelsync.domain.vocabulary import Assumption, Instant
from channelsync.engine.core import limits_of
from channelsync.engine.grants import Grants, Listing
from channelsync.ports import RunningChannel
from channelsync.sdk.connector import TellsRates
from channelsync.store.tables import ListingState, assumptions, listings, pushes, readings

__all__ = ["Wanted", "due_reads", "reads_max"]

READS_MIN = 250
READS_MAX = 1_000
READ_SECONDS = 5.0
"""About so long may one round of reading take: what is urgent waits for its end, and so does the
lease."""
LOOKED_AT_SHARE = 2
"""So many times as many inexact listings are loaded to find those ready to be read; usually the
first ones are."""
PATIENT_SECONDS = 30.0
LOOK_AGAIN_SECONDS = 5.0
EVERY_ONE = 2**31 - 1
"""A limit that is none."""

# Asked again and again: made once, for making them costs more than running them.
_OF_CHANNEL = sa.bindparam("_channel", type_=listings.c.channel.type)
_NOW = sa.bindparam("_now", type_=listings.c.outstanding_until.type)
_MAY_APPLY_FROM = sa.bindparam("_may_apply_from", type_=listings.c.outstanding_until.type)
_UNREADABLE = sa.select(assumptions.c.listing_id, assumptions.c.checked_at).where(
    assumptions.c.channel == _OF_CHANNEL,
    assumptions.c.assumption == Assumption.READS_BACK,
    sa.not_(assumptions.c.holds),
)
_QUARANTINED = sa.and_(
    pushes.c.channel == _OF_CHANNEL,
    pushes.c.closed_at.is_(None),
    pushes.c.release_after.is_not(None),
)
_CUTS = sa.select(pushes.c.listing_id).where(_QUARANTINED, pushes.c.release_after < _NOW)
# Each part by an index of its own: together they are few, however many listings there are.
_SUSPECT = sa.union(
    sa.select(listings.c.id).where(listings.c.channel == _OF_CHANNEL, listings.c.settle_wanted),
    sa.select(listings.c.id).where(listings.c.channel == _OF_CHANNEL, listings.c.unread),
    _CUTS,
)
_INEXACT = (
    sa.select(listings.c.id)
    .where(
        listings.c.channel == _OF_CHANNEL,
        listings.c.state != ListingState.GONE,
        listings.c.id.in_(_SUSPECT),
        sa.or_(listings.c.state == ListingState.ACTIVE, listings.c.exposure.is_not(None)),
        listings.c.id.not_in(sa.select(readings.c.listing_id)),
        listings.c.attempts_open == 0,
        sa.or_(
            sa.not_(listings.c.settle_wanted),
            listings.c.outstanding_until.is_(None),
            listings.c.outstanding_until < _MAY_APPLY_FROM,
            listings.c.id.in_(_CUTS),
        ),
    )
    # What was never read first: nothing is raised before it is proven, while a number that is
    # proven to have applied only gives back what was set aside for it.
    .order_by(listings.c.remote.is_not(None), listings.c.id)
    .limit(sa.bindparam("_limit"))
)
_NEXT_IN_TIME = sa.select(
    sa.select(sa.func.min(pushes.c.release_after))
    .where(_QUARANTINED, pushes.c.release_after >= _NOW)
    .scalar_subquery(),
    sa.select(sa.func.min(listings.c.outstanding_until))
    .where(
        listings.c.channel == _OF_CHANNEL,
        listings.c.settle_wanted,
        listings.c.attempts_open == 0,
        listings.c.outstanding_until >= _MAY_APPLY_FROM,
    )
    .scalar_subquery(),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """A listing to read now, and its push sequence before the read."""

    listing: Listing
    push_seq: int


async def due_reads(
    tx: AsyncConnection, running: RunningChannel, now: Instant
) -> tuple[list[Wanted], Instant | None]:
    """Listings that can be read usefully now, and when the next one can."""
    most = reads_max(running)
    some = await _inexact_ids(tx, running, now, limit=most * LOOKED_AT_SHARE)
    wanted, soonest = await _ready(tx, running, some, now)
    if not wanted and len(some) == most * LOOKED_AT_SHARE:
        # None of these, so perhaps one behind them.
        rest = await _inexact_ids(tx, running, now, limit=None)
        wanted, soonest = await _ready(tx, running, rest, now)
    times = [at for at in (soonest, *await _next_in_time(tx, running, now)) if at is not None]
    return wanted[:most], min(times) + 0.001 if times else None


def reads_max(running: RunningChannel) -> int:
    """Listings of one round. Where a call reads many, more of them need fewer calls."""
    channel = running.channel
    if not isinstance(channel, TellsRates):
        return READS_MIN
    in_time = int(channel.load_rates(READS_MAX).read * READ_SECONDS)
    return min(max(in_time, READS_MIN), READS_MAX)


async def _ready(
    tx: AsyncConnection, running: RunningChannel, listing_ids: Sequence[int], now: Instant
) -> tuple[list[Wanted], Instant | None]:
    """Those of the listings that can be read usefully now, and when the next one can."""
    grants = Grants(tx, now, f"settle:{running.name}")
    await grants.load(listing_ids)
    limits, unreadable = limits_of(running), await _unreadable(tx, running.name)
    wanted, next_times = [], []
    for listing in map(grants.__getitem__, listing_ids):
        ready_at = _ready_at(listing, limits)
        if ready_at is None:
            continue
        ready_at = max(ready_at, unreadable.get(listing.id, 0.0))
        if ready_at < now:
            wanted.append(Wanted(listing=listing, push_seq=listing.grant.push_seq))
        else:
            next_times.append(ready_at)
    return wanted, min(next_times, default=None)


async def _unreadable(tx: AsyncConnection, channel: str) -> dict[int, Instant]:
    """Listings that the channel showed no counter of, and when to look for it again."""
    rows = await tx.execute(_UNREADABLE, {"_channel": channel})
    return {row.listing_id: row.checked_at + PATIENT_SECONDS for row in rows}


def _may_apply_from(running: RunningChannel, now: Instant) -> Instant:
    """A write that may apply later than this makes any read of now say nothing."""
    limits = limits_of(running)
    return now - limits.read_lag_seconds - limits.clock_skew_seconds


async def _inexact_ids(
    tx: AsyncConnection, running: RunningChannel, now: Instant, *, limit: int | None
) -> Sequence[int]:
    """Listings that a read may prove something of, unless one of them waits to be used.

    A cut whose quarantine goes on is not among them: its listing is exact but for the cut. Nor is
    one with a write under way, or that may still apply.
    """
    given = {
        "_channel": running.name,
        "_now": now,
        "_may_apply_from": _may_apply_from(running, now),
        "_limit": EVERY_ONE if limit is None else limit,
    }
    return (await tx.execute(_INEXACT, given)).scalars().all()


async def _next_in_time(
    tx: AsyncConnection, running: RunningChannel, now: Instant
) -> tuple[Instant | None, Instant | None]:
    """When the next quarantine ends, and when the next write that a settle waits for is over."""
    horizon = _may_apply_from(running, now)
    given = {"_channel": running.name, "_now": now, "_may_apply_from": horizon}
    release, applied = (await tx.execute(_NEXT_IN_TIME, given)).one()
    return release, None if applied is None else applied + (now - horizon)


def _ready_at(listing: Listing, limits: ChannelLimits) -> Instant | None:
    """From when on a read of the listing can prove something; None: not before its push ends."""
    grant = listing.grant
    if grant.attempts_open:
        return None
    push = grant.push
    if not grant.settle_reasons and grant.settled:
        if push is None:
            # Nothing is inexact; only what it shows is not known.
            return 0.0
        # While it is being retried, its own answer is the cheaper proof.
        return push.release_after
    lag = limits.read_lag_seconds + limits.clock_skew_seconds
    ready_at = max(grant.settleable_after(limits), 0.0) + lag
    if listing.remote_at is not None and grant.lowered_until > listing.remote_at:
        # A zero may still be on its way: looked for often at first, ever less often later.
        underway = listing.remote_at - (listing.last_push_at or listing.remote_at)
        ready_at = max(ready_at, listing.remote_at + max(LOOK_AGAIN_SECONDS, underway / 4))
    if grant.settle_reasons and not grant.inexact:
        ready_at = max(ready_at, (listing.settled_at or 0.0) + PATIENT_SECONDS)
    return ready_at
