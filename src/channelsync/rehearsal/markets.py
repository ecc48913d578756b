"""The three marketplaces of a rehearsal, and what their shoppers and sellers can do there."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from random import Random
from typing import Final, Protocol

import httpx
from typing_extensions import override

from channelsync.domain.vocabulary import Instant
from channelsync.rehearsal.stage import Stage
from channelsync.sdk.testing.faults import AnswerFault, DeliveryPlan, FaultPlan
from channelsync_amazon.simulator import AmazonSimulator
from channelsync_amazon.simulator.state import Application
from channelsync_shopify.simulator import ShopifySimulator
from channelsync_square.simulator import SquareSimulator

__all__ = [
    "BREAKABLE",
    "CHECKOUT_SECONDS",
    "SKUS",
    "AmazonMarket",
    "Market",
    "Markets",
    "ShopifyMarket",
    "SquareMarket",
    "open_markets",
]

SKUS: Final = {"MUG": 24, "CAP": 6, "LAMP": 40, "PEN": 3}
"""Items, and the units of each that are there at first."""
BREAKABLE: Final = "LAMP"
"""The item that things happen to: more of it may have been promised than is there."""
PACK: Final = "MUG-2PK"
PACKED: Final = "MUG"
"""A multipack of two."""
CHECKOUT_SECONDS: Final = 240.0
LATE_SECONDS_MAX: Final = 700.0
"""Amazon applies within so many seconds, or never."""


class Market(Protocol):
    """One marketplace, from outside of us."""

    @property
    def name(self) -> str:
        """The channel's name."""

    @property
    def faults(self) -> FaultPlan:
        """What goes wrong there."""

    @property
    def transport(self) -> httpx.AsyncBaseTransport:
        """The way in."""

    @property
    def keyed(self) -> bool:
        """Whether a request that comes twice counts once."""

    @property
    def offers(self) -> dict[str, dict[str, int]]:
        """Units of items in one unit of each offer."""

    @property
    def sold(self) -> Counter[str]:
        """Units sold and not put back on sale, by offer."""

    @property
    def moved(self) -> list[tuple[Instant, str]]:
        """When an order moved a counter, and which order, the oldest first."""

    def may_sell(self, sku: str) -> int:
        """Units that shoppers may still buy of an offer, those in checkouts included."""

    async def buy(self, sku: str, units: int) -> str | None:
        """Somebody buys. None: refused."""

    async def cancel(self, order: str) -> bool:
        """Somebody thinks better of it, while nothing is shipped. The units are on sale again."""

    async def ship(self, order: str) -> tuple[dict[str, int], bool]:
        """A parcel leaves. Returns what is in it, and whether nothing is left to ship."""

    async def take_off(self, sku: str) -> None:
        """Somebody takes a unit off sale by hand."""

    async def put_on(self, sku: str, units: int) -> None:
        """Somebody puts units on sale by hand."""

    def lines(self) -> dict[tuple[str, str], tuple[int, int]]:
        """Net units and shipped units, by order and offer, as the marketplace itself knows them."""


def _faults() -> FaultPlan:
    return FaultPlan(answers=AnswerFault(), deliveries=DeliveryPlan())


