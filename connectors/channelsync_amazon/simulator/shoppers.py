"""What shoppers and the seller do at a simulated Amazon."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from random import Random
from typing import Any

from channelsync_amazon.simulator.state import Line, Offer, Order, Package, World

__all__ = ["Seller"]


class Seller:
    """The storefront and Seller Central."""

    def __init__(self, world: World, rng: Random, show: Callable[[Order], dict[str, Any]]) -> None:
        self._world = world
        self._rng = rng
        self._show = show
        self.refused = 0
        """Shoppers who found too little."""
        self.visibility_seconds = (0.0, 0.0)
        """How long after it came about a state of an order can first be seen."""
        self.pending_seconds = 1_800.0
        """How long a payment takes."""

    # ------------------------------------------------------------------ catalogue

    def add_offer(
        self, sku: str, live: int = 0, *, title: str = "A thing", code: str = "DEFAULT", **more: Any
    ) -> Offer:
        """Offer another SKU."""
        world = self._world
        world.catch_up()
        offer = Offer(
            sku=sku,
            asin=f"B{world.number():09d}",
            title=title,
            created_at=more.pop("created_at", world.now()),
            marketplaces=more.pop("marketplaces", world.marketplaces),
            live=live,
            submitted=live,
            code=code,
            **more,
        )
        world.offers[sku] = offer
        return offer

    def live(self, sku: str) -> int:
        """What shoppers can buy now."""
        self._world.catch_up()
        return self._world.offers[sku].live

    def edit_quantity(self, sku: str, quantity: int) -> None:
        """Somebody sets the number by hand in Seller Central: a second writer."""
        self._world.catch_up()
        offer = self._world.offers[sku]
        offer.submitted = quantity
        self._world.apply(offer, quantity)

    def delete_offer(self, sku: str) -> None:
        """Take an offer down; orders keep their lines."""
        del self._world.offers[sku]

    # ------------------------------------------------------------------ orders

    async def buy(self, sku: str, units: int = 1) -> str | None:
        """Place an order of one SKU. None: sold out."""
        return await self.buy_basket({sku: units})

    async def buy_basket(self, basket: Mapping[str, int]) -> str | None:
        """Place an order. The quantity goes down now, while the payment is still pending."""
        world = self._world
        world.catch_up()
        offers = {sku: world.offers.get(sku) for sku in basket}
        for sku, units in basket.items():
            offer = offers[sku]
            sells = offer is not None and (offer.always_available or offer.live >= units)
            if not sells or offer is None:
                self.refused += 1
                return None
        lines = []
        for sku, units in basket.items():
            offer = world.offers[sku]
            lines.append(Line(item_id=f"{world.number():014d}", offer=offer, ordered=units))
            if not offer.always_available:
                offer.live -= units
        number = world.number()
        order = Order(
            order_id=f"303-{number:07d}-{self._rng.randrange(10**7):07d}",
            marketplace=lines[0].offer.marketplaces[0],
            placed_at=world.now(),
            updated_at=world.now(),
            status="PENDING",
            lines=lines,
        )
        world.orders[order.order_id] = order
        self._changed(order)
        for line in lines:
            world.changed(line.offer)
        world.later(self.pending_seconds, lambda: self._paid(order))
        return order.order_id

    def sell_beyond(self, sku: str, units: int) -> str:
        """Take an order in that Amazon itself ships (FBA): none of the merchant's business."""
        world = self._world
        world.catch_up()
        line = Line(item_id=f"{world.number():014d}", offer=world.offers[sku], ordered=units)
        order = Order(
            order_id=f"303-{world.number():07d}-0000000",
            marketplace=world.marketplaces[0],
            placed_at=world.now(),
            updated_at=world.now(),
            status="UNSHIPPED",
            lines=[line],
            fulfilled_by="AMAZON",
        )
        world.orders[order.order_id] = order
        self._changed(order)
        return order.order_id

    def _paid(self, order: Order) -> None:
        if order.status == "PENDING":
            order.status = "UNSHIPPED"
            self._changed(order)

    async def pay(self, order_id: str) -> None:
        """The payment succeeded."""
        self._world.catch_up()
        self._paid(self._world.orders[order_id])

    async def cancel(self, order_id: str, *, by: str = "BUYER", no_inventory: bool = False) -> None:
        """Cancel what is not shipped. The units are on sale again, unless the seller had none.

        Raises:
            ValueError: everything was shipped.
        """
        self._world.catch_up()
        order = self._world.orders[order_id]
        if order.status in {"SHIPPED", "CANCELLED"}:
            raise ValueError("nothing is left to cancel")
        for line in order.lines:
            units = line.ordered - line.cancelled - line.shipped
            self._cancel_line(line, units, by, no_inventory=no_inventory)
        order.status = "SHIPPED" if any(line.shipped for line in order.lines) else "CANCELLED"
        self._changed(order)

    async def cancel_units(self, order_id: str, sku: str, units: int, *, by: str = "BUYER") -> None:
        """Cancel some units of one line."""
        self._world.catch_up()
        order = self._world.orders[order_id]
        line = next(one for one in order.lines if one.offer.sku == sku)
        self._cancel_line(line, units, by, no_inventory=False)
        self._changed(order)

    def _cancel_line(self, line: Line, units: int, by: str, *, no_inventory: bool) -> None:
        if not units:
            return
        line.cancelled += units
        line.cancelled_by = by
        if not no_inventory and not line.offer.always_available:
            line.offer.live += units
            self._world.changed(line.offer)

    async def ship(self, order_id: str) -> None:
        """Ship everything that is left, outside of us (in Seller Central)."""
        self._world.catch_up()
        order = self._world.orders[order_id]
        for line in order.lines:
            line.shipped = line.ordered - line.cancelled
        order.status = "SHIPPED"
        self._changed(order)

    def ship_package(self, order: Order, package: Package) -> str:
        """Confirm one package. Returns why not, or nothing."""
        if order.status not in {"UNSHIPPED", "PARTIALLY_SHIPPED", "SHIPPED"}:
            return "The order cannot be shipped in its present state."
        lines = {line.item_id: line for line in order.lines}
        known = order.packages.get(package.reference)
        before = dict(known.units) if known is not None else {}
        for item_id, units in package.units:
            line = lines.get(item_id)
            if line is None:
                return f"The order has no item {item_id}."
            if line.shipped - before.get(item_id, 0) + units > line.ordered - line.cancelled:
                return "The quantity exceeds what is left to ship."
        for item_id, units in package.units:
            lines[item_id].shipped += units - before.get(item_id, 0)
        order.packages[package.reference] = package
        left = sum(line.ordered - line.cancelled - line.shipped for line in order.lines)
        order.status = "PARTIALLY_SHIPPED" if left else "SHIPPED"
        self._changed(order)
        return ""

    def _changed(self, order: Order) -> None:
        world = self._world
        order.updated_at = world.now()
        least, most = self.visibility_seconds
        shown_at = world.now() + self._rng.uniform(least, most)
        order.shown.append((shown_at, world.now(), self._show(order)))
        world.tell("order", order)

    def net_sold(self, sku: str) -> int:
        """Units ordered and not cancelled, of orders that the merchant ships."""
        return sum(
            line.ordered - line.cancelled
            for order in self._world.orders.values()
            if order.fulfilled_by == "MERCHANT"
            for line in order.lines
            if line.offer.sku == sku
        )
