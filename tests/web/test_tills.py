"""Tills that ask for their numbers and post their sales in batches."""

from __future__ import annotations

import json
from random import Random
from typing import Any

import pytest

from channelsync.domain.vocabulary import PushSemantics
from channelsync.engine.receive import intake
from channelsync.engine.work import WorkKind
from channelsync.sdk.signatures import decode_standard_secret, standard_webhook_signature
from channelsync.store import tables
from channelsync_pos.simulator import TillPuller, TillSimulator
from tests.support.house import Build, House
from tests.support.shopfronts import TILL_KEY, TILL_SECRET, open_till
from tests.web.conftest import Client

SALES = "/pos/v1/till/sales"
STOCK = "/pos/v1/till/stock"
SIGNED_IN = {"authorization": f"Bearer {TILL_KEY}"}


async def house_with_till(build: Build) -> House:
    house = await build(
        stock={"MUG": 10, "CAP": 4},
        quotas={"till": 5_000},
        semantics={"till": PushSemantics.LIVE},
    )
    await open_till(house, "till", api_key=TILL_KEY)
    house.supervisor.handlers = {**house.supervisor.handlers, WorkKind.INTAKE: intake}
    await house.settle_down(30)
    return house


def row(sequence: int, units: str = "1", **more: Any) -> dict[str, Any]:
    return {
        "register_id": "T1",
        "sequence": sequence,
        "sale_id": f"T1-{sequence}",
        "occurred_at": "2023-11-14T22:13:20Z",
        "lines": [{"line_id": "1", "sku": "MUG", "quantity": units}],
        **more,
    }


async def test_a_till_that_asks_pulls_its_slice_and_posts_its_sales(
    build: Build, visit: Client
) -> None:
    house = await house_with_till(build)
    client = await visit(house, served=True)
    till = TillSimulator(now=house.clock, rng=Random(3), location="dc")
    puller = TillPuller(till=till, client=client, base_url="", channel="till", api_key=TILL_KEY)
    assert await puller.pull_stock() == 2
    assert till.shown == {"MUG": 5, "CAP": 2}
    assert await puller.pull_stock() == 0
    till.sell("MUG", 2)
    till.sell("MUG", 1)
    assert await puller.post_sales() == 2
    assert [result["status"] for result in puller.results] == ["accepted", "accepted"]
    await house.settle_down(5)
    assert sum(line.ordered for line in await house.rows(tables.order_lines)) == 3
    assert await puller.pull_stock() == 1
    # 7 units are left; the slice keeps what it was granted less what it sold, or is topped up.
    assert till.shown["MUG"] in {2, 3}
    assert till.shown["CAP"] == 2
    await house.require_clean_books()


async def test_each_row_has_its_own_result(build: Build, visit: Client) -> None:
    house = await house_with_till(build)
    client = await visit(house)
    rows = [row(1), row(1), row(2, units="0.5"), row(3)]
    answer = await client.post(SALES, json={"sales": rows}, headers=SIGNED_IN)
    assert answer.status_code == 200
    results = answer.json()["results"]
    assert [one["status"] for one in results] == ["accepted", "duplicate", "refused", "accepted"]
    assert "quantity" in results[2]["detail"]
    assert len(await house.rows(tables.deliveries)) == 2


async def test_a_batch_that_comes_again_is_answered_alike(build: Build, visit: Client) -> None:
    house = await house_with_till(build)
    client = await visit(house)
    headers = SIGNED_IN | {"idempotency-key": "batch-1"}
    first = await client.post(SALES, json={"sales": [row(1)]}, headers=headers)
    again = await client.post(SALES, json={"sales": [row(1)]}, headers=headers)
    assert first.json() == again.json() == {"results": [{"status": "accepted"}]}
    other = await client.post(SALES, json={"sales": [row(2)]}, headers=headers)
    assert other.status_code == 422
    assert len(await house.rows(tables.deliveries)) == 1


@pytest.mark.parametrize(
    "body", [b"no json", b"[]", b'{"sales": 1}', b'{"sales": [1]}', b"[" * 100_000]
)
async def test_what_is_no_batch_is_refused_whole(build: Build, visit: Client, body: bytes) -> None:
    client = await visit(await house_with_till(build))
    assert (await client.post(SALES, content=body, headers=SIGNED_IN)).status_code == 400


async def test_more_than_500_rows_are_refused(build: Build, visit: Client) -> None:
    client = await visit(await house_with_till(build))
    answer = await client.post(
        SALES, json={"sales": [row(number) for number in range(1, 502)]}, headers=SIGNED_IN
    )
    assert answer.status_code == 400


async def test_nobody_else_may_post_or_ask(build: Build, visit: Client) -> None:
    client = await visit(await house_with_till(build))
    for headers in ({}, {"authorization": "Bearer wrong"}, {"authorization": TILL_KEY}):
        assert (await client.get(STOCK, headers=headers)).status_code == 401
        answer = await client.post(SALES, json={"sales": [row(1)]}, headers=headers)
        assert answer.status_code == 401
        assert "detail" not in answer.json()


async def test_a_request_may_be_signed_instead(build: Build, visit: Client) -> None:
    house = await house_with_till(build)
    client = await visit(house)

    def signed(body: bytes) -> dict[str, str]:
        timestamp = int(house.clock())
        secret = decode_standard_secret(TILL_SECRET)
        return {
            "webhook-id": "msg_1",
            "webhook-timestamp": str(timestamp),
            "webhook-signature": standard_webhook_signature(secret, "msg_1", timestamp, body),
        }

    assert (await client.get(STOCK, headers=signed(b""))).status_code == 200
    body = json.dumps({"sales": [row(1)]}).encode()
    assert (await client.post(SALES, content=body, headers=signed(body))).status_code == 200
    assert (await client.post(SALES, content=body + b" ", headers=signed(body))).status_code == 401


async def test_stock_names_its_location_and_what_changed(build: Build, visit: Client) -> None:
    client = await visit(await house_with_till(build))
    answer = await client.get(STOCK, params={"location": "dc"}, headers=SIGNED_IN)
    items = {item["sku"]: item for item in answer.json()["items"]}
    assert (items["MUG"]["available"], items["MUG"]["on_hand"]) == ("5", "10")
    tag = {"if-none-match": answer.headers["etag"]}
    again = await client.get(STOCK, params={"location": "dc"}, headers=SIGNED_IN | tag)
    assert (again.status_code, again.content) == (304, b"")
    cursor = answer.json()["next"]
    since = await client.get(STOCK, params={"since": cursor}, headers=SIGNED_IN)
    assert since.json() == {"items": [], "next": cursor}
    elsewhere = await client.get(STOCK, params={"location": "moon"}, headers=SIGNED_IN)
    assert elsewhere.status_code == 400
    odd = await client.get(STOCK, params={"since": "-1"}, headers=SIGNED_IN)
    assert odd.status_code == 400


async def test_a_channel_that_is_no_till_has_no_such_door(build: Build, visit: Client) -> None:
    house = await build(
        stock={"MUG": 1}, quotas={}, semantics={"a": PushSemantics.KEYED_COMPARE_AND_SET}
    )
    client = await visit(house)
    assert (await client.get("/pos/v1/a/stock", headers=SIGNED_IN)).status_code == 404
