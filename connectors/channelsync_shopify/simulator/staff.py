"""The people behind the shop: they ship, cancel, refund, edit, count and sell at tills."""

from __future__ import annotations

from collections.abc import Mapping

from channelsync_shopify.simulator.shoppers import Shoppers
from channelsync_shopify.simulator.state import (
    Fulfilment,
    Item,
    Level,
    Line,
    Location,
    Order,
    Refund,
    Subject,
    UnitsOf,
    Variant,
)

__all__ = ["Shop"]

CANCELS = frozenset({"CANCEL", "NO_RESTOCK"})


class Shop(Shoppers):
    """A whole shop: its storefront, and what its staff does."""

    # ------------------------------------------------------------------ catalogue and stock

    def add_location(self, name: str, *, online: bool = True) -> Location:
        """Open another location."""
        location = Location(self.world.number(), name, online=online)
        self.world.locations[location.number] = location
        return location

    def add_item(
        self,
        sku: str | None,
        available: int = 0,
        *,
        location: Location | None = None,
        title: str = "A thing",
        tracked: bool = True,
    ) -> Item:
        """Offer another item, stocked at one location (the first, if none is named)."""
        world = self.world
        variant = Variant(world.number(), world.number(), title)
        item = Item(world.number(), sku, [variant], tracked)
        world.items[item.number] = item
        self.stock_at(item, location or next(iter(world.locations.values())), available)
        return item

    def add_variant(self, item: Item, title: str = "The same thing") -> Variant:
        """Another variant that shares the item, hence its stock."""
        variant = Variant(self.world.number(), self.world.number(), title)
        item.variants.append(variant)
        return variant

    def stock_at(self, item: Item, location: Location, available: int) -> Level:
        """Stock an item at a location."""
        level = Level(self.world.number(), item, location, self.world.now(), available)
        item.levels[location.number] = level
        self.world.tell(("inventory_levels/connect", level))
        return level

    def level(self, sku: str, location: Location | None = None) -> Level:
        """The level of a SKU at a location (the first, if none is named)."""
        levels = self.world.item_of(sku).levels
        return levels[location.number] if location else next(iter(levels.values()))

    def available(self, sku: str) -> int:
        """What the storefront may still sell at the first location; may be below 0."""
        return self.level(sku).available

    async def edit_stock(self, sku: str, delta: int) -> None:
        """A member of staff changes the quantity by hand: a second writer."""
        level = self.level(sku)
        level.available += delta
        self._touch(level)

    def set_policy(self, sku: str, policy: str) -> None:
        """DENY or CONTINUE selling when out of stock."""
        item = self.world.item_of(sku)
        for variant in item.variants:
            variant.policy = policy
        self.world.tell(("products/update", item))

    def set_tracked(self, sku: str, *, tracked: bool) -> None:
        """Turn tracking on or off."""
        item = self.world.item_of(sku)
        item.tracked = tracked
        self.world.tell(("inventory_items/update", item))

    def deactivate(self, sku: str) -> None:
        """Take an item out of a location; its quantity is kept."""
        level = self.level(sku)
        level.active = False
        self.world.tell(("inventory_levels/disconnect", level))

    def close_location(self, location: Location) -> None:
        """Deactivate a location."""
        location.active = False
        self.world.tell(("locations/deactivate", location))

    def delete_item(self, sku: str) -> None:
        """Delete an item; orders keep their lines."""
        item = self.world.item_of(sku)
        del self.world.items[item.number]
        self.world.tell(("inventory_items/delete", item))

    def uninstall(self) -> None:
        """The merchant removes the app."""
        self.world.tell(("app/uninstalled", None))

    # ------------------------------------------------------------------ sales past the storefront

    async def staff_order(self, sku: str, units: int = 1) -> str:
        """An order by phone: it may go beyond what is available."""
        return self.place({self.level(sku): units}, "shopify_draft_order").gid

    async def till_sale(self, sku: str, units: int, location: Location) -> str:
        """Cash and carry at a till: never refused, shipped at once, from the till's location."""
        level = self.level(sku, location)
        order = self.place({level: units}, "pos")
        order.retail = location
        await self.fulfil(order.gid)
        return order.gid

    # ------------------------------------------------------------------ orders

    async def fulfil(self, order_id: str, units: Mapping[str, int] | None = None) -> None:
        """Ship everything that is to ship, or so many units of some SKUs."""
        order = self.world.order_of(order_id)
        parts = []
        for line in order.lines:
            count = (
                line.to_ship if units is None else min(units.get(line.sku or "", 0), line.to_ship)
            )
            if count:
                parts.append(UnitsOf(self.world.number(), line, count))
                line.to_ship -= count
                _commit(line, -count)
        now = self.world.now()
        order.fulfilments.append(Fulfilment(self.world.number(), now, parts))
        self._changed(order)

    async def cancel_fulfilment(self, order_id: str) -> None:
        """Take the last shipment back: its units are to be shipped again.

        Raises:
            ValueError: nothing was shipped, or some of it was refunded since.
        """
        order = self.world.order_of(order_id)
        standing = [one for one in order.fulfilments if one.status == "SUCCESS"]
        if not standing:
            raise ValueError("nothing was shipped")
        parts = standing[-1].parts
        for part in parts:
            # Refunded and still counted as shipped: those units came back from the customer.
            came_back = order.shipped(part.line) + part.line.to_ship - order.current(part.line)
            if came_back > order.shipped(part.line) - part.units:
                raise ValueError("a shipment of which units came back cannot be taken back")
        standing[-1].status = "CANCELLED"
        for part in parts:
            part.line.to_ship += part.units
            _commit(part.line, part.units)
        self._changed(order)

    async def cancel(self, order_id: str, *, restock: bool = True, refund: bool = True) -> None:
        """Cancel a whole order of which nothing was shipped.

        Raises:
            ValueError: some of it was shipped.
        """
        order = self.world.order_of(order_id)
        if any(order.shipped(line) for line in order.lines):
            raise ValueError("a shipped order cannot be cancelled")
        parts = []
        for line in order.lines:
            if line.to_ship:
                kind = "CANCEL" if restock else "NO_RESTOCK"
                parts.append(self._give_up(line, line.to_ship, kind))
        now = self.world.now()
        if refund and parts:
            order.refunds.append(Refund(self.world.number(), order.number, now, parts))
        order.cancelled_at = now
        order.financial = "REFUNDED" if refund else "VOIDED"
        levels = [("inventory_levels/update", part.line.level) for part in parts if part.line.level]
        self._changed(order, ("orders/cancelled", order), *levels)

    async def refund(self, order_id: str, sku: str, units: int, restock_type: str) -> None:
        """Refund some units: CANCEL and NO_RESTOCK take units still to ship first, RETURN shipped.

        Raises:
            ValueError: there are not so many units.
        """
        order = self.world.order_of(order_id)
        line = next(one for one in order.lines if one.sku == sku)
        unshipped = min(units, line.to_ship) if restock_type in CANCELS else 0
        with_customer = order.current(line) - line.to_ship
        if units <= 0 or units - unshipped > with_customer:
            raise ValueError(f"{units} units cannot be refunded as {restock_type}")
        parts = []
        if unshipped:
            parts.append(self._give_up(line, unshipped, restock_type))
        if back := units - unshipped:
            parts.append(self._take_back(line, back, restock_type))
        refund = Refund(self.world.number(), order.number, self.world.now(), parts)
        order.refunds.append(refund)
        self.world.orders[order.number].financial = "PARTIALLY_REFUNDED"
        levels = [("inventory_levels/update", line.level)] if line.level else []
        self._changed(order, ("refunds/create", refund), *levels)

    async def edit_order(
        self, order_id: str, sku: str, delta: int, *, restock: bool = True
    ) -> None:
        """Add units (even beyond what is available) or remove unshipped ones, without a refund."""
        order = self.world.order_of(order_id)
        line = next(one for one in order.lines if one.sku == sku)
        order.edited = True
        if delta > 0:
            line.quantity += delta
            line.to_ship += delta
            if line.level is not None:
                line.level.available -= delta
            _commit(line, delta)
        else:
            removed = min(-delta, line.to_ship)
            self._give_up(line, removed, "CANCEL" if restock else "NO_RESTOCK")
            line.edited_out += removed
        self._changed(order, ("orders/edited", order))

    async def delete_order(self, order_id: str) -> None:
        """Delete an order for good."""
        order = self.world.order_of(order_id)
        del self.world.orders[order.number]
        self.world.tell(("orders/delete", order))

    # ------------------------------------------------------------------ inner workings

    def _give_up(self, line: Line, units: int, restock_type: str) -> UnitsOf:
        """Units still to ship leave the order; restocked, they are on sale again."""
        line.to_ship -= units
        _commit(line, -units)
        restocked = restock_type == "CANCEL" and line.level is not None
        if restocked and line.level is not None and line.item is not None and line.item.tracked:
            line.level.available += units
        location = line.level.location if restocked and line.level is not None else None
        return UnitsOf(self.world.number(), line, units, restock_type, location)

    def _take_back(self, line: Line, units: int, restock_type: str) -> UnitsOf:
        """Shipped units are refunded; a RETURN puts them on sale again, uninspected."""
        returned = restock_type == "RETURN" and line.level is not None
        if returned and line.level is not None:
            line.level.available += units
        location = line.level.location if returned and line.level is not None else None
        return UnitsOf(self.world.number(), line, units, restock_type, location)

    def _touch(self, level: Level) -> None:
        level.updated_at = self.world.now()
        self.world.tell(("inventory_levels/update", level))

    def _changed(self, order: Order, *more: tuple[str, Subject]) -> None:
        order.updated_at = self.world.now()
        self.world.tell(("orders/updated", order), *more)


def _commit(line: Line, units: int) -> None:
    if line.level is not None and line.item is not None and line.item.tracked:
        line.level.committed += units
