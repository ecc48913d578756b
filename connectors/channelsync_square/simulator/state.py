"""What is true in a simulated seller's account, whoever asks."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

__all__ = [
    "CANARY",
    "Event",
    "Fulfilment",
    "Line",
    "Location",
    "Order",
    "Payment",
    "ReturnedLine",
    "Subscription",
    "Variation",
    "World",
]

CANARY: Final = "Canary-Person"
"""Stands wherever a person would, so that a leak is found by searching for it."""


@dataclass(slots=True)
class Location:
    """A shop, or a warehouse."""

    id: str
    name: str
    active: bool = True


@dataclass(slots=True, kw_only=True)
class Variation:
    """What a SKU stands for; each has an item of its own here."""

    id: str
    item_id: str
    sku: str | None
    title: str
    tracked: bool = True
    tracked_at: dict[str, bool] = field(default_factory=dict)
    absent_at: set[str] = field(default_factory=set)
    kind: str = "REGULAR"
    archived: bool = False
    deleted: bool = False
    converted_from: str | None = None
    """Its stock is another variation's."""
    unit_id: str | None = None
    unit_precision: int = 0

    def is_tracked(self, location_id: str) -> bool:
        """Whether its units are counted there."""
        return self.tracked_at.get(location_id, self.tracked)


@dataclass(slots=True)
class Line:
    """A line of an order. Without a variation it is an amount that somebody typed in."""

    uid: str
    variation: Variation | None
    quantity: int


@dataclass(slots=True)
class ReturnedLine:
    """Units that came back."""

    uid: str
    variation: Variation
    quantity: int
    source_order_id: str | None


@dataclass(slots=True)
class Fulfilment:
    """How units of an order reach the buyer."""

    uid: str
    state: str = "PROPOSED"


@dataclass(slots=True, kw_only=True)
class Order:
    """An order; a sale at the till is one as well."""

    id: str
    location: Location
    created_at: float
    updated_at: float
    source: str
    lines: list[Line]
    state: str = "OPEN"
    version: int | None = None
    """Orders of the till have none."""
    fulfilments: list[Fulfilment] = field(default_factory=list)
    payment_ids: list[str] = field(default_factory=list)
    returns: list[ReturnedLine] = field(default_factory=list)
    visible_at: float = 0.0
    """Searches do not find it before."""
    declined: bool = False
    """The goods left, and the card was declined afterwards."""


@dataclass(slots=True, kw_only=True)
class Payment:
    """Money for an order."""

    id: str
    order_id: str
    location: Location
    status: str
    created_at: float
    updated_at: float
    taken_offline_at: float | None = None


@dataclass(slots=True, kw_only=True)
class Subscription:
    """Events that go to one address."""

    id: str
    name: str
    url: str
    event_types: tuple[str, ...]
    api_version: str
    signature_key: str
    created_at: float
    enabled: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    """Something that happened, as Square tells it."""

    type: str
    event_id: str
    created_at: float
    data_type: str
    data_id: str
    object: Mapping[str, Any] | None


class World:
    """One seller: places, goods, orders, and who listens."""

    def __init__(self, now: Callable[[], float]) -> None:
        self.now = now
        self.merchant_id = "MLSIMULATED00"
        self.locations: dict[str, Location] = {}
        self.variations: dict[str, Variation] = {}
        self.orders: dict[str, Order] = {}
        self.payments: dict[str, Payment] = {}
        self.subscriptions: dict[str, Subscription] = {}
        self.listeners: list[Callable[[Event], None]] = []
        self.search_lag_seconds = 0.0
        """How long what happens from now on stays invisible to searches."""
        self._number = 0

    def number(self) -> int:
        """A number never given before."""
        self._number += 1
        return self._number

    def identifier(self, kind: str) -> str:
        """An id never given before; its kind shows, which Square's do not."""
        return f"{kind}{self.number():020d}"

    def variation_of(self, sku: str) -> Variation:
        """The one variation with that SKU.

        Raises:
            LookupError: there is none, or there are several.
        """
        found = [one for one in self.variations.values() if one.sku == sku and not one.deleted]
        if len(found) != 1:
            raise LookupError(f"{len(found)} variations with the SKU {sku!r}")
        return found[0]

    def tell(
        self,
        kind: str,
        data_type: str,
        data_id: str,
        content: Mapping[str, Any] | None,
        *,
        event_id: str | None = None,
    ) -> None:
        """Let whoever listens know."""
        event = Event(
            type=kind,
            event_id=event_id or self.identifier("event-"),
            created_at=self.now(),
            data_type=data_type,
            data_id=data_id,
            object=content,
        )
        for listener in list(self.listeners):
            listener(event)
