"""Webhooks: proven genuine on their raw bytes, then reduced to what may be stored.

Signature: base64 of HMAC-SHA256 over the raw body with the app's client secret (shopify.dev,
"Verify webhook deliveries"). Topics, identifiers and the shop's name are headers, which the
signature does not cover; so the shop's name must be ours, and a body must have its topic's shape.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping
from typing import Any, Final

from channelsync.sdk.errors import BadDelivery, Unauthentic
from channelsync.sdk.signatures import base64_hmac_sha256, matches_any
from channelsync.sdk.types import (
    CancelEffect,
    Delivery,
    Instant,
    LookAt,
    Notice,
    OrderVoid,
    Parsed,
    ShownQuantity,
    WebhookRequest,
)
from channelsync_shopify.mapping import OrderView, facts_of
from channelsync_shopify.rest import (
    DeletedOrder,
    EditedOrder,
    ItemBody,
    LevelBody,
    LocationBody,
    OrderBody,
    ProductBody,
    RefundBody,
    ShopBody,
    body_as,
    view_of,
)
from channelsync_shopify.settings import ShopifySettings
from channelsync_shopify.times import global_id, instant

__all__ = ["TOPICS", "Webhooks"]

Reduced = dict[str, Any]
Reducer = Callable[[bytes, Instant], Reduced]
PREFIXES: Final = ("x-shopify-", "shopify-")
"""Classic webhooks name their headers with X-, Shopify's newer events without."""
IDENTIFIER_LENGTH_MAX: Final = 100
DIGEST_LENGTH: Final = 24


def _order(raw: bytes, _at: Instant) -> Reduced:
    view = view_of(body_as(OrderBody, raw))
    return {"order": view.model_dump(mode="json", exclude_defaults=True)}


def _edited(raw: bytes, _at: Instant) -> Reduced:
    return {"look_at_order": global_id("Order", body_as(EditedOrder, raw).order_edit.order_id)}


def _refund(raw: bytes, _at: Instant) -> Reduced:
    return {"look_at_order": global_id("Order", body_as(RefundBody, raw).order_id)}


def _deleted(raw: bytes, at: Instant) -> Reduced:
    return {"void_order": global_id("Order", body_as(DeletedOrder, raw).id), "at": at}


def _level(raw: bytes, at: Instant) -> Reduced:
    level = body_as(LevelBody, raw)
    return {
        "inventory_item_id": global_id("InventoryItem", level.inventory_item_id),
        "location_id": global_id("Location", level.location_id),
        "available": level.available,
        "at": at if level.updated_at is None else level.updated_at,
    }


def _item(raw: bytes, _at: Instant) -> Reduced:
    return {"inventory_item_id": global_id("InventoryItem", body_as(ItemBody, raw).id)}


def _product(raw: bytes, _at: Instant) -> Reduced:
    variants = body_as(ProductBody, raw).variants
    return {"variant_ids": [global_id("ProductVariant", one.id) for one in variants]}


def _place(raw: bytes, _at: Instant) -> Reduced:
    return {"place": global_id("Location", body_as(LocationBody, raw).id)}


def _shop(raw: bytes, _at: Instant) -> Reduced:
    return {"shop": body_as(ShopBody, raw).myshopify_domain.lower()}


TOPICS: Final[Mapping[str, Reducer]] = {
    "orders/create": _order,
    "orders/updated": _order,
    "orders/cancelled": _order,
    "orders/edited": _edited,
    "orders/delete": _deleted,
    "refunds/create": _refund,
    "inventory_levels/update": _level,
    "inventory_levels/connect": _level,
    "inventory_levels/disconnect": _level,
    "inventory_items/update": _item,
    "inventory_items/delete": _item,
    "products/update": _product,
    "locations/activate": _place,
    "locations/deactivate": _place,
    "locations/update": _place,
    "locations/delete": _place,
    "app/uninstalled": _shop,
}
"""Every topic we subscribe to, with what is kept of its body."""


