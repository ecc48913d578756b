"""What we send, and what the simulated account answers, against Amazon's own models."""

from __future__ import annotations

import contextlib
import datetime as dt
import gzip
import json
from pathlib import Path
from types import ModuleType
from typing import Any
from urllib.parse import parse_qsl

import pytest

from channelsync.sdk.errors import ConnectorError
from channelsync.sdk.types import Shipment
from channelsync_amazon.buckets import PLANS
from channelsync_amazon.connector import AmazonChannelWithQueue
from channelsync_amazon.simulator.wire import Called
from tests.support.amazon import MORNING, Bench, open_bench

QUEUE = "https://sqs.eu-west-1.amazonaws.com/210987654321/channelsync"


async def an_eventful_day(version: str) -> Bench:
    """An account in which every operation is called and every kind of answer is given."""
    bench = await open_bench(orders_api=version, unlimited=True, queue_url=QUEUE)
    seller = bench.seller
    bench.simulator.notifications.eventbridge = True
    for number in range(23):
        seller.add_offer(f"SKU-{number:02}", 9)
    seller.add_offer("FBA", 0, code="AMAZON_EU")
    seller.add_offer("EVER", 0, always_available=True)
    seller.add_offer("WIDE", 0, sources={"store-1": 3})
    seller.add_offer("A,B", 4)
    await bench.channel.test()
    await bench.offers()
    await bench.read("A,B")
    assert isinstance(bench.channel, AmazonChannelWithQueue)
    await bench.channel.ensure_subscriptions("")
    await bench.channel.ensure_subscriptions("")
    await a_feed(bench)
    await bench.set_to("SKU-01", 5)
    await bench.set_to("SKU-02", 0)
    request = bench.prepared(bench.change("SKU-03", 4))
    wrong = request.body.replace(b'"fulfillment_channel_code":"DEFAULT",', b"")
    await bench.channel.push(
        type(request)(key="k", body=wrong, push_ids=request.push_ids, operation=request.operation)
    )
    first = await seller.buy_basket({"SKU-04": 2, "SKU-05": 1})
    second = await seller.buy("SKU-06", 3)
    await a_package(bench)
    await seller.cancel(second)
    await seller.cancel_units(first, "SKU-04", 1)
    for _ in range(120):
        await seller.buy("SKU-07", 1)
        seller.edit_quantity("SKU-07", 9)
    bench.clock.passes(900)
    await bench.facts(MORNING)
    await bench.channel.orders_by_id([first, second, "303-0000000-0000000"])
    bench.simulator.quota.unlimited = False
    bench.simulator.server.next_faults.extend(["throttled", "throttled"])
    for sku in ("SKU-01", "SKU-02"):
        await bench.set_to(sku, 3)
    bench.simulator.account.expire_tokens()
    await bench.set_to("SKU-05", 3)
    bench.simulator.account.roles.clear()
    for _ in range(2):
        await gently(bench)
    return bench


async def a_package(bench: Bench) -> None:
    order = await bench.seller.buy("SKU-08", 2)
    await bench.seller.pay(order)
    [line] = bench.simulator.world.orders[order].lines
    for units in (1, 5):
        parcel = Shipment(
            order_id=order,
            reference="1",
            carrier="DHL",
            tracking="00340434292135100186",
            shipped_at=bench.clock(),
            lines=((line.item_id, units),),
        )
        with contextlib.suppress(ConnectorError):
            await bench.channel.confirm_shipment(parcel)


async def a_feed(bench: Bench) -> None:
    request = bench.prepared(*(bench.change(f"SKU-{number:02}", 5) for number in range(10, 15)))
    bench.simulator.feeds.broken["SKU-12"] = "'condition_type' is required but not supplied."
    [result, *_] = await bench.channel.push(request)
    assert result.ticket is not None
    await bench.channel.follow(request, result.ticket)
    bench.clock.passes(200)
    assert await bench.channel.follow(request, result.ticket) is not None


async def gently(bench: Bench) -> None:
    try:
        await bench.read("SKU-01")
    except ConnectorError:
        return


