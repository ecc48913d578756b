"""Notifications reduced and understood, in both spellings, wrapped or not."""

from __future__ import annotations

import copy
import json
from typing import Any

import pytest

from channelsync.sdk.errors import BadDelivery
from channelsync.sdk.types import CancelEffect, Delivery, LookAt, Parsed
from channelsync_amazon.notifications import parse, reduce

SELLER = "A3CSYNCSELLER1"
ORDER: dict[str, Any] = {
    "NotificationVersion": "1.0",
    "NotificationType": "ORDER_CHANGE",
    "PayloadVersion": "1.0",
    "EventTime": "2026-11-21T08:31:07.482Z",
    "Payload": {
        "OrderChangeNotification": {
            "NotificationLevel": "OrderLevel",
            "SellerId": SELLER,
            "AmazonOrderId": "303-1122334-5566778",
            "OrderChangeType": "OrderStatusChange",
            "OrderChangeTrigger": {"TimeOfOrderChange": "2026-11-21T08:31:05.100Z"},
            "Summary": {
                "MarketplaceId": "A1PA6795UKMFR9",
                "OrderStatus": "Unshipped",
                "PurchaseDate": "2026-11-21T07:58:10.000Z",
                "DestinationPostalCode": "CANARY-10115",
                "FulfillmentType": "MFN",
                "OrderItems": [
                    {
                        "OrderItemId": "44556677889901",
                        "SellerSKU": "MUG-BLUE-L",
                        "SupplySourceId": None,
                        "Quantity": 3,
                        "QuantityShipped": 1,
                    }
                ],
            },
        }
    },
    "NotificationMetadata": {"NotificationId": "f2b1c7de", "ApplicationId": "CANARY-app"},
}
QUANTITY: dict[str, Any] = {
    "version": "0",
    "detail-type": "LISTINGS_ITEM_MFN_QUANTITY_CHANGE",
    "detail": {
        "NotificationType": "LISTINGS_ITEM_MFN_QUANTITY_CHANGE",
        "EventTime": "2026-11-21T08:32:51.040Z",
        "Payload": {
            "SellerId": SELLER,
            "FulfillmentChannelCode": "DEFAULT",
            "Sku": "MUG-BLUE-L",
            "Quantity": 9,
        },
        "NotificationMetadata": {"NotificationId": "0a3b7a3c"},
    },
}
FEED: dict[str, Any] = {
    "notificationType": "FEED_PROCESSING_FINISHED",
    "eventTime": "2026-11-21T08:03:41.000Z",
    "payload": {
        "feedProcessingFinishedNotification": {
            "sellerId": SELLER,
            "feedId": "91040020777",
            "processingStatus": "DONE",
        }
    },
    "notificationMetadata": {"notificationId": "c3d0b1a2"},
}


def reduced(message: Any) -> Delivery:
    delivery = reduce(json.dumps(message).encode(), seller_id=SELLER)
    stored = json.loads(json.dumps(delivery.reduced))
    return Delivery(dedupe_key=delivery.dedupe_key, topic=delivery.topic, reduced=stored)


def changed(message: Any, *path: str, to: Any) -> Any:
    other = copy.deepcopy(message)
    place = other
    for name in path[:-1]:
        place = place[name]
    place[path[-1]] = to
    return other


SUMMARY = ("Payload", "OrderChangeNotification", "Summary")


def test_an_order_is_told_whole() -> None:
    [fact] = parse(reduced(ORDER)).facts
    assert (fact.order_id, fact.line_id, fact.sku) == (
        "303-1122334-5566778",
        "44556677889901",
        "MUG-BLUE-L",
    )
    assert (fact.ordered, fact.shipped, fact.cancelled, fact.pending) == (3, 1, 0, False)
    assert fact.sold_at == 1_795_247_890.0
    assert fact.version == 1_795_249_867.482
    assert fact.cancel_effect is CancelEffect.UNSURE


def test_a_pending_order_is_held() -> None:
    [fact] = parse(reduced(changed(ORDER, *SUMMARY, "OrderStatus", to="Pending"))).facts
    assert fact.pending


