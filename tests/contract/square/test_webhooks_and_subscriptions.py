"""What the simulated seller delivers, and who may sign it."""

from __future__ import annotations

import json
from typing import Any

import pytest
from msgspec.structs import replace

from channelsync.sdk.errors import BadDelivery, Unauthentic
from channelsync.sdk.signatures import base64_hmac_sha256
from channelsync.sdk.types import Delivery, LookAt, WebhookRequest
from channelsync_square.simulator import CANARY
from channelsync_square.webhooks import EVENT_TYPES, SIGNATURE_HEADER
from tests.support.square import HOOK_URL, Bench, as_request, open_bench, stocked

SQUARES_VECTOR = (
    '{"merchant_id":"MLEFBHHSJGVHD","type":"webhooks.test_notification",'
    '"event_id":"ac3ac95b-f97d-458c-a6e6-18981597e05f",'
    '"created_at":"2022-07-13T20:30:59.037339943Z",'
    '"data":{"type":"webhooks","id":"bc368e64-01aa-407e-b46e-3231809b1129"}}'
)


def signed(event: Any, key: str = "k", url: str = HOOK_URL) -> WebhookRequest:
    body = event if isinstance(event, bytes) else json.dumps(event).encode()
    signature = base64_hmac_sha256(key.encode(), url.encode() + body)
    return as_request(url, body, {SIGNATURE_HEADER: signature}, 1.0)


def event(kind: str, content: Any, event_id: str = "e-1") -> dict[str, Any]:
    return {"type": kind, "event_id": event_id, "merchant_id": "M", "data": {"object": content}}


def looks(bench: Bench) -> list[LookAt]:
    return [one.look_at for one in bench.heard() if one.look_at is not None]


async def test_squares_own_example_is_accepted() -> None:
    """The body, key, address and signature are those of Square's own test of its clients."""
    url = "https://webhook.site/679a4f3a-dcfa-49ee-bac5-9d0edad886b9"
    bench = await open_bench(webhook_key="Ibxx_5AKakO-3qeNVR61Dw")
    headers = {SIGNATURE_HEADER: "GF4YkrJgGBDZ9NIYbNXBnMzqb2HoL4RW/S6vkZ9/2N4="}
    request = as_request(url, SQUARES_VECTOR.encode(), headers, 1.0)
    delivery = bench.channel.verify_webhook(request)
    assert (delivery.topic, delivery.reduced) == ("webhooks.test_notification", {})
    assert bench.channel.parse(delivery).look_at is None


@pytest.mark.parametrize("changed", ["body", "url", "signature", "none"])
async def test_whatever_was_changed_on_the_way_is_refused(changed: str) -> None:
    bench = await open_bench(webhook_key="k", application_token=None)
    good = signed(event("order.updated", {}))
    changes: dict[str, Any] = {
        "body": {"body": good.body + b" "},
        "url": {"url": good.url + "/"},
        "signature": {"headers": {SIGNATURE_HEADER: "garbage\udcff"}},
        "none": {"headers": {}},
    }
    with pytest.raises(Unauthentic):
        bench.channel.verify_webhook(replace(good, **changes[changed]))


async def test_during_a_rotation_both_keys_are_good() -> None:
    bench = await open_bench(webhook_key="new", webhook_key_old="old", application_token=None)
    for key in ("new", "old"):
        bench.channel.verify_webhook(signed(event("refund.updated", {"refund": {}}), key))
    with pytest.raises(Unauthentic):
        bench.channel.verify_webhook(signed(event("refund.updated", {"refund": {}}), "older"))


async def test_the_address_of_the_subscription_is_what_is_signed() -> None:
    given = "https://proxy.example/hook?till=1"
    bench = await open_bench(webhook_key="k", notification_url=given)
    request = replace(signed(event("order.updated", ORDER), url=given), url=HOOK_URL)
    assert bench.channel.verify_webhook(request).reduced == {"order_id": "O"}
    with pytest.raises(Unauthentic, match="notification_url"):
        bench.channel.verify_webhook(signed(event("order.updated", ORDER)))


ORDER = {"order_updated": {"order_id": "O", "location_id": "LSIMULATED001", "state": "OPEN"}}


async def test_copies_of_a_delivery_have_one_key_and_two_types_of_one_event_two() -> None:
    bench = await open_bench(webhook_key="k")
    keys = [
        bench.channel.verify_webhook(signed(event(kind, {"refund": {}}))).dedupe_key
        for kind in ("refund.created", "refund.updated", "refund.updated")
    ]
    assert keys == ["refund.created:e-1", "refund.updated:e-1", "refund.updated:e-1"]


@pytest.mark.parametrize(
    "bad",
    [
        b"",
        b"[]",
        b"\xff",
        b'{"type":"order.updated"}',
        {"type": "order.updated", "event_id": "e", "data": {"object": {"order_updated": {}}}},
        event("inventory.count.updated", {"inventory_counts": [{"quantity": 5}]}),
    ],
)
async def test_a_genuine_body_that_is_malformed_is_a_bad_delivery(bad: Any) -> None:
    bench = await open_bench(webhook_key="k")
    with pytest.raises(BadDelivery):
        bench.channel.verify_webhook(signed(bad))


async def test_an_event_that_somebody_else_ticked_is_taken_and_says_nothing() -> None:
    bench = await open_bench(webhook_key="k")
    delivery = bench.channel.verify_webhook(signed(event("customer.created", {"customer": CANARY})))
    assert (delivery.reduced, bench.channel.parse(delivery).look_at) == ({}, None)


