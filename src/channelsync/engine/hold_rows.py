"""Rows of holds: found and locked, their units moved, their state written."""

from __future__ import annotations

from typing import Any, Final

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection

from channelsync.domain.holds import Hold, HoldState
from channelsync.domain.vocabulary import Instant
from channelsync.engine.work import mark_items
from channelsync.store import tables
from channelsync.store.ledger import StockMove, move_stock
from channelsync.store.tables import MovementKind, Quantity

__all__ = [
    "ACTOR",
    "UnknownHold",
    "end_hold",
    "held_move",
    "hold_row",
    "lines_of",
    "locked_hold",
    "write_hold",
]

ACTOR: Final = "holds"


class UnknownHold(Exception):
    """There is no hold of that id."""


async def end_hold(tx: AsyncConnection, ended: Hold, kind: MovementKind, *, now: Instant) -> None:
    """Give the units of a hold that the domain has just ended back to `free`."""
    lines = (await tx.execute(lines_of(ended.hold_id))).all()
    moves = [
        held_move(line.item_id, line.location_id, -line.units, kind, ended.hold_id, now)
        for line in lines
    ]
    await move_stock(tx, moves)
    await write_hold(tx, ended.hold_id, state=ended.state, ended_at=ended.ended_at)
    await mark_items(tx, (line.item_id for line in lines), now)


async def hold_row(tx: AsyncConnection, hold_id: str) -> Any:
    """The row of a hold.

    Raises:
        UnknownHold: there is none of that id.
    """
    query = sa.select(tables.holds).where(tables.holds.c.id == hold_id)
    row = (await tx.execute(query)).one_or_none()
    if row is None:
        raise UnknownHold(hold_id)
    return row


async def locked_hold(tx: AsyncConnection, hold_id: str) -> Hold:
    """A hold for the domain's rules, its row locked until the transaction ends.

    Raises:
        UnknownHold: there is none of that id.
    """
    query = sa.select(tables.holds).where(tables.holds.c.id == hold_id).with_for_update()
    row = (await tx.execute(query)).one_or_none()
    if row is None:
        raise UnknownHold(hold_id)
    return Hold(
        hold_id=row.id,
        owner=row.owner,
        state=HoldState(row.state),
        expires_at=row.expires_at,
        ended_at=row.ended_at,
    )


def lines_of(hold_id: str) -> sa.Select[Any]:
    """What a hold keeps, by item and location, in lock order."""
    held = tables.hold_lines
    return (
        sa.select(held)
        .where(held.c.hold_id == hold_id)
        .order_by(held.c.item_id, held.c.location_id)
    )


def held_move(
    item_id: int,
    location_id: int,
    units: int,
    kind: MovementKind,
    hold_id: str,
    now: Instant,
    quantity: Quantity = Quantity.RESERVED,
) -> StockMove:
    """One movement of units that a hold keeps."""
    return StockMove(
        item_id=item_id,
        location_id=location_id,
        quantity=quantity,
        delta=units,
        kind=kind,
        actor=ACTOR,
        at=now,
        reference=hold_id,
    )


async def write_hold(tx: AsyncConnection, hold_id: str, **values: Any) -> None:
    """Change a hold's row, which the caller has locked."""
    await tx.execute(sa.update(tables.holds).where(tables.holds.c.id == hold_id).values(values))
