"""From an order as Amazon tells it, by poll or by notification, to order facts.

Every way of hearing is reduced to one `OrderView` first: identifiers, quantities and times. A unit
is taken from the live quantity when the order is placed, so a line counts from `PENDING` on.
Amazon puts cancelled units on sale again by itself, unless the seller said that there was no stock:
the cancel of a line is therefore `unsure`, its units go back to the listing's own grant, and a
read-back decides.
"""

from __future__ import annotations

from typing import Annotated, Final

from pydantic import BaseModel, ConfigDict, Field, StringConstraints

from channelsync.sdk.types import CancelEffect, Instant, OrderFact, OrderVoid
from channelsync_amazon.wire_orders import Order, OrderItem, OrderItemV0, OrderV0

__all__ = ["LineView", "OrderView", "facts_of", "view_of", "view_of_v0", "voids_of"]

AMAZON: Final = "AMAZON"
AFN: Final = "AFN"
CANCELLED: Final = frozenset({"CANCELLED", "CANCELED"})
"""v0 and the notifications write it with one l."""
PENDING: Final = frozenset({"PENDING", "PENDINGAVAILABILITY"})

Count = Annotated[int, Field(ge=0)]
Identifier = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9_.-]{1,64}$")]
Sku = Annotated[str, StringConstraints(max_length=255)]


class _View(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class LineView(_View):
    """One order line."""

    line_id: Identifier
    sku: Sku | None = None
    ordered: Count
    shipped: Count = 0
    unshipped: Count | None = None
    """Units still to ship, where Amazon tells."""
    called_off: bool = False
    """Whether Amazon says that a cancel of the line was carried out."""


class OrderView(_View):
    """One order."""

    order_id: Identifier
    status: Annotated[str, StringConstraints(pattern=r"^[A-Za-z_]{0,40}$")]
    created_at: Instant | None = None
    updated_at: Instant
    marketplace: Annotated[str, StringConstraints(max_length=24)] = ""
    lines: tuple[LineView, ...]

    @property
    def word(self) -> str:
        """The status, whichever way it is spelt."""
        return self.status.replace("_", "").upper()


def view_of(order: Order) -> OrderView | None:
    """An order of the Orders API 2026-01-01; None for one that Amazon ships itself."""
    told = order.fulfillment
    if told is not None and told.fulfilled_by == AMAZON:
        return None
    return OrderView(
        order_id=order.order_id,
        status=told.fulfillment_status if told is not None else "",
        created_at=order.created_time,
        updated_at=order.last_updated_time,
        marketplace=order.sales_channel.marketplace_id or "",
        lines=tuple(_line(item) for item in order.order_items),
    )


def _line(item: OrderItem) -> LineView:
    told = item.fulfillment
    cancelled = item.cancellation is not None and item.cancellation.cancellation_execution
    return LineView(
        line_id=item.order_item_id,
        sku=item.product.seller_sku,
        ordered=max(item.quantity_ordered, 0),
        shipped=max(told.quantity_fulfilled or 0, 0) if told is not None else 0,
        unshipped=told.quantity_unfulfilled if told is not None else None,
        called_off=bool(cancelled),
    )


def view_of_v0(order: OrderV0, items: tuple[OrderItemV0, ...]) -> OrderView | None:
    """An order of the Orders API v0; None for one that Amazon ships itself."""
    if order.fulfillment_channel == AFN:
        return None
    return OrderView(
        order_id=order.amazon_order_id,
        status=order.order_status,
        created_at=order.purchase_date,
        updated_at=order.last_update_date,
        marketplace=order.marketplace_id or "",
        lines=tuple(
            LineView(
                line_id=item.order_item_id,
                sku=item.seller_sku,
                ordered=max(item.quantity_ordered, 0),
                shipped=max(item.quantity_shipped or 0, 0),
            )
            for item in items
        ),
    )


def _cancelled(order: OrderView, line: LineView) -> int:
    """Units taken off. Where a quantity is missing, the units count as held."""
    left = max(line.ordered - line.shipped, 0)
    if order.word in CANCELLED:
        return left
    if line.called_off and line.unshipped is not None:
        return max(left - line.unshipped, 0)
    return 0


def facts_of(order: OrderView) -> tuple[OrderFact, ...]:
    """The facts of an order's lines."""
    return tuple(
        OrderFact(
            order_id=order.order_id,
            line_id=line.line_id,
            sku=line.sku or None,
            ordered=line.ordered,
            cancelled=_cancelled(order, line),
            shipped=min(line.shipped, line.ordered),
            version=order.updated_at,
            sold_at=order.created_at,
            cancel_effect=CancelEffect.UNSURE,
            pending=order.word in PENDING,
            origin=order.marketplace,
        )
        for line in order.lines
        if line.ordered
    )


def voids_of(order: OrderView) -> tuple[OrderVoid, ...]:
    """A cancelled order whose lines tell no quantity any more: all that was counted is off.

    Amazon is said to write 0 as the ordered quantity of a cancelled line in v0 and in
    notifications; the facts heard before know how many there were.
    """
    emptied = any(line.ordered == 0 for line in order.lines) or not order.lines
    shipped = any(line.shipped for line in order.lines)
    if order.word not in CANCELLED or not emptied or shipped:
        return ()
    effect = CancelEffect.UNSURE
    return (OrderVoid(order_id=order.order_id, at=order.updated_at, cancel_effect=effect),)
