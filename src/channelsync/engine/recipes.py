"""Recipes: which items a listing is made of, and which items hang together through listings."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Final

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection

from channelsync.store.locks import in_parts
from channelsync.store.many import among
from channelsync.store.tables import recipes

__all__ = ["RELATED_MAX", "neighbours_of", "recipes_of", "related_items"]

RELATED_MAX: Final = 200
_MINE, _OTHERS = recipes.alias(), recipes.alias()
_SHARED: Final = sa.select(_OTHERS.c.item_id).join(
    _MINE, _MINE.c.listing_id == _OTHERS.c.listing_id
)
_PAIRS: Final = (
    sa.select(_MINE.c.item_id, _OTHERS.c.item_id.label("other_id"))
    .join(_OTHERS, _MINE.c.listing_id == _OTHERS.c.listing_id)
    .distinct()
)
_UNITS: Final = sa.select(recipes.c.listing_id, recipes.c.item_id, recipes.c.units)


async def recipes_of(tx: AsyncConnection, listing_ids: Iterable[int]) -> dict[int, dict[int, int]]:
    """Units by item id, by listing id."""
    found: dict[int, dict[int, int]] = {}
    for part in in_parts(sorted(set(listing_ids))):
        query = _UNITS.where(among(tx, recipes.c.listing_id, part))
        for listing_id, item_id, units in (await tx.execute(query)).all():
            found.setdefault(listing_id, {})[item_id] = units
    return found


async def neighbours_of(tx: AsyncConnection, item_ids: Iterable[int]) -> set[int]:
    """The items, and every item that shares a listing with one of them."""
    reached = set(item_ids)
    for part in in_parts(sorted(reached)):
        query = _SHARED.where(among(tx, _MINE.c.item_id, part))
        reached |= set((await tx.execute(query)).scalars())
    return reached


async def related_items(tx: AsyncConnection, item_ids: Iterable[int]) -> dict[int, set[int]]:
    """For each item: itself and every item that shares a bundle with it, however far that goes.

    Beyond `RELATED_MAX` items of one no further ones are looked for.
    """
    wanted = set(item_ids)
    neighbours: dict[int, set[int]] = {}
    fresh = set(wanted)
    while fresh and len(neighbours) < RELATED_MAX * len(wanted):
        neighbours |= await _neighbours(tx, fresh)
        fresh = {one for item in fresh for one in neighbours[item]} - neighbours.keys()
    return {item: _reached(item, neighbours) for item in wanted}


async def _neighbours(tx: AsyncConnection, item_ids: set[int]) -> dict[int, set[int]]:
    query = _PAIRS.where(among(tx, _MINE.c.item_id, sorted(item_ids)))
    found = {item: {item} for item in item_ids}
    for item_id, other_id in (await tx.execute(query)).all():
        found[item_id].add(other_id)
    return found


def _reached(item_id: int, neighbours: Mapping[int, set[int]]) -> set[int]:
    related: set[int] = set()
    reached = {item_id}
    while reached != related and len(reached) < RELATED_MAX:
        related = reached
        reached = {one for item in related for one in neighbours.get(item, {item})}
    return reached
