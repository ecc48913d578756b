"""A till that cannot be called pulls its numbers and posts its sales."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import httpx
import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from channelsync.sdk.connector import AcceptsSales
from channelsync.sdk.errors import BadDelivery
from channelsync.sdk.types import Delivery
from channelsync_pos.connector import TillChannel
from channelsync_pos.simulator import TillPuller, TillSimulator
from tests.support.till import Clock, Shelves, heard_till, simulator

KEY = "key-of-the-till"


@dataclass
class Host:
    """The least that a host does with a till's batches: generic, by capability alone."""

    channel: TillChannel
    numbers: dict[str, int] = field(default_factory=dict)
    version: int = 0
    stored: dict[str, Delivery] = field(default_factory=dict)
    answered: dict[str, Any] = field(default_factory=dict)
    lose_answers: int = 0
    batches: list[int] = field(default_factory=list)

    @property
    def client(self) -> httpx.AsyncClient:
        routes = [
            Route("/pos/v1/soho-till/stock", self.stock, methods=["GET"]),
            Route("/pos/v1/soho-till/sales", self.sales, methods=["POST"]),
        ]
        transport = httpx.ASGITransport(Starlette(routes=routes))
        return httpx.AsyncClient(transport=transport)

    async def stock(self, request: Request) -> Response:
        etag = f'"{self.version}"'
        if request.headers.get("if-none-match") == etag:
            return Response(status_code=304)
        items = [{"sku": sku, "available": str(units)} for sku, units in self.numbers.items()]
        answer = {"items": items, "next": str(self.version)}
        return JSONResponse(answer, headers={"etag": etag})

    async def sales(self, request: Request) -> Response:
        if request.headers.get("authorization") != f"Bearer {KEY}":
            return Response(status_code=401)
        key = request.headers["idempotency-key"]
        if key not in self.answered:
            rows = (await request.json())["sales"]
            self.batches.append(len(rows))
            self.answered[key] = {"results": [self.take(row) for row in rows]}
        if self.lose_answers:
            self.lose_answers -= 1
            return Response(status_code=504)
        return JSONResponse(self.answered[key])

    def take(self, row: dict[str, Any]) -> dict[str, str]:
        assert isinstance(self.channel, AcceptsSales)
        try:
            delivery = self.channel.accept_sale(row)
        except BadDelivery as error:
            return {"status": "refused", "detail": str(error)}
        if delivery.dedupe_key in self.stored:
            return {"status": "duplicate"}
        self.stored[delivery.dedupe_key] = delivery
        return {"status": "accepted"}

    def shelves(self) -> Shelves:
        heard = Shelves()
        for delivery in self.stored.values():
            heard.hear(self.channel.parse(delivery))
        return heard


def puller(till: TillSimulator, host: Host, api_key: str = KEY) -> TillPuller:
    return TillPuller(
        till=till,
        client=host.client,
        base_url="http://shop.test",
        channel="soho-till",
        api_key=api_key,
    )


async def test_sales_are_posted_in_batches_of_at_most_500_and_each_once() -> None:
    clock = Clock()
    till, host = simulator(clock), Host(await heard_till(clock))
    asks = puller(till, host)
    for _ in range(1_001):
        till.sell("MUG")
    assert await asks.post_sales() == 1_001
    assert host.batches == [500, 500, 1]
    till.sell("MUG", 2)
    assert await asks.post_sales() == 1
    assert await asks.post_sales() == 0
    assert {one["status"] for one in asks.results} == {"accepted"}
    assert host.shelves().net_units() == {"MUG": till.net_units("MUG")}


async def test_a_batch_whose_answer_was_lost_is_sent_again_and_counts_once() -> None:
    clock = Clock()
    till, host = simulator(clock), Host(await heard_till(clock), lose_answers=2)
    asks = puller(till, host)
    till.void(till.sell("MUG", 3))
    till.sell("MUG")
    for _ in range(2):
        with pytest.raises(httpx.HTTPStatusError):
            await asks.post_sales()
        till.sell("CAP")
    assert await asks.post_sales() == 5
    assert host.batches == [3, 2]
    assert host.shelves().net_units() == {"MUG": 1, "CAP": 2}


async def test_a_till_without_its_key_is_told_so() -> None:
    clock = Clock()
    till, host = simulator(clock), Host(await heard_till(clock))
    till.sell("MUG")
    with pytest.raises(httpx.HTTPStatusError, match="401"):
        await puller(till, host, api_key="wrong").post_sales()
    assert host.stored == {}


async def test_numbers_are_pulled_when_they_changed() -> None:
    clock = Clock()
    till, host = simulator(clock), Host(await heard_till(clock), numbers={"MUG": 4})
    asks = puller(till, host)
    assert await asks.pull_stock() == 1
    assert await asks.pull_stock() == 0
    host.numbers, host.version = {"MUG": 3, "CAP": 1}, 1
    assert await asks.pull_stock() == 2
    assert till.shown == {"MUG": 3, "CAP": 1}