OPERATIONS = {
    "2026-01-01": {"searchOrders", "getOrder"},
    "v0": {"getOrders", "getOrder", "getOrderItems"},
}
COMMON = {
    "confirmShipment",
    "createDestination",
    "createFeed",
    "createFeedDocument",
    "createSubscription",
    "getDestinations",
    "getFeed",
    "getFeedDocument",
    "getSubscription",
    "patchListingsItem",
    "searchListingsItems",
    "getListingsItem",
    "getMarketplaceParticipations",
}


def checked_request(validator: Any, contract: ModuleType, call: Called) -> list[Any]:
    problems = validator.request(
        call.method,
        call.path,
        query=parse_qsl(call.query, keep_blank_values=True),
        headers=call.headers,
        body=call.body,
        now=dt.datetime.fromtimestamp(MORNING + 86_400, dt.UTC),
    )
    found: list[Any] = contract.errors(problems)
    return found


@pytest.mark.contracts
@pytest.mark.parametrize("version", sorted(OPERATIONS))
async def test_every_call_of_an_eventful_day_is_valid_both_ways(
    contracts_folder: Path, amazon_contract: ModuleType, validator: Any, version: str
) -> None:
    bench = await an_eventful_day(version)
    calls = bench.simulator.server.calls
    assert {call.operation for call in calls} == COMMON | OPERATIONS[version]
    assert {call.status for call in calls} >= {200, 403, 404, 429}
    for call in calls:
        where = (call.operation, call.status, call.query[:80])
        broken_on_purpose = call.status == 200 and (call.answer or {}).get("status") == "INVALID"
        if not broken_on_purpose:
            assert checked_request(validator, amazon_contract, call) == [], where
        problems = validator.response(
            call.method, call.path, call.status, call.answer, call.answer_headers
        )
        assert amazon_contract.errors(problems) == [], where


@pytest.mark.contracts
async def test_every_notification_is_of_amazons_shape(
    contracts_folder: Path, amazon_contract: ModuleType, validator: Any
) -> None:
    bench = await an_eventful_day("2026-01-01")
    bench.clock.passes(1)
    kinds = set()
    for message in map(json.loads, bench.simulator.notifications.take()):
        assert amazon_contract.errors(validator.notification(message)) == []
        inner = message.get("detail", message)
        kinds.add(inner.get("NotificationType") or inner.get("notificationType"))
    assert kinds == {
        "ORDER_CHANGE",
        "FEED_PROCESSING_FINISHED",
        "LISTINGS_ITEM_MFN_QUANTITY_CHANGE",
    }


@pytest.mark.contracts
async def test_feeds_and_their_reports_are_of_amazons_shape(
    contracts_folder: Path, amazon_contract: ModuleType, validator: Any
) -> None:
    bench = await an_eventful_day("2026-01-01")
    documents = [one.content for one in bench.simulator.feeds._documents.values()]
    [fed] = [json.loads(one) for one in documents if one and not one.startswith(b"\x1f")]
    [report] = [json.loads(gzip.decompress(one)) for one in documents if one and one[0] == 0x1F]
    assert amazon_contract.errors(validator.feed(fed)) == []
    assert amazon_contract.errors(validator.feed_report(report)) == []
    assert [issue["sku"] for issue in report["issues"]] == ["SKU-12"]


@pytest.mark.contracts
def test_the_usage_plans_are_those_of_amazons_models(
    contracts_folder: Path, validator: Any
) -> None:
    rates: dict[str, set[tuple[float, float]]] = {}
    for operation in validator.ops:
        if operation.rate is not None and operation.id in PLANS:
            rates.setdefault(operation.id, set()).add(operation.rate)
    assert set(rates) == set(PLANS)
    for name, plan in PLANS.items():
        assert (plan.per_second, plan.burst) in rates[name], name


@pytest.mark.contracts
def test_the_check_finds_what_does_not_conform(
    contracts_folder: Path, amazon_contract: ModuleType, validator: Any
) -> None:
    path = "/listings/2021-08-01/items/A3CSYNCSELLER1/MUG"
    bad = validator.response("PATCH", path, 200, {"sku": "MUG", "status": "DONE"})
    assert amazon_contract.errors(bad)
    assert amazon_contract.errors(validator.request("PATCH", path, query={}, body={}))
