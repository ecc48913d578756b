"""A till under test: its settings, a clock that stands still, signed requests, settled facts."""

from __future__ import annotations

import itertools
import json
from collections import Counter
from collections.abc import Iterable, Mapping
from random import Random
from typing import Any

import httpx

from channelsync.domain.orders import LineState, merge
from channelsync.sdk.connector import ChannelContext
from channelsync.sdk.http import http_client
from channelsync.sdk.signatures import decode_standard_secret, standard_webhook_signature
from channelsync.sdk.types import Instant, OrderFact, OrderVoid, Parsed, WebhookRequest
from channelsync_pos.connector import PosConnector, TillChannel, TillChannelWithApi
from channelsync_pos.settings import TillSettings
from channelsync_pos.simulator import TillSimulator

NOW = 1_795_255_200.0
"""2026-11-21T10:00:00Z."""
SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
OLD_SECRET = "whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oD"
API = "http://till.test:8080/api"


class Clock:
    """Time that moves when it is told to."""

    def __init__(self, now: float = NOW) -> None:
        self.time = now

    def __call__(self) -> float:
        return self.time

    def advance(self, seconds: float) -> None:
        self.time += seconds


def settings(**given: Any) -> TillSettings:
    return TillSettings.model_validate({"webhook_secret": SECRET, "location": "soho"} | given)


def context(
    clock: Clock, given: TillSettings, transport: httpx.AsyncBaseTransport | None = None
) -> ChannelContext:
    numbers = itertools.count(1)
    return ChannelContext(
        channel="soho-till",
        settings=given,
        http=http_client(
            allowed_hosts=("till.test:8080",),
            transport=transport or httpx.MockTransport(lambda _: httpx.Response(599)),
        ),
        now=clock,
        new_id=lambda: f"id-{next(numbers)}",
    )


async def heard_till(clock: Clock | None = None, **given: Any) -> TillChannel:
    """A till without an API."""
    channel = await PosConnector().open(context(clock or Clock(), settings(**given)))
    assert isinstance(channel, TillChannel)
    return channel


async def asked_till(
    transport: httpx.AsyncBaseTransport, clock: Clock, **given: Any
) -> TillChannelWithApi:
    """A till with an API behind `transport`."""
    chosen = settings(**({"base_url": API} | given))
    channel = await PosConnector().open(context(clock, chosen, transport))
    assert isinstance(channel, TillChannelWithApi)
    return channel


def simulated_api(till: TillSimulator) -> httpx.AsyncBaseTransport:
    """The simulator's API below the path of `API`."""

    async def below_api(scope: Any, receive: Any, send: Any) -> None:
        path = scope["path"].removeprefix("/api")
        await till.app({**scope, "path": path}, receive, send)

    return httpx.ASGITransport(below_api)


def simulator(clock: Clock, **given: Any) -> TillSimulator:
    return TillSimulator(now=clock, rng=given.pop("rng", Random(7)), location="soho", **given)


def signed(
    body: bytes | Mapping[str, Any],
    *,
    secret: str = SECRET,
    message_id: str = "msg_1",
    timestamp: int = int(NOW),
    received_at: float = NOW,
) -> WebhookRequest:
    raw = body if isinstance(body, bytes) else json.dumps(body).encode()
    key = decode_standard_secret(secret)
    return WebhookRequest(
        url="https://shop.example/webhooks/soho-till",
        headers={
            "webhook-id": message_id,
            "webhook-timestamp": str(timestamp),
            "webhook-signature": standard_webhook_signature(key, message_id, timestamp, raw),
        },
        body=raw,
        received_at=received_at,
    )


def sale(**changes: Any) -> dict[str, Any]:
    """The data of a sale."""
    return {
        "register_id": "T3",
        "sequence": 871,
        "sale_id": "T3-000871",
        "occurred_at": "2026-11-21T09:58:11Z",
        "lines": [{"line_id": "1", "sku": "MUG-RED", "quantity": "2"}],
    } | changes


def event(kind: str, data: Mapping[str, Any]) -> dict[str, Any]:
    return {"type": kind, "timestamp": "2026-11-21T10:00:00Z", "data": dict(data)}


class Shelves:
    """What is known of a till's orders once some of its words were heard, in whatever order."""

    def __init__(self) -> None:
        self.lines: dict[tuple[str, str], LineState] = {}
        self.skus: dict[tuple[str, str], str] = {}
        self.voids: set[str] = set()
        self.numbers: dict[str, set[int]] = {}

    def hear(self, parsed: Parsed) -> None:
        self.hear_orders(parsed.facts, parsed.voids)
        for one in parsed.sequences:
            self.numbers.setdefault(one.register_id, set()).add(one.sequence)

    def hear_orders(self, facts: Iterable[OrderFact], voids: Iterable[OrderVoid]) -> None:
        for fact in facts:
            key = (fact.order_id, fact.line_id)
            self.lines[key] = merge(self.lines.get(key), _state(fact))
            assert fact.sku is not None
            self.skus[key] = fact.sku
        self.voids.update(void.order_id for void in voids)

    def net_units(self) -> Counter[str]:
        """Units off the shelves for good, by SKU."""
        net: Counter[str] = Counter()
        for key, state in self.lines.items():
            gone = 0 if key[0] in self.voids else state.shipped
            net[self.skus[key]] += gone - state.restocked
        return net


def _state(fact: OrderFact) -> LineState:
    names = {
        "ordered", "cancelled", "shipped", "returned", "restocked", "relisted", "version",
        "sold_at", "cancelled_at", "shipped_at", "pending", "moves_counter", "cancel_effect",
    }  # fmt: skip
    return LineState(**{name: getattr(fact, name) for name in names})


async def poll(
    channel: TillChannelWithApi, cursor: str, shelves: Shelves | None = None
) -> tuple[str, Instant | None]:
    """Page to the end. Returns where to go on, and how far the sales are complete."""
    while True:
        page = await channel.orders_since(cursor)
        if shelves is not None:
            shelves.hear_orders(page.facts, page.voids)
        cursor = page.cursor
        if not page.more:
            return cursor, page.complete_to
        assert page.complete_to is None
