"""What is known of the time around stored readings: order facts and the ledger, read at once."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa
from msgspec.structs import replace
from sqlalchemy.ext.asyncio import AsyncConnection

from channelsync.domain.escrow import ChannelLimits, Reading, UnitsAround
from channelsync.domain.orders import LineEventKind
from channelsync.engine.grants import Listing
from channelsync.store.tables import line_events, movements, readings

__all__ = ["Evidence", "load_evidence"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Evidence:
    """For every listing with a stored reading: what happened since it could be true."""

    events: Mapping[int, list[Any]]
    """Moves of the counter from the reading's `earliest` on, as far as order facts tell them."""
    moved: Mapping[int, int]
    """By how much the exposure moved since the read was sent."""

    def around(self, listing: Listing, reading: Reading, limits: ChannelLimits) -> UnitsAround:
        """Sales surely after the reading, cancels and re-lists possibly after it."""
        b = reading.latest(limits)
        sold = relisted = 0
        doubtful = False
        for row in self.events.get(listing.id, ()):
            surely_after = row.moved_at is not None and row.moved_at > b
            doubtful = doubtful or not surely_after
            if row.kind != LineEventKind.SALE:
                relisted += row.units
            elif surely_after:
                sold += row.units
        found = UnitsAround(sold_after=sold, relisted_after=relisted, doubtful=doubtful)
        exposure = listing.grant.exposure
        if exposure is None:
            return found
        return replace(found, exposure_at_read=exposure - self.moved.get(listing.id, 0))

    def shown_now(self, listing_id: int, reading: Reading) -> int:
        """The best guess of what the counter shows now; a wrong one costs a refused compare."""
        shown = reading.quantity
        for row in self.events.get(listing_id, ()):
            since = row.heard_at if row.moved_at is None else row.moved_at
            if since > reading.received_at:
                shown += -row.units if row.kind == LineEventKind.SALE else row.units
        return shown


async def load_evidence(
    tx: AsyncConnection, listing_ids: Collection[int], limits: ChannelLimits
) -> Evidence:
    """Everything that bears on the stored readings of these listings, in two statements."""
    found: dict[int, list[Any]] = {}
    if not listing_ids:
        return Evidence(events=found, moved={})
    wanted = readings.c.listing_id.in_(sorted(listing_ids))
    lag = limits.read_lag_seconds + limits.clock_skew_seconds
    since = sa.func.coalesce(line_events.c.moved_at, line_events.c.heard_at)
    query = (
        sa.select(line_events)
        .join(readings, readings.c.listing_id == line_events.c.listing_id)
        .where(wanted, since >= readings.c.sent_at - lag)
    )
    for row in await tx.execute(query):
        found.setdefault(row.listing_id, []).append(row)
    sums = (
        sa.select(movements.c.listing_id, sa.func.sum(movements.c.delta))
        .join(readings, readings.c.listing_id == movements.c.listing_id)
        .where(wanted, movements.c.at >= readings.c.sent_at)
        .group_by(movements.c.listing_id)
    )
    moved = {listing_id: int(units) for listing_id, units in await tx.execute(sums)}
    return Evidence(events=found, moved=moved)
