"""Rows of holds: found and locked, their units moved, their state written."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, Final

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection

from channelsync.domain.holds import Hold as HoldRules
from channelsync.domain.holds import HoldState
from channelsync.domain.vocabulary import Instant
from channelsync.engine.hold_types import Hold
from channelsync.engine.work import mark_items
from channelsync.store import tables
from channelsync.store.ledger import StockMove, move_stock
from channelsync.store.many import among
from channelsync.store.tables import MovementKind, Quantity

__all__ = [
    "ACTOR",
    "UnknownHold",
    "end_hold",
    "held_move",
    "hold_row",
    "lines_of",
    "locked_hold",
    "state_of",
    "units_of_holds",
    "view_of",
    "write_hold",
]

ACTOR: Final = "holds"


class UnknownHold(Exception):
    """There is no hold of that id."""


async def end_hold(
    tx: AsyncConnection, ended: HoldRules, kind: MovementKind, *, now: Instant
) -> None:
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


async def locked_hold(tx: AsyncConnection, hold_id: str) -> HoldRules:
    """A hold for the domain's rules, its row locked until the transaction ends.

    Raises:
        UnknownHold: there is none of that id.
    """
    query = sa.select(tables.holds).where(tables.holds.c.id == hold_id).with_for_update()
    row = (await tx.execute(query)).one_or_none()
    if row is None:
        raise UnknownHold(hold_id)
    return state_of(row)


def state_of(row: Any) -> HoldRules:
    """A hold's row for the domain's rules."""
    return HoldRules(
        hold_id=row.id,
        owner=row.owner,
        state=HoldState(row.state),
        expires_at=row.expires_at,
        ended_at=row.ended_at,
    )


async def units_of_holds(tx: AsyncConnection, hold_ids: Iterable[str]) -> dict[str, dict[str, int]]:
    """What holds keep: units by SKU over all locations, by hold."""
    held, items = tables.hold_lines, tables.items
    query = (
        sa.select(held.c.hold_id, items.c.sku, sa.func.sum(held.c.units).label("units"))
        .join(items, items.c.id == held.c.item_id)
        .where(among(tx, held.c.hold_id, sorted(set(hold_ids))))
        .group_by(held.c.hold_id, items.c.sku)
        .order_by(held.c.hold_id, items.c.sku)
    )
    found: dict[str, dict[str, int]] = {}
    for line in await tx.execute(query):
        found.setdefault(line.hold_id, {})[line.sku] = int(line.units)
    return found


def view_of(row: Any, lines: Mapping[str, int]) -> Hold:
    """A hold as it stands, from its row and its units by SKU."""
    return Hold(
        id=row.id,
        owner=row.owner,
        pool=row.pool,
        channel=row.channel,
        state=row.state,
        reference=row.reference,
        lines=lines,
        created_at=row.created_at,
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