@dataclass(slots=True)
class ShopifyMarket:
    """Keyed compare-and-set, checkouts that hold units, webhooks."""

    simulator: ShopifySimulator
    transport: httpx.AsyncBaseTransport
    offers: dict[str, dict[str, int]]
    name: str = "shopify"
    keyed: bool = True
    sold: Counter[str] = field(default_factory=Counter)
    moved: list[tuple[Instant, str]] = field(default_factory=list)
    paying: dict[int, tuple[str, int]] = field(default_factory=dict)

    @property
    def faults(self) -> FaultPlan:
        """What goes wrong there."""
        return self.simulator.faults

    def may_sell(self, sku: str) -> int:
        """What is shown or held in checkouts."""
        level = self.simulator.shop.level(sku)
        return max(level.available, level.held, 0)

    async def buy(self, sku: str, units: int) -> str | None:
        """Buy at once."""
        order = await self.simulator.shop.buy(sku, units)
        self.sold[sku] += units if order is not None else 0
        return order

    async def begin_checkout(self, sku: str) -> int | None:
        """Press pay."""
        checkout = await self.simulator.shop.begin_checkout(sku)
        if checkout is not None:
            self.paying[checkout] = (sku, 1)
        return checkout

    async def end_checkout(self, checkout: int, *, pays: bool) -> str | None:
        """The payment succeeds, or the shopper walks away."""
        sku, units = self.paying.pop(checkout)
        if not pays:
            await self.simulator.shop.abandon_checkout(checkout)
            return None
        order = await self.simulator.shop.complete_checkout(checkout)
        self.sold[sku] += units if order is not None else 0
        return order

    async def cancel(self, order: str) -> bool:
        """Cancel and restock all that is left."""
        found = self.simulator.world.order_of(order)
        if found.cancelled_at is not None or any(found.shipped(line) for line in found.lines):
            return False
        for line in found.lines:
            self.sold[line.sku or ""] -= line.to_ship
        await self.simulator.shop.cancel(order)
        return True

    async def take_one_off(self, order: str) -> bool:
        """Cancel one unit of an order of several."""
        line = self.simulator.world.order_of(order).lines[0]
        if line.to_ship < 2:
            return False
        await self.simulator.shop.edit_order(order, line.sku or "", -1)
        self.sold[line.sku or ""] -= 1
        return True

    async def ship(self, order: str) -> tuple[dict[str, int], bool]:
        """Ship all that is left; or half of it first."""
        found = self.simulator.world.order_of(order)
        parcel = {line.sku or "": line.to_ship for line in found.lines if line.to_ship}
        whole = sum(parcel.values())
        for sku, units in parcel.items():
            parcel[sku] = (units + 1) // 2
        if parcel:
            await self.simulator.shop.fulfil(order, parcel)
        return parcel, sum(parcel.values()) == whole

    async def take_off(self, sku: str) -> None:
        """In the admin."""
        await self.simulator.shop.edit_stock(sku, -1)

    async def put_on(self, sku: str, units: int) -> None:
        """In the admin."""
        await self.simulator.shop.edit_stock(sku, units)

    def lines(self) -> dict[tuple[str, str], tuple[int, int]]:
        """As the shop knows them."""
        return {
            (order.gid, line.sku or ""): (
                line.to_ship + order.shipped(line),
                order.shipped(line),
            )
            for order in self.simulator.world.orders.values()
            for line in order.lines
        }


@dataclass(slots=True, kw_only=True)
class _Late(Application):
    """From a second to some minutes; sometimes never."""

    stage: Stage

    @override
    def draw(self, rng: Random) -> float | None:
        delay = Application.draw(self, rng)
        if delay is None:
            self.stage.happened("number accepted and never applied")
            return None
        return min(max(delay, 1.0), LATE_SECONDS_MAX)


@dataclass(slots=True)
class AmazonMarket:
    """Absolute sets that apply late or never, orders that show late, no webhooks."""

    simulator: AmazonSimulator
    transport: httpx.AsyncBaseTransport
    offers: dict[str, dict[str, int]]
    name: str = "amazon"
    keyed: bool = False
    sold: Counter[str] = field(default_factory=Counter)
    moved: list[tuple[Instant, str]] = field(default_factory=list)

    @property
    def faults(self) -> FaultPlan:
        """What goes wrong there."""
        return self.simulator.faults

    def may_sell(self, sku: str) -> int:
        """What is shown."""
        return max(self.simulator.seller.live(sku), 0)

    async def buy(self, sku: str, units: int) -> str | None:
        """Buy at once; the payment takes longer."""
        order = await self.simulator.seller.buy(sku, units)
        self.sold[sku] += units if order is not None else 0
        return order

    async def cancel(self, order: str) -> bool:
        """Cancel all that is left."""
        found = self.simulator.world.orders[order]
        if found.status in {"SHIPPED", "CANCELLED"} or any(line.shipped for line in found.lines):
            return False
        for line in found.lines:
            self.sold[line.offer.sku] -= line.ordered - line.cancelled
        await self.simulator.seller.cancel(order)
        return True

    async def ship(self, order: str) -> tuple[dict[str, int], bool]:
        """Ship all that is left."""
        found = self.simulator.world.orders[order]
        if found.status == "CANCELLED":
            return {}, True
        parcel = {
            line.offer.sku: line.ordered - line.cancelled - line.shipped for line in found.lines
        }
        if any(parcel.values()):
            await self.simulator.seller.ship(order)
        return {sku: units for sku, units in parcel.items() if units}, True

    async def take_off(self, sku: str) -> None:
        """In Seller Central."""
        self.simulator.seller.edit_quantity(sku, self.simulator.seller.live(sku) - 1)

    async def put_on(self, sku: str, units: int) -> None:
        """In Seller Central."""
        self.simulator.seller.edit_quantity(sku, self.simulator.seller.live(sku) + units)

    def lines(self) -> dict[tuple[str, str], tuple[int, int]]:
        """As the account knows them."""
        return {
            (order.order_id, line.offer.sku): (line.ordered - line.cancelled, line.shipped)
            for order in self.simulator.world.orders.values()
            for line in order.lines
        }


