"""The holds desk: units kept for carts, and what becomes of them.

A hold takes its units in one transaction: from the slice of the channel that it names, where that
channel has one, and the rest from `free`. A refused hold changes nothing. Held units are reserved
at locations until the hold is released, runs out or ships:

    active ── confirm ──> confirmed ── ship ──> (shipped: the units have left the house)
      ├── release ──> released <── release ──┘
      └── its time is over ──> expired

A confirmed hold is an order of the merchant's own: it keeps its units, without an end, under the
reference that it was confirmed with. No order feed must tell of the same sale again.
"""

from __future__ import annotations

from sqlalchemy.ext.asyncio import AsyncConnection

from channelsync.domain import holds
from channelsync.engine.core import Engine
from channelsync.engine.hold_confirming import Confirming, confirm_holds
from channelsync.engine.hold_making import HoldPools, make_holds
from channelsync.engine.hold_rows import (
    end_hold,
    held_move,
    hold_row,
    lines_of,
    locked_hold,
    units_of_holds,
    view_of,
    write_hold,
)
from channelsync.engine.hold_types import Hold, HoldRefused, HoldRequest
from channelsync.engine.work import mark_items
from channelsync.store.ledger import move_stock
from channelsync.store.tables import MovementKind, Quantity

__all__ = ["HoldsDesk"]


class HoldsDesk:
    """Every use case works in the caller's write transaction."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    # ------------------------------------------------------------ use cases

    async def create(self, tx: AsyncConnection, request: HoldRequest) -> Hold:
        """Hold the units, all or none.

        Raises:
            InsufficientUnits: fewer can be taken.
            UnknownItem, UnknownHold, HoldConflict, HoldRefused: the request does not fit.
        """
        if request.replaces is not None:
            await self._give_up(tx, request, request.replaces)
        [made] = await make_holds(self._engine, tx, (request,))
        return _made(made)

    async def extend(self, tx: AsyncConnection, hold_id: str, ttl_seconds: float | None) -> Hold:
        """Keep the units for `ttl_seconds` from now, if that is later than its present end.

        Raises:
            UnknownHold: there is no such hold.
            HoldConflict: it is not active, or its time is over.
        """
        now = self._engine.now()
        hold = await locked_hold(tx, hold_id)
        until = now + (ttl_seconds or self._engine.policy.hold_ttl_seconds)
        extended = holds.extend(hold, until, now=now)
        await write_hold(tx, hold_id, expires_at=extended.expires_at)
        return await self.view(tx, hold_id)

    async def confirm(self, tx: AsyncConnection, hold_id: str, reference: str) -> Hold:
        """Turn the cart into an order: from now on its units are kept without an end.

        Raises:
            UnknownHold: there is no such hold.
            HoldConflict: it is not active, or its time is over.
        """
        wanted = Confirming(hold_id=hold_id, reference=reference)
        [(_, confirmed)] = await confirm_holds(self._engine, tx, (wanted,))
        return _made(confirmed)

    async def release(self, tx: AsyncConnection, hold_id: str) -> Hold:
        """Give the units back: the cart was left, or its order called off before it shipped.

        Raises:
            UnknownHold: there is no such hold.
            HoldConflict: it keeps nothing any more.
        """
        now = self._engine.now()
        released = holds.release(await locked_hold(tx, hold_id), now=now)
        await end_hold(tx, released, MovementKind.HOLD_RELEASE, now=now)
        return await self.view(tx, hold_id)

    async def ship(self, tx: AsyncConnection, hold_id: str) -> Hold:
        """The units of a confirmed hold have left the house.

        Raises:
            UnknownHold: there is no such hold.
            HoldConflict: it is not confirmed, or has shipped.
        """
        now = self._engine.now()
        shipped = holds.ship(await locked_hold(tx, hold_id), now=now)
        lines = (await tx.execute(lines_of(hold_id))).all()
        kind = MovementKind.SHIPMENT
        moves = []
        for line in lines:
            key = (line.item_id, line.location_id)
            moves.append(held_move(*key, -line.units, kind, hold_id, now))
            moves.append(held_move(*key, -line.units, kind, hold_id, now, Quantity.ON_HAND))
        await move_stock(tx, moves)
        await write_hold(tx, hold_id, ended_at=shipped.ended_at)
        await mark_items(tx, (line.item_id for line in lines), now)
        return await self.view(tx, hold_id)

    async def view(self, tx: AsyncConnection, hold_id: str) -> Hold:
        """The hold as it stands; a read transaction will do.

        Raises:
            UnknownHold: there is no such hold.
        """
        row = await hold_row(tx, hold_id)
        return view_of(row, (await units_of_holds(tx, (hold_id,))).get(hold_id, {}))

    # ------------------------------------------------------------ replacing

    async def _give_up(self, tx: AsyncConnection, request: HoldRequest, hold_id: str) -> None:
        """End the hold that the new one replaces, so that its owner is not blocked by himself."""
        now = self._engine.now()
        # A hold before its items, as everywhere.
        old = await locked_hold(tx, hold_id)
        holds.require_active(old, now=now)
        if old.owner != request.owner:
            raise HoldRefused(f"hold {old.hold_id} belongs to another owner: it cannot be replaced")
        pool = (await hold_row(tx, old.hold_id)).pool
        if pool != (await HoldPools.read(tx)).of(request.channel):
            raise HoldRefused(f"hold {old.hold_id} is of pool {pool}: release it instead")
        released = holds.release(old, now=now)
        await end_hold(tx, released, MovementKind.HOLD_RELEASE, now=now)


def _made(outcome: Hold | Exception) -> Hold:
    if isinstance(outcome, Exception):
        raise outcome
    return outcome
