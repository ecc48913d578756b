"""Transfers between locations: what becomes of units on their way.

    preparing ── ship ──> in transit ── everything accounted for ──> received
      └── cancel ──> cancelled

While a transfer is *preparing* its units lie at the source, reserved, so that channels give back
what they may still sell of them. In transit they count nowhere. What arrives is what is there;
what does not arrive is written off under its cause, and nothing is ever assumed to have arrived.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from enum import StrEnum

from channelsync.domain.errors import InvariantViolated, TransferConflict

__all__ = [
    "Difference",
    "Receipt",
    "Transfer",
    "TransferState",
    "cancel",
    "receive",
    "ship",
]


class TransferState(StrEnum):
    """Life of a transfer."""

    PREPARING = "preparing"
    IN_TRANSIT = "in_transit"
    RECEIVED = "received"
    """Every unit arrived or is accounted for."""
    CANCELLED = "cancelled"


class Difference(StrEnum):
    """Why other units arrived than were sent."""

    LOST = "lost"
    DAMAGED = "damaged"
    """It arrived and cannot be sold."""
    MISCOUNTED = "miscounted"
    """It was never sent."""
    SURPLUS = "surplus"
    """It arrived and nobody knew that it was sent."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Transfer:
    """Units of one item under way from one location to another."""

    units: int
    state: TransferState = TransferState.PREPARING
    received: int = 0
    """Units that arrived, those nobody knew of left out."""
    written_off: int = 0
    """Units that did not arrive fit for sale, of whatever cause."""

    def __post_init__(self) -> None:
        if self.units < 1 or min(self.received, self.written_off, self.outstanding) < 0:
            raise InvariantViolated(f"a transfer that does not add up: {self}")

    @property
    def outstanding(self) -> int:
        """Units that nothing is known of since they left."""
        return self.units - self.received - self.written_off

    @property
    def in_transit(self) -> int:
        """Units that are on their way now."""
        return self.outstanding if self.state is TransferState.IN_TRANSIT else 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Receipt:
    """What one receipt moves."""

    arrived: int
    """Units of the transfer that are on hand now."""
    surplus: int
    """More units on hand than were under way."""
    written_off: Mapping[Difference, int] = field(default_factory=dict)


def ship(transfer: Transfer) -> Transfer:
    """The units leave the source.

    Raises:
        TransferConflict: they have left, or the transfer was cancelled.
    """
    _require(transfer, TransferState.PREPARING)
    return replace(transfer, state=TransferState.IN_TRANSIT)


def cancel(transfer: Transfer) -> Transfer:
    """The units stay where they are.

    Raises:
        TransferConflict: they have left already: receive them, at the source if need be.
    """
    _require(transfer, TransferState.PREPARING)
    return replace(transfer, state=TransferState.CANCELLED)


def receive(
    transfer: Transfer, arrived: int, written_off: Mapping[Difference, int]
) -> tuple[Transfer, Receipt]:
    """Units arrived, or it is known why they never will. May happen several times.

    Raises:
        TransferConflict: nothing is under way, nothing is said, or more is written off than is
            missing.
    """
    _require(transfer, TransferState.IN_TRANSIT)
    lost = {cause: units for cause, units in written_off.items() if units}
    missing = sum(lost.values())
    if arrived < 0 or min(lost.values(), default=0) < 0 or Difference.SURPLUS in lost:
        raise TransferConflict("units arrive, or are written off: neither number is below 0")
    if not arrived and not missing:
        raise TransferConflict("say how many units arrived, or what became of the others")
    surplus = max(arrived - transfer.outstanding, 0)
    if missing and arrived + missing > transfer.outstanding:
        raise TransferConflict(
            f"{transfer.outstanding} units are under way: {arrived} cannot have arrived while"
            f" {missing} did not"
        )
    after = replace(
        transfer,
        received=transfer.received + arrived - surplus,
        written_off=transfer.written_off + missing,
    )
    if after.outstanding == 0:
        after = replace(after, state=TransferState.RECEIVED)
    return after, Receipt(arrived=arrived - surplus, surplus=surplus, written_off=lost)


def _require(transfer: Transfer, state: TransferState) -> None:
    if transfer.state is not state:
        raise TransferConflict(f"the transfer is {transfer.state.replace('_', ' ')}: {_ADVICE}")


_ADVICE = "see `channelsync transfers list --all`"
