"""The shop's state as GraphQL objects. Attribute names are the schema's in snake case."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

from channelsync_shopify.simulator.paging import connection
from channelsync_shopify.simulator.state import (
    Fulfilment,
    Item,
    Level,
    Line,
    Location,
    Order,
    Refund,
    Subscription,
    UnitsOf,
    Variant,
    World,
)
from channelsync_shopify.times import global_id, iso

__all__ = [
    "FulfillmentNode",
    "InventoryItemNode",
    "LocationNode",
    "OrderNode",
    "ProductVariantNode",
    "RefundNode",
    "SubscriptionNode",
    "node_of",
]

Connection = Mapping[str, Any]


class LocationNode:
    """A location."""

    graphql_type: ClassVar = "Location"

    def __init__(self, location: Location) -> None:
        self.id = global_id("Location", location.number)
        self.name = location.name
        self.is_active = location.active
        self.fulfills_online_orders = location.online


class LevelNode:
    """An inventory level."""

    graphql_type: ClassVar = "InventoryLevel"

    def __init__(self, level: Level) -> None:
        self._level = level
        suffix = f"?inventory_item_id={level.item.number}"
        self.id = global_id("InventoryLevel", level.number) + suffix
        self.is_active = level.active and level.location.active
        self.updated_at = iso(level.updated_at)
        self.location = LocationNode(level.location)

    def quantities(self, names: Sequence[str]) -> list[Mapping[str, Any]]:
        """The quantities of some states."""
        level = self._level
        known = {
            "available": level.available,
            "committed": level.committed,
            "on_hand": level.on_hand,
            "reserved": 0,
            "incoming": 0,
        }
        return [
            {
                "id": f"{global_id('InventoryQuantity', level.number)}?name={name}",
                "name": name,
                "quantity": known[name],
                "updated_at": iso(level.updated_at),
            }
            for name in names
            if name in known
        ]


class ProductVariantNode:
    """A variant."""

    graphql_type: ClassVar = "ProductVariant"

    def __init__(self, world: World, item: Item, variant: Variant) -> None:
        self._world = world
        self._item = item
        self.id = global_id("ProductVariant", variant.number)
        self.sku = item.sku
        self.inventory_policy = variant.policy
        self.requires_components = variant.bundle
        self.product = {
            "id": global_id("Product", variant.product_number),
            "title": variant.title,
        }

    def inventory_item(self) -> InventoryItemNode:
        """Its inventory item."""
        return InventoryItemNode(self._world, self._item)


class InventoryItemNode:
    """An inventory item."""

    graphql_type: ClassVar = "InventoryItem"

    def __init__(self, world: World, item: Item) -> None:
        self._world = world
        self._item = item
        self.id = global_id("InventoryItem", item.number)
        self.sku = item.sku
        self.tracked = item.tracked

    def duplicate_sku_count(self) -> int:
        """How many other items have this SKU."""
        same = [one for one in self._world.items.values() if one.sku == self._item.sku]
        return len(same) - 1 if self._item.sku else 0

    def inventory_level(
        self, location_id: str, *, include_inactive: bool = False
    ) -> LevelNode | None:
        """Its level at one location."""
        level = self._item.levels.get(int(location_id.rsplit("/", 1)[-1]))
        if level is None or not (level.active or include_inactive):
            return None
        return LevelNode(level)

    def inventory_levels(
        self,
        first: int | None = None,
        after: str | None = None,
        *,
        include_inactive: bool = False,
    ) -> Connection:
        """Its levels everywhere."""
        return connection(
            [one for one in self._item.levels.values() if one.active or include_inactive],
            first=first,
            after=after,
            key=lambda level: (level.number,),
            node=LevelNode,
        )

    def variants(self, first: int | None = None, after: str | None = None) -> Connection:
        """The variants that share it."""
        return connection(
            self._item.variants,
            first=first,
            after=after,
            key=lambda variant: (variant.number,),
            node=lambda variant: ProductVariantNode(self._world, self._item, variant),
        )


class LineNode:
    """An order line."""

    graphql_type: ClassVar = "LineItem"

    def __init__(self, world: World, order: Order, line: Line) -> None:
        self._world = world
        self._line = line
        self.id = global_id("LineItem", line.number)
        self.sku = line.sku
        self.quantity = line.quantity
        self.current_quantity = order.current(line)
        self.unfulfilled_quantity = line.to_ship
        self.non_fulfillable_quantity = line.quantity - line.to_ship - order.shipped(line)
        self.is_gift_card = line.gift_card
        self.requires_shipping = not line.gift_card

    def variant(self) -> ProductVariantNode | None:
        """Its variant, unless that was deleted."""
        item = self._line.item
        if item is None or item.number not in self._world.items:
            return None
        return ProductVariantNode(self._world, item, item.variants[0])


class RefundNode:
    """A refund."""

    graphql_type: ClassVar = "Refund"

    def __init__(self, world: World, order: Order, refund: Refund) -> None:
        self._world, self._order, self._refund = world, order, refund
        self.id = global_id("Refund", refund.number)
        self.created_at = iso(refund.created_at)

    def refund_line_items(self, first: int | None = None, after: str | None = None) -> Connection:
        """Its lines."""

        def node(part: UnitsOf) -> Mapping[str, Any]:
            return {
                "id": global_id("RefundLineItem", part.number),
                "quantity": part.units,
                "restock_type": part.restock_type,
                "restocked": part.restock_type != "NO_RESTOCK",
                "location": LocationNode(part.location) if part.location is not None else None,
                "line_item": LineNode(self._world, self._order, part.line),
            }

        return connection(
            self._refund.parts, first=first, after=after, key=lambda one: (one.number,), node=node
        )


class FulfillmentNode:
    """A fulfilment."""

    graphql_type: ClassVar = "Fulfillment"

    def __init__(self, world: World, order: Order, fulfilment: Fulfilment) -> None:
        self._world, self._order, self._fulfilment = world, order, fulfilment
        self.id = global_id("Fulfillment", fulfilment.number)
        self.status = fulfilment.status
        self.created_at = iso(fulfilment.created_at)

    def fulfillment_line_items(
        self, first: int | None = None, after: str | None = None
    ) -> Connection:
        """Its lines."""

        def node(part: UnitsOf) -> Mapping[str, Any]:
            return {
                "id": global_id("FulfillmentLineItem", part.number),
                "quantity": part.units,
                "line_item": LineNode(self._world, self._order, part.line),
            }

        parts = self._fulfilment.parts
        return connection(parts, first=first, after=after, key=lambda one: (one.number,), node=node)


class OrderNode:
    """An order."""

    graphql_type: ClassVar = "Order"

    def __init__(self, world: World, order: Order) -> None:
        self._world, self._order = world, order
        self.id = order.gid
        self.name = f"#{order.number}"
        self.test = order.test
        self.confirmed = order.confirmed
        self.edited = order.edited
        self.created_at = self.processed_at = iso(order.created_at)
        self.updated_at = iso(order.updated_at)
        self.cancelled_at = iso(order.cancelled_at) if order.cancelled_at is not None else None
        self.source_name = order.source
        self.display_financial_status = order.financial
        self.display_fulfillment_status = _display(order)
        self.retail_location = LocationNode(order.retail) if order.retail is not None else None

    def line_items(self, first: int | None = None, after: str | None = None) -> Connection:
        """Its lines."""
        return connection(
            self._order.lines,
            first=first,
            after=after,
            key=lambda line: (line.number,),
            node=lambda line: LineNode(self._world, self._order, line),
        )

    def refunds(self, first: int | None = None) -> list[RefundNode]:
        """Its refunds, the oldest first."""
        return [RefundNode(self._world, self._order, one) for one in self._order.refunds[:first]]

    def fulfillments(self, first: int | None = None) -> list[FulfillmentNode]:
        """Its fulfilments, the oldest first."""
        chosen = self._order.fulfilments[:first]
        return [FulfillmentNode(self._world, self._order, one) for one in chosen]


class SubscriptionNode:
    """A webhook subscription."""

    graphql_type: ClassVar = "WebhookSubscription"

    def __init__(self, subscription: Subscription) -> None:
        self.id = global_id("WebhookSubscription", subscription.number)
        self.topic = subscription.topic
        self.uri = subscription.uri
        self.name = subscription.name
        self.format = "JSON"
        self.created_at = iso(subscription.created_at)


def _display(order: Order) -> str:
    shipped = sum(order.shipped(line) for line in order.lines)
    to_ship = sum(line.to_ship for line in order.lines)
    if shipped:
        return "PARTIALLY_FULFILLED" if to_ship else "FULFILLED"
    return "UNFULFILLED" if to_ship else "RESTOCKED"


def node_of(world: World, gid: str) -> object | None:
    """The object of a global id; None where it does not exist."""
    kind, _, number = gid.removeprefix("gid://shopify/").partition("/")
    if not number.isdecimal():
        return None
    wanted = int(number)
    if kind == "InventoryItem" and wanted in world.items:
        return InventoryItemNode(world, world.items[wanted])
    if kind == "Order" and wanted in world.orders:
        return OrderNode(world, world.orders[wanted])
    return _part_of_an_order(world, kind, wanted)


def _part_of_an_order(world: World, kind: str, wanted: int) -> object | None:
    for order in world.orders.values():
        refunds = order.refunds if kind == "Refund" else []
        fulfilments = order.fulfilments if kind == "Fulfillment" else []
        for refund in refunds:
            if refund.number == wanted:
                return RefundNode(world, order, refund)
        for fulfilment in fulfilments:
            if fulfilment.number == wanted:
                return FulfillmentNode(world, order, fulfilment)
    return None
