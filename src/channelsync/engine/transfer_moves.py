"""What the steps of a transfer move, and the differences that a receipt leaves behind."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection

from channelsync.domain.transfers import Difference, Receipt
from channelsync.domain.vocabulary import Instant
from channelsync.engine.stock_places import Place
from channelsync.store.ledger import StockMove
from channelsync.store.tables import MovementKind, Quantity, transfer_differences

__all__ = ["Mover", "arrival_moves", "record_differences", "write_off_moves"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Mover:
    """Makes the movements of one step of one transfer."""

    row: Any
    actor: str
    now: Instant
    note: str

    @property
    def reference(self) -> str:
        """What the movements belong to."""
        return f"transfer {self.row.id}"

    def move(
        self,
        location_id: int,
        quantity: Quantity,
        delta: int,
        *,
        kind: MovementKind = MovementKind.TRANSFER,
        note: str = "",
        moved_at: Instant | None = None,
    ) -> StockMove:
        """One movement of the transfer's item."""
        return StockMove(
            item_id=self.row.item_id,
            location_id=location_id,
            quantity=quantity,
            delta=delta,
            kind=kind,
            actor=self.actor,
            at=self.now,
            reference=self.reference,
            note=note or self.note,
            moved_at=moved_at,
        )


def arrival_moves(step: Mover, target: Place, receipt: Receipt, at: Instant) -> list[StockMove]:
    """Units that arrived are on hand, unless a count has seen them there."""
    here = step.row.target_id
    moves = [step.move(here, Quantity.IN_TRANSIT, -receipt.arrived)]
    counted_at = target.stored.counted_at
    if counted_at is None or at >= counted_at:
        surplus = MovementKind.TRANSFER_DIFFERENCE
        moves += [
            step.move(here, Quantity.ON_HAND, receipt.arrived, moved_at=at),
            step.move(here, Quantity.ON_HAND, receipt.surplus, kind=surplus, moved_at=at),
        ]
    return moves


def write_off_moves(step: Mover, receipt: Receipt) -> list[StockMove]:
    """What will not arrive is under way no more, under its cause."""
    return [
        step.move(
            step.row.target_id,
            Quantity.IN_TRANSIT,
            -units,
            kind=MovementKind.TRANSFER_DIFFERENCE,
            note=f"{cause}: {step.note}",
        )
        for cause, units in sorted(receipt.written_off.items())
    ]


async def record_differences(tx: AsyncConnection, step: Mover, receipt: Receipt) -> None:
    """Keep why other units arrived than were sent."""
    by_cause = dict(receipt.written_off)
    if receipt.surplus:
        by_cause[Difference.SURPLUS] = receipt.surplus
    rows = [
        {
            "transfer_id": step.row.id,
            "cause": cause,
            "units": units,
            "at": step.now,
            "actor": step.actor,
            "note": step.note,
        }
        for cause, units in sorted(by_cause.items())
    ]
    if rows:
        await tx.execute(sa.insert(transfer_differences), rows)
