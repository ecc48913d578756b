"""Oversold: what a listing sells of stock that is not there, once an assumption of it broke.

A settle that finds more on a counter than the books had granted has to take it as it is: the sales
that follow are within the grant, and yet some of them cannot be served. They are written down as a
shortfall whose cause is the assumption that broke.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection

from channelsync.domain.vocabulary import Instant
from channelsync.engine.alarms import Shortfall, record_shortfalls
from channelsync.engine.grants import Grants, Listing
from channelsync.engine.measure import LIMITS
from channelsync.store import tables
from channelsync.store.prepared import Prepared

__all__ = ["note_oversold"]

_DOUBTED: Final = Prepared(
    lambda listed: sa.select(
        tables.assumptions.c.listing_id, tables.assumptions.c.assumption
    ).where(
        tables.assumptions.c.channel == sa.bindparam("channel"),
        listed(tables.assumptions.c.listing_id, "listing_ids"),
        tables.assumptions.c.assumption.in_(LIMITS),
        sa.not_(tables.assumptions.c.holds),
    )
)


async def note_oversold(
    tx: AsyncConnection, grants: Grants, channel: str, sold: Mapping[int, int], *, now: Instant
) -> None:
    """Write down what listings in doubt sold of units that are promised elsewhere.

    `sold` are units counted against the grant, by listing, and are in the books already.
    """
    found: list[Shortfall] = []
    for listing_id, assumption in (await _doubted(tx, channel, sold)).items():
        listing = grants[listing_id]
        for item_id, units in listing.recipe.items():
            missing = await _missing(tx, listing, item_id)
            over = min(sold[listing_id] * units, missing - units * (listing.grant.exposure or 0))
            if over > 0:
                found.append(
                    Shortfall(
                        item_id=item_id,
                        units=over,
                        cause=assumption,
                        channel=channel,
                        listing_id=listing_id,
                    )
                )
    await record_shortfalls(tx, found, now=now)


async def _doubted(tx: AsyncConnection, channel: str, sold: Mapping[int, int]) -> dict[int, str]:
    """The broken assumption of those of the listings that sold and have one."""
    within = sorted(key for key, units in sold.items() if units)
    if not within:
        return {}
    rows = await _DOUBTED.rows(tx, channel=channel, listing_ids=within)
    return {row.listing_id: row.assumption for row in rows}


async def _missing(tx: AsyncConnection, listing: Listing, item_id: int) -> int:
    """Units of an item that are promised or on sale in the listing's pool and are not there."""
    stock, places = tables.stock, tables.locations
    there = (
        sa.select(sa.func.coalesce(sa.func.sum(stock.c.on_hand - stock.c.reserved), 0))
        .join(places, places.c.id == stock.c.location_id)
        .where(stock.c.item_id == item_id, places.c.pool == listing.pool, places.c.active)
    )
    listings, recipes, channels = tables.listings, tables.recipes, tables.channels
    on_sale = (
        sa.select(sa.func.coalesce(sa.func.sum(recipes.c.units * listings.c.exposure), 0))
        .join(listings, listings.c.id == recipes.c.listing_id)
        .join(channels, channels.c.name == listings.c.channel)
        .where(recipes.c.item_id == item_id, channels.c.pool == listing.pool)
    )
    query = sa.select(on_sale.scalar_subquery() - there.scalar_subquery())
    return int((await tx.execute(query)).scalar_one())
