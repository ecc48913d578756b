"""Recipes: which items a listing is made of, and which items hang together through listings."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Final, TypeAlias

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection

from channelsync.store.locks import in_parts
from channelsync.store.many import among
from channelsync.store.prepared import Prepared
from channelsync.store.tables import recipes

__all__ = [
    "RELATED_MAX",
    "Recipes",
    "Related",
    "items_in",
    "neighbours_of",
    "recipes_around",
    "recipes_of",
    "related_items",
]

RELATED_MAX: Final = 200
_MINE, _OTHERS = recipes.alias(), recipes.alias()
_SHARED: Final = sa.select(_OTHERS.c.item_id).join(
    _MINE, _MINE.c.listing_id == _OTHERS.c.listing_id
)
_AROUND: Final = Prepared(
    lambda listed: (
        sa.select(_OTHERS.c.listing_id, _OTHERS.c.item_id, _OTHERS.c.units)
        .join(_MINE, _MINE.c.listing_id == _OTHERS.c.listing_id)
        .where(listed(_MINE.c.item_id, "ids"))
    )
)
_UNITS: Final = Prepared(
    lambda listed: sa.select(recipes.c.listing_id, recipes.c.item_id, recipes.c.units).where(
        listed(recipes.c.listing_id, "ids")
    )
)

Recipes: TypeAlias = dict[int, dict[int, int]]
"""Units by item id, by listing id."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Related:
    """Which items hang together, and through what."""

    groups: Mapping[int, set[int]]
    """For each item asked for, all items that hang together with it."""
    recipes: Recipes
    """Of every listing that contains one of all these items."""


async def recipes_of(tx: AsyncConnection, listing_ids: Iterable[int]) -> Recipes:
    """The recipes of these listings."""
    return await _read(tx, _UNITS, listing_ids)


async def recipes_around(tx: AsyncConnection, item_ids: Iterable[int]) -> Recipes:
    """The recipe of every listing that contains one of the items."""
    return await _read(tx, _AROUND, item_ids)


async def _read(tx: AsyncConnection, query: Prepared, ids: Iterable[int]) -> Recipes:
    found: Recipes = {}
    for part in in_parts(sorted(set(ids))):
        for listing_id, item_id, units in await query.rows(tx, ids=part):
            found.setdefault(listing_id, {})[item_id] = units
    return found


async def neighbours_of(tx: AsyncConnection, item_ids: Iterable[int]) -> set[int]:
    """The items, and every item that shares a listing with one of them."""
    reached = set(item_ids)
    for part in in_parts(sorted(reached)):
        query = _SHARED.where(among(tx, _MINE.c.item_id, part))
        reached |= set((await tx.execute(query)).scalars())
    return reached


async def related_items(tx: AsyncConnection, item_ids: Iterable[int]) -> Related:
    """For each item: itself and every item that shares a bundle with it, however far that goes.

    Beyond `RELATED_MAX` items of one no further ones are looked for.
    """
    wanted = set(item_ids)
    recipes: Recipes = {}
    looked_at: set[int] = set()
    fresh = wanted
    while fresh and len(looked_at) < RELATED_MAX * len(wanted):
        found = await recipes_around(tx, fresh)
        recipes |= found
        looked_at |= fresh
        fresh = items_in(found) - looked_at
    neighbours = _neighbours(recipes)
    groups = {item: _reached(item, neighbours) for item in wanted}
    if beyond := set().union(*groups.values()) - looked_at:
        recipes |= await recipes_around(tx, beyond)
    return Related(groups=groups, recipes=recipes)


def items_in(recipes: Recipes) -> set[int]:
    """Every item that one of the recipes names."""
    return {item for recipe in recipes.values() for item in recipe}


def _neighbours(recipes: Recipes) -> dict[int, set[int]]:
    """Items that share a listing, by each of them. An item without a bundle has none."""
    found: dict[int, set[int]] = {}
    for recipe in recipes.values():
        if len(recipe) > 1:
            for item in recipe:
                found.setdefault(item, set()).update(recipe)
    return found


def _reached(item_id: int, neighbours: Mapping[int, set[int]]) -> set[int]:
    related = {item_id}
    reached = neighbours.get(item_id, related)
    while reached != related and len(reached) < RELATED_MAX:
        related = reached
        reached = {one for item in related for one in neighbours.get(item, {item})}
    return reached
