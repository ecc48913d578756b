"""How a simulated seller's things look on the wire, persons included: the canary stands for them.

Field names and types: Square's OpenAPI description, 2025-08-20.
"""

from __future__ import annotations

from typing import Any

from channelsync_square.simulator.books import Row
from channelsync_square.simulator.state import (
    CANARY,
    Location,
    Order,
    Payment,
    Subscription,
    Variation,
    World,
)
from channelsync_square.times import iso

__all__ = [
    "item_body",
    "location_body",
    "order_body",
    "payment_body",
    "row_body",
    "subscription_body",
    "unit_body",
    "variation_body",
]

MONEY = {"amount": 100, "currency": "USD"}


def location_body(place: Location, world: World) -> dict[str, Any]:
    """A location."""
    return {
        "id": place.id,
        "name": place.name,
        "status": "ACTIVE" if place.active else "INACTIVE",
        "timezone": "America/New_York",
        "type": "PHYSICAL",
        "merchant_id": world.merchant_id,
        "business_email": f"{CANARY}@example.com",
    }


def item_body(variation: Variation) -> dict[str, Any]:
    """The item that a variation belongs to."""
    return {
        "type": "ITEM",
        "id": variation.item_id,
        "present_at_all_locations": True,
        "item_data": {
            "name": variation.title,
            "product_type": variation.kind,
            "is_archived": variation.archived,
        },
    }


def unit_body(variation: Variation) -> dict[str, Any]:
    """The unit that a variation is measured by."""
    return {
        "type": "MEASUREMENT_UNIT",
        "id": variation.unit_id,
        "measurement_unit_data": {
            "measurement_unit": {"weight_unit": "METRIC_KILOGRAM", "type": "TYPE_WEIGHT"},
            "precision": variation.unit_precision,
        },
    }


def variation_body(variation: Variation) -> dict[str, Any]:
    """A variation."""
    data: dict[str, Any] = {
        "item_id": variation.item_id,
        "name": "Regular",
        "pricing_type": "FIXED_PRICING",
        "price_money": MONEY,
        "track_inventory": variation.tracked,
        "sellable": True,
        "stockable": variation.converted_from is None,
        "location_overrides": [
            {"location_id": place, "track_inventory": tracked}
            for place, tracked in variation.tracked_at.items()
        ],
    }
    if variation.sku is not None:
        data["sku"] = variation.sku
    if variation.unit_id is not None:
        data["measurement_unit_id"] = variation.unit_id
    if variation.converted_from is not None:
        data["stockable_conversion"] = {
            "stockable_item_variation_id": variation.converted_from,
            "stockable_quantity": "1",
            "nonstockable_quantity": "6",
        }
    body: dict[str, Any] = {
        "type": "ITEM_VARIATION",
        "id": variation.id,
        "is_deleted": variation.deleted,
        "present_at_all_locations": True,
        "item_variation_data": data,
    }
    if variation.absent_at:
        body["absent_at_location_ids"] = sorted(variation.absent_at)
    return body


def row_body(row: Row, *, two_locations: bool) -> dict[str, Any]:
    """A row of the ledger, in the shape of the caller's API version."""
    source = {"product": row.product, "name": "Simulated"}
    if row.application_id is not None:
        source["application_id"] = row.application_id
    body: dict[str, Any] = {
        "id": row.id,
        "catalog_object_id": row.variation.id,
        "catalog_object_type": "ITEM_VARIATION",
        "quantity": str(row.quantity),
        "occurred_at": iso(row.occurred_at),
        "created_at": iso(row.created_at),
        "source": source,
        "team_member_id": CANARY,
    }
    if row.reference_id is not None:
        body["reference_id"] = row.reference_id
    if row.counted_state is not None:
        body |= {"state": row.counted_state, "location_id": row.location.id}
        return {"type": "PHYSICAL_COUNT", "physical_count": body}
    body |= {"from_state": row.from_state, "to_state": row.to_state}
    if two_locations:
        body |= {"from_location_id": row.location.id, "to_location_id": row.location.id}
    else:
        body["location_id"] = row.location.id
    for name in ("transaction_id", "refund_id"):
        if getattr(row, name) is not None:
            body[name] = getattr(row, name)
    return {"type": "ADJUSTMENT", "adjustment": body}


def order_body(order: Order) -> dict[str, Any]:
    """An order."""
    body: dict[str, Any] = {
        "id": order.id,
        "location_id": order.location.id,
        "state": order.state,
        "created_at": iso(order.created_at),
        "updated_at": iso(order.updated_at),
        "source": {"name": order.source},
        "customer_id": CANARY,
        "line_items": [
            {
                "uid": line.uid,
                "quantity": str(line.quantity),
                "item_type": "ITEM" if line.variation is not None else "CUSTOM_AMOUNT",
                "base_price_money": MONEY,
                "note": f"for {CANARY}",
                **({"catalog_object_id": line.variation.id} if line.variation else {}),
            }
            for line in order.lines
        ],
        "fulfillments": [
            {
                "uid": one.uid,
                "type": "PICKUP",
                "state": one.state,
                "pickup_details": {"recipient": {"display_name": CANARY}},
            }
            for one in order.fulfilments
        ],
        "tenders": [
            {"id": payment_id, "type": "CARD", "payment_id": payment_id, "customer_id": CANARY}
            for payment_id in order.payment_ids
        ],
    }
    if order.version is not None:
        body["version"] = order.version
    if order.state != "OPEN":
        body["closed_at"] = iso(order.updated_at)
    if order.returns:
        body["returns"] = [_return(order)]
    return body


def _return(order: Order) -> dict[str, Any]:
    sources = {one.source_order_id for one in order.returns} - {None}
    body: dict[str, Any] = {
        "uid": f"return-{order.id}",
        "return_line_items": [
            {"uid": one.uid, "catalog_object_id": one.variation.id, "quantity": str(one.quantity)}
            for one in order.returns
        ],
    }
    if sources:
        body["source_order_id"] = min(str(one) for one in sources)
    return body


def payment_body(payment: Payment) -> dict[str, Any]:
    """A payment."""
    body: dict[str, Any] = {
        "id": payment.id,
        "status": payment.status,
        "source_type": "CARD",
        "order_id": payment.order_id,
        "location_id": payment.location.id,
        "amount_money": MONEY,
        "created_at": iso(payment.created_at),
        "updated_at": iso(payment.updated_at),
        "buyer_email_address": f"{CANARY}@example.com",
        "note": CANARY,
        "team_member_id": CANARY,
        "is_offline_payment": payment.taken_offline_at is not None,
    }
    if payment.taken_offline_at is not None:
        body["offline_payment_details"] = {"client_created_at": iso(payment.taken_offline_at)}
    return body


def subscription_body(one: Subscription) -> dict[str, Any]:
    """A webhook subscription; its times have a shape of their own."""
    made = iso(one.created_at)[:19].replace("T", " ") + " +0000 UTC"
    return {
        "id": one.id,
        "name": one.name,
        "enabled": one.enabled,
        "event_types": list(one.event_types),
        "notification_url": one.url,
        "api_version": one.api_version,
        "signature_key": one.signature_key,
        "created_at": made,
        "updated_at": made,
    }
