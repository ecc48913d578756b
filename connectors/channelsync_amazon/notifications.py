"""What Amazon tells by its queue: reduced to ids, SKUs, quantities and times, then understood.

Three kinds come, in two spellings of their keys, one of them wrapped by EventBridge. Only what is
named here is kept; an order's notification tells a postal code, which is dropped where it is read.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any, Final

from pydantic import ValidationError

from channelsync.sdk.errors import BadDelivery
from channelsync.sdk.types import Delivery, Instant, LookAt, Parsed, ShownQuantity
from channelsync_amazon.mapping import LineView, OrderView, facts_of, voids_of
from channelsync_amazon.times import instant

__all__ = ["FEED_FINISHED", "ORDER_CHANGE", "QUANTITY_CHANGE", "parse", "reduce"]

ORDER_CHANGE: Final = "ORDER_CHANGE"
FEED_FINISHED: Final = "FEED_PROCESSING_FINISHED"
QUANTITY_CHANGE: Final = "LISTINGS_ITEM_MFN_QUANTITY_CHANGE"
OTHER: Final = "OTHER"
MERCHANT: Final = "MFN"
DEFAULT: Final = "DEFAULT"
IDENTIFIER_LENGTH_MAX: Final = 100


def reduce(body: bytes, *, seller_id: str) -> Delivery:
    """One message of the queue as what may be stored.

    A notification of another seller, of orders that Amazon ships, or of a kind that we did not ask
    for is kept as one that says nothing.

    Raises:
        BadDelivery: it is not a notification of Amazon's shape.
    """
    try:
        envelope = _unwrapped(json.loads(body))
        kind = str(_of(envelope, "NotificationType"))
        identifier = str(_of(_of(envelope, "NotificationMetadata"), "NotificationId"))
        at = instant(str(_of(envelope, "EventTime")))
        payload = _of(envelope, "Payload")
        reduced = _reduced(kind, payload, at, seller_id)
    except (ValueError, TypeError, KeyError, OverflowError, ValidationError) as error:
        raise BadDelivery(f"a notification is not understood ({type(error).__name__})") from None
    topic = kind if reduced else OTHER
    return Delivery(
        dedupe_key=f"{topic}:{identifier[:IDENTIFIER_LENGTH_MAX]}", topic=topic, reduced=reduced
    )


def _unwrapped(message: Any) -> Mapping[str, Any]:
    if not isinstance(message, Mapping):
        raise TypeError("no object")
    detail = message.get("detail")
    return detail if "detail-type" in message and isinstance(detail, Mapping) else message


def _of(container: Any, name: str) -> Any:
    """A value whose key begins with a capital or a small letter, as the kind has it."""
    if not isinstance(container, Mapping):
        raise TypeError("no object")
    return container[name] if name in container else container[name[0].lower() + name[1:]]


def _reduced(kind: str, payload: Any, at: Instant, seller_id: str) -> Mapping[str, Any]:
    if kind == ORDER_CHANGE:
        return _order(_of(payload, "OrderChangeNotification"), at, seller_id)
    if kind == FEED_FINISHED:
        told = _of(payload, "FeedProcessingFinishedNotification")
        if _of(told, "SellerId") != seller_id:
            return {}
        return {"feed_id": str(_of(told, "FeedId"))[:IDENTIFIER_LENGTH_MAX]}
    if kind == QUANTITY_CHANGE:
        ours = _of(payload, "SellerId") == seller_id
        if not ours or _of(payload, "FulfillmentChannelCode") != DEFAULT:
            return {}
        return {
            "sku": str(_of(payload, "Sku")),
            "quantity": int(_of(payload, "Quantity")),
            "at": at,
        }
    return {}


def _order(told: Any, at: Instant, seller_id: str) -> Mapping[str, Any]:
    summary = _of(told, "Summary")
    if not isinstance(summary, Mapping):
        raise TypeError("no object")
    if _of(told, "SellerId") != seller_id or _of(summary, "FulfillmentType") != MERCHANT:
        return {}
    purchased = summary.get("PurchaseDate")
    view = OrderView(
        order_id=_of(told, "AmazonOrderId"),
        status=_of(summary, "OrderStatus"),
        created_at=instant(purchased) if isinstance(purchased, str) else None,
        updated_at=at,
        marketplace=str(summary.get("MarketplaceId") or ""),
        lines=tuple(_line(item) for item in _of(summary, "OrderItems")),
    )
    return {"order": view.model_dump(mode="json", exclude_defaults=True)}


def _line(item: Any) -> LineView:
    if not isinstance(item, Mapping):
        raise TypeError("no object")
    shipped = item.get("QuantityShipped")
    return LineView(
        line_id=str(_of(item, "OrderItemId")),
        sku=item.get("SellerSKU"),
        ordered=max(int(_of(item, "Quantity")), 0),
        shipped=max(int(shipped), 0) if shipped is not None else 0,
    )


def parse(delivery: Delivery) -> Parsed:
    """What a stored notification says. Pure.

    Raises:
        BadDelivery: the reduction is not understood.
    """
    reduced = delivery.reduced
    try:
        if delivery.topic == ORDER_CHANGE:
            view = OrderView.model_validate(reduced["order"])
            return Parsed(facts=facts_of(view), voids=voids_of(view))
        if delivery.topic == FEED_FINISHED:
            return Parsed(look_at=LookAt(tickets=(str(reduced["feed_id"]),)))
        if delivery.topic == QUANTITY_CHANGE:
            # Each sale and each of our own sets echoes like this: a lower number is no news.
            shown = ShownQuantity(
                external={"sku": str(reduced["sku"])},
                quantity=int(reduced["quantity"]),
                at=float(reduced["at"]),
            )
            return Parsed(look_at=LookAt(shown=(shown,)))
    except (KeyError, TypeError, ValueError, OverflowError) as error:
        kind = type(error).__name__
        raise BadDelivery(f"a stored {delivery.topic} is not understood ({kind})") from None
    return Parsed()
