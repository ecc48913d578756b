"""Shoppers: they buy, hold and give up, against `available` less the checkouts in progress."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from channelsync_shopify.simulator.state import Checkout, Item, Level, Line, Order, World

__all__ = ["CHECKOUT_SECONDS", "Shoppers"]

CHECKOUT_SECONDS: Final = 900.0
"""A checkout that was not completed by then loses its units."""


class Shoppers:
    """Everything that happens in the shop's storefront."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.checkout_seconds = CHECKOUT_SECONDS
        self.refused = 0
        """Shoppers turned away because the shop showed too little."""

    async def buy(self, sku: str, units: int = 1, *, test: bool = False) -> str | None:
        """Buy at once. Returns the order's id, or None: sold out."""
        return await self.buy_basket({sku: units}, test=test)

    async def buy_basket(
        self, basket: Mapping[str, int], *, test: bool = False, paid: bool = True
    ) -> str | None:
        """Buy several items in one order, all or nothing."""
        levels = {sku: self._level_for(sku, units) for sku, units in basket.items()}
        found = {sku: level for sku, level in levels.items() if level is not None}
        if len(found) < len(basket):
            self.refused += 1
            return None
        financial = "PAID" if paid else "PENDING"
        order = self.place({found[sku]: units for sku, units in basket.items()}, "web")
        order.test, order.financial = test, financial
        return order.gid

    async def begin_checkout(self, sku: str, units: int = 1) -> int | None:
        """Press pay: keep units apart while the payment runs. None: sold out."""
        level = self._level_for(sku, units)
        if level is None:
            self.refused += 1
            return None
        now = self.world.now()
        checkout = Checkout(self.world.number(), level, units, now + self.checkout_seconds)
        self.world.checkouts[checkout.number] = checkout
        level.held += units
        return checkout.number

    async def complete_checkout(self, checkout: int) -> str | None:
        """The payment succeeded: a sale, whatever `available` says by now. None: it took too long.

        A cut during the checkout is the way by which `available` falls below 0.
        """
        held = self._end(checkout)
        if held is None or self.world.now() > held.ends_at:
            return None
        return self.place({held.level: held.units}, "web").gid

    async def abandon_checkout(self, checkout: int) -> None:
        """The shopper walks away."""
        self._end(checkout)

    def place(self, units: Mapping[Level, int], source: str) -> Order:
        """Take an order in, without asking whether the stock suffices."""
        now = self.world.now()
        lines = [
            Line(self.world.number(), level.item, level.item.sku, count, count, level)
            for level, count in units.items()
        ]
        order = Order(self.world.number(), now, now, lines, source)
        self.world.orders[order.number] = order
        changed = []
        for level, count in units.items():
            if level.item.tracked:
                level.available -= count
                level.committed += count
                level.updated_at = now
                changed.append(("inventory_levels/update", level))
        self.world.tell(("orders/create", order), *changed)
        return order

    def _end(self, number: int) -> Checkout | None:
        checkout = self.world.checkouts.pop(number, None)
        if checkout is not None:
            checkout.level.held -= checkout.units
        return checkout

    def _level_for(self, sku: str, units: int) -> Level | None:
        """The level that the storefront would sell from."""
        self._expire_checkouts()
        item = self.world.item_of(sku)
        for level in item.levels.values():
            place = level.location
            if not (level.active and place.active and place.online):
                continue
            if _sells_without_stock(item) or level.available - level.held >= units:
                return level
        return None

    def _expire_checkouts(self) -> None:
        now = self.world.now()
        for checkout in list(self.world.checkouts.values()):
            if now > checkout.ends_at:
                self._end(checkout.number)


def _sells_without_stock(item: Item) -> bool:
    return not item.tracked or any(one.policy == "CONTINUE" for one in item.variants)
