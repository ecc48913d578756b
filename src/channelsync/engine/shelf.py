"""The shelf: what lies at one location and is promised to nobody, shown where a channel mirrors it.

A mirrored number grants nothing: the channel's share is kept apart in the books alone. It is shown
for the people in the shop, so a lost or late showing costs them a look, never stock.
"""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection

from channelsync.engine.core import Engine
from channelsync.ports import RunningChannel
from channelsync.sdk.connector import Mirrors
from channelsync.sdk.types import ListingRef
from channelsync.store import tables
from channelsync.store.tables import ChannelState, ListingState

__all__ = ["show_shelf"]


async def show_shelf(engine: Engine, running: RunningChannel) -> None:
    """Let a mirroring channel show every active listing's units; others are left alone.

    Nothing is shown while the channel is adopted, shadowed or paused.

    Raises:
        ConnectorError: the channel did not take them; the next time mends it.
    """
    channel = running.channel
    if not isinstance(channel, Mirrors):
        return
    async with engine.database.read() as connection:
        if not await _may_show(connection, running.name):
            return
        units = await _units(connection, running.name, channel.shelf())
    if units:
        await channel.mirror(units)


async def _may_show(connection: AsyncConnection, name: str) -> bool:
    channels = tables.channels
    query = sa.select(channels.c.mode, channels.c.state, channels.c.paused_reason).where(
        channels.c.name == name
    )
    row = (await connection.execute(query)).one()
    live = row.mode == "live" and row.paused_reason is None
    return live and row.state == ChannelState.ACTIVE


async def _units(
    connection: AsyncConnection, name: str, shelf: str
) -> list[tuple[ListingRef, int]]:
    """Whole listing units that the shelf could hand out, by listing."""
    listings, recipes, locations, stock = (
        tables.listings,
        tables.recipes,
        tables.locations,
        tables.stock,
    )
    place = sa.select(locations.c.id).where(locations.c.code == shelf).scalar_subquery()
    here = sa.and_(stock.c.item_id == recipes.c.item_id, stock.c.location_id == place)
    query = (
        sa.select(
            listings.c.id,
            listings.c.sku,
            listings.c.external,
            recipes.c.units,
            stock.c.on_hand,
            stock.c.reserved,
        )
        .join(recipes, recipes.c.listing_id == listings.c.id)
        .outerjoin(stock, here)
        .where(listings.c.channel == name, listings.c.state == ListingState.ACTIVE)
        .order_by(listings.c.id)
    )
    found: dict[int, tuple[ListingRef, int]] = {}
    for row in await connection.execute(query):
        units = max((row.on_hand or 0) - (row.reserved or 0), 0) // row.units
        _, least = found.get(row.id, (None, units))
        found[row.id] = (_ref(row), min(least, units))
    return list(found.values())


def _ref(row: Any) -> ListingRef:
    return ListingRef(listing_id=str(row.id), sku=row.sku, external=row.external)
