"""Units that came back and that nobody has looked at yet: they are on hand nowhere."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection

from channelsync.domain.vocabulary import Instant
from channelsync.store.tables import channels, inspections, items, order_lines, recipes

__all__ = ["ReturnView", "uninspected_units", "view_returns"]


@dataclass(frozen=True, slots=True, kw_only=True)
class ReturnView:
    """One item of an order line with units that wait to be looked at, in item units."""

    channel: str
    order: str
    line: str
    sku: str
    returned: int
    """Units that came back, as the channel tells."""
    uninspected: int
    returned_at: Instant | None
    heard_at: Instant


async def view_returns(tx: AsyncConnection, *, limit: int = 100) -> tuple[ReturnView, ...]:
    """What waits, the return heard of first in front."""
    query = _waiting().order_by(order_lines.c.heard_at, order_lines.c.id).limit(limit)
    return tuple(
        ReturnView(
            channel=row.channel,
            order=row.order_id,
            line=row.line_id,
            sku=row.item_sku,
            returned=row.returned * row.recipe_units,
            uninspected=int(row.uninspected),
            returned_at=row.returned_at,
            heard_at=row.heard_at,
        )
        for row in await tx.execute(query)
    )


async def uninspected_units(
    tx: AsyncConnection, item_ids: Iterable[int]
) -> Mapping[tuple[int, str], int]:
    """Units that wait to be looked at, by item and the pool of the channel that sold them."""
    waiting = _waiting().where(recipes.c.item_id.in_(sorted(set(item_ids)))).subquery()
    query = sa.select(
        waiting.c.item_id, waiting.c.pool, sa.func.sum(waiting.c.uninspected).label("units")
    ).group_by(waiting.c.item_id, waiting.c.pool)
    return {(row.item_id, row.pool): int(row.units) for row in await tx.execute(query)}


def _waiting() -> sa.Select[Any]:
    """Lines of which more came back than was looked at, here or as the channel tells."""
    line = order_lines.c
    looked_at = (
        sa.select(sa.func.coalesce(sa.func.sum(inspections.c.units), 0))
        .where(inspections.c.line_id == line.id, inspections.c.item_id == recipes.c.item_id)
        .scalar_subquery()
    )
    told = line.restocked * recipes.c.units
    done = sa.case((looked_at > told, looked_at), else_=told)
    uninspected = line.returned * recipes.c.units - done
    return (
        sa.select(
            order_lines,
            recipes.c.item_id,
            recipes.c.units.label("recipe_units"),
            items.c.sku.label("item_sku"),
            channels.c.pool,
            uninspected.label("uninspected"),
        )
        .join(recipes, recipes.c.listing_id == line.listing_id)
        .join(items, items.c.id == recipes.c.item_id)
        .join(channels, channels.c.name == line.channel)
        .where(line.returned > line.restocked, uninspected > 0)
    )
