"""Units that came back, each looked at once: by a person here, or as a channel tells of it.

The same parcel may be inspected here and put back on the shelf in the channel's own administration,
in either order. Nobody can tell whether two such reports are of the same unit, so they are taken
for the same: `on_hand` grows by what a person found sellable, and by what a channel tells beyond
everything that was looked at before. A unit is never put on the shelf twice; where the reports were
of two units after all, the next count finds the other one.
"""

from __future__ import annotations

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection

from channelsync.domain.vocabulary import Instant
from channelsync.store.tables import InspectionOutcome, inspections

__all__ = ["inspected_units", "note_told"]


async def inspected_units(tx: AsyncConnection, line_id: int, item_id: int) -> int:
    """Units of an item that were looked at for one order line, by whomever."""
    query = sa.select(sa.func.coalesce(sa.func.sum(inspections.c.units), 0)).where(
        inspections.c.line_id == line_id, inspections.c.item_id == item_id
    )
    return int((await tx.execute(query)).scalar_one())


async def note_told(
    tx: AsyncConnection,
    line_id: int,
    item_id: int,
    location_id: int,
    *,
    told: int,
    actor: str,
    now: Instant,
) -> int:
    """A channel has told so far of `told` units that are on the shelf again.

    Returns how many of them nobody had looked at before; they count as looked at now.
    """
    fresh = told - await inspected_units(tx, line_id, item_id)
    if fresh <= 0:
        return 0
    row = {
        "line_id": line_id,
        "item_id": item_id,
        "location_id": location_id,
        "outcome": InspectionOutcome.SELLABLE,
        "units": fresh,
        "by_channel": True,
        "at": now,
        "actor": actor,
        "note": "told by the channel",
    }
    await tx.execute(sa.insert(inspections).values(row))
    return fresh
