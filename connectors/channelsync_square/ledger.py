"""What a row of Square's inventory ledger means for the units of one location.

The ledger is the one feed that moves stock: every sale, return and correction of every till, app
and site leaves a row, with the time at which it happened and the time at which it reached Square's
number. Orders say the rest (who, and whether the goods have left).
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from channelsync_square.pushing import REFERENCE
from channelsync_square.times import units_at_least
from channelsync_square.wire import Adjustment, Change, PhysicalCount

__all__ = ["HELD", "Kind", "Row", "absorbed", "read_rows"]

IN_STOCK: Final = "IN_STOCK"
HELD: Final = frozenset({"SOLD_ONLINE", "RESERVED_FOR_SALE"})
"""Promised to a buyer, and still in the house."""
GONE: Final = frozenset({"SOLD", "WASTE"})
BACK: Final = frozenset({"SOLD", "RETURNED_BY_CUSTOMER", "UNLINKED_RETURN"})
TILL: Final = "SQUARE_POS"


class Kind(StrEnum):
    """What a row did."""

    SOLD = "sold"
    """Left the number and the house: a sale, or a loss."""
    PROMISED = "promised"
    """Left the number, still in the house: bought online."""
    HANDED_OVER = "handed_over"
    """Promised before, and gone now. The number stays."""
    CALLED_OFF = "called_off"
    """Promised before, back on the number."""
    CAME_BACK = "came_back"
    """Sold before, back on the shelf and on the number."""
    RECEIVED = "received"
    """Put on the number by somebody: goods came in."""
    MOVED = "moved"
    """Taken off the number by somebody for another reason."""


@dataclass(frozen=True, slots=True)
class Row:
    """An adjustment of our location, and what it did."""

    kind: Kind
    entry: Adjustment

    @property
    def units(self) -> int:
        """Whole units that cover it."""
        return units_at_least(self.entry.quantity)

    @property
    def needs_its_order(self) -> bool:
        """Whether only the order tells if the goods have left."""
        entry = self.entry
        if entry.transaction_id is None:
            return False
        held = self.kind in {Kind.PROMISED, Kind.HANDED_OVER, Kind.CALLED_OFF}
        return held or entry.source.product != TILL


def read_rows(changes: Iterable[Change], location_id: str) -> tuple[list[Row], list[PhysicalCount]]:
    """The rows that concern our location, and the counts. Our own writing is left out."""
    rows: list[Row] = []
    counts: list[PhysicalCount] = []
    for change in changes:
        entry, count = change.adjustment, change.physical_count
        if entry is not None and not _is_ours(entry.reference_id):
            kind = _kind(entry, location_id)
            if kind is not None and entry.quantity > 0:
                rows.append(Row(kind, entry))
        if count is not None and count.location_id == location_id and count.state == IN_STOCK:
            counts.append(count)
    return rows, counts


def _is_ours(reference: str | None) -> bool:
    return (reference or "").startswith(REFERENCE)


def _kind(entry: Adjustment, location_id: str) -> Kind | None:
    leaves = entry.from_state == IN_STOCK and entry.leaves == location_id
    enters = entry.to_state == IN_STOCK and entry.enters == location_id
    if leaves == enters:
        # It stays on the number, or was never on it.
        handed = entry.from_state in HELD and entry.to_state in GONE
        return Kind.HANDED_OVER if handed and entry.leaves == location_id else None
    if leaves:
        if entry.to_state in HELD:
            return Kind.PROMISED
        return Kind.SOLD if entry.to_state in GONE else Kind.MOVED
    if entry.from_state in HELD:
        return Kind.CALLED_OFF
    return Kind.CAME_BACK if entry.from_state in BACK else Kind.RECEIVED


def absorbed(entry: Adjustment, counts: Sequence[PhysicalCount]) -> bool:
    """Whether a row left Square's number alone, because somebody had counted in between.

    Square's number is its last count and the rows that happened after it. A row that reaches Square
    after a count, but happened before it, changes nothing. Where both happened at one instant it is
    taken as absorbed: a unit too many stays charged, which a settle mends.
    """
    return any(
        count.catalog_object_id == entry.catalog_object_id
        and count.occurred_at >= entry.occurred_at
        and count.created_at <= entry.created_at
        for count in counts
    )
