"""The simulated shop is as strict and as unreliable as the real one is documented to be."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import httpx
import pytest
import uvicorn

from channelsync.sdk.connector import ChannelContext
from channelsync.sdk.http import http_client
from channelsync.sdk.types import Outcome, PushKind
from channelsync_shopify import connector
from channelsync_shopify.documents import ADJUST, SET
from channelsync_shopify.simulator import ShopifySimulator
from tests.support.shopify import Bench, Clock, open_bench, settings_for

PATH = "/admin/api/2026-10/graphql.json"


@pytest.fixture
async def bench() -> Bench:
    bench = await open_bench()
    bench.shop.add_item("MUG", 5)
    return bench


async def raw(bench: Bench, query: str, token: str = "shpat_simulated", **variables: Any) -> Any:
    async with httpx.AsyncClient(
        transport=bench.simulator.transport(), base_url="https://acme.myshopify.com"
    ) as client:
        response = await client.post(
            PATH,
            json={"query": query, "variables": variables},
            headers={"X-Shopify-Access-Token": token},
        )
    return response.json() if response.status_code == 200 else response.status_code


def entry(bench: Bench, **more: Any) -> dict[str, Any]:
    item = bench.listing("MUG").external["inventory_item_id"]
    return {"inventoryItemId": item, "locationId": bench.simulator.location_id} | more


def given(name: str, entries: list[dict[str, Any]], **more: Any) -> dict[str, Any]:
    return {"name": "available", "reason": "correction", name: entries} | more


def code_of(answer: Any) -> str:
    [error] = answer["errors"]
    return str(error["extensions"]["code"])


async def test_a_write_without_its_key_or_old_value_is_refused_before_it_runs(
    bench: Bench,
) -> None:
    bare = SET.text.replace("@idempotent(key: $key)", "").replace(", $key: String!", "")
    quantities = [entry(bench, quantity=1, changeFromQuantity=5)]
    answer = await raw(bench, bare, input=given("quantities", quantities))
    assert (code_of(answer), "data" in answer) == ("BAD_REQUEST", False)
    changes = [entry(bench, delta=1)]
    answer = await raw(bench, ADJUST.text, key="k", input=given("changes", changes))
    assert code_of(answer) == "INVALID_FIELD_ARGUMENTS"
    many = [entry(bench, delta=1, changeFromQuantity=None)] * 251
    answer = await raw(bench, ADJUST.text, key="k", input=given("changes", many))
    assert code_of(answer) == "MAX_INPUT_SIZE_EXCEEDED"
    assert bench.shop.available("MUG") == 5


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"name": "reserved"}, "INVALID_NAME"),
        ({"reason": "because"}, "INVALID_REASON"),
        ({"referenceDocumentUri": "no uri"}, "INVALID_REFERENCE_DOCUMENT"),
    ],
)
async def test_the_words_of_a_write_are_checked(
    bench: Bench, changes: dict[str, Any], code: str
) -> None:
    quantities = [entry(bench, quantity=1, changeFromQuantity=5)]
    answer = await raw(bench, SET.text, key="k", input=given("quantities", quantities) | changes)
    payload = answer["data"]["inventorySetQuantities"]
    assert [error["code"] for error in payload["userErrors"]] == [code]
    assert bench.shop.available("MUG") == 5


@pytest.mark.parametrize(
    ("more", "code"),
    [
        ({"quantity": 2_000_000_000}, "INVALID_QUANTITY_TOO_HIGH"),
        ({"quantity": -2_000_000_000}, "INVALID_QUANTITY_TOO_LOW"),
        ({"quantity": 1, "locationId": "gid://shopify/Location/5"}, "INVALID_LOCATION"),
        ({"quantity": 1, "changeFromQuantity": 4}, "CHANGE_FROM_QUANTITY_STALE"),
    ],
)
async def test_each_entry_of_a_write_is_checked_and_named(
    bench: Bench, more: dict[str, Any], code: str
) -> None:
    quantities = [entry(bench, changeFromQuantity=5) | more]
    answer = await raw(bench, SET.text, key="k", input=given("quantities", quantities))
    [error] = answer["data"]["inventorySetQuantities"]["userErrors"]
    assert (error["code"], error["field"][:3]) == (code, ["input", "quantities", "0"])


async def test_a_pair_twice_in_one_write_is_refused(bench: Bench) -> None:
    quantities = [entry(bench, quantity=1, changeFromQuantity=5)] * 2
    answer = await raw(bench, SET.text, key="k", input=given("quantities", quantities))
    [error] = answer["data"]["inventorySetQuantities"]["userErrors"]
    assert error["code"] == "NO_DUPLICATE_INVENTORY_ITEM_ID_GROUP_ID_PAIR"


async def test_a_replay_tells_of_the_level_as_it_is_now(bench: Bench) -> None:
    group = "id createdAt"
    asking = ADJUST.text.replace(group, f"{group} changes {{ delta quantityAfterChange }}")
    changes = [entry(bench, delta=3, changeFromQuantity=None)]
    variables: dict[str, Any] = {"key": "k", "input": given("changes", changes)}
    first = await raw(bench, asking, **variables)
    await bench.shop.buy("MUG", 2)
    second = await raw(bench, asking, **variables)
    quantities = [
        one["data"]["inventoryAdjustQuantities"]["inventoryAdjustmentGroup"]["changes"]
        for one in (first, second)
    ]
    assert quantities == [
        [{"delta": 3, "quantityAfterChange": 8}],
        [{"delta": 3, "quantityAfterChange": 6}],
    ]


async def test_a_bad_token_an_unknown_version_and_a_bad_query_are_refused(bench: Bench) -> None:
    assert await raw(bench, "{ shop { id } }", token="shpat_wrong") == 401
    assert code_of(await raw(bench, "{ shop { password } }")) == "undefinedField"
    assert "errors" in await raw(bench, "{ shop {")
    async with httpx.AsyncClient(
        transport=bench.simulator.transport(), base_url="https://acme.myshopify.com"
    ) as client:
        headers = {"X-Shopify-Access-Token": "shpat_simulated"}
        future = await client.post(PATH.replace("2026-10", "2031-01"), headers=headers)
        old = await client.post(
            PATH.replace("2026-10", "2023-01"), headers=headers, json={"query": "{ shop { id } }"}
        )
    assert future.status_code == 404
    assert old.headers["x-shopify-api-version"] == "2026-01"


async def test_the_price_of_a_query_is_taken_from_the_bucket_and_comes_back(
    bench: Bench,
) -> None:
    answer = await raw(bench, "{ shop { id } }")
    assert answer["extensions"]["cost"] == {
        "requestedQueryCost": 1,
        "actualQueryCost": 1,
        "throttleStatus": {
            "maximumAvailable": 2000.0,
            "currentlyAvailable": 1999,
            "restoreRate": 100.0,
        },
    }
    dear = "{ productVariants(first: 250) { nodes { product { id } inventoryItem { id } } } }"
    bench.simulator.server.bucket.take(1999)
    throttled = await raw(bench, dear.replace("250", "100"))
    assert code_of(throttled) == "THROTTLED"
    bench.clock.passes(10)
    assert "data" in await raw(bench, dear.replace("250", "100"))


async def test_one_query_may_not_cost_more_than_a_thousand(bench: Bench) -> None:
    dear = (
        "{ productVariants(first: 250) { nodes"
        " { product { id } inventoryItem { id inventoryLevel(locationId: 1) { id } } } } }"
    )
    assert "data" in await raw(bench, dear.replace("product { id }", "id"))
    more = dear.replace("product { id }", "product { id } again: product { id }")
    assert code_of(await raw(bench, more)) == "MAX_COST_EXCEEDED"


async def test_the_storefront_sells_what_is_available_less_what_is_being_paid(
    bench: Bench,
) -> None:
    shop = bench.shop
    first, second = [await shop.begin_checkout("MUG", 2) for _ in range(2)]
    assert await shop.begin_checkout("MUG", 2) is None
    assert await shop.buy("MUG", 2) is None
    await shop.abandon_checkout(second)
    assert await shop.buy("MUG", 2) is not None
    assert await shop.complete_checkout(first) is not None
    assert await shop.complete_checkout(first) is None
    assert shop.available("MUG") == 1
    assert shop.refused == 2


async def test_a_checkout_does_not_last_for_ever(bench: Bench) -> None:
    checkout = await bench.shop.begin_checkout("MUG", 5)
    bench.clock.passes(bench.shop.checkout_seconds + 1)
    assert await bench.shop.complete_checkout(checkout) is None
    assert await bench.shop.buy("MUG", 5) is not None


async def test_stock_is_conserved_and_sales_are_counted_net(bench: Bench) -> None:
    shop = bench.shop
    kept, gone, sent = [await shop.buy("MUG") for _ in range(3)]
    await shop.cancel(gone)
    await shop.fulfil(sent)
    level = shop.level("MUG")
    assert (level.available, level.committed, level.on_hand) == (3, 1, 4)
    assert bench.simulator.world.accepted()["MUG"] == 2
    assert kept


async def test_continue_and_untracked_items_sell_without_stock(bench: Bench) -> None:
    bench.shop.set_policy("MUG", "CONTINUE")
    assert await bench.shop.buy("MUG", 9) is not None
    assert bench.shop.available("MUG") == -4


@asynccontextmanager
async def served(simulator: ShopifySimulator) -> AsyncIterator[str]:
    """The simulator behind a real socket."""
    listening = socket.create_server(("127.0.0.1", 0))
    config = uvicorn.Config(simulator.app, log_level="critical", lifespan="off")
    server = uvicorn.Server(config)
    running = asyncio.create_task(server.serve(sockets=[listening]))
    port = listening.getsockname()[1]
    try:
        yield f"http://127.0.0.1:{port}"
    finally:
        server.should_exit = True
        await running


async def test_the_whole_way_over_a_real_socket_with_client_credentials() -> None:
    simulator = ShopifySimulator(access_token=None)
    simulator.shop.add_item("MUG", 5)
    async with served(simulator) as base_url:
        settings = settings_for(
            simulator,
            access_token=None,
            client_id=simulator.account.client_id,
            client_secret=simulator.account.client_secret,
            base_url=base_url,
        )
        host = base_url.removeprefix("http://")
        async with http_client(allowed_hosts=(host,)) as client:
            context = ChannelContext(
                channel="shop",
                settings=settings,
                http=client,
                now=simulator.world.now,
                new_id=lambda: "id",
            )
            channel = await connector.open(context)
            assert all(one.ok for one in await channel.test())
            [offer] = [one async for one in channel.listings()]
            bench = Bench(Clock(), simulator, channel, settings)
            change = bench.change("MUG", PushKind.CUT, 2, compare=offer.quantity)
            request = channel.prepare([change], key="one")
            simulator.server.next_faults.append("timeout_after")
            [lost] = await channel.push(request)
            [found] = await channel.push(request)
            simulator.faults.offline = True
            [away] = await channel.push(request)
    assert [lost.outcome, found.outcome, away.outcome] == [
        Outcome.UNKNOWN,
        Outcome.APPLIED,
        Outcome.UNKNOWN,
    ]
    assert simulator.shop.available("MUG") == 3
    assert simulator.account.tokens_made == 1


async def test_an_expired_token_costs_one_call() -> None:
    clock = Clock()
    simulator = ShopifySimulator(now=clock, access_token=None)
    simulator.shop.add_item("MUG", 5)
    settings = settings_for(
        simulator,
        access_token=None,
        client_id=simulator.account.client_id,
        client_secret=simulator.account.client_secret,
    )
    context = ChannelContext(
        channel="shop",
        settings=settings,
        http=http_client(allowed_hosts=("*.myshopify.com",), transport=simulator.transport()),
        now=clock,
        new_id=lambda: "id",
    )
    channel = await connector.open(context)
    bench = Bench(clock, simulator, channel, settings)
    request = bench.prepared(bench.change("MUG", PushKind.RAISE, 1))
    clock.passes(100)
    await channel.push(bench.prepared(bench.change("MUG", PushKind.RAISE, 1)))
    clock.passes(100)
    simulator.account.expire_tokens()
    outcomes = [one.outcome for _ in range(2) for one in await channel.push(request)]
    assert outcomes == [Outcome.UNKNOWN, Outcome.APPLIED]
    assert simulator.shop.available("MUG") == 7
