"""Shopify's GraphQL answers about orders, as far as we ask for them."""

from __future__ import annotations

from channelsync_shopify.wire import Page, Ref, Time, Wire

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


class ChangedOrder(Wire):
    """An order in the search's answer."""

    id: str
    updated_at: Time


class OrdersChanged(Wire):
    """Answer of CsOrdersChanged."""

    orders: Page[ChangedOrder]


class LineItemStock(Wire):
    """A line's inventory item."""

    id: str
    tracked: bool


class LineVariant(Wire):
    """A line's variant."""

    id: str
    inventory_item: LineItemStock


class OrderLine(Wire):
    """A line item."""

    id: str
    sku: str | None = None
    quantity: int
    current_quantity: int
    unfulfilled_quantity: int
    is_gift_card: bool
    variant: LineVariant | None = None


class FulfillmentState(Wire):
    """A fulfilment without its lines."""

    id: str
    status: str
    created_at: Time


class OrderNode(Wire):
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


class OrdersAnswer(Wire):
    """Answer of CsOrders. None: deleted, or out of our reach."""

    nodes: tuple[OrderNode | None, ...]


class OrderLines(Wire):
    """More lines of an order."""

    id: str
    updated_at: Time
    line_items: Page[OrderLine]


class OrderLinesAnswer(Wire):
    """Answer of CsOrderLines."""

    node: OrderLines | None


class FulfillmentUnit(Wire):
    """Units of a line in a fulfilment."""

    quantity: int | None = 0
    line_item: Ref


class Fulfillment(Wire):
    """A fulfilment with its first lines."""

    id: str
    status: str
    created_at: Time
    fulfillment_line_items: Page[FulfillmentUnit]


class RefundUnit(Wire):
    """Units of a line in a refund."""

    quantity: int
    restock_type: str
    restocked: bool
    location: Ref | None = None
    line_item: Ref


class Refund(Wire):
    """A refund with its first lines."""

    id: str
    created_at: Time | None = None
    refund_line_items: Page[RefundUnit]


class OrderChanges(Wire):
    """Refunds and fulfilments of one order."""

    id: str
    updated_at: Time
    refunds: tuple[Refund, ...]
    fulfillments: tuple[Fulfillment, ...]


class ChangesAnswer(Wire):
    """Answer of CsOrderChanges."""

    node: OrderChanges | None


class RefundUnits(Wire):
    """More lines of a refund."""

    refund_line_items: Page[RefundUnit]


class RefundUnitsAnswer(Wire):
    """Answer of CsRefundUnits."""

    node: RefundUnits | None


class FulfillmentUnits(Wire):
    """More lines of a fulfilment."""

    fulfillment_line_items: Page[FulfillmentUnit]


class FulfillmentUnitsAnswer(Wire):
    """Answer of CsFulfillmentUnits."""

    node: FulfillmentUnits | None
