"""The marketplaces of the demonstration: Amazon, Shopify and a Square till, simulated.

What takes minutes at the real ones takes seconds here, and is said so on the page: a visitor has a
minute. Everything else is as it is there.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from random import Random
from time import time
from typing import Final

from typing_extensions import override

from channelsync.demo.catalogue import AMAZON, SHOPIFY, TILL, DemoItem, shares_of
from channelsync.sdk.testing.faults import DeliveryPlan, FaultPlan
from channelsync_amazon.simulator import AmazonSimulator
from channelsync_amazon.simulator.account import Plan
from channelsync_amazon.simulator.state import Application
from channelsync_shopify.simulator import ShopifySimulator
from channelsync_shopify.simulator.costs import Bucket
from channelsync_square.simulator import SquareSimulator

__all__ = [
    "APPLIES_SECONDS",
    "APPLY_LIMIT_SECONDS",
    "CHECKOUT_SECONDS",
    "DELIVERIES",
    "VISIBILITY_SECONDS",
    "Compressed",
    "Town",
    "build_town",
]

CHECKOUT_SECONDS: Final = 20.0
"""How long a shopper may pay; minutes at real shops."""
APPLIES_SECONDS: Final = (2.0, 15.0)
"""How long Amazon takes to apply a quantity; seconds to minutes in the real world."""
APPLIES_MEDIAN: Final = 5.0
APPLIES_SIGMA: Final = 0.6
APPLY_LIMIT_SECONDS: Final = 16.0
VISIBILITY_SECONDS: Final = (0.3, 2.5)
"""How long after its purchase an order of Amazon's can first be seen."""
PAYMENT_SECONDS: Final = 3.0
DELIVERIES: Final = DeliveryPlan(
    lose=0.03, double=0.05, delay_seconds_min=0.2, delay_seconds_max=4.0
)
PLUS_BUCKET: Final = {"maximum": 20_000.0, "rate": 1_000.0}
"""Query cost of a large shop's plan."""
ORDER_PLAN: Final = Plan(2.0, 20)
"""Searches of orders; a real account has one in three minutes, and its notifications beside it."""
STALE_SHARE: Final = 0.1
"""So many items are not listed yet when the demonstration begins, so that there is a first push."""


@dataclass(slots=True, kw_only=True)
class Compressed(Application):
    """Amazon's delay in applying a quantity, between two bounds that a visitor can wait for."""

    seconds_median: float = APPLIES_MEDIAN
    sigma: float = APPLIES_SIGMA

    @override
    def draw(self, rng: Random) -> float:
        least, most = APPLIES_SECONDS
        return min(max(Application.draw(self, rng) or most, least), most)


@dataclass(slots=True, kw_only=True)
class Town:
    """Every marketplace of the demonstration."""

    amazon: AmazonSimulator
    shopify: ShopifySimulator
    square: SquareSimulator

    @property
    def counters(self) -> Mapping[str, Callable[[], Counter[str]]]:
        """By channel: net units that it promised to its shoppers, by SKU."""
        return {
            AMAZON: self._accepted_by_amazon,
            SHOPIFY: self.shopify.world.accepted,
            TILL: self.square.shop.accepted,
        }

    def _accepted_by_amazon(self) -> Counter[str]:
        units: Counter[str] = Counter()
        for order in self.amazon.world.orders.values():
            for line in order.lines:
                units[line.offer.sku] += line.ordered - line.cancelled
        return units

    def lose_every_webhook(self, *, lose: bool) -> None:
        """Let the network swallow all webhooks, or only as many as usual."""
        share = 1.0 if lose else DELIVERIES.lose
        for faults in (self.shopify.faults, self.square.faults):
            faults.deliveries.lose = share


def build_town(items: tuple[DemoItem, ...], rng: Random) -> Town:
    """The marketplaces, with what they list before we come."""
    town = Town(amazon=_amazon(rng), shopify=_shopify(rng), square=_square(rng))
    for item in items:
        listed = {
            channel: 0 if rng.random() < STALE_SHARE else units
            for channel, units in shares_of(item.units).items()
        }
        town.amazon.seller.add_offer(item.sku, listed[AMAZON], title=item.name)
        town.shopify.shop.add_item(item.sku, listed[SHOPIFY], title=item.name)
        town.square.shop.add_item(item.sku, listed[TILL], title=item.name)
    return town


def _amazon(rng: Random) -> AmazonSimulator:
    amazon = AmazonSimulator(now=time, rng=Random(rng.random()), faults=FaultPlan())
    amazon.world.application = Compressed()
    amazon.seller.visibility_seconds = VISIBILITY_SECONDS
    amazon.orders.search_delay_seconds = 0.0
    amazon.seller.pending_seconds = PAYMENT_SECONDS
    amazon.quota.set_plan("searchOrders", ORDER_PLAN)
    return amazon


def _shopify(rng: Random) -> ShopifySimulator:
    shopify = ShopifySimulator(
        rng=Random(rng.random()),
        faults=FaultPlan(deliveries=replace(DELIVERIES)),
        access_token="shpat_demonstration",  # noqa: S106 - a simulated shop's
        client_secret="secret-of-the-simulated-shop",  # noqa: S106 - a simulated shop's
    )
    shopify.server.bucket = Bucket(time, **PLUS_BUCKET)
    shopify.shop.checkout_seconds = CHECKOUT_SECONDS
    return shopify


def _square(rng: Random) -> SquareSimulator:
    return SquareSimulator(
        now=time,
        rng=Random(rng.random()),
        faults=FaultPlan(deliveries=replace(DELIVERIES)),
    )
