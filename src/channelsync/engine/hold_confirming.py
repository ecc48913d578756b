"""Holds confirmed: any number in one transaction, with as many statements as for one of them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Final

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection

from channelsync.domain import holds
from channelsync.domain.errors import HoldConflict
from channelsync.domain.permissions import EVERYWHERE, Reach
from channelsync.engine.core import Engine
from channelsync.engine.hold_rows import UnknownHold, state_of, units_of_holds, view_of
from channelsync.engine.hold_types import Hold
from channelsync.store import tables
from channelsync.store.many import among, updating

__all__ = ["Confirming", "confirm_holds"]

_CONFIRM: Final = updating(tables.holds, "state", "reference")


@dataclass(frozen=True, slots=True, kw_only=True)
class Confirming:
    """A cart that is to become an order."""

    hold_id: str
    reference: str
    """The order."""
    reach: Reach = EVERYWHERE
    """Whoever asks; a hold out of it is as if there were none."""


async def confirm_holds(
    engine: Engine, tx: AsyncConnection, wanted: Sequence[Confirming]
) -> list[tuple[Hold | None, Hold | Exception]]:
    """Each cart as it was and as the order that it is now, in their order.

    What one is refused with is its answer: `UnknownHold` or `HoldConflict`.
    """
    ids = sorted({one.hold_id for one in wanted})
    lock = sa.select(tables.holds).where(among(tx, tables.holds.c.id, ids))
    rows = (await tx.execute(lock.order_by(tables.holds.c.id).with_for_update())).all()
    # Looked at once they are locked: whoever waited for that may be too late by now.
    now = engine.now()
    found = {row.id: row for row in rows}
    rules = {row.id: state_of(row) for row in rows}
    refused: dict[int, Exception] = {}
    for place, one in enumerate(wanted):
        row = found.get(one.hold_id)
        if row is None or not one.reach.has_channel(row.channel or ""):
            refused[place] = UnknownHold(one.hold_id)
            continue
        try:
            rules[row.id] = holds.confirm(rules[row.id], now=now)
        except HoldConflict as refusal:
            refused[place] = refusal
    kept = {one.hold_id for place, one in enumerate(wanted) if place not in refused}
    units = await units_of_holds(tx, kept) if kept else {}
    outcomes: list[tuple[Hold | None, Hold | Exception]] = []
    written = []
    for place, one in enumerate(wanted):
        if place in refused:
            outcomes.append((None, refused[place]))
            continue
        before = view_of(found[one.hold_id], units.get(one.hold_id, {}))
        state = rules[one.hold_id].state.value
        outcomes.append((before, replace(before, state=state, reference=one.reference)))
        written.append({"id": one.hold_id, "state": state, "reference": one.reference})
    await _CONFIRM.run(tx, written)
    return outcomes
