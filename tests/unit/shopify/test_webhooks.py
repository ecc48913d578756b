"""Webhooks: only genuine ones pass, and what they say survives being stored."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from channelsync.sdk.errors import BadDelivery, Unauthentic
from channelsync.sdk.signatures import base64_hmac_sha256
from channelsync.sdk.types import CancelEffect, Delivery, Parsed, WebhookRequest
from channelsync_shopify.settings import ShopifySettings
from channelsync_shopify.webhooks import TOPICS, Webhooks

SHOP = "acme.myshopify.com"
RECEIVED = 1_795_600_000.0
ORDER: dict[str, Any] = {
    "id": 820982911946154508,
    "confirmed": True,
    "test": False,
    "created_at": "2026-11-20T09:15:00-05:00",
    "updated_at": "2026-11-20T09:15:02-05:00",
    "cancelled_at": None,
    "financial_status": "paid",
    "source_name": "web",
    "location_id": None,
    "email": "jane@example.com",
    "line_items": [
        {
            "id": 866550311766439020,
            "sku": "ABC-1",
            "variant_id": 808950810,
            "quantity": 2,
            "current_quantity": 2,
            "fulfillable_quantity": 2,
            "variant_inventory_management": "shopify",
            "gift_card": False,
        }
    ],
    "fulfillments": [],
    "refunds": [],
}
LEVEL: dict[str, Any] = {
    "inventory_item_id": 48513488879793,
    "location_id": 1,
    "available": 7,
    "updated_at": "2026-11-20T09:15:02-05:00",
}


def webhooks(**more: Any) -> Webhooks:
    given_settings = {"shop": SHOP, "access_token": "t", "location_id": "1"}
    given_settings |= more or {"webhook_secret": "hush"}
    return Webhooks(ShopifySettings.model_validate(given_settings))


def request(
    body: Any, topic: str = "orders/create", *, secret: str = "hush", **headers: str
) -> WebhookRequest:
    raw = body if isinstance(body, bytes) else json.dumps(body).encode()
    sent = {
        "x-shopify-topic": topic,
        "x-shopify-hmac-sha256": base64_hmac_sha256(secret.encode(), raw),
        "x-shopify-shop-domain": SHOP,
        "x-shopify-event-id": "event-1",
        "x-shopify-webhook-id": "webhook-1",
        "x-shopify-triggered-at": "2026-11-20T14:15:03.5Z",
    }
    sent |= {name.replace("_", "-"): value for name, value in headers.items()}
    return WebhookRequest(url="https://x", headers=sent, body=raw, received_at=RECEIVED)


def without(one: WebhookRequest, *names: str) -> WebhookRequest:
    kept = {name: value for name, value in one.headers.items() if name not in names}
    return replace(one, headers=kept)


def told(body: Any, topic: str) -> Parsed:
    receiver = webhooks()
    return receiver.parse(receiver.verify_webhook(request(body, topic)))


def test_shopifys_own_vector_is_genuine() -> None:
    signed = request(b'{"id":1}', "orders/delete")
    assert signed.headers["x-shopify-hmac-sha256"] == "VnKUjZsLuN5iZWjn5EntcBVCF9kMN43LglzCE1/GSeY="
    assert webhooks().verify_webhook(signed).topic == "orders/delete"


@given(position=st.integers(min_value=0), bit=st.integers(min_value=0, max_value=7))
def test_any_flipped_bit_of_the_body_is_refused(position: int, bit: int) -> None:
    genuine = request(ORDER)
    body = bytearray(genuine.body)
    body[position % len(body)] ^= 1 << bit
    with pytest.raises(Unauthentic):
        webhooks().verify_webhook(replace(genuine, body=bytes(body)))


@given(position=st.integers(min_value=0), other=st.characters(min_codepoint=33))
def test_any_changed_character_of_the_signature_is_refused(position: int, other: str) -> None:
    genuine = request(ORDER)
    signature = genuine.headers["x-shopify-hmac-sha256"]
    at = position % len(signature)
    if signature[at] == other:
        return
    forged = signature[:at] + other + signature[at + 1 :]
    with pytest.raises(Unauthentic):
        webhooks().verify_webhook(request(ORDER, x_shopify_hmac_sha256=forged))


@pytest.mark.parametrize(
    "wrong",
    [
        request(ORDER, secret="other"),
        request(ORDER, x_shopify_hmac_sha256=""),
        without(request(ORDER), "x-shopify-hmac-sha256"),
        request(ORDER, x_shopify_shop_domain="evil.myshopify.com"),
        without(request(ORDER), "x-shopify-shop-domain"),
    ],
)
def test_what_does_not_prove_that_it_is_our_shops_is_refused(wrong: WebhookRequest) -> None:
    with pytest.raises(Unauthentic):
        webhooks().verify_webhook(wrong)


def test_without_a_secret_nothing_is_genuine() -> None:
    receiver = Webhooks(
        ShopifySettings.model_validate({"shop": SHOP, "access_token": "t", "location_id": "1"})
    )
    with pytest.raises(Unauthentic, match="webhook_secret"):
        receiver.verify_webhook(request(ORDER, secret=""))


@pytest.mark.parametrize("secret", ["new", "old"])
def test_during_a_rotation_both_secrets_are_good(secret: str) -> None:
    receiver = webhooks(webhook_secret="new", webhook_secret_old="old")
    assert receiver.verify_webhook(request(ORDER, secret=secret)).topic == "orders/create"


def test_the_client_secret_signs_too() -> None:
    settings = ShopifySettings.model_validate(
        {"shop": SHOP, "client_id": "i", "client_secret": "cs", "location_id": "1"}
    )
    assert Webhooks(settings).verify_webhook(request(ORDER, secret="cs")).topic == "orders/create"


def test_both_sets_of_header_names_are_understood() -> None:
    classic = request(ORDER)
    newer = {name.removeprefix("x-"): value for name, value in classic.headers.items()}
    receiver = webhooks()
    one, other = (
        receiver.verify_webhook(each) for each in (classic, replace(classic, headers=newer))
    )
    assert one == other


def test_a_delivery_and_its_retry_have_one_key_and_other_deliveries_others() -> None:
    receiver = webhooks()

    def key(one: WebhookRequest) -> str:
        return receiver.verify_webhook(one).dedupe_key

    first = request(LEVEL, "inventory_levels/update")
    retry = request(LEVEL, "inventory_levels/update", x_shopify_webhook_id="webhook-2")
    assert key(first) == key(retry)
    others = [
        request(LEVEL, "inventory_levels/connect"),
        request(LEVEL, "inventory_levels/update", x_shopify_event_id="event-2"),
        request(LEVEL | {"inventory_item_id": 5}, "inventory_levels/update"),
        without(first, "x-shopify-event-id"),
        without(first, "x-shopify-event-id", "x-shopify-webhook-id"),
    ]
    keys = {key(one) for one in others}
    assert len(keys) == len(others)
    assert key(first) not in keys


def test_an_orders_fact_survives_being_stored() -> None:
    receiver = webhooks()
    delivery = receiver.verify_webhook(request(ORDER))
    assert "jane" not in json.dumps(delivery.reduced)
    stored = replace(delivery, reduced=json.loads(json.dumps(delivery.reduced)))
    assert receiver.parse(stored) == receiver.parse(delivery)
    [fact] = receiver.parse(stored).facts
    assert fact.order_id == "gid://shopify/Order/820982911946154508"
    assert fact.line_id == "gid://shopify/LineItem/866550311766439020"
    assert (fact.sku, fact.ordered) == ("ABC-1", 2)
    assert fact.external == {"variant_id": "gid://shopify/ProductVariant/808950810"}
    assert fact.version - (fact.sold_at or 0) == 2.0


def test_a_deleted_order_is_void_and_nobody_knows_what_the_counter_did() -> None:
    [void] = told({"id": 7}, "orders/delete").voids
    assert (void.order_id, void.cancel_effect) == ("gid://shopify/Order/7", CancelEffect.UNSURE)
    assert void.at == 1_795_184_103.5


def test_an_edit_and_a_refund_are_looked_up() -> None:
    for topic, body in (
        ("orders/edited", {"order_edit": {"order_id": 7}}),
        ("refunds/create", {"order_id": 7}),
    ):
        look = told(body, topic).look_at
        assert look is not None
        assert look.orders == ("gid://shopify/Order/7",)


def test_a_level_tells_its_number_and_is_read_only_if_it_says_none() -> None:
    look = told(LEVEL, "inventory_levels/update").look_at
    assert look is not None
    [shown] = look.shown
    item = {"inventory_item_id": "gid://shopify/InventoryItem/48513488879793"}
    assert (shown.external, shown.quantity, shown.at) == (item, 7, 1_795_184_102.0)
    for topic in ("inventory_levels/update", "inventory_levels/disconnect"):
        silent = told(LEVEL | {"available": None}, topic).look_at
        assert silent is not None
        assert (silent.listings, silent.shown) == ((item,), ())


def test_a_level_at_another_location_says_nothing() -> None:
    assert told(LEVEL | {"location_id": 2}, "inventory_levels/update") == Parsed()


def test_changed_items_and_products_are_read_because_they_may_not_be_enforced_any_more() -> None:
    for topic in ("inventory_items/update", "inventory_items/delete"):
        look = told({"id": 5}, topic).look_at
        assert look is not None
        assert look.listings == ({"inventory_item_id": "gid://shopify/InventoryItem/5"},)
    product = {"id": 9, "variants": [{"id": 1}, {"id": 2}]}
    look = told(product, "products/update").look_at
    assert look is not None
    assert look.listings == tuple(
        {"variant_id": f"gid://shopify/ProductVariant/{number}"} for number in (1, 2)
    )


@pytest.mark.parametrize(
    ("topic", "number", "stops"),
    [
        ("locations/deactivate", 1, True),
        ("locations/delete", 1, True),
        ("locations/update", 1, False),
        ("locations/deactivate", 2, False),
        ("locations/activate", 2, False),
    ],
)
def test_losing_our_location_stops_the_channel(topic: str, number: int, *, stops: bool) -> None:
    parsed = told({"id": number}, topic)
    assert parsed.look_at is not None
    assert parsed.look_at.catalogue
    assert [notice.stop for notice in parsed.notices] == ([stops] if number == 1 else [])


def test_being_uninstalled_stops_the_channel_but_only_for_our_shop() -> None:
    [notice] = told({"myshopify_domain": SHOP}, "app/uninstalled").notices
    assert notice.stop
    with pytest.raises(BadDelivery):
        told({"myshopify_domain": "other.myshopify.com"}, "app/uninstalled")
    with pytest.raises(BadDelivery):
        told(ORDER, "app/uninstalled")


@pytest.mark.parametrize(
    ("topic", "body"),
    [
        ("orders/create", b"no json"),
        ("orders/create", {}),
        ("orders/create", ORDER | {"updated_at": "yesterday"}),
        ("orders/create", ORDER | {"updated_at": "2026-11-20T09:15:02"}),
        ("orders/create", ORDER | {"line_items": [ORDER["line_items"][0] | {"quantity": -1}]}),
        ("orders/updated", [ORDER]),
        ("orders/edited", {"order_id": 1}),
        ("inventory_levels/update", {"inventory_item_id": "x", "location_id": 1}),
        ("customers/create", {"id": 1}),
        ("", {"id": 1}),
    ],
)
def test_a_genuine_body_of_another_shape_is_set_aside_without_repeating_it(
    topic: str, body: Any
) -> None:
    with pytest.raises(BadDelivery) as refused:
        webhooks().verify_webhook(request(body, topic))
    assert "jane" not in str(refused.value)


@pytest.mark.parametrize("topic", TOPICS)
@pytest.mark.parametrize("reduced", [{}, {"order": {}}, {"void_order": 1}, {"place": None}])
def test_a_stored_delivery_that_makes_no_sense_is_set_aside(
    topic: str, reduced: dict[str, Any]
) -> None:
    if reduced == {"place": None} or (topic == "app/uninstalled" and not reduced):
        return
    with pytest.raises(BadDelivery):
        webhooks().parse(Delivery(dedupe_key="k", topic=topic, reduced=reduced))
