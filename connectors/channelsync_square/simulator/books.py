"""The inventory ledger: rows ordered by when they occurred, not by when they arrived.

A count is the last physical count by `occurred_at` and every adjustment that occurred after it.
An adjustment that arrives late but occurred before the last count is absorbed by it (Square, "How
inventory counts work").
"""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from typing import Final

from channelsync_square.simulator.state import Location, Variation, World
from channelsync_square.times import iso

__all__ = ["IN_STOCK", "Books", "Row"]

IN_STOCK: Final = "IN_STOCK"


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One row: an adjustment from one state to another, or a physical count of one."""

    id: str
    variation: Variation
    location: Location
    quantity: Decimal
    occurred_at: float
    created_at: float
    from_state: str | None = None
    to_state: str | None = None
    counted_state: str | None = None
    """Set on a physical count."""
    product: str = "SQUARE_POS"
    application_id: str | None = None
    reference_id: str | None = None
    transaction_id: str | None = None
    refund_id: str | None = None
    visible_at: float = 0.0
    """The ledger does not tell it before, though it counts at once."""

    def moves(self, state: str) -> Decimal:
        """What an adjustment does to a state's count."""
        up = self.quantity if self.to_state == state else Decimal(0)
        down = self.quantity if self.from_state == state else Decimal(0)
        return up - down


class Books:
    """Every row of every variation at every location."""

    def __init__(self, world: World) -> None:
        self.rows: list[Row] = []
        self._world = world
        self._by_place: dict[tuple[str, str], list[Row]] = {}

    def rows_at(self, variation_id: str, location_id: str) -> list[Row]:
        """The rows of a variation at a location, as they arrived."""
        return self._by_place.get((variation_id, location_id), [])

    def count(self, variation_id: str, location_id: str, state: str = IN_STOCK) -> Decimal | None:
        """How many there are; None: nobody ever said anything about them."""
        rows = self.rows_at(variation_id, location_id)
        touching = [row for row in rows if row.counted_state == state or row.moves(state)]
        if not touching:
            return None
        counts = [row for row in touching if row.counted_state == state]
        # Of two counts of one instant, the one that arrived later holds.
        last = max(counts, key=lambda row: (row.occurred_at, rows.index(row)), default=None)
        base = last.quantity if last is not None else Decimal(0)
        since = last.occurred_at if last is not None else float("-inf")
        return base + sum(
            (row.moves(state) for row in touching if row.occurred_at > since), start=Decimal(0)
        )

    def shown(self, variation: Variation, location: Location) -> int:
        """What the till shows; 0 where nothing was ever counted."""
        return int(self.count(variation.id, location.id) or 0)

    def calculated_at(self, variation_id: str, location_id: str) -> float:
        """When the newest row arrived."""
        return max(row.created_at for row in self.rows_at(variation_id, location_id))

    def write(self, *rows: Row) -> None:
        """Let rows arrive, and tell the counts that they leave."""
        touched: dict[tuple[str, str], Row] = {}
        for row in rows:
            self.rows.append(row)
            place = (row.variation.id, row.location.id)
            self._by_place.setdefault(place, []).append(row)
            touched[place] = row
        for row in touched.values():
            self._tell(row)

    def _tell(self, row: Row) -> None:
        variation, location = row.variation.id, row.location.id
        quantity = self.count(variation, location)
        if quantity is None:
            return
        count = {
            "catalog_object_id": variation,
            "catalog_object_type": "ITEM_VARIATION",
            "state": IN_STOCK,
            "location_id": location,
            "quantity": str(quantity),
            "calculated_at": iso(self.calculated_at(variation, location)),
        }
        self._world.tell(
            "inventory.count.updated",
            "inventory_counts",
            self._world.identifier("counts-"),
            {"inventory_counts": [count]},
        )
