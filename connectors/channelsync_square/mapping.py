"""From ledger rows and orders to order facts.

A row never changes, so each row that took units is a line of its own, in the order that caused it.
Rows of tills say everything by themselves. Of other sales the order tells whether the goods have
left, and later rows of it are set against the line that they undo.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from channelsync.sdk.types import CancelEffect, Instant, OrderFact, StockCount
from channelsync_square.ledger import Kind, Row, absorbed
from channelsync_square.settings import Mode, SquareSettings
from channelsync_square.times import units_at_least
from channelsync_square.wire import PhysicalCount
from channelsync_square.wire_orders import Order, OrderLine

__all__ = ["FactMaker", "order_id_of"]

LATE_SECONDS: Final = 120.0
"""A sale that reached Square later than this after it happened was made without a connection."""
ORIGINS: Final = {
    "SQUARE_POS": "till",
    "ONLINE_STORE": "web",
    "INVOICES": "invoice",
    "EXTERNAL_API": "app",
    "DASHBOARD": "staff",
}
TAKEN: Final = frozenset({Kind.SOLD, Kind.PROMISED, Kind.MOVED})
PUT_BACK: Final = frozenset({Kind.CALLED_OFF, Kind.CAME_BACK})


def order_id_of(row: Row) -> str:
    """The order that a row belongs to. One that no order caused is an order by itself."""
    return row.entry.transaction_id or f"row:{row.entry.id}"


def _origin(row: Row) -> str:
    if row.entry.to_state == "WASTE":
        return "loss"
    origin = ORIGINS.get(row.entry.source.product, "other")
    late = row.entry.created_at - row.entry.occurred_at > LATE_SECONDS
    return f"{origin}, offline" if late else origin


def _handed_over_at(order: Order, sold: Row, rows: Sequence[Row]) -> Instant | None:
    """When the last units of an order that was to be fulfilled left the house, or later.

    A shelf counted before then still held them. None: they left when they were sold.
    """
    if not order.is_fulfilled_later:
        return None
    variation = sold.entry.catalog_object_id
    told = [
        row.entry.occurred_at
        for row in rows
        if row.kind is Kind.HANDED_OVER and row.entry.catalog_object_id == variation
    ]
    closed = order.updated_at if order.closed_at is None else order.closed_at
    return max(told, default=closed)


@dataclass(slots=True)
class _Undone:
    """Units of one variation that an order gave back before they left."""

    units: int
    at: Instant


@dataclass(frozen=True, slots=True)
class FactMaker:
    """Makes facts for one channel."""

    settings: SquareSettings
    skus: Mapping[str, str]
    """SKUs by variation, as far as they are known."""

    # ------------------------------------------------------------ rows alone

    def of_rows(self, rows: Sequence[Row], counts: Sequence[PhysicalCount]) -> Iterator[OrderFact]:
        """Rows that need no order."""
        for row in rows:
            if row.kind is Kind.SOLD:
                yield self._taken(row, counts, left=True)
            elif row.kind is Kind.PROMISED:
                yield self._taken(row, counts, left=False)
            elif row.kind is Kind.CAME_BACK:
                yield self._back(row, restocked=row.units)
            elif row.kind is Kind.CALLED_OFF:
                # What it undoes is not known: the unit is on the number, and still reserved.
                yield self._back(row, restocked=0)
            elif row.kind is Kind.RECEIVED and self._is_shelf_work(row):
                yield self._back(row, restocked=row.units)
            elif row.kind is Kind.MOVED and (
                row.entry.transaction_id is not None or self._is_shelf_work(row)
            ):
                yield self._taken(row, counts, left=True)

    def _is_shelf_work(self, row: Row) -> bool:
        """Whether somebody in the mirrored shop put goods on the shelf, or took them off."""
        by_hand = row.entry.source.product != "EXTERNAL_API"
        return self.settings.mode is Mode.MIRROR and by_hand

    def _taken(
        self,
        row: Row,
        counts: Sequence[PhysicalCount],
        *,
        left: bool,
        left_at: Instant | None = None,
        version: Instant = 0.0,
        undone: _Undone | None = None,
        effect: CancelEffect = CancelEffect.RELISTED,
    ) -> OrderFact:
        entry = row.entry
        cancelled = undone.units if undone is not None else 0
        return OrderFact(
            order_id=order_id_of(row),
            line_id=entry.id,
            sku=self.skus.get(entry.catalog_object_id),
            external={"variation_id": entry.catalog_object_id},
            ordered=row.units,
            cancelled=cancelled,
            shipped=row.units - cancelled if left else 0,
            version=max(version, entry.created_at),
            sold_at=entry.created_at,
            cancelled_at=undone.at if undone is not None and cancelled else None,
            shipped_at=(entry.occurred_at if left_at is None else left_at) if left else None,
            cancel_effect=effect,
            moves_counter=not absorbed(entry, counts),
            location=self.settings.location,
            origin=_origin(row),
        )

    def _back(self, row: Row, *, restocked: int) -> OrderFact:
        """Units that came back are an order line of their own that sold nothing.

        In a mirror nothing was granted, so nothing is put back on a grant.
        """
        entry = row.entry
        return OrderFact(
            order_id=order_id_of(row),
            line_id=entry.id,
            sku=self.skus.get(entry.catalog_object_id),
            external={"variation_id": entry.catalog_object_id},
            ordered=0,
            returned=row.units,
            restocked=restocked,
            relisted=row.units if self.settings.mode is Mode.QUOTA else 0,
            version=entry.created_at,
            returned_at=entry.occurred_at,
            location=self.settings.location,
            origin="goods in" if row.kind is Kind.RECEIVED else f"{_origin(row)}, return",
        )

    # ------------------------------------------------------------ an order and its rows

    def of_order(
        self, order: Order, rows: Sequence[Row], counts: Sequence[PhysicalCount]
    ) -> Iterator[OrderFact]:
        """Every line of an order, from all of its rows."""
        left = order.has_left
        undone = self._undone(order, rows)
        for row in sorted(rows, key=lambda row: (row.entry.created_at, row.entry.id)):
            variation = row.entry.catalog_object_id
            if row.kind in TAKEN:
                yield self._line(order, row, rows, counts, undone.get(variation))
            elif row.kind is Kind.CAME_BACK and left:
                yield self._back(row, restocked=row.units)
        for variation, rest in undone.items():
            if rest.units > 0:
                yield self._unmatched(order, variation, rest)

    def _undone(self, order: Order, rows: Sequence[Row]) -> dict[str, _Undone]:
        """Units that were put back on the number before they had left the house."""
        found: dict[str, _Undone] = {}
        for row in rows:
            in_house = row.kind is Kind.CALLED_OFF or not order.has_left
            if row.kind in PUT_BACK and in_house:
                known = found.setdefault(row.entry.catalog_object_id, _Undone(0, 0.0))
                known.units += row.units
                known.at = max(known.at, row.entry.created_at)
        return found

    def _line(
        self,
        order: Order,
        row: Row,
        rows: Sequence[Row],
        counts: Sequence[PhysicalCount],
        undone: _Undone | None,
    ) -> OrderFact:
        left = order.has_left
        left_at = _handed_over_at(order, row, rows) if left else None
        mine: _Undone | None = None
        effect = CancelEffect.RELISTED
        if undone is not None and undone.units > 0:
            mine = _Undone(min(undone.units, row.units), undone.at)
            undone.units -= mine.units
        elif order.is_called_off:
            # Nothing shows yet whether the units went back on the number.
            mine = _Undone(row.units, order.updated_at)
            effect = CancelEffect.UNSURE
        handed = left and not order.is_called_off
        return self._taken(
            row,
            counts,
            left=handed,
            left_at=left_at,
            version=order.updated_at,
            undone=mine,
            effect=effect,
        )

    def _unmatched(self, order: Order, variation: str, rest: _Undone) -> OrderFact:
        """Units on the number again of which no sale is known."""
        return OrderFact(
            order_id=order.id,
            line_id=f"put-back:{variation}",
            sku=self.skus.get(variation),
            external={"variation_id": variation},
            ordered=0,
            returned=rest.units,
            relisted=rest.units if self.settings.mode is Mode.QUOTA else 0,
            version=rest.at,
            returned_at=rest.at,
            location=self.settings.location,
            origin="put back",
        )

    # ------------------------------------------------------------ beside the ledger

    def of_unpaid(self, order: Order, taken_at: Instant) -> Iterator[OrderFact]:
        """Goods that left with a card that was declined later: stock follows the goods.

        Square's number does not, so they come out of what is free.
        """
        for line in order.line_items:
            if line.catalog_object_id is not None and line.units > 0:
                yield self._unpaid(order, line, line.catalog_object_id, taken_at)

    def _unpaid(
        self, order: Order, line: OrderLine, variation: str, taken_at: Instant
    ) -> OrderFact:
        return OrderFact(
            order_id=order.id,
            line_id=f"line:{line.uid}",
            sku=self.skus.get(variation),
            external={"variation_id": variation},
            ordered=line.units,
            shipped=line.units,
            version=order.updated_at,
            shipped_at=taken_at,
            moves_counter=False,
            location=self.settings.location,
            origin="till, offline, declined",
        )

    def of_counts(self, counts: Sequence[PhysicalCount]) -> Iterator[StockCount]:
        """Stock-takes of a mirrored shop."""
        for count in counts:
            sku = self.skus.get(count.catalog_object_id)
            if self.settings.location is not None and sku is not None:
                yield StockCount(
                    sku=sku,
                    location=self.settings.location,
                    on_hand=max(units_at_least(count.quantity), 0),
                    counted_at=count.occurred_at,
                    reference=f"Square count {count.id}",
                )
