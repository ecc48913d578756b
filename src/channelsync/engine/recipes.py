"""Recipes: which items a listing is made of, and which items hang together through listings."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection

from channelsync.store.tables import recipes

__all__ = ["RELATED_MAX", "neighbours_of", "recipes_of", "related_items"]

RELATED_MAX: Final = 200


async def recipes_of(tx: AsyncConnection, listing_ids: Iterable[int]) -> dict[int, dict[int, int]]:
    """Units by item id, by listing id."""
    query = sa.select(recipes).where(recipes.c.listing_id.in_(sorted(set(listing_ids))))
    found: dict[int, dict[int, int]] = {}
    for row in await tx.execute(query):
        found.setdefault(row.listing_id, {})[row.item_id] = row.units
    return found


async def neighbours_of(tx: AsyncConnection, item_ids: Iterable[int]) -> set[int]:
    """The items, and every item that shares a listing with one of them."""
    mine, others = recipes.alias(), recipes.alias()
    wanted = set(item_ids)
    query = (
        sa.select(others.c.item_id)
        .join(mine, mine.c.listing_id == others.c.listing_id)
        .where(mine.c.item_id.in_(sorted(wanted)))
    )
    return wanted | set((await tx.execute(query)).scalars())


async def related_items(tx: AsyncConnection, item_id: int) -> set[int]:
    """The item and every item that shares a bundle with it, however far the sharing goes.

    Beyond `RELATED_MAX` items no further ones are looked for.
    """
    related: set[int] = set()
    reached = {item_id}
    while reached != related and len(reached) < RELATED_MAX:
        related = reached
        reached = await neighbours_of(tx, related)
    return reached
