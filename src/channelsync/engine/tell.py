"""Tell: show the people of a live channel how many units are theirs. It binds nobody.

A live channel asks before it sells, or sells what it has in hand, so its number is never written
there; but whoever stands at the till wants to see it. A lost telling is repeated with the next.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Final

import sqlalchemy as sa

from channelsync.domain.vocabulary import Instant, PushSemantics
from channelsync.engine.core import Engine
from channelsync.engine.grants import Listing
from channelsync.engine.work import Claim, require_lease
from channelsync.ports import RunningChannel
from channelsync.sdk.connector import RecordsPushes
from channelsync.sdk.types import ListingRef
from channelsync.store.tables import channels, listings

__all__ = ["tell", "untold"]

LISTINGS_MAX: Final = 200
"""Listings a call; the rest is told in the next."""


def untold(engine: Engine, found: Iterable[Listing]) -> set[str]:
    """Live channels that were told another number than they hold, unless they do not listen."""
    stale = {
        listing.channel
        for listing in found
        if listing.grant.semantics is PushSemantics.LIVE and listing.told != listing.grant.exposure
    }
    return {name for name in stale if _listens(engine.channels.get(name))}


def _listens(running: RunningChannel | None) -> bool:
    return running is None or isinstance(running.channel, RecordsPushes)


async def tell(engine: Engine, held: Claim) -> Instant | None:
    """Tell one channel what changed since it was told last. Returns when to go on.

    Raises:
        ConnectorError: the channel cannot be told now; the work is tried again later.
    """
    running = engine.channels.get(held.key)
    if running is None or not isinstance(running.channel, RecordsPushes):
        return None
    rows = await _changed(engine, running.name)
    if not rows:
        return None
    await running.channel.tell(
        [
            (ListingRef(listing_id=str(row.id), sku=row.sku, external=row.external), row.exposure)
            for row in rows
        ]
    )
    now = engine.now()
    async with engine.database.write() as tx:
        await require_lease(tx, held, now=now)
        await tx.execute(
            sa.update(listings)
            .where(listings.c.id == sa.bindparam("_id"))
            .values(told=sa.bindparam("_told")),
            [{"_id": row.id, "_told": row.exposure} for row in rows],
        )
    return now if len(rows) == LISTINGS_MAX else None


async def _changed(engine: Engine, channel: str) -> list[Any]:
    query = (
        sa.select(listings.c.id, listings.c.sku, listings.c.external, listings.c.exposure)
        .join(channels, channels.c.name == listings.c.channel)
        .where(
            listings.c.channel == channel,
            channels.c.mode == "live",
            listings.c.exposure.is_not(None),
            listings.c.exposure.is_distinct_from(listings.c.told),
        )
        .order_by(listings.c.id)
        .limit(LISTINGS_MAX)
    )
    async with engine.database.read() as connection:
        return list((await connection.execute(query)).all())
