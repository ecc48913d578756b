"""Webhook bodies in the REST shape, as Shopify sends them: with every person in them."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone
from typing import Any, Final

from channelsync_shopify.simulator.state import (
    CANARY,
    Event,
    Item,
    Level,
    Line,
    Location,
    Order,
    Refund,
    UnitsOf,
)
from channelsync_shopify.times import global_id

__all__ = ["body_of_event"]

SHOP_ZONE: Final = timezone(timedelta(hours=-5))
PERSON: Final = {
    "first_name": CANARY,
    "last_name": CANARY,
    "address1": CANARY,
    "phone": CANARY,
    "city": CANARY,
    "zip": CANARY,
    "name": CANARY,
}


def body_of_event(event: Event, shop: str) -> dict[str, Any]:
    """The body of one webhook, in the state that its subject has now."""
    subject = event.subject
    match subject:
        case Order():
            return _of_order(event.topic, subject)
        case Refund():
            return _refund(subject)
        case Level():
            return _level(subject)
        case Item():
            return _item(event.topic, subject)
        case Location():
            return {"id": subject.number, "name": subject.name, "active": subject.active}
        case None:
            return {"id": 1, "name": CANARY, "email": CANARY, "myshopify_domain": shop}


def _of_order(topic: str, order: Order) -> dict[str, Any]:
    if topic == "orders/delete":
        return {"id": order.number}
    if topic == "orders/edited":
        edit: dict[str, Any] = {
            "id": order.number + 1,
            "order_id": order.number,
            "committed_at": _time(order.updated_at),
            "line_items": {"additions": [], "removals": []},
            "staff_note": CANARY,
        }
        return {"order_edit": edit}
    return _order(order)


def _order(order: Order) -> dict[str, Any]:
    return {
        "id": order.number,
        "admin_graphql_api_id": order.gid,
        "name": f"#{order.number}",
        "order_number": order.number,
        "confirmed": order.confirmed,
        "test": order.test,
        "created_at": _time(order.created_at),
        "updated_at": _time(order.updated_at),
        "processed_at": _time(order.created_at),
        "cancelled_at": _time(order.cancelled_at),
        "cancel_reason": "customer" if order.cancelled_at is not None else None,
        "closed_at": None,
        "financial_status": order.financial.lower(),
        "fulfillment_status": _shipping(order),
        "source_name": order.source,
        "source_identifier": None,
        "app_id": 580111,
        "location_id": order.retail.number if order.retail is not None else None,
        "currency": "USD",
        "tags": "",
        "email": f"{CANARY}@example.com",
        "contact_email": f"{CANARY}@example.com",
        "phone": CANARY,
        "note": CANARY,
        "note_attributes": [{"name": "gift", "value": CANARY}],
        "browser_ip": CANARY,
        "customer": {
            "id": 115310627314723954,
            "email": CANARY,
            "default_address": PERSON,
            **PERSON,
        },
        "billing_address": PERSON,
        "shipping_address": PERSON,
        "line_items": [_line(order, line) for line in order.lines],
        "fulfillments": [
            {
                "id": one.number,
                "order_id": order.number,
                "status": one.status.lower(),
                "created_at": _time(one.created_at),
                "tracking_number": CANARY,
                "line_items": [_shipped(order, part) for part in one.parts],
            }
            for one in order.fulfilments
        ],
        "refunds": [_refund(one) for one in order.refunds],
        "returns": [],
        "shipping_lines": [],
        "payment_terms": None,
    }


def _line(order: Order, line: Line) -> dict[str, Any]:
    variant = line.item.variants[0] if line.item is not None else None
    tracked = line.item is not None and line.item.tracked
    return {
        "id": line.number,
        "admin_graphql_api_id": global_id("LineItem", line.number),
        "sku": line.sku,
        "variant_id": variant.number if variant is not None else None,
        "product_id": variant.product_number if variant is not None else None,
        "quantity": line.quantity,
        "current_quantity": order.current(line),
        "fulfillable_quantity": line.to_ship,
        "fulfillment_status": None if line.to_ship == line.quantity else "partial",
        "fulfillment_service": "manual",
        "variant_inventory_management": "shopify" if tracked else None,
        "requires_shipping": True,
        "gift_card": line.gift_card,
        "product_exists": variant is not None,
        "name": variant.title if variant is not None else "A custom thing",
        "title": variant.title if variant is not None else "A custom thing",
        "price": "19.00",
        "properties": [{"name": "engraving", "value": CANARY}],
    }


def _shipped(order: Order, part: UnitsOf) -> dict[str, Any]:
    return {**_line(order, part.line), "quantity": part.units}


def _shipping(order: Order) -> str | None:
    shipped = sum(order.shipped(line) for line in order.lines)
    to_ship = sum(line.to_ship for line in order.lines)
    if not shipped:
        return None
    return "partial" if to_ship else "fulfilled"


def _refund(refund: Refund) -> dict[str, Any]:
    return {
        "id": refund.number,
        "admin_graphql_api_id": global_id("Refund", refund.number),
        "order_id": refund.order_number,
        "created_at": _time(refund.created_at),
        "processed_at": _time(refund.created_at),
        "note": CANARY,
        "user_id": 34727460928,
        "restock": any(part.restock_type != "NO_RESTOCK" for part in refund.parts),
        "refund_line_items": [
            {
                "id": part.number,
                "line_item_id": part.line.number,
                "quantity": part.units,
                "location_id": part.location.number if part.location is not None else None,
                "restock_type": part.restock_type.lower(),
                "subtotal": 19.0,
                "total_tax": 0.0,
            }
            for part in refund.parts
        ],
        "transactions": [{"receipt": {"name_on_card": CANARY}}],
        "order_adjustments": [],
    }


def _level(level: Level) -> dict[str, Any]:
    item = level.item
    gid = f"{global_id('InventoryLevel', level.number)}?inventory_item_id={item.number}"
    return {
        "inventory_item_id": item.number,
        "location_id": level.location.number,
        "available": level.available if item.tracked else None,
        "updated_at": _time(level.updated_at),
        "admin_graphql_api_id": gid,
    }


def _item(topic: str, item: Item) -> dict[str, Any]:
    if topic.startswith("inventory_items/"):
        return {"id": item.number, "sku": item.sku, "tracked": item.tracked, "cost": "7.00"}
    first = item.variants[0]
    return {
        "id": first.product_number,
        "title": first.title,
        "vendor": CANARY,
        "variants": [
            {
                "id": variant.number,
                "sku": item.sku,
                "inventory_policy": variant.policy.lower(),
                "inventory_item_id": item.number,
            }
            for variant in item.variants
        ],
    }


def _time(at: float | None) -> str | None:
    """With the shop's own offset, whole seconds."""
    return None if at is None else datetime.fromtimestamp(int(at // 1), SHOP_ZONE).isoformat()
