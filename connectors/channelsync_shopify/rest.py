"""Webhook bodies (the REST shape), as far as we look at them.

Only the names below are ever read from a body; everything else, every person among it, is dropped
before anything is stored.
"""

from __future__ import annotations

from typing import Annotated, TypeVar

from pydantic import BaseModel, ConfigDict, StringConstraints, ValidationError

from channelsync.sdk.errors import BadDelivery
from channelsync_shopify.mapping import (
    LineView,
    OrderView,
    Refunded,
    Shipment,
    safe_origin,
    safe_status,
    units_shipped,
)
from channelsync_shopify.times import global_id
from channelsync_shopify.wire import Time

__all__ = [
    "DeletedOrder",
    "EditedOrder",
    "ItemBody",
    "LevelBody",
    "LocationBody",
    "OrderBody",
    "ProductBody",
    "RefundBody",
    "ShopBody",
    "body_as",
    "view_of",
]

Sku = Annotated[str, StringConstraints(max_length=255)]


class Body(BaseModel):
    """A whitelist: what is not named is not looked at."""

    model_config = ConfigDict(frozen=True, extra="ignore")


Shape = TypeVar("Shape", bound=Body)


class _RefundLine(Body):
    line_item_id: int
    quantity: int
    restock_type: str
    location_id: int | None = None


class _OrderRefund(Body):
    created_at: Time | None = None
    refund_line_items: tuple[_RefundLine, ...] = ()


class _ShippedLine(Body):
    id: int
    quantity: int


class _Fulfilment(Body):
    status: str | None = None
    created_at: Time | None = None
    line_items: tuple[_ShippedLine, ...] = ()


class _Line(Body):
    id: int
    sku: Sku | None = None
    variant_id: int | None = None
    quantity: int
    current_quantity: int
    fulfillable_quantity: int
    gift_card: bool = False
    variant_inventory_management: str | None = None


class OrderBody(Body):
    """`orders/create`, `orders/updated`, `orders/cancelled`."""

    id: int
    test: bool = False
    confirmed: bool = True
    financial_status: str | None = None
    source_name: str | None = None
    location_id: int | None = None
    created_at: Time
    updated_at: Time
    cancelled_at: Time | None = None
    line_items: tuple[_Line, ...]
    fulfillments: tuple[_Fulfilment, ...] = ()
    refunds: tuple[_OrderRefund, ...] = ()


class _OrderEdit(Body):
    order_id: int


class EditedOrder(Body):
    """`orders/edited`: names the order, and changes that are looked up instead."""

    order_edit: _OrderEdit


class DeletedOrder(Body):
    """`orders/delete`."""

    id: int


class RefundBody(Body):
    """`refunds/create`."""

    order_id: int


class LevelBody(Body):
    """`inventory_levels/update`, `connect` and `disconnect`."""

    inventory_item_id: int
    location_id: int
    available: int | None = None
    """None: untracked, or not told."""
    updated_at: Time | None = None


class ItemBody(Body):
    """`inventory_items/update` and `delete`."""

    id: int


class _Variant(Body):
    id: int


class ProductBody(Body):
    """`products/update`."""

    id: int
    variants: tuple[_Variant, ...] = ()


class LocationBody(Body):
    """`locations/*`."""

    id: int


class ShopBody(Body):
    """`app/uninstalled`: the shop itself."""

    myshopify_domain: str


def body_as(shape: type[Shape], raw: bytes) -> Shape:
    """The body in its documented shape.

    Raises:
        BadDelivery: it has another shape; which field is said, what it holds is not.
    """
    try:
        return shape.model_validate_json(raw)
    except ValidationError as error:
        first = error.errors(include_input=False, include_url=False, include_context=False)[0]
        where = ".".join(str(step) for step in first["loc"]) or "top"
        raise BadDelivery(f"{shape.__name__}: {first['type']} at {where}") from None


def view_of(order: OrderBody) -> OrderView:
    """The order without its person.

    Raises:
        BadDelivery: its numbers make no order.
    """
    try:
        return OrderView(
            order_id=global_id("Order", order.id),
            test=order.test,
            confirmed=order.confirmed,
            financial_status=safe_status(order.financial_status),
            source=safe_origin(order.source_name),
            retail_location=_gid("Location", order.location_id),
            created_at=order.created_at,
            updated_at=order.updated_at,
            cancelled_at=order.cancelled_at,
            lines=tuple(_line_view(order, line) for line in order.line_items),
        )
    except ValidationError as error:
        where = ".".join(str(step) for step in error.errors(include_input=False)[0]["loc"])
        raise BadDelivery(f"order {order.id}: impossible value at {where}") from None


def _line_view(order: OrderBody, line: _Line) -> LineView:
    shipments = [
        Shipment(status=safe_status(one.status), units=part.quantity, at=one.created_at)
        for one in order.fulfillments
        for part in one.line_items
        if part.id == line.id
    ]
    shipped = units_shipped(line.quantity, shipments)
    return LineView(
        line_id=global_id("LineItem", line.id),
        sku=line.sku,
        variant_id=_gid("ProductVariant", line.variant_id),
        tracked=None if line.variant_id is None else line.variant_inventory_management is not None,
        gift_card=line.gift_card,
        quantity=line.quantity,
        current=line.current_quantity,
        unfulfilled=line.fulfillable_quantity,
        shipped=shipped.ever,
        standing=shipped.standing,
        shipped_at=shipped.at,
        refunded=tuple(_refunds_of(order, line)),
    )


def _refunds_of(order: OrderBody, line: _Line) -> list[Refunded]:
    return [
        Refunded(
            units=part.quantity,
            restock=safe_status(part.restock_type),
            location=_gid("Location", part.location_id),
            at=refund.created_at,
        )
        for refund in order.refunds
        for part in refund.refund_line_items
        if part.line_item_id == line.id
    ]


def _gid(kind: str, number: int | None) -> str | None:
    return global_id(kind, number) if number is not None else None