@dataclass(slots=True)
class SquareMarket:
    """Keyed deltas, a till that sells what it shows, a web site whose goods are picked up."""

    simulator: SquareSimulator
    transport: httpx.AsyncBaseTransport
    offers: dict[str, dict[str, int]]
    rng: Random
    name: str = "square"
    keyed: bool = True
    sold: Counter[str] = field(default_factory=Counter)
    moved: list[tuple[Instant, str]] = field(default_factory=list)
    waiting: set[str] = field(default_factory=set)
    """Online orders to be picked up."""

    @property
    def faults(self) -> FaultPlan:
        """What goes wrong there."""
        return self.simulator.faults

    def may_sell(self, sku: str) -> int:
        """What the till shows."""
        return max(self.simulator.shop.shown(sku), 0)

    async def buy(self, sku: str, units: int) -> str | None:
        """At the till, or on the web site."""
        shop = self.simulator.shop
        online = self.rng.random() < 0.6
        order = shop.order_online(sku, units) if online else shop.buy(sku, units)
        if order is not None:
            self.sold[sku] += units
            if online:
                self.waiting.add(order)
        return order

    async def cancel(self, order: str) -> bool:
        """Call an online order off."""
        if order not in self.waiting:
            return False
        self.waiting.discard(order)
        for line in self.simulator.world.orders[order].lines:
            if line.variation is not None:
                self.sold[line.variation.sku or ""] -= line.quantity
        self.simulator.shop.cancel(order)
        return True

    async def ship(self, order: str) -> tuple[dict[str, int], bool]:
        """Hand an online order over. What a till sells has left already."""
        found = self.simulator.world.orders[order]
        parcel = {
            line.variation.sku or "": line.quantity
            for line in found.lines
            if line.variation is not None
        }
        if order in self.waiting:
            self.waiting.discard(order)
            self.simulator.shop.hand_over(order)
            return parcel, True
        return ({} if found.fulfilments else parcel), True

    async def take_off(self, sku: str) -> None:
        """Square's numbers are the shelf's: whoever lowers one says that the unit is gone."""

    async def put_on(self, sku: str, units: int) -> None:
        """Whoever raises one says that there are more units."""

    def lines(self) -> dict[tuple[str, str], tuple[int, int]]:
        """As the seller's books know them."""
        found = {}
        for order in self.simulator.world.orders.values():
            for line in order.lines:
                if line.variation is not None:
                    net = 0 if order.state == "CANCELED" else line.quantity
                    gone = net if order.state == "COMPLETED" else 0
                    found[order.id, line.variation.sku or ""] = (net, gone)
        return found


@dataclass(frozen=True, slots=True)
class Markets:
    """All of them."""

    shopify: ShopifyMarket
    amazon: AmazonMarket
    square: SquareMarket

    def all(self) -> tuple[Market, ...]:
        """In one order."""
        return (self.shopify, self.amazon, self.square)

    def at(self, host: str) -> Market:
        """Whose host this is."""
        if host.endswith("myshopify.com"):
            return self.shopify
        return self.square if host.endswith("squareup.com") else self.amazon


def open_markets(stage: Stage) -> Markets:
    """Three marketplaces that show a part of the stock each."""
    rng = stage.chance("markets")
    shopify = ShopifySimulator(now=stage.now, rng=Random(rng.random()), faults=_faults())
    shopify.shop.checkout_seconds = CHECKOUT_SECONDS
    amazon = AmazonSimulator(now=stage.now, rng=Random(rng.random()), faults=_faults())
    amazon.world.application = _Late(stage=stage, seconds_median=45.0, sigma=1.1)
    amazon.world.feed_application = _Late(stage=stage, seconds_median=20.0, sigma=0.8)
    amazon.seller.visibility_seconds = (0.0, 120.0)
    square = SquareSimulator(now=stage.now, rng=Random(rng.random()), faults=_faults())
    offers = {sku: {sku: 1} for sku in SKUS}
    for sku, units in SKUS.items():
        shopify.shop.add_item(sku, units * 30 // 100)
        amazon.seller.add_offer(sku, units * 40 // 100)
        square.shop.add_item(sku, units * 20 // 100)
    shopify.shop.add_item(PACK, 0)
    packs = {PACK: {PACKED: 2}}
    return Markets(
        shopify=ShopifyMarket(shopify, shopify.transport(), offers | packs),
        amazon=AmazonMarket(amazon, amazon.transport(), dict(offers)),
        square=SquareMarket(square, square.transport(), dict(offers), Random(rng.random())),
    )
