"""Ship: tell a channel that a package of one of its orders has left the house.

The books follow the channel: its next word on the order says what was shipped, so telling is not
counting, and a telling that was lost is simply made again.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection

from channelsync.domain.vocabulary import Instant
from channelsync.sdk.types import Shipment
from channelsync.store import tables

__all__ = ["NothingToShip", "plan_shipment"]


class NothingToShip(LookupError):
    """The order is not known, or has no such units to ship; the message says which."""


async def plan_shipment(
    tx: AsyncConnection,
    channel: str,
    order_id: str,
    *,
    carrier: str,
    tracking: str,
    reference: str,
    shipped_at: Instant,
    units: Mapping[str, int] | None = None,
) -> Shipment:
    """One package with `units` by SKU, or with everything of the order that is still to ship.

    Raises:
        NothingToShip: there is no such order, SKU or unit.
    """
    lines = tables.order_lines
    query = sa.select(lines).where(lines.c.channel == channel, lines.c.order_id == order_id)
    rows = (await tx.execute(query.order_by(lines.c.id))).all()
    if not rows:
        raise NothingToShip(f"{channel} has told of no order {order_id}")
    packed = _everything(rows) if units is None else _chosen(rows, order_id, units)
    if not packed:
        raise NothingToShip(f"nothing of order {order_id} is left to ship")
    return Shipment(
        order_id=order_id,
        reference=reference,
        carrier=carrier,
        tracking=tracking,
        shipped_at=shipped_at,
        lines=packed,
        origin=rows[0].origin,
    )


def _left(row: Any) -> int:
    return int(max(row.ordered - row.cancelled - row.shipped, 0))


def _everything(rows: Any) -> tuple[tuple[str, int], ...]:
    return tuple((row.line_id, _left(row)) for row in rows if _left(row))


def _chosen(rows: Any, order_id: str, units: Mapping[str, int]) -> tuple[tuple[str, int], ...]:
    packed: list[tuple[str, int]] = []
    for sku, wanted in sorted(units.items()):
        missing = wanted
        for row in (row for row in rows if row.sku == sku):
            take = min(missing, _left(row))
            if take:
                packed.append((row.line_id, take))
                missing -= take
        if missing or wanted < 1:
            raise NothingToShip(f"order {order_id} has not {wanted} units of {sku} left to ship")
    return tuple(packed)
