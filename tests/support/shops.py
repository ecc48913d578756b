"""Two simulated Shopify shops with the same items, the people who buy there, and their webhooks."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from random import Random
from typing import Any

import httpx

from channelsync.sdk.testing.faults import DeliveryPlan, FaultPlan
from channelsync_shopify.simulator import ShopifySimulator

__all__ = ["Shoppers", "accepted", "delivering", "two_shops"]


def two_shops(rng: Random, *, items: int, delay_seconds_max: float) -> dict[str, ShopifySimulator]:
    """Shops with `SKU-0` and so on; a webhook in twenty is lost, one in twenty comes twice."""
    plan = DeliveryPlan(lose=0.05, double=0.05, delay_seconds_max=delay_seconds_max)
    shops = {
        name: ShopifySimulator(
            domain=f"{name}.myshopify.com",
            rng=Random(rng.random()),
            faults=FaultPlan(deliveries=plan),
        )
        for name in ("shop-a", "shop-b")
    }
    for simulator in shops.values():
        for number in range(items):
            simulator.shop.add_item(f"SKU-{number}")
    return shops


def accepted(shops: Mapping[str, ShopifySimulator], items: int) -> dict[tuple[str, str], int]:
    """Net units that the shops have accepted, by shop and SKU: the truth."""
    return {
        (name, f"SKU-{number}"): simulator.world.accepted()[f"SKU-{number}"]
        for name, simulator in shops.items()
        for number in range(items)
    }


@dataclass(slots=True, kw_only=True)
class Shoppers:
    """People who buy one unit here and there; some call an order off."""

    shops: Mapping[str, ShopifySimulator]
    rng: Random
    items: int
    cancel_share: float
    pause_seconds_max: float
    orders: int = 0
    cancels: int = 0

    async def shop_for(self, seconds: float) -> None:
        """Let them shop."""
        loop = asyncio.get_running_loop()
        end = loop.time() + seconds
        orders: list[tuple[ShopifySimulator, Any]] = []
        while loop.time() < end:
            simulator = self.shops[self.rng.choice(sorted(self.shops))]
            order = await simulator.shop.buy(f"SKU-{self.rng.randrange(self.items)}")
            if order is not None:
                orders.append((simulator, order))
                self.orders += 1
            if orders and self.rng.random() < self.cancel_share:
                seller, cancelled = orders.pop(self.rng.randrange(len(orders)))
                await seller.shop.cancel(cancelled, restock=True)
                self.cancels += 1
            await asyncio.sleep(self.rng.uniform(0.02, self.pause_seconds_max))


@asynccontextmanager
async def delivering(
    simulators: Iterable[ShopifySimulator], client: httpx.AsyncClient
) -> AsyncIterator[None]:
    """Webhooks leave as they fall due, through this client, for as long as the block lasts."""
    couriers = []
    for simulator in simulators:
        simulator.deliveries.client = client
        couriers.append(asyncio.create_task(simulator.deliveries.run()))
    try:
        yield
    finally:
        for courier in couriers:
            courier.cancel()
        await asyncio.gather(*couriers, return_exceptions=True)
