"""Order lines as the channels told them, newest first."""

from __future__ import annotations

from dataclasses import dataclass

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection

from channelsync.domain.vocabulary import Instant
from channelsync.store.tables import items, order_lines, recipes

__all__ = ["LineView", "view_lines"]


@dataclass(frozen=True, slots=True, kw_only=True)
class LineView:
    """One order line, in listing units."""

    channel: str
    order: str
    line: str
    sku: str | None
    """As the channel spells it; None where it told none."""
    ordered: int
    cancelled: int
    shipped: int
    returned: int
    state: str
    parked: str | None
    """Why it is not counted yet; None once it is."""
    sold_at: Instant | None
    heard_at: Instant
    """When it was last heard of."""


async def view_lines(
    tx: AsyncConnection,
    *,
    channel: str | None = None,
    sku: str | None = None,
    parked: bool = False,
    limit: int = 20,
) -> tuple[LineView, ...]:
    """The lines heard of last; with `parked` only those that wait to be counted.

    With `sku` those that sold the item, alone or in a bundle, and those told under that name.
    """
    query = sa.select(order_lines).order_by(order_lines.c.heard_at.desc(), order_lines.c.id.desc())
    if channel is not None:
        query = query.where(order_lines.c.channel == channel)
    if sku is not None:
        containing = (
            sa.select(recipes.c.listing_id)
            .join(items, items.c.id == recipes.c.item_id)
            .where(items.c.sku == sku)
        )
        query = query.where(
            sa.or_(order_lines.c.sku == sku, order_lines.c.listing_id.in_(containing))
        )
    if parked:
        query = query.where(order_lines.c.parked.is_not(None))
    return tuple(
        LineView(
            channel=row.channel,
            order=row.order_id,
            line=row.line_id,
            sku=row.sku,
            ordered=row.ordered,
            cancelled=row.cancelled,
            shipped=row.shipped,
            returned=row.returned,
            state=row.state,
            parked=row.parked,
            sold_at=row.sold_at,
            heard_at=row.heard_at,
        )
        for row in await tx.execute(query.limit(limit))
    )