async def test_a_stored_reduction_that_is_not_understood_is_a_bad_delivery() -> None:
    bench = await open_bench()
    broken = Delivery(dedupe_key="d", topic="inventory.count.updated", reduced={"counts": [{}]})
    with pytest.raises(BadDelivery):
        bench.channel.parse(broken)


# ------------------------------------------------------------------ what events say


async def test_a_sale_at_the_till_asks_for_the_feed_and_tells_the_number() -> None:
    bench = await stocked()
    bench.shop.sell({"MUG": 3})
    told = looks(bench)
    assert all(look.feed for look in told)
    [shown] = [one for look in told for one in look.shown]
    assert (shown.external, shown.quantity) == ({"variation_id": bench.variation("MUG")}, 37)
    assert shown.at == bench.clock.at


async def test_orders_and_declined_offline_cards_ask_for_their_order() -> None:
    bench = await stocked()
    online = bench.shop.order_online("MUG")
    bench.shop.sell_offline({"CUP": 1}, declined=True)
    [declined] = bench.shop.upload()
    bench.shop.hand_over(online)
    assert {order for look in looks(bench) for order in look.orders} == {online, declined}


async def test_a_changed_catalogue_is_searched_again() -> None:
    bench = await stocked()
    bench.shop.add_item("BOWL")
    assert [look.catalogue for look in looks(bench)] == [True]


async def test_events_of_the_sellers_other_shop_say_nothing() -> None:
    bench = await stocked()
    bench.simulator.elsewhere.sell({"MUG": 1})
    bench.simulator.elsewhere.order_online("MUG")
    assert looks(bench) == []


async def test_no_person_is_kept_of_any_delivery() -> None:
    bench = await stocked()
    order = bench.shop.sell({"MUG": 1})
    bench.shop.return_goods("MUG", of=order)
    bench.shop.hand_over(bench.shop.order_online("CUP"))
    requests = bench.deliveries()
    assert any(CANARY.encode() in request.body for request in requests)
    kept = [bench.channel.verify_webhook(request).reduced for request in requests]
    assert CANARY not in json.dumps(kept)
    facts = await bench.all_facts(bench.clock.at - 60)
    assert facts
    assert CANARY not in repr(facts)


# ------------------------------------------------------------------ subscriptions


async def test_a_subscription_is_made_once_and_its_key_is_learnt() -> None:
    bench = await open_bench()
    everything = tuple(sorted(EVENT_TYPES))
    first = await bench.channel.ensure_subscriptions(HOOK_URL)
    second = await bench.channel.ensure_subscriptions(HOOK_URL)
    assert (first.created, second.kept, second.created) == (everything, everything, ())
    bench.shop.add_item("MUG", 5)
    assert len(bench.heard()) == 2


@pytest.mark.parametrize("fault", ["disabled", "incomplete", "moved"])
async def test_a_subscription_that_does_not_serve_is_replaced(fault: str) -> None:
    bench = await open_bench()
    await bench.channel.ensure_subscriptions(HOOK_URL)
    [old] = bench.simulator.world.subscriptions.values()
    if fault == "disabled":
        old.enabled = False
    elif fault == "incomplete":
        old.event_types = old.event_types[1:]
    else:
        old.url = "https://elsewhere.example"
    report = await bench.channel.ensure_subscriptions(HOOK_URL)
    [new] = bench.simulator.world.subscriptions.values()
    assert (new.id == old.id, new.enabled, new.url) == (False, True, HOOK_URL)
    assert (report.kept, set(report.created)) == ((), set(EVENT_TYPES))
    assert set(report.removed) == set(old.event_types)


async def test_what_the_old_subscription_still_delivers_is_accepted() -> None:
    bench = await open_bench()
    await bench.channel.ensure_subscriptions(HOOK_URL)
    bench.shop.add_item("MUG", 5)
    late = bench.deliveries()
    for one in bench.simulator.world.subscriptions.values():
        one.enabled = False
    await bench.channel.ensure_subscriptions(HOOK_URL)
    for request in late:
        bench.channel.verify_webhook(request)


async def test_subscriptions_of_others_stay() -> None:
    bench = await open_bench()
    hooks = bench.simulator.server.hooks
    hooks.create({"subscription": {"name": "theirs", "notification_url": "https://x.example"}})
    report = await bench.channel.ensure_subscriptions(HOOK_URL)
    assert (len(bench.simulator.world.subscriptions), report.removed) == (2, ())


async def test_a_lost_answer_makes_no_second_subscription() -> None:
    bench = await open_bench()
    answered = bench.simulator.server.next_faults
    # The list is answered, the making is done and its answer lost.
    answered.extend(["none", "timeout_after"])
    with pytest.raises(Exception, match="could not be reached"):
        await bench.channel.ensure_subscriptions(HOOK_URL)
    await bench.channel.ensure_subscriptions(HOOK_URL)
    assert len(bench.simulator.world.subscriptions) == 1


async def test_without_the_applications_token_subscriptions_are_left_to_people() -> None:
    bench = await open_bench(application_token=None)
    report = await bench.channel.ensure_subscriptions(HOOK_URL)
    assert (report.kept, report.created, bench.simulator.server.calls) == ((), (), [])


async def test_a_subscription_that_vanished_is_made_anew_whatever_was_answered_before() -> None:
    bench = await open_bench()
    await bench.channel.ensure_subscriptions(HOOK_URL)
    bench.simulator.world.subscriptions.clear()
    bench.clock.passes(3_600)
    report = await bench.channel.ensure_subscriptions(HOOK_URL)
    assert report.created
    [made] = bench.simulator.world.subscriptions.values()
    assert made.url == HOOK_URL
