"""A Shopify channel opened on a simulated shop, without a socket and on a clock of its own."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from random import Random
from typing import Any

import httpx
from msgspec.structs import replace

from channelsync.sdk.connector import ChannelContext
from channelsync.sdk.http import http_client
from channelsync.sdk.testing.faults import FaultPlan
from channelsync.sdk.types import (
    Change,
    ListingRef,
    OrderFact,
    PushKind,
    PushRequest,
    WebhookRequest,
)
from channelsync_shopify.connector import MANIFEST, ShopifyChannel, ShopifyConnector
from channelsync_shopify.settings import ShopifySettings
from channelsync_shopify.simulator import ShopifySimulator

SKUS = ("MUG", "CUP", "POT")
HOOK_URL = "https://sync.example.com/webhooks/shop"
MORNING = 1_795_600_000.0


@dataclass
class Clock:
    """Time stands still until told to pass."""

    at: float = MORNING

    def __call__(self) -> float:
        return self.at

    def passes(self, seconds: float) -> None:
        self.at += seconds

    async def sleep(self, seconds: float) -> None:
        """Waiting is time passing."""
        self.passes(seconds)


@dataclass
class Bench:
    """A shop, the channel opened on it, and shorthands for both."""

    clock: Clock
    simulator: ShopifySimulator
    channel: ShopifyChannel
    settings: ShopifySettings
    hooked: bool = False
    keys: list[str] = field(default_factory=list)

    @property
    def shop(self) -> Any:
        return self.simulator.shop

    def listing(self, sku: str) -> ListingRef:
        item = self.simulator.world.item_of(sku)
        external = {
            "inventory_item_id": f"gid://shopify/InventoryItem/{item.number}",
            "variant_id": f"gid://shopify/ProductVariant/{item.variants[0].number}",
        }
        return ListingRef(listing_id=f"listing-{sku}", sku=sku, external=external)

    def change(self, sku: str, kind: PushKind, units: int, compare: int | None = None) -> Change:
        return Change(
            push_id=f"push-{sku}",
            listing=self.listing(sku),
            kind=kind,
            units=units,
            compare=compare,
        )

    def prepared(self, *changes: Change) -> PushRequest:
        self.keys.append(f"key-{len(self.keys)}")
        return self.channel.prepare(changes, key=self.keys[-1])

    async def all_facts(self, since: float) -> list[OrderFact]:
        """Everything that paging from a first cursor finds."""
        facts: list[OrderFact] = []
        cursor = self.channel.first_cursor(since)
        while True:
            page = await self.channel.orders_since(cursor)
            facts += page.facts
            cursor = page.cursor
            if not page.more:
                return facts

    async def subscribe(self) -> None:
        await self.channel.ensure_subscriptions(HOOK_URL)

    def deliveries(self) -> list[WebhookRequest]:
        """Everything that waits to be delivered, as a receiver would see it."""
        return [
            WebhookRequest(
                url=url,
                headers={name.lower(): value for name, value in headers.items()},
                body=body,
                received_at=self.clock(),
            )
            for url, body, headers in self.simulator.deliveries.pending_requests()
        ]


def context_for(
    settings: ShopifySettings, transport: httpx.AsyncBaseTransport, clock: Clock
) -> ChannelContext:
    rng = Random(1)
    return ChannelContext(
        channel="shop",
        settings=settings,
        http=http_client(allowed_hosts=MANIFEST.own_hosts, transport=transport),
        now=clock,
        new_id=lambda: f"{rng.getrandbits(128):032x}",
    )


def settings_for(simulator: ShopifySimulator, **more: Any) -> ShopifySettings:
    given: dict[str, Any] = {
        "shop": simulator.world.shop,
        "location_id": simulator.location_id,
        "webhook_secret": simulator.deliveries.secret,
        "access_token": simulator.account.access_token,
    }
    return ShopifySettings.model_validate(given | more)


async def open_bench(
    *, faults: FaultPlan | None = None, scopes: frozenset[str] | None = None, **more: Any
) -> Bench:
    clock = Clock()
    simulator = ShopifySimulator(now=clock, rng=Random(7), faults=faults)
    if scopes is not None:
        simulator.scopes.clear()
        simulator.scopes.update(scopes)
    settings = settings_for(simulator, **more)
    connector = ShopifyConnector(sleep=clock.sleep)
    channel = await connector.open(context_for(settings, simulator.transport(), clock))
    return Bench(clock, simulator, channel, settings)


async def stocked(**more: Any) -> Bench:
    bench = await open_bench(**more)
    for sku in SKUS:
        bench.shop.add_item(sku, 40)
    await bench.subscribe()
    bench.deliveries()
    return bench


def facts_by_webhook(bench: Bench) -> list[OrderFact]:
    """What the waiting deliveries say; the newest state of each line."""
    newest: dict[tuple[str, str], OrderFact] = {}
    for request in bench.deliveries():
        delivery = bench.channel.verify_webhook(request)
        stored = json.loads(json.dumps(delivery.reduced))
        for fact in bench.channel.parse(replace(delivery, reduced=stored)).facts:
            newest[fact.order_id, fact.line_id] = fact
    return sorted(newest.values(), key=lambda fact: fact.line_id)


def as_the_webhook_knows_it(facts: list[OrderFact]) -> list[OrderFact]:
    """A webhook's body holds no inventory item id."""
    variant_only = [
        replace(fact, external={"variant_id": fact.external["variant_id"]}) for fact in facts
    ]
    return sorted(variant_only, key=lambda fact: fact.line_id)


async def the_fact(bench: Bench, order: str) -> OrderFact:
    page = await bench.channel.orders_by_id([order])
    [fact] = page.facts
    return fact
