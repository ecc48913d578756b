"""A Square channel opened on a simulated seller, without a socket and on a clock of its own."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from random import Random
from typing import Any

import httpx
from msgspec.structs import replace

from channelsync.domain.orders import LineState, merge
from channelsync.sdk.connector import ChannelContext
from channelsync.sdk.http import http_client
from channelsync.sdk.types import (
    Change,
    ListingRef,
    OrderFact,
    OrderPage,
    Parsed,
    PushKind,
    PushRequest,
    WebhookRequest,
)
from channelsync_square.connector import MANIFEST, MirrorChannel, SquareChannel, SquareConnector
from channelsync_square.settings import SquareSettings
from channelsync_square.simulator import SquareSimulator

NOON = 1_795_262_400.0
"""2026-11-21T12:00:00Z."""
HOOK_URL = "https://sync.example.com/webhooks/till"
SKUS = ("MUG", "CUP", "POT")
OPERATIONS = frozenset(
    {
        "DELETE /v2/webhooks/subscriptions/{subscription_id}",
        "GET /v2/locations",
        "GET /v2/payments/{payment_id}",
        "GET /v2/webhooks/subscriptions",
        "POST /v2/catalog/batch-retrieve",
        "POST /v2/catalog/search",
        "POST /v2/inventory/changes/batch-create",
        "POST /v2/inventory/changes/batch-retrieve",
        "POST /v2/inventory/counts/batch-retrieve",
        "POST /v2/orders/batch-retrieve",
        "POST /v2/orders/search",
        "POST /v2/webhooks/subscriptions",
    }
)
"""Everything that the connector asks of Square."""


@dataclass
class Clock:
    """Time stands still until told to pass."""

    at: float = NOON

    def __call__(self) -> float:
        return self.at

    def passes(self, seconds: float) -> None:
        self.at += seconds


@dataclass
class Bench:
    """A seller, the channel opened on it, and shorthands for both."""

    clock: Clock
    simulator: SquareSimulator
    channel: Any
    settings: SquareSettings
    keys: list[str] = field(default_factory=list)

    @property
    def shop(self) -> Any:
        return self.simulator.shop

    def variation(self, sku: str) -> str:
        return self.simulator.world.variation_of(sku).id

    def listing(self, sku: str) -> ListingRef:
        external = {"variation_id": self.variation(sku)}
        return ListingRef(listing_id=f"listing-{sku}", sku=sku, external=external)

    def change(self, sku: str, kind: PushKind, units: int) -> Change:
        return Change(push_id=f"push-{sku}", listing=self.listing(sku), kind=kind, units=units)

    def prepared(self, *changes: Change) -> PushRequest:
        self.keys.append(f"key-{len(self.keys)}")
        request: PushRequest = self.channel.prepare(changes, key=self.keys[-1])
        return request

    async def pages(self, cursor: str) -> list[OrderPage]:
        """Everything from a cursor to the end of its window."""
        pages: list[OrderPage] = []
        while not pages or pages[-1].more:
            pages.append(await self.channel.orders_since(cursor))
            cursor = pages[-1].cursor
        return pages

    async def all_facts(self, since: float) -> list[OrderFact]:
        """Everything that paging from a first cursor finds."""
        pages = await self.pages(self.channel.first_cursor(since))
        return [fact for page in pages for fact in page.facts]

    async def lines(self, since: float) -> dict[tuple[str, str], LineState]:
        """What is known of every line after one window."""
        known: dict[tuple[str, str], LineState] = {}
        for fact in await self.all_facts(since):
            key = (fact.order_id, fact.line_id)
            known[key] = merge(known.get(key), state_of_fact(fact))
        return known

    def deliveries(self) -> list[WebhookRequest]:
        """Everything that waits to be delivered, as a receiver would see it."""
        return [
            as_request(url, body, headers, self.clock())
            for url, body, headers in self.simulator.deliveries.pending_requests()
        ]

    def heard(self) -> list[Parsed]:
        """What the waiting deliveries say, by way of the store."""
        return [understood(self.channel, request) for request in self.deliveries()]


def as_request(url: str, body: bytes, headers: dict[str, str], at: float) -> WebhookRequest:
    lower = {name.lower(): value for name, value in headers.items()}
    return WebhookRequest(url=url, headers=lower, body=body, received_at=at)


def understood(channel: Any, request: WebhookRequest) -> Parsed:
    delivery = channel.verify_webhook(request)
    stored = json.loads(json.dumps(delivery.reduced))
    parsed: Parsed = channel.parse(replace(delivery, reduced=stored))
    return parsed


def state_of_fact(fact: OrderFact) -> LineState:
    names = LineState.__struct_fields__
    return LineState(**{name: getattr(fact, name) for name in names})


def context_for(
    settings: SquareSettings, transport: httpx.AsyncBaseTransport, clock: Clock
) -> ChannelContext:
    rng = Random(1)
    return ChannelContext(
        channel="till",
        settings=settings,
        http=http_client(allowed_hosts=MANIFEST.own_hosts, transport=transport),
        now=clock,
        new_id=lambda: f"{rng.getrandbits(128):032x}",
    )


def settings_for(simulator: SquareSimulator, **more: Any) -> SquareSettings:
    given: dict[str, Any] = {
        "access_token": simulator.account.access_token,
        "location_id": simulator.location_id,
        "application_token": simulator.account.application_token,
        "location": "soho",
    }
    return SquareSettings.model_validate(given | more)


async def open_bench(**more: Any) -> Bench:
    """A seller without goods."""
    clock = Clock()
    simulator = SquareSimulator(now=clock, rng=Random(7))
    settings = settings_for(simulator, **more)
    context = context_for(settings, simulator.transport(), clock)
    channel = await SquareConnector().open(context)
    assert isinstance(channel, SquareChannel | MirrorChannel)
    return Bench(clock, simulator, channel, settings)


async def stocked(units: Sequence[int] = (40, 40, 40), **more: Any) -> Bench:
    """A seller with goods that were counted a while ago, and with our subscription."""
    bench = await open_bench(**more)
    for sku, count in zip(SKUS, units, strict=True):
        bench.shop.add_item(sku, count)
    bench.clock.passes(3_600)
    await bench.channel.ensure_subscriptions(HOOK_URL)
    bench.deliveries()
    return bench
