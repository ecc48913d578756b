"""The checks on units between locations and on units that came back."""

from __future__ import annotations

from dataclasses import dataclass

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection

from channelsync.domain.transfers import TransferState
from channelsync.store.checks import Check, Finding, differences, stock_finding
from channelsync.store.tables import (
    Quantity,
    inspections,
    items,
    movements,
    order_lines,
    recipes,
    transfers,
)

__all__ = ["OverInspected", "check_in_transit", "over_inspected"]


async def check_in_transit(tx: AsyncConnection) -> list[Finding]:
    """Ids: item, location that the units go to. `stored` is the ledger's sum."""
    nothing = sa.literal(0, sa.Integer)
    under_way = transfers.c.units - transfers.c.received - transfers.c.written_off
    sources = (
        sa.select(
            movements.c.item_id,
            movements.c.location_id,
            movements.c.delta.label("stored"),
            nothing.label("rebuilt"),
        ).where(movements.c.quantity == Quantity.IN_TRANSIT),
        sa.select(
            transfers.c.item_id, transfers.c.target_id.label("location_id"), nothing, under_way
        ).where(transfers.c.state == TransferState.IN_TRANSIT),
    )
    rows = await tx.execute(differences(sa.union_all(*sources).subquery(), ()))
    return [stock_finding(Check.IN_TRANSIT, "movements", "in_transit", row) for row in rows]


@dataclass(frozen=True, slots=True, kw_only=True)
class OverInspected:
    """An order line of which more units were looked at than can have come back."""

    key: str
    units: int


async def over_inspected(tx: AsyncConnection) -> list[OverInspected]:
    """Lines with more inspected units than ever left the house or came back to it.

    A line sold under another recipe than its listing's present one is not judged.
    """
    looked_at = (
        sa.select(
            inspections.c.line_id,
            inspections.c.item_id,
            sa.func.sum(inspections.c.units).label("units"),
        )
        .where(inspections.c.line_id.is_not(None))
        .group_by(inspections.c.line_id, inspections.c.item_id)
        .subquery()
    )
    line = order_lines.c
    most = sa.case((line.shipped > line.returned, line.shipped), else_=line.returned)
    beyond = looked_at.c.units - most * recipes.c.units
    query = (
        sa.select(
            items.c.sku,
            line.channel,
            (line.order_id + "/" + line.line_id).label("order_line"),
            beyond.label("beyond"),
        )
        .select_from(looked_at)
        .join(order_lines, line.id == looked_at.c.line_id)
        .join(items, items.c.id == looked_at.c.item_id)
        .join(
            recipes,
            sa.and_(
                recipes.c.listing_id == line.listing_id, recipes.c.item_id == looked_at.c.item_id
            ),
        )
        .where(beyond > 0)
        .order_by(line.channel, line.order_id, line.line_id, items.c.sku)
    )
    return [
        OverInspected(
            key=f"{row.sku} of {row.channel} order {row.order_line}", units=int(row.beyond)
        )
        for row in await tx.execute(query)
    ]
