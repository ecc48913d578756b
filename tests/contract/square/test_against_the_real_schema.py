"""What we send, and what the simulated seller answers and delivers, against Square's own schema."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path
from types import ModuleType

import pytest

from channelsync.sdk.types import PushKind
from channelsync_square.answers import CODES
from channelsync_square.simulator.server import Call
from channelsync_square.webhooks import EVENT_TYPES
from tests.support.contracts import load_checker
from tests.support.square import (
    HOOK_URL,
    NOON,
    OPERATIONS,
    Bench,
    as_request,
    open_bench,
    understood,
)

VERSIONS = ("2025-08-20", "2026-09-16")
NOT_DESCRIBED = {"DELETE /v2/webhooks/subscriptions/{subscription_id}"}
"""Square has it, and the part of its description at hand leaves it out."""


@pytest.fixture(scope="session")
def checker(contracts_folder: Path) -> ModuleType:
    return load_checker(contracts_folder, "square")


async def an_eventful_day(version: str) -> Bench:
    """A seller to whom every call is made, and who gives every kind of answer."""
    bench = await open_bench(square_version=version)
    shop, channel, world = bench.shop, bench.channel, bench.simulator.world
    for number in range(60):
        shop.add_item(f"SKU-{number:02}", 9)
    shop.add_item(None)
    shop.add_item("WEIGHED", unit_id="UNIT1", unit_precision=2)
    shop.add_item("CRATE", converted_from=bench.variation("SKU-00"), archived=True, kind="DIGITAL")
    bench.clock.passes(3_600)
    await channel.ensure_subscriptions(HOOK_URL)
    await channel.ensure_subscriptions(HOOK_URL + "/moved")
    await channel.ensure_subscriptions(HOOK_URL)
    await channel.test()
    await channel.check_assumptions()
    shop.tell_catalogue()
    [listing async for listing in channel.listings()]
    await channel.push(
        bench.prepared(
            bench.change("SKU-01", PushKind.RAISE, 3), bench.change("SKU-02", PushKind.CUT, 3)
        )
    )
    gone = bench.prepared(bench.change("SKU-59", PushKind.RAISE, 3))
    world.variation_of("SKU-59").deleted = True
    await channel.push(gone)
    sold = shop.sell({"SKU-03": 2}, custom_amounts=1)
    shop.return_goods("SKU-03", of=sold)
    shop.return_goods("SKU-03")
    shop.sell_offline({"SKU-04": 2})
    shop.sell_offline({"SKU-05": 2}, declined=True)
    bench.clock.passes(600)
    shop.upload()
    shop.hand_over(shop.order_online("SKU-06"))
    shop.cancel(shop.order_online("SKU-07"))
    shop.receive("SKU-08", 4)
    shop.waste("SKU-08", 1)
    await bench.pages(channel.first_cursor(NOON + 1_800))
    await channel.read([bench.listing("SKU-01"), bench.listing("SKU-08")])
    for fault in ("throttled", "throttled_without_hint"):
        bench.simulator.server.next_faults.append(fault)
        await channel.push(bench.prepared(bench.change("SKU-01", PushKind.RAISE, 1)))
    bench.simulator.account.scopes.clear()
    await channel.push(bench.prepared(bench.change("SKU-01", PushKind.RAISE, 1)))
    bench.simulator.account.revoked = True
    await channel.push(bench.prepared(bench.change("SKU-01", PushKind.RAISE, 1)))
    return bench


def told(calls: list[Call]) -> list[Call]:
    return [call for call in calls if call.operation not in NOT_DESCRIBED]


@pytest.mark.contracts
@pytest.mark.parametrize("version", VERSIONS)
async def test_every_request_of_an_eventful_day_is_valid(
    contracts_folder: Path, checker: ModuleType, version: str
) -> None:
    bench = await an_eventful_day(version)
    now = datetime.fromtimestamp(bench.clock.at, UTC)
    seen = set()
    for call in told(bench.simulator.server.calls):
        problems = checker.check_request(call.operation, call.request, version=version, now=now)
        assert problems == [], (call.operation, call.request)
        kinds = {change["type"] for change in (call.request or {}).get("changes", ())}
        assert kinds <= {"ADJUSTMENT"}, "a count swallows what is uploaded later"
        seen.add(call.operation)
    assert seen == OPERATIONS - {"DELETE /v2/webhooks/subscriptions/{subscription_id}"}


@pytest.mark.contracts
@pytest.mark.parametrize("version", VERSIONS)
async def test_every_answer_of_an_eventful_day_is_valid(
    contracts_folder: Path, checker: ModuleType, version: str
) -> None:
    bench = await an_eventful_day(version)
    statuses = set()
    for call in told(bench.simulator.server.calls):
        problems = checker.check_response(call.operation, call.answer, call.status, version=version)
        assert problems == [], (call.operation, call.answer)
        statuses.add(call.status)
    assert statuses == {200, 401, 403, 404, 429}


@pytest.mark.contracts
async def test_every_delivery_of_an_eventful_day_is_valid_and_signed(
    contracts_folder: Path, checker: ModuleType
) -> None:
    bench = await an_eventful_day(VERSIONS[0])
    seen = set()
    hooks = bench.simulator.world.subscriptions.values()
    keys = {one.url: one.signature_key for one in hooks}
    for url, body, headers in bench.simulator.deliveries.pending_requests():
        told = json.loads(body)
        assert checker.check_event(told) == [], told
        if url in keys:
            signature = headers["x-square-hmacsha256-signature"]
            assert checker.sign(url, body, keys[url]) == signature
        seen.add(told["type"])
    assert seen == set(EVENT_TYPES) - {"order.fulfillment.updated"}


@pytest.mark.contracts
def test_square_has_every_error_code_that_we_give_a_meaning(
    contracts_folder: Path, checker: ModuleType
) -> None:
    schema = checker.DATA["schemas"]["ErrorCode"]
    assert set(CODES) <= set(schema["enum"])


@pytest.mark.contracts
async def test_squares_own_examples_of_every_event_are_understood(
    contracts_folder: Path, checker: ModuleType
) -> None:
    bench = await open_bench(webhook_key="k")
    for kind in EVENT_TYPES:
        body = json.dumps(checker.DATA["events"][kind]["example"]).encode()
        headers = {"x-square-hmacsha256-signature": checker.sign(HOOK_URL, body, "k")}
        request = as_request(HOOK_URL, body, headers, bench.clock.at)
        assert bench.channel.verify_webhook(request).topic == kind
        understood(bench.channel, request)
