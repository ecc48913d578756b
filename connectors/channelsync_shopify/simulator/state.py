"""What a simulated shop holds: items, levels, orders, subscriptions.

Quantities follow Shopify's inventory states: `on_hand = available + committed` here (nothing is
reserved, damaged or in quality control). Checkouts in progress are kept apart from `available`, as
Shopify does (shopify.engineering, "Scaling inventory reservations").
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final, TypeAlias

from channelsync_shopify.times import global_id

__all__ = [
    "CANARY",
    "Checkout",
    "Event",
    "Fulfilment",
    "Item",
    "Level",
    "Line",
    "Location",
    "Order",
    "Refund",
    "Subject",
    "Subscription",
    "UnitsOf",
    "Variant",
    "World",
]

CANARY: Final = "canary-of-a-person"
"""Stands in every personal field of a simulated order; must turn up nowhere in our program."""
FIRST_NUMBER: Final = 1_000_001


@dataclass(slots=True, eq=False)
class Location:
    """A place that holds stock."""

    number: int
    name: str
    active: bool = True
    online: bool = True


@dataclass(slots=True, eq=False)
class Variant:
    """One offer of an item."""

    number: int
    product_number: int
    title: str
    policy: str = "DENY"
    bundle: bool = False


@dataclass(slots=True, eq=False)
class Level:
    """Quantities of one item at one location."""

    number: int
    item: Item
    location: Location
    updated_at: float
    available: int = 0
    committed: int = 0
    held: int = 0
    """Checkouts in progress; no field of the API shows them."""
    active: bool = True

    @property
    def on_hand(self) -> int:
        """Units in the house."""
        return self.available + self.committed


@dataclass(slots=True, eq=False)
class Item:
    """An inventory item with its variants."""

    number: int
    sku: str | None
    variants: list[Variant]
    tracked: bool = True
    levels: dict[int, Level] = field(default_factory=dict)
    """By number of the location."""


@dataclass(slots=True, eq=False)
class Line:
    """One order line."""

    number: int
    item: Item | None
    sku: str | None
    quantity: int
    to_ship: int
    level: Level | None
    gift_card: bool = False
    edited_out: int = 0
    """Units removed by an order edit, which leaves no refund."""


@dataclass(slots=True, eq=False)
class UnitsOf:
    """Units of a line within a refund or fulfilment."""

    number: int
    line: Line
    units: int
    restock_type: str = "NO_RESTOCK"
    location: Location | None = None


@dataclass(slots=True, eq=False)
class Refund:
    """Units given up, restocked or not."""

    number: int
    order_number: int
    created_at: float
    parts: list[UnitsOf]


@dataclass(slots=True, eq=False)
class Fulfilment:
    """A shipment."""

    number: int
    created_at: float
    parts: list[UnitsOf]
    status: str = "SUCCESS"


@dataclass(slots=True, eq=False)
class Order:
    """An order."""

    number: int
    created_at: float
    updated_at: float
    lines: list[Line]
    source: str = "web"
    retail: Location | None = None
    test: bool = False
    confirmed: bool = True
    edited: bool = False
    financial: str = "PAID"
    cancelled_at: float | None = None
    refunds: list[Refund] = field(default_factory=list)
    fulfilments: list[Fulfilment] = field(default_factory=list)

    @property
    def gid(self) -> str:
        """As the API names it."""
        return global_id("Order", self.number)

    def refunded(self, line: Line) -> int:
        """Units of a line in any refund."""
        return sum(part.units for one in self.refunds for part in one.parts if part.line is line)

    def current(self, line: Line) -> int:
        """Units less those refunded and removed."""
        return line.quantity - self.refunded(line) - line.edited_out

    def shipped(self, line: Line) -> int:
        """Units in fulfilments that stand."""
        return sum(
            part.units
            for one in self.fulfilments
            if one.status == "SUCCESS"
            for part in one.parts
            if part.line is line
        )


@dataclass(slots=True, eq=False)
class Checkout:
    """Units kept for a shopper between pressing pay and the payment's success."""

    number: int
    level: Level
    units: int
    ends_at: float


@dataclass(slots=True, eq=False)
class Subscription:
    """Where a topic's webhooks go."""

    number: int
    topic: str
    """As the API spells it: ORDERS_CREATE."""
    uri: str
    name: str | None
    created_at: float
    failures: int = 0


Subject: TypeAlias = Order | Level | Item | Location | Refund | None
"""What a webhook is about; None: the shop itself."""


@dataclass(frozen=True, slots=True)
class Event:
    """Something that webhooks tell."""

    topic: str
    """As headers spell it: orders/create."""
    event_id: str
    subject: Subject


class World:
    """One shop's whole state, and the clock and the numbers that it is made with."""

    def __init__(self, shop: str, now: Callable[[], float]) -> None:
        self.shop = shop
        self.now = now
        self.locations: dict[int, Location] = {}
        self.items: dict[int, Item] = {}
        self.orders: dict[int, Order] = {}
        self.checkouts: dict[int, Checkout] = {}
        self.subscriptions: dict[int, Subscription] = {}
        self.listeners: list[Callable[[Event], None]] = []
        self.search_lag_seconds = 0.0
        self._next = FIRST_NUMBER

    def number(self) -> int:
        """A fresh number, unique in the shop."""
        self._next += 1
        return self._next

    def tell(self, *events: tuple[str, Subject]) -> None:
        """Everything that one action tells, under one event id."""
        event_id = f"event-{self.number()}"
        for topic, subject in events:
            for listener in self.listeners:
                listener(Event(topic, event_id, subject))

    def item_of(self, sku: str) -> Item:
        """The item of a SKU.

        Raises:
            KeyError: there is none.
        """
        for item in self.items.values():
            if item.sku == sku:
                return item
        raise KeyError(f"the shop sells no {sku!r}")

    def order_of(self, order_id: str) -> Order:
        """The order of an id.

        Raises:
            KeyError: there is none.
        """
        return self.orders[int(order_id.rsplit("/", 1)[-1])]

    def accepted(self) -> Counter[str]:
        """Net units sold by SKU: accepted and not called off before they shipped."""
        units: Counter[str] = Counter()
        for order in self.orders.values():
            for line in order.lines:
                units[line.sku or ""] += line.to_ship + order.shipped(line)
        return units
