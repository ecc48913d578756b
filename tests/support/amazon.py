"""An Amazon channel opened on a simulated account, without a socket and on a clock of its own."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from random import Random
from typing import Any

import httpx

from channelsync.sdk.connector import ChannelContext
from channelsync.sdk.http import http_client
from channelsync.sdk.testing.faults import FaultPlan
from channelsync.sdk.types import (
    Change,
    ChangeResult,
    ListingRef,
    OrderFact,
    OrderPage,
    PushKind,
    PushRequest,
    RemoteListing,
    RemoteReading,
)
from channelsync_amazon.connector import MANIFEST, AmazonChannel, AmazonConnector
from channelsync_amazon.settings import AmazonSettings
from channelsync_amazon.simulator import MARKETPLACE, AmazonSimulator
from channelsync_amazon.simulator.state import Application

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
    """An account, the channel opened on it, and shorthands for both."""

    clock: Clock
    simulator: AmazonSimulator
    channel: AmazonChannel
    settings: AmazonSettings
    keys: list[str] = field(default_factory=list)

    @property
    def seller(self) -> Any:
        return self.simulator.seller

    def listing(self, sku: str) -> ListingRef:
        external = {"sku": sku, "marketplace_id": self.simulator.world.marketplaces[0]}
        return ListingRef(listing_id=f"listing-{sku}", sku=sku, external=external)

    def change(self, sku: str, units: int, shown_at: float | None = None) -> Change:
        kind = PushKind.SET if units else PushKind.ZERO
        return Change(
            push_id=f"push-{sku}",
            listing=self.listing(sku),
            kind=kind,
            units=units,
            shown_at=shown_at,
        )

    def prepared(self, *changes: Change) -> PushRequest:
        self.keys.append(f"key-{len(self.keys)}")
        return self.channel.prepare(changes, key=self.keys[-1])

    async def set_to(self, sku: str, units: int) -> ChangeResult:
        """Push one quantity."""
        [result] = await self.channel.push(self.prepared(self.change(sku, units)))
        return result

    async def read(self, sku: str) -> RemoteReading:
        [reading] = await self.channel.read([self.listing(sku)])
        return reading

    async def offers(self) -> dict[str, RemoteListing]:
        return {one.sku: one async for one in self.channel.listings()}

    async def pages(self, cursor: str) -> list[OrderPage]:
        """Every page from a cursor to the end of its window."""
        found = [await self.channel.orders_since(cursor)]
        while found[-1].more:
            found.append(await self.channel.orders_since(found[-1].cursor))
        return found

    async def facts(self, since: float) -> list[OrderFact]:
        """Every line that paging from a first cursor finds, as it was told last."""
        pages = await self.pages(self.channel.first_cursor(since))
        told = {(fact.order_id, fact.line_id): fact for page in pages for fact in page.facts}
        return list(told.values())

    def calls(self, operation: str) -> list[Any]:
        return [one for one in self.simulator.server.calls if one.operation == operation]


def context_for(
    settings: AmazonSettings, transport: httpx.AsyncBaseTransport, clock: Clock
) -> ChannelContext:
    rng = Random(1)
    return ChannelContext(
        channel="amazon-de",
        settings=settings,
        http=http_client(allowed_hosts=MANIFEST.own_hosts, transport=transport),
        now=clock,
        new_id=lambda: f"{rng.getrandbits(128):032x}",
    )


async def open_bench(
    *,
    faults: FaultPlan | None = None,
    application: Application | None = None,
    marketplaces: tuple[str, ...] = (MARKETPLACE,),
    unlimited: bool = False,
    **more: Any,
) -> Bench:
    clock = Clock()
    simulator = AmazonSimulator(
        now=clock,
        rng=Random(7),
        faults=faults,
        unlimited=unlimited,
        marketplaces=marketplaces,
    )
    simulator.world.application = application or Application(seconds_median=20.0, sigma=0.0)
    settings = AmazonSettings.model_validate(simulator.settings(**more))
    return Bench(clock, simulator, await _channel(simulator, settings, clock), settings)


async def _channel(
    simulator: AmazonSimulator, settings: AmazonSettings, clock: Clock
) -> AmazonChannel:
    connector = AmazonConnector(sleep=clock.sleep)
    return await connector.open(context_for(settings, simulator.transport(), clock))


async def reopened(bench: Bench) -> Bench:
    """The same account, seen by a program that starts anew."""
    channel = await _channel(bench.simulator, bench.settings, bench.clock)
    return replace(bench, channel=channel)


async def stocked(*skus: str, live: int = 40, **more: Any) -> Bench:
    bench = await open_bench(**more)
    for sku in skus or ("MUG", "CUP", "POT"):
        bench.seller.add_offer(sku, live)
    return bench
