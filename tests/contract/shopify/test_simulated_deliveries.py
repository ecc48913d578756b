"""The simulated shop's webhooks: signed, retried, unordered, and given up on."""

from __future__ import annotations

import asyncio
import json
from random import Random
from typing import Any

import httpx
import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from channelsync.sdk.connector import ChannelContext
from channelsync.sdk.http import http_client
from channelsync.sdk.testing.faults import DeliveryPlan, FaultPlan
from channelsync.sdk.types import WebhookRequest
from channelsync_shopify import connector
from channelsync_shopify.simulator import ShopifySimulator
from tests.support.shopify import HOOK_URL, Bench, Clock, open_bench, settings_for


@pytest.fixture
async def bench() -> Bench:
    bench = await open_bench()
    bench.shop.add_item("MUG", 5)
    return bench


class Receiver:
    """A webhook receiver that keeps what it is sent, and refuses on demand."""

    def __init__(self) -> None:
        self.got: list[WebhookRequest] = []
        self.status = 200
        self.app = Starlette(routes=[Route("/{rest:path}", self.receive, methods=["POST"])])

    async def receive(self, request: Request) -> Response:
        body = await request.body()
        headers = dict(request.headers)
        if self.status == 200:
            self.got.append(
                WebhookRequest(url=str(request.url), headers=headers, body=body, received_at=0)
            )
        return Response(status_code=self.status)

    def client(self) -> httpx.AsyncClient:
        return httpx.AsyncClient(transport=httpx.ASGITransport(app=self.app))


async def test_deliveries_are_posted_signed_to_whoever_subscribed(bench: Bench) -> None:
    await bench.subscribe()
    receiver = Receiver()
    async with receiver.client() as client:
        bench.simulator.deliveries.client = client
        await bench.shop.buy("MUG")
        accepted = await bench.simulator.deliveries.drain()
    topics = {bench.channel.verify_webhook(one).topic for one in receiver.got}
    assert topics == {"orders/create", "inventory_levels/update"}
    assert accepted == 2


async def test_a_delivery_that_fails_is_tried_again_with_its_first_payload(bench: Bench) -> None:
    await bench.subscribe()
    receiver = Receiver()
    tries = 0

    async def flaky(scope: Any, receive: Any, send: Any) -> None:
        nonlocal tries
        tries += 1
        receiver.status = 503 if tries <= 3 else 200
        if tries == 1:
            await bench.shop.edit_stock("MUG", -3)
        await receiver.app(scope, receive, send)

    transport = httpx.ASGITransport(app=flaky)
    async with httpx.AsyncClient(transport=transport) as client:
        bench.simulator.deliveries.client = client
        await bench.shop.edit_stock("MUG", +1)
        await bench.simulator.deliveries.drain()
    # The later change overtakes the earlier one, which still says what it said at first.
    assert [json.loads(one.body)["available"] for one in receiver.got] == [3, 6]
    assert tries > 3


async def test_a_subscription_whose_deliveries_keep_failing_is_deleted_and_mended(
    bench: Bench,
) -> None:
    await bench.subscribe()
    receiver = Receiver()
    receiver.status = 500
    async with receiver.client() as client:
        bench.simulator.deliveries.client = client
        await bench.shop.edit_stock("MUG", 1)
        assert await bench.simulator.deliveries.drain() == 0
    report = await bench.channel.ensure_subscriptions(HOOK_URL)
    assert report.created == ("inventory_levels/update",)


async def test_deliveries_are_lost_doubled_and_overtaken_as_planned() -> None:
    plan = FaultPlan(deliveries=DeliveryPlan(lose=0.3, double=0.3, delay_seconds_max=60))
    bench = await open_bench(faults=plan)
    bench.shop.add_item("MUG", 0)
    await bench.subscribe()
    bench.deliveries()
    for _ in range(60):
        bench.clock.passes(1)
        await bench.shop.edit_stock("MUG", 1)
    seen = [json.loads(one.body)["updated_at"] for one in bench.deliveries()]
    assert plan.injected["delivery_lost"] > 5
    assert plan.injected["delivery_doubled"] > 5
    assert len(seen) > 40


async def test_the_loop_delivers_as_things_fall_due() -> None:
    clock = Clock()
    simulator = ShopifySimulator(now=lambda: asyncio.get_running_loop().time(), rng=Random(2))
    simulator.shop.add_item("MUG", 5)
    bench = await open_bench()
    bench.simulator.world.subscriptions.clear()
    receiver = Receiver()
    arrived = asyncio.Event()

    async def noticing(scope: Any, receive: Any, send: Any) -> None:
        await receiver.app(scope, receive, send)
        if len(receiver.got) == 2:
            arrived.set()

    channel = await connector.open(
        ChannelContext(
            channel="shop",
            settings=settings_for(simulator),
            http=http_client(allowed_hosts=("*.myshopify.com",), transport=simulator.transport()),
            now=clock,
            new_id=lambda: "id",
        )
    )
    await channel.ensure_subscriptions(HOOK_URL)
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app=noticing)) as client:
        simulator.deliveries.client = client
        running = asyncio.create_task(simulator.deliveries.run())
        await simulator.shop.buy("MUG")
        await arrived.wait()
        running.cancel()
    assert simulator.deliveries.waiting == 0
