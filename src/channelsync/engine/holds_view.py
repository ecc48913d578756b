"""Active holds: units that carts keep, and until when."""

from __future__ import annotations

from dataclasses import dataclass

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection

from channelsync.domain.vocabulary import Instant
from channelsync.store.tables import hold_lines, holds, items

__all__ = ["HeldUnits", "HoldView", "view_holds"]


@dataclass(frozen=True, slots=True, kw_only=True)
class HeldUnits:
    """What a hold keeps of one item, over all locations."""

    sku: str
    units: int


@dataclass(frozen=True, slots=True, kw_only=True)
class HoldView:
    """One active hold."""

    id: str
    pool: str
    channel: str | None
    owner: str
    lines: tuple[HeldUnits, ...]
    created_at: Instant
    expires_at: Instant


async def view_holds(tx: AsyncConnection, *, limit: int = 100) -> tuple[HoldView, ...]:
    """Active holds, those that end first in front."""
    query = (
        sa.select(holds)
        .where(holds.c.state == "active")
        .order_by(holds.c.expires_at, holds.c.id)
        .limit(limit)
    )
    rows = (await tx.execute(query)).all()
    lines = await _lines(tx, [row.id for row in rows])
    return tuple(
        HoldView(
            id=row.id,
            pool=row.pool,
            channel=row.channel,
            owner=row.owner,
            lines=tuple(lines.get(row.id, ())),
            created_at=row.created_at,
            expires_at=row.expires_at,
        )
        for row in rows
    )


async def _lines(tx: AsyncConnection, hold_ids: list[str]) -> dict[str, list[HeldUnits]]:
    query = (
        sa.select(hold_lines.c.hold_id, items.c.sku, sa.func.sum(hold_lines.c.units).label("units"))
        .join(items, items.c.id == hold_lines.c.item_id)
        .where(hold_lines.c.hold_id.in_(hold_ids))
        .group_by(hold_lines.c.hold_id, items.c.sku)
        .order_by(items.c.sku)
    )
    found: dict[str, list[HeldUnits]] = {}
    for row in await tx.execute(query):
        found.setdefault(row.hold_id, []).append(HeldUnits(sku=row.sku, units=int(row.units)))
    return found
