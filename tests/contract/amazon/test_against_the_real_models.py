"""What we send, and what the simulated account answers, against Amazon's own models."""

from __future__ import annotations

import datetime as dt
from pathlib import Path
from types import ModuleType
from typing import Any
from urllib.parse import parse_qsl

import pytest

from channelsync.sdk.errors import ConnectorError
from channelsync_amazon.buckets import PLANS
from channelsync_amazon.simulator.wire import Called
from tests.support.amazon import MORNING, Bench, open_bench


async def an_eventful_day(version: str) -> Bench:
    """An account in which every operation is called and every kind of answer is given."""
    bench = await open_bench(orders_api=version, unlimited=True)
    seller = bench.seller
    for number in range(23):
        seller.add_offer(f"SKU-{number:02}", 9)
    seller.add_offer("FBA", 0, code="AMAZON_EU")
    seller.add_offer("EVER", 0, always_available=True)
    seller.add_offer("WIDE", 0, sources={"store-1": 3})
    seller.add_offer("A,B", 4)
    await bench.channel.test()
    await bench.offers()
    await bench.read("A,B")
    await bench.set_to("SKU-01", 5)
    await bench.set_to("SKU-02", 0)
    request = bench.prepared(bench.change("SKU-03", 4))
    wrong = request.body.replace(b'"fulfillment_channel_code":"DEFAULT",', b"")
    await bench.channel.push(
        type(request)(key="k", body=wrong, push_ids=request.push_ids, operation=request.operation)
    )
    first = await seller.buy_basket({"SKU-04": 2, "SKU-05": 1})
    second = await seller.buy("SKU-06", 3)
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
