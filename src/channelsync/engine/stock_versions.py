"""Versions of stock levels: who edits says what he saw, and is told when it is that no more."""

from __future__ import annotations

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection

from channelsync.engine.stock_places import Place
from channelsync.store.tables import movements

__all__ = ["level_version"]


async def level_version(tx: AsyncConnection, place: Place) -> str:
    """The version of an item's level at a location: another one after every change and count.

    The last movement's number says it all but a count that confirmed what was there.
    """
    query = sa.select(sa.func.max(movements.c.id)).where(
        movements.c.item_id == place.item.id, movements.c.location_id == place.location.id
    )
    last = (await tx.execute(query)).scalar() or 0
    counted_at = place.stored.counted_at or 0.0
    return f"{last}-{counted_at.hex()}"
