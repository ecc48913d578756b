"""Shopify's GraphQL answers about orders, as far as we ask for them."""

from __future__ import annotations

from channelsync.sdk.wire import CamelWire
from channelsync_shopify.wire import Page, Ref, Time

__all__ = [
    "ChangedOrder",
    "ChangesAnswer",
    "Fulfillment",
    "FulfillmentUnit",
    "FulfillmentUnitsAnswer",
    "OrderChanges",
    "OrderLine",
    "OrderLinesAnswer",
    "OrderNode",
    "OrdersAnswer",
    "OrdersChanged",
    "Refund",
    "RefundUnit",
    "RefundUnitsAnswer",
]


class ChangedOrder(CamelWire):
    """An order in the search's answer."""

    id: str
    updated_at: Time


class OrdersChanged(CamelWire):
    """Answer of CsOrdersChanged."""

    orders: Page[ChangedOrder]


class LineItemStock(CamelWire):
    """A line's inventory item."""

    id: str
    tracked: bool


class LineVariant(CamelWire):
    """A line's variant."""

    id: str
    inventory_item: LineItemStock


class OrderLine(CamelWire):
    """A line item."""

    id: str
    sku: str | None = None
    quantity: int
    current_quantity: int
    unfulfilled_quantity: int
    is_gift_card: bool
    variant: LineVariant | None = None


class FulfillmentState(CamelWire):
    """A fulfilment without its lines."""

    id: str
    status: str
    created_at: Time


class OrderNode(CamelWire):
    """An order with its first lines. Only `id` may be missing, where the node is no order."""

    id: str
    test: bool
    confirmed: bool
    created_at: Time
    updated_at: Time
    cancelled_at: Time | None = None
    source_name: str | None = None
    display_financial_status: str | None = None
    retail_location: Ref | None = None
    fulfillments: tuple[FulfillmentState, ...]
    refunds: tuple[Ref, ...]
    line_items: Page[OrderLine]


class OrdersAnswer(CamelWire):
    """Answer of CsOrders. None: deleted, or out of our reach."""

    nodes: tuple[OrderNode | None, ...]


class OrderLines(CamelWire):
    """More lines of an order."""

    id: str
    updated_at: Time
    line_items: Page[OrderLine]


class OrderLinesAnswer(CamelWire):
    """Answer of CsOrderLines."""

    node: OrderLines | None


class FulfillmentUnit(CamelWire):
    """Units of a line in a fulfilment."""

    quantity: int | None = 0
    line_item: Ref


class Fulfillment(CamelWire):
    """A fulfilment with its first lines."""

    id: str
    status: str
    created_at: Time
    fulfillment_line_items: Page[FulfillmentUnit]


class RefundUnit(CamelWire):
    """Units of a line in a refund."""

    quantity: int
    restock_type: str
    restocked: bool
    location: Ref | None = None
    line_item: Ref


class Refund(CamelWire):
    """A refund with its first lines."""

    id: str
    created_at: Time | None = None
    refund_line_items: Page[RefundUnit]


class OrderChanges(CamelWire):
    """Refunds and fulfilments of one order."""

    id: str
    updated_at: Time
    refunds: tuple[Refund, ...]
    fulfillments: tuple[Fulfillment, ...]


class ChangesAnswer(CamelWire):
    """Answer of CsOrderChanges."""

    node: OrderChanges | None


class RefundUnits(CamelWire):
    """More lines of a refund."""

    refund_line_items: Page[RefundUnit]


class RefundUnitsAnswer(CamelWire):
    """Answer of CsRefundUnits."""

    node: RefundUnits | None


class FulfillmentUnits(CamelWire):
    """More lines of a fulfilment."""

    fulfillment_line_items: Page[FulfillmentUnit]


class FulfillmentUnitsAnswer(CamelWire):
    """Answer of CsFulfillmentUnits."""

    node: FulfillmentUnits | None
