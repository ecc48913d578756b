"""Receivers: what proves itself is committed before the answer, and nothing else is."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest

from channelsync.domain.vocabulary import Instant, PushSemantics
from channelsync.engine import receive
from channelsync.engine.core import Engine
from channelsync.engine.ends import Finished
from channelsync.engine.receive import intake
from channelsync.engine.work import Claim, WorkKind
from channelsync.sdk.signatures import (
    base64_hmac_sha256,
    decode_standard_secret,
    standard_webhook_signature,
)
from channelsync.store import tables
from channelsync_pos.connector import connector as till_connector
from channelsync_shopify import connector as shopify_connector
from tests.support.house import Build, House
from tests.support.shopfronts import (
    TILL_SECRET,
    SplitVerifier,
    open_channel,
    open_till,
    open_with,
)
from tests.web.conftest import Client

MIB = 1024 * 1024


async def house_with_till(build: Build) -> House:
    house = await build(
        stock={"MUG": 10}, quotas={"till": 10_000}, semantics={"till": PushSemantics.LIVE}
    )
    await open_till(house, "till")
    return house


def sale(sequence: int = 1, **more: Any) -> bytes:
    data = {
        "register_id": "T1",
        "sequence": sequence,
        "sale_id": f"T1-{sequence}",
        "occurred_at": "2023-11-14T22:13:20Z",
        "lines": [{"line_id": "1", "sku": "MUG", "quantity": "2"}],
        "customer": {"name": "Canary"},
    }
    return json.dumps({"type": "pos.sale.completed", "data": data | more}).encode()


def signed(house: House, body: bytes, message_id: str = "msg_1") -> dict[str, str]:
    timestamp = int(house.clock())
    secret = decode_standard_secret(TILL_SECRET)
    return {
        "webhook-id": message_id,
        "webhook-timestamp": str(timestamp),
        "webhook-signature": standard_webhook_signature(secret, message_id, timestamp, body),
    }


async def test_a_sale_is_committed_before_it_is_accepted(build: Build, visit: Client) -> None:
    house = await house_with_till(build)
    client = await visit(house)
    body = sale()
    answer = await client.post("/webhooks/till", content=body, headers=signed(house, body))
    assert (answer.status_code, answer.json()) == (200, {"status": "accepted"})
    (row,) = await house.rows(tables.deliveries)
    assert row.reduced["lines"] == [{"line_id": "1", "sku": "MUG", "quantity": "2"}]
    assert "Canary" not in json.dumps(row.reduced)
    house.supervisor.handlers = {**house.supervisor.handlers, WorkKind.INTAKE: intake}
    await house.settle_down(5)
    (line,) = await house.rows(tables.order_lines)
    assert (line.sku, line.ordered) == ("MUG", 2)


async def test_a_backlog_is_applied_a_batch_at_a_time_until_nothing_waits(
    build: Build, visit: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    house = await house_with_till(build)
    await house.settle_down(30)
    client = await visit(house)
    for number in range(1, 5):
        body = sale(number, occurred_at="2023-11-14T22:13:50Z")
        headers = signed(house, body, f"msg_{number}")
        await client.post("/webhooks/till", content=body, headers=headers)
    waiting: list[int] = []

    async def counted(engine: Engine, held: Claim) -> Instant | Finished | None:
        waiting.append(len(await house.rows(tables.inbox)))
        return await intake(engine, held)

    monkeypatch.setattr(receive, "DELIVERIES_MAX_ON_SQLITE", 2)
    house.supervisor.handlers = {**house.supervisor.handlers, WorkKind.INTAKE: counted}
    await house.settle_down(5)
    assert waiting == [4, 2, 0]
    lines = await house.rows(tables.order_lines)
    assert [line.order_id for line in lines] == [f"T1/T1-{number}" for number in range(1, 5)]
    (level,) = await house.rows(tables.stock)
    assert level.on_hand - level.reserved == 10 - 4 * 2


async def test_a_second_copy_is_a_duplicate(build: Build, visit: Client) -> None:
    house = await house_with_till(build)
    client = await visit(house)
    body = sale()
    for status in ("accepted", "duplicate", "duplicate"):
        answer = await client.post("/webhooks/till", content=body, headers=signed(house, body))
        assert (answer.status_code, answer.json()) == (200, {"status": status})
    assert len(await house.rows(tables.deliveries)) == 1


async def test_any_changed_byte_is_refused_without_a_reason(build: Build, visit: Client) -> None:
    house = await house_with_till(build)
    client = await visit(house)
    body = sale()
    headers = signed(house, body)
    for place in range(0, len(body), 7):
        forged = body[:place] + bytes([body[place] ^ 1]) + body[place + 1 :]
        answer = await client.post("/webhooks/till", content=forged, headers=headers)
        assert answer.status_code == 401
        assert "detail" not in answer.json()
    assert not await house.rows(tables.deliveries)


@pytest.mark.parametrize("missing", ["webhook-id", "webhook-timestamp", "webhook-signature"])
async def test_a_missing_header_is_refused(build: Build, visit: Client, missing: str) -> None:
    house = await house_with_till(build)
    client = await visit(house)
    body = sale()
    headers = {key: value for key, value in signed(house, body).items() if key != missing}
    assert (await client.post("/webhooks/till", content=body, headers=headers)).status_code == 401


async def test_a_header_that_stands_twice_is_refused(build: Build, visit: Client) -> None:
    house = await house_with_till(build)
    client = await visit(house)
    body = sale()
    headers = [*signed(house, body).items(), ("webhook-id", "msg_2")]
    assert (await client.post("/webhooks/till", content=body, headers=headers)).status_code == 401


async def test_an_old_signature_is_refused(build: Build, visit: Client) -> None:
    house = await house_with_till(build)
    client = await visit(house)
    body = sale()
    headers = signed(house, body)
    house.clock.at += 301
    assert (await client.post("/webhooks/till", content=body, headers=headers)).status_code == 401


async def test_an_authentic_body_that_says_nothing_is_told_why_and_noted(
    build: Build, visit: Client
) -> None:
    house = await house_with_till(build)
    client = await visit(house)
    body = sale(lines=[])
    answer = await client.post("/webhooks/till", content=body, headers=signed(house, body))
    assert answer.status_code == 400
    assert answer.headers["content-type"] == "application/problem+json"
    assert "lines" in answer.json()["detail"]
    (alarm,) = await house.rows(tables.alarms)
    assert (alarm.kind, alarm.channel) == ("malformed_delivery", "till")
    assert not await house.rows(tables.deliveries)


async def test_a_verifier_that_breaks_accepts_nothing(build: Build, visit: Client) -> None:
    house = await house_with_till(build)
    open_channel(house, "till", till_connector, SplitVerifier())
    client = await visit(house)
    answer = await client.post("/webhooks/till", content=sale())
    assert answer.status_code == 503
    assert "retry-after" in answer.headers
    assert "ZeroDivision" not in answer.text
    assert not await house.rows(tables.deliveries)


async def test_an_unknown_channel_is_not_found_and_a_closed_one_asks_for_patience(
    build: Build, visit: Client
) -> None:
    house = await house_with_till(build)
    del house.channels.running["till"]
    client = await visit(house)
    assert (await client.post("/webhooks/nobody", content=b"{}")).status_code == 404
    assert (await client.post("/webhooks/till", content=b"{}")).status_code == 503


async def test_a_body_above_the_cap_is_cut_off_whatever_its_length_claims(
    build: Build, visit: Client
) -> None:
    house = await house_with_till(build)
    client = await visit(house)
    sent = 0

    async def endless() -> AsyncIterator[bytes]:
        nonlocal sent
        for _ in range(64):
            sent += MIB // 4
            yield b"x" * (MIB // 4)

    for headers in ({}, {"content-length": "10"}):
        sent = 0
        answer = await client.post("/webhooks/till", content=endless(), headers=headers)
        assert answer.status_code == 413
    large = await client.post("/api/v1/holds", content=b" " * (MIB + 1))
    assert large.status_code == 413


async def test_an_encoded_body_is_not_taken(build: Build, visit: Client) -> None:
    house = await house_with_till(build)
    client = await visit(house)
    body = sale()
    headers = signed(house, body) | {"content-encoding": "gzip"}
    assert (await client.post("/webhooks/till", content=body, headers=headers)).status_code == 415


async def test_receivers_answer_any_host_and_any_caller(build: Build, visit: Client) -> None:
    house = await house_with_till(build)
    client = await visit(house, peer="203.0.113.9")
    body = sale()
    headers = signed(house, body) | {"host": "stock.example.com"}
    answer = await client.post("/webhooks/till", content=body, headers=headers)
    assert answer.status_code == 200


async def test_a_shopify_webhook_is_taken_by_its_signature(build: Build, visit: Client) -> None:
    house = await build(
        stock={"MUG": 1}, quotas={}, semantics={"shop": PushSemantics.KEYED_COMPARE_AND_SET}
    )
    secret = "webhook-secret-of-the-shop"
    await open_with(
        house,
        "shop",
        shopify_connector,
        shop="acme.myshopify.com",
        access_token="shpat_x",
        webhook_secret=secret,
        location_id="1",
    )
    client = await visit(house)
    body = b'{"id": 1, "myshopify_domain": "acme.myshopify.com"}'
    headers = {
        "x-shopify-topic": "app/uninstalled",
        "x-shopify-hmac-sha256": base64_hmac_sha256(secret.encode(), body),
        "x-shopify-shop-domain": "acme.myshopify.com",
        "x-shopify-webhook-id": "w-1",
        "x-shopify-event-id": "e-1",
        "x-shopify-triggered-at": "2023-11-14T22:13:20Z",
    }
    answer = await client.post("/webhooks/shop", content=body, headers=headers)
    assert answer.status_code == 200, answer.text
    forged = headers | {"x-shopify-hmac-sha256": base64_hmac_sha256(b"guess", body)}
    assert (await client.post("/webhooks/shop", content=body, headers=forged)).status_code == 401


async def test_webhooks_are_counted_by_what_became_of_them(build: Build, visit: Client) -> None:
    house = await house_with_till(build)
    client = await visit(house)
    body = sale()
    await client.post("/webhooks/till", content=body, headers=signed(house, body))
    await client.post("/webhooks/till", content=body)
    await client.post("/webhooks/made-up", content=body)
    text = (await client.get("/metrics")).text
    line = 'channelsync_webhook_received_total{{channel="till",result="{}",topic="{}"}} 1.0'
    assert line.format("accepted", "pos.sale.completed") in text
    assert line.format("unauthentic", "") in text
    assert "made-up" not in text


async def test_a_webhook_that_the_store_keeps_waiting_is_asked_for_again(
    build: Build, visit: Client
) -> None:
    house = await house_with_till(build)
    client = await visit(house, store_seconds_max=0.05)
    body = sale()
    async with house.engine.database.write():
        answer = await client.post("/webhooks/till", content=body, headers=signed(house, body))
        assert (answer.status_code, answer.headers["retry-after"]) == (503, "30")
    patient = await visit(house)
    again = await patient.post("/webhooks/till", content=body, headers=signed(house, body))
    assert again.status_code == 200
    assert len(await house.rows(tables.deliveries)) == 1
    text = (await client.get("/metrics")).text
    assert 'received_total{channel="till",result="late",topic="pos.sale.completed"} 1.0' in text


async def test_many_receivers_at_once_store_each_sale_once(build: Build, visit: Client) -> None:
    house = await house_with_till(build)
    client = await visit(house, served=True)
    answers: list[httpx.Response] = []
    for sequence in range(1, 21):
        body = sale(sequence)
        headers = signed(house, body, f"msg_{sequence}")
        answers += [
            await client.post("/webhooks/till", content=body, headers=headers) for _ in range(2)
        ]
    assert {answer.status_code for answer in answers} == {200}
    assert len(await house.rows(tables.deliveries)) == 20