class Webhooks:
    """The receiving half of an open channel."""

    def __init__(self, settings: ShopifySettings) -> None:
        self._settings = settings

    def verify_webhook(self, request: WebhookRequest) -> Delivery:
        """Authenticate the raw bytes, then keep identifiers, SKUs, quantities and times.

        Raises:
            Unauthentic: no secret of ours signed these bytes, or they are another shop's.
            BadDelivery: authentic, but not of its topic's shape, or of a topic we never asked for.
        """
        self._authenticate(request)
        topic = _header(request, "topic").lower()
        reduce = TOPICS.get(topic)
        if reduce is None:
            raise BadDelivery(f"a webhook of topic {topic[:60]!r}, which we never subscribe to")
        reduced = reduce(request.body, _triggered_at(request))
        if reduced.get("shop", self._settings.shop) != self._settings.shop:
            raise BadDelivery("app/uninstalled names another shop")
        return Delivery(
            dedupe_key=_dedupe_key(request, topic, reduced), topic=topic, reduced=reduced
        )

    def _authenticate(self, request: WebhookRequest) -> None:
        secrets = self._settings.webhook_secrets
        if not secrets:
            raise Unauthentic("webhook_secret is not set, so no webhook can be verified")
        given = _header(request, "hmac-sha256")
        expected = [base64_hmac_sha256(secret, request.body) for secret in secrets]
        if not given or not matches_any(given, expected):
            raise Unauthentic("the signature is not by any secret of this channel")
        if _header(request, "shop-domain").lower() != self._settings.shop:
            raise Unauthentic(f"the webhook is not from {self._settings.shop}")

    def parse(self, delivery: Delivery) -> Parsed:
        """What a stored delivery says. Pure.

        Raises:
            BadDelivery: the reduction is not understood.
        """
        reduced = delivery.reduced
        try:
            if "order" in reduced:
                return self._order_facts(reduced["order"])
            if "void_order" in reduced:
                void = OrderVoid(
                    order_id=reduced["void_order"],
                    at=float(reduced["at"]),
                    cancel_effect=CancelEffect.UNSURE,
                )
                return Parsed(voids=(void,))
            if "look_at_order" in reduced:
                return Parsed(look_at=LookAt(orders=(reduced["look_at_order"],)))
            return self._beside_orders(delivery.topic, reduced)
        except (KeyError, TypeError, ValueError, OverflowError) as error:
            kind = type(error).__name__
            raise BadDelivery(f"a stored {delivery.topic} is not understood ({kind})") from None

    def _order_facts(self, order: object) -> Parsed:
        facts = facts_of(
            OrderView.model_validate(order),
            location=self._settings.location_id,
            count_test_orders=self._settings.count_test_orders,
        )
        return Parsed(facts=facts)

    def _beside_orders(self, topic: str, reduced: Mapping[str, Any]) -> Parsed:
        if "variant_ids" in reduced:
            offers = tuple({"variant_id": str(one)} for one in reduced["variant_ids"])
            return Parsed(look_at=LookAt(listings=offers))
        if "inventory_item_id" in reduced:
            item = str(reduced["inventory_item_id"])
            if reduced.get("location_id", self._settings.location_id) != self._settings.location_id:
                return Parsed()
            offer = {"inventory_item_id": item}
            if (available := reduced.get("available")) is None:
                return Parsed(look_at=LookAt(listings=(offer,)))
            # Each sale and each of our own writes echoes like this: a lower number is no news.
            shown = ShownQuantity(external=offer, quantity=available, at=float(reduced["at"]))
            return Parsed(look_at=LookAt(shown=(shown,)))
        if "place" in reduced:
            return self._place_changed(topic, str(reduced["place"]))
        if topic == "app/uninstalled":
            notice = "the app was uninstalled from the shop: install it again, then resume"
            return Parsed(notices=(Notice(message=notice, stop=True),))
        raise ValueError(topic)

    def _place_changed(self, topic: str, place: str) -> Parsed:
        look = LookAt(catalogue=True)
        if place != self._settings.location_id:
            # The storefront may sell from it from now on.
            return Parsed(look_at=look)
        gone = {"locations/deactivate": "deactivated", "locations/delete": "deleted"}
        if topic in gone:
            message = f"our location was {gone[topic]} in Shopify: nothing sells from it"
            return Parsed(look_at=look, notices=(Notice(message=message, stop=True),))
        return Parsed(look_at=look, notices=(Notice(message="our location was changed"),))


def _header(request: WebhookRequest, name: str) -> str:
    for prefix in PREFIXES:
        value = request.headers.get(prefix + name)
        if value:
            return value.strip()
    return ""


def _triggered_at(request: WebhookRequest) -> Instant:
    """When the channel says it happened, yet never after we heard of it."""
    try:
        at = instant(_header(request, "triggered-at"))
    except ValueError:
        return request.received_at
    return min(at, request.received_at)


def _dedupe_key(request: WebhookRequest, topic: str, reduced: Reduced) -> str:
    """Equal for the copies of one delivery, which all carry its first payload.

    One action fires several topics with one event id, and perhaps several deliveries of one topic
    (a batch changes many levels), so topic and content belong to the key.
    """
    identifier = _header(request, "event-id") or _header(request, "webhook-id") or "none"
    content = json.dumps(reduced, sort_keys=True).encode()
    digest = hashlib.sha256(content).hexdigest()[:DIGEST_LENGTH]
    return f"{topic}:{identifier[:IDENTIFIER_LENGTH_MAX]}:{digest}"
