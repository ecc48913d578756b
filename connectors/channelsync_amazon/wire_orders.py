"""Amazon's answers about orders, as far as we ask for them: no buyer, no address, no money.

Only what is named here is read; everything else of an answer is dropped where it is parsed.
"""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict, Field
from pydantic.alias_generators import to_pascal

from channelsync.sdk.wire import CamelWire
from channelsync_amazon.wire import Time

__all__ = [
    "ItemsOfOrderV0",
    "Order",
    "OrderAnswer",
    "OrderAnswerV0",
    "OrderItem",
    "OrderItemV0",
    "OrderV0",
    "OrdersPage",
    "OrdersPageV0",
]


class _Product(CamelWire):
    seller_sku: str | None = None


class _Execution(CamelWire):
    cancelled_by: str | None = None


class _Cancellation(CamelWire):
    cancellation_execution: _Execution | None = None


class _ItemFulfillment(CamelWire):
    quantity_fulfilled: int | None = None
    quantity_unfulfilled: int | None = None


class OrderItem(CamelWire):
    """One line."""

    order_item_id: str
    quantity_ordered: int
    product: _Product
    cancellation: _Cancellation | None = None
    fulfillment: _ItemFulfillment | None = None


class _Fulfillment(CamelWire):
    fulfillment_status: str
    fulfilled_by: str | None = None


class _Channel(CamelWire):
    marketplace_id: str | None = None


class Order(CamelWire):
    """One order of the Orders API 2026-01-01."""

    order_id: str
    created_time: Time
    last_updated_time: Time
    sales_channel: _Channel
    fulfillment: _Fulfillment | None = None
    order_items: tuple[OrderItem, ...]


class _Paging(CamelWire):
    next_token: str | None = None


class OrdersPage(CamelWire):
    """One page of a search."""

    orders: tuple[Order, ...]
    pagination: _Paging | None = None
    last_updated_before: Time | None = None
    created_before: Time | None = None

    @property
    def next_token(self) -> str | None:
        """Where to go on."""
        return self.pagination.next_token if self.pagination is not None else None


class OrderAnswer(CamelWire):
    """One order by id."""

    order: Order


class _Pascal(BaseModel):
    model_config = ConfigDict(
        alias_generator=to_pascal, populate_by_name=True, frozen=True, extra="ignore"
    )


class OrderV0(_Pascal):
    """One order of the Orders API v0, without its lines."""

    amazon_order_id: str
    purchase_date: Time
    last_update_date: Time
    order_status: str
    fulfillment_channel: str | None = None
    marketplace_id: str | None = None


class _OrdersV0(_Pascal):
    orders: tuple[OrderV0, ...]
    next_token: str | None = None
    last_updated_before: Time | None = None
    created_before: Time | None = None


class OrdersPageV0(CamelWire):
    """One page of v0."""

    payload: _OrdersV0


class OrderAnswerV0(CamelWire):
    """One order of v0."""

    payload: OrderV0


class OrderItemV0(_Pascal):
    """One line of v0."""

    order_item_id: str
    seller_sku: str | None = Field(default=None, alias="SellerSKU")
    quantity_ordered: int
    quantity_shipped: int | None = None


class _ItemsV0(_Pascal):
    amazon_order_id: str
    order_items: tuple[OrderItemV0, ...]
    next_token: str | None = None


class ItemsOfOrderV0(CamelWire):
    """The lines of one order of v0."""

    payload: _ItemsV0
