"""First load: how far a new channel's listings are, how long the rest takes, how quick it was.

A load has three stages. The catalogue is read to its end; every listing is proven by a first
read-back; every listing is brought to its number, which is over when the channel has taken it in:
what it applies later is proven later. What the marketplace allows in each stage is told by the
connector and kept with the channel, so that whoever looks from outside can reckon too.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa
import structlog
from msgspec import structs
from sqlalchemy.ext.asyncio import AsyncConnection

from channelsync.domain.vocabulary import Instant
from channelsync.engine.work import WorkKind
from channelsync.ports import RunningChannel
from channelsync.sdk.connector import TellsRates
from channelsync.sdk.types import LoadRates
from channelsync.store import tables
from channelsync.store.tables import ListingState

__all__ = ["Load", "begin_load", "load_of", "note_load", "seconds_allowed", "view_loads"]

_log = structlog.get_logger("channelsync.load")

LONG_SECONDS = 100.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Load:
    """The first load of one channel, while it goes on."""

    stage: str
    """reading (the catalogue), proving (what listings show) or writing (their numbers)."""
    found: int
    """Offers found so far; all of them once the catalogue is read."""
    proven: int
    written: int
    """Listings that hold what they shall hold, as far as the channel has taken it in."""
    seconds: float
    """Since it began."""
    seconds_left: float | None
    """As the marketplace's limits allow; None while the catalogue is read."""

    @property
    def words(self) -> str:
        """For people."""
        left = "" if self.seconds_left is None else f", about {_spoken(self.seconds_left)} left"
        if self.stage == "reading":
            return f"first load: {self.found:,} offers found so far"
        return (
            f"first load: {self.proven:,} of {self.found:,} listings proven,"
            f" {self.written:,} written{left}"
        )


async def begin_load(tx: AsyncConnection, running: RunningChannel, *, now: Instant) -> None:
    """The first search of a channel's catalogue begins."""
    channels = tables.channels
    mine = sa.and_(channels.c.name == running.name, channels.c.load_began_at.is_(None))
    begun = await tx.execute(sa.update(channels).where(mine).values(load_began_at=now))
    if begun.rowcount:
        _log.info("first load begins: the catalogue is read", channel=running.name)


async def note_load(tx: AsyncConnection, running: RunningChannel, *, now: Instant) -> None:
    """Keep the rates, tell how far the load is, or that it is over."""
    channels = tables.channels
    mine = channels.c.name == running.name
    row = (await tx.execute(sa.select(channels).where(mine))).one()
    if row.load_began_at is None or row.loaded_at is not None:
        return
    counts = await _counts(tx, running.name, now)
    rates = _rates(running, counts["found"])
    await tx.execute(sa.update(channels).where(mine).values(load_rates=rates))
    load = _load(row, counts, rates, now)
    if load is not None:
        _log.info(load.words, channel=running.name, stage=load.stage)
        return
    await tx.execute(sa.update(channels).where(mine).values(loaded_at=now))
    seconds = max(now - row.load_began_at, 1.0)
    _log.info(
        "first load is done",
        channel=running.name,
        listings=counts["found"],
        took=_spoken(seconds),
        listings_per_second=round(counts["found"] / seconds, 1),
        limits_allow_seconds=round(seconds_allowed(counts["found"], counts["found"], rates)),
    )


def _rates(running: RunningChannel, listings: int) -> dict[str, float]:
    """What the limits allow; a channel that does not tell has one budget for everything."""
    manifest, channel = running.manifest, running.channel
    each = manifest.requests_per_second * manifest.batch_size
    rates = LoadRates(found=each, read=each, written=each, shared=True)
    if isinstance(channel, TellsRates):
        rates = channel.load_rates(max(listings, 1))
    return structs.asdict(rates)


def seconds_allowed(to_prove: int, to_write: int, rates: Mapping[str, float]) -> float:
    """What the limits make of it: reading and writing go on side by side unless they share one."""
    read, written = to_prove / rates["read"], to_write / rates["written"]
    return read + written if rates.get("shared") else max(read, written)


async def view_loads(
    tx: AsyncConnection, accounts: Iterable[Any], *, now: Instant
) -> dict[str, Load]:
    """Every first load that goes on, by channel, given the rows of the channels."""
    found = {}
    for row in accounts:
        if row.load_began_at is None or row.loaded_at is not None:
            continue
        load = await load_of(tx, row, now=now)
        if load is not None:
            found[row.name] = load
    return found


async def load_of(tx: AsyncConnection, row: Any, *, now: Instant) -> Load | None:
    """The load of a channel, given its row; None: it has all there is."""
    return _load(row, await _counts(tx, row.name, now), row.load_rates, now)


def _load(
    row: Any, counts: dict[str, int], rates: dict[str, float] | None, now: Instant
) -> Load | None:
    listings, to_prove = counts["listings"], counts["unproven"]
    to_write = max(counts["to_write"], counts["behind"] - to_prove)
    seconds = now - row.load_began_at
    if row.discovered_at is None:
        return Load(
            stage="reading",
            found=counts["found"],
            proven=0,
            written=0,
            seconds=seconds,
            seconds_left=None,
        )
    if not to_prove and not to_write:
        return None
    # What is not proven yet is to be written as well, as far as anybody knows.
    rest = to_prove + to_write
    left = None if rates is None else seconds_allowed(to_prove, rest, rates)
    return Load(
        stage="proving" if to_prove else "writing",
        found=listings,
        proven=listings - to_prove,
        written=max(listings - rest, 0),
        seconds=seconds,
        seconds_left=left,
    )


async def _counts(tx: AsyncConnection, channel: str, now: Instant) -> dict[str, int]:
    listings, pushes, offers = tables.listings, tables.pushes, tables.offers
    work = tables.work
    active = sa.and_(listings.c.channel == channel, listings.c.state == ListingState.ACTIVE)
    mine = sa.select(sa.func.count()).select_from(listings).where(active)
    unsent = sa.select(sa.func.count()).select_from(pushes)
    unsent = unsent.where(
        pushes.c.channel == channel,
        pushes.c.closed_at.is_(None),
        pushes.c.accepted_at.is_(None),
        pushes.c.release_after.is_(None),
    )
    behind = sa.select(sa.func.count()).where(
        work.c.kind == WorkKind.RECONCILE,
        work.c.done_version < work.c.want_version,
        work.c.not_before <= now,
    )
    query = sa.select(
        mine.scalar_subquery().label("listings"),
        mine.where(listings.c.exposure.is_(None)).scalar_subquery().label("unproven"),
        unsent.scalar_subquery().label("to_write"),
        sa.select(sa.func.count())
        .select_from(offers)
        .where(offers.c.channel == channel)
        .scalar_subquery()
        .label("offers"),
        behind.scalar_subquery().label("behind"),
    )
    row = (await tx.execute(query)).one()
    return {
        "listings": row.listings,
        "unproven": row.unproven,
        "to_write": row.to_write,
        "found": max(row.offers, row.listings),
        # Items that nobody has looked at since their listings were proven.
        "behind": min(row.behind, row.listings),
    }


def _spoken(seconds: float) -> str:
    if seconds < LONG_SECONDS:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 60 * LONG_SECONDS else f"{seconds / 3_600:.1f} h"
