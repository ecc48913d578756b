"""The connector contract, kept against the simulated account."""

from __future__ import annotations

from collections.abc import Mapping
from random import Random
from typing import Any, ClassVar

import httpx
from typing_extensions import override

from channelsync.sdk.testing.contract import Clock, ConnectorContract, World
from channelsync.sdk.types import ListingRef
from channelsync_amazon.buckets import Plan
from channelsync_amazon.connector import AmazonConnector
from channelsync_amazon.settings import AmazonSettings
from channelsync_amazon.simulator import CANARY, MARKETPLACE, AmazonSimulator
from channelsync_amazon.simulator.state import Application

NO_WEBHOOKS = "Amazon sends no webhooks: notifications are fetched from a queue"
NO_TILL = "a seller account posts no batches"


class AmazonWorld(World):
    """A seller account without a queue, in one marketplace."""

    version: ClassVar[str] = "2026-01-01"
    exempt: ClassVar[Mapping[str, str]] = {
        "deliveries": NO_WEBHOOKS,
        "signed": NO_WEBHOOKS,
        "lose_subscriptions": NO_WEBHOOKS,
        "rows": NO_TILL,
        "batch": NO_TILL,
        "twin": "a SKU is Amazon's own key of an offer: there cannot be two",
    }
    canaries = (CANARY,)

    def __init__(self, clock: Clock) -> None:
        super().__init__(clock)
        self.simulator = AmazonSimulator(
            now=clock, rng=Random(7), faults=self.faults, unlimited=True
        )
        # A seller of this size is granted more searches than the documented plan allows.
        self.simulator.quota.set_plan("searchOrders", Plan(20.0, 20))
        self.simulator.orders.empties_cancelled_v0 = False
        self.simulator.world.application = Application(seconds_median=60.0, sigma=0.3)

    @property
    @override
    def connector(self) -> AmazonConnector:
        return AmazonConnector(sleep=self.clock.sleep)

    @property
    @override
    def settings(self) -> AmazonSettings:
        given: dict[str, Any] = self.simulator.settings(orders_api=self.version)
        return AmazonSettings.model_validate(given)

    @override
    def transport(self) -> httpx.AsyncBaseTransport:
        return self.simulator.transport()

    @override
    async def stock(self, sku: str, units: int) -> None:
        self.simulator.seller.add_offer(sku, units)

    @override
    def listing(self, sku: str) -> ListingRef:
        external = {"sku": sku, "marketplace_id": MARKETPLACE}
        return ListingRef(listing_id=f"listing-{sku}", sku=sku, external=external)

    @override
    async def buy(self, sku: str, units: int = 1) -> str | None:
        return await self.simulator.seller.buy(sku, units)

    @override
    async def shown(self, sku: str) -> int:
        return self.simulator.seller.live(sku)

    @override
    async def cancel(self, order: str) -> None:
        await self.simulator.seller.cancel(order)

    @override
    async def ship(self, order: str) -> None:
        await self.simulator.seller.ship(order)

    @override
    async def edit(self, sku: str, delta: int) -> None:
        self.simulator.seller.edit_quantity(sku, self.simulator.seller.live(sku) + delta)

    @override
    async def remove(self, sku: str) -> None:
        self.simulator.seller.delete_offer(sku)

    @override
    async def stop_enforcing(self, sku: str) -> None:
        self.simulator.world.offers[sku].always_available = True

    @override
    async def expire_token(self) -> None:
        self.simulator.account.expire_tokens()

    @override
    async def revoke_access(self) -> None:
        self.simulator.account.expire_tokens()
        self.simulator.account.revoked = True

    @override
    async def hide_orders(self, seconds: float) -> None:
        self.simulator.seller.visibility_seconds = (seconds, seconds)


class AmazonWorldV0(AmazonWorld):
    """The same account, asked for its orders in the old way."""

    version: ClassVar[str] = "v0"


class TestAmazon(ConnectorContract):
    @override
    def world(self, clock: Clock) -> World:
        return AmazonWorld(clock)


class TestAmazonByOrdersV0(ConnectorContract):
    @override
    def world(self, clock: Clock) -> World:
        return AmazonWorldV0(clock)