def test_a_cancelled_order_gives_its_units_back_to_amazons_own_grant() -> None:
    [fact] = parse(reduced(changed(ORDER, *SUMMARY, "OrderStatus", to="Canceled"))).facts
    assert (fact.ordered, fact.cancelled) == (3, 2)


def test_a_cancelled_order_without_quantities_is_void() -> None:
    message = changed(ORDER, *SUMMARY, "OrderStatus", to="Canceled")
    item = message["Payload"]["OrderChangeNotification"]["Summary"]["OrderItems"][0]
    item |= {"Quantity": 0, "QuantityShipped": 0}
    parsed = parse(reduced(message))
    assert parsed.facts == ()
    assert [void.order_id for void in parsed.voids] == ["303-1122334-5566778"]


def test_a_live_quantity_asks_for_a_look_only_where_it_contradicts() -> None:
    looked = parse(reduced(QUANTITY)).look_at
    assert looked is not None
    [shown] = looked.shown
    assert (dict(shown.external), shown.quantity) == ({"sku": "MUG-BLUE-L"}, 9)


def test_the_end_of_a_feed_names_its_ticket() -> None:
    assert parse(reduced(FEED)).look_at == LookAt(tickets=("91040020777",))


def test_a_copy_has_the_same_key_and_another_word_another() -> None:
    assert reduced(ORDER).dedupe_key == reduced(ORDER).dedupe_key
    other = changed(ORDER, "NotificationMetadata", "NotificationId", to="other")
    assert reduced(other).dedupe_key != reduced(ORDER).dedupe_key


def test_nothing_beside_ids_quantities_and_times_is_kept() -> None:
    for message in (ORDER, QUANTITY, FEED):
        assert "CANARY" not in repr(reduced(message))


@pytest.mark.parametrize(
    "message",
    [
        changed(ORDER, "Payload", "OrderChangeNotification", "SellerId", to="A1OTHERSELLER"),
        changed(ORDER, *SUMMARY, "FulfillmentType", to="AFN"),
        changed(QUANTITY, "detail", "Payload", "FulfillmentChannelCode", to="AMAZON_EU"),
        changed(QUANTITY, "detail", "Payload", "SellerId", to="A1OTHERSELLER"),
        changed(
            FEED, "payload", "feedProcessingFinishedNotification", "sellerId", to="A1OTHERSELLER"
        ),
        changed(ORDER, "NotificationType", to="ANY_OFFER_CHANGED"),
    ],
)
def test_what_is_none_of_ours_says_nothing(message: Any) -> None:
    delivery = reduced(message)
    assert delivery.reduced == {}
    assert parse(delivery) == Parsed()


@pytest.mark.parametrize(
    "body",
    [
        b"not json",
        b"[]",
        b"{}",
        json.dumps(changed(ORDER, "EventTime", to="yesterday")).encode(),
        json.dumps(changed(ORDER, "Payload", to=None)).encode(),
        json.dumps(changed(ORDER, *SUMMARY, "OrderItems", to=[{"SellerSKU": "x"}])).encode(),
        json.dumps(
            changed(ORDER, "Payload", "OrderChangeNotification", "AmazonOrderId", to="Ada, 1 Lane")
        ).encode(),
    ],
)
def test_what_is_no_notification_is_said_without_repeating_it(body: bytes) -> None:
    with pytest.raises(BadDelivery) as refused:
        reduce(body, seller_id=SELLER)
    assert "Ada" not in str(refused.value)


def test_a_stored_word_that_makes_no_sense_is_a_dead_letter() -> None:
    for topic in ("ORDER_CHANGE", "FEED_PROCESSING_FINISHED", "LISTINGS_ITEM_MFN_QUANTITY_CHANGE"):
        with pytest.raises(BadDelivery):
            parse(Delivery(dedupe_key="x", topic=topic, reduced={"order": {"order_id": "?"}}))


@pytest.mark.parametrize("quantity", ["Infinity", "1e999"])
def test_an_infinite_quantity_is_a_bad_delivery(quantity: str) -> None:
    """JSON of Python reads both; no integer comes of them."""
    body = json.dumps(ORDER).replace('"QuantityShipped": 1', f'"QuantityShipped": {quantity}')
    assert quantity in body
    with pytest.raises(BadDelivery, match="OverflowError"):
        reduce(body.encode(), seller_id=SELLER)
