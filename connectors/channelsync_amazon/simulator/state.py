"""What is true at a simulated Amazon, whoever asks: offers, orders, and what is still to happen."""

from __future__ import annotations

import heapq
from collections.abc import Callable
from dataclasses import dataclass, field
from random import Random
from typing import Any, Final

__all__ = ["CANARY", "DEFAULT", "Application", "Line", "Offer", "Order", "Package", "World"]

CANARY: Final = "Canary Q. Public, 1 Nowhere Lane, canary@example.com"
"""Stands wherever Amazon would tell a person's data; it must never be found in anything of ours."""
DEFAULT: Final = "DEFAULT"


@dataclass(slots=True, kw_only=True)
class Application:
    """How a submitted quantity becomes the live one: some time later, or never."""

    seconds_median: float = 30.0
    sigma: float = 0.8
    never: float = 0.0
    """The share of accepted submissions that is never applied."""
    sku_gap_seconds: float = 0.0
    """Updates of one SKU are applied no closer together than this; more of them queue up."""

    def draw(self, rng: Random) -> float | None:
        """The delay of one submission; None: it is never applied."""
        if rng.random() < self.never:
            return None
        return self.seconds_median * rng.lognormvariate(0.0, self.sigma)


@dataclass(slots=True, kw_only=True)
class Offer:
    """One SKU of the seller. Its live quantity is one number for all marketplaces."""

    sku: str
    asin: str
    title: str
    created_at: float
    marketplaces: tuple[str, ...]
    live: int = 0
    submitted: int = 0
    code: str = DEFAULT
    always_available: bool = False
    lead_time_days: int | None = 2
    sources: dict[str, int] = field(default_factory=dict)
    """Multi-location inventory: quantities by supply source."""
    updated_at: float = 0.0
    applied_last_at: float = 0.0


@dataclass(slots=True, kw_only=True)
class Line:
    """One order line."""

    item_id: str
    offer: Offer
    ordered: int
    shipped: int = 0
    cancelled: int = 0
    cancelled_by: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Package:
    """One confirmed shipment."""

    reference: str
    carrier: str
    tracking: str
    units: tuple[tuple[str, int], ...]
    shipped_at: str


@dataclass(slots=True, kw_only=True)
class Order:
    """One order, as Amazon knows it now, and as its search shows it a little later."""

    order_id: str
    marketplace: str
    placed_at: float
    updated_at: float
    status: str
    lines: list[Line]
    fulfilled_by: str = "MERCHANT"
    packages: dict[str, Package] = field(default_factory=dict)
    shown: list[tuple[float, float, dict[str, Any]]] = field(default_factory=list)
    """When a state became visible, when it came about, and what the API shows of it."""

    def visible(self, now: float) -> tuple[float, dict[str, Any]] | None:
        """The newest state that the API shows, with its time of change."""
        seen = [(updated, state) for at, updated, state in self.shown if at <= now]
        # Of two states of one instant the later one stands.
        return max(reversed(seen), key=lambda pair: pair[0]) if seen else None


@dataclass(order=True, slots=True)
class _Due:
    at: float
    number: int
    happen: Callable[[], None] = field(compare=False)


class World:
    """One seller account, its clock and its future."""

    def __init__(
        self, seller_id: str, marketplaces: tuple[str, ...], now: Callable[[], float]
    ) -> None:
        self.seller_id = seller_id
        self.marketplaces = marketplaces
        self.offers: dict[str, Offer] = {}
        self.orders: dict[str, Order] = {}
        self.application = Application()
        self.feed_application = Application(seconds_median=5.0, sigma=0.5)
        self.listeners: list[Callable[[str, Any], None]] = []
        """Called with `quantity`, `order` or `feed` and what changed."""
        self._clock = now
        self._reached = now()
        self._due: list[_Due] = []
        self._counter = 0

    def now(self) -> float:
        """The time, or that of the event which is happening while the past is caught up with."""
        return self._reached

    def catch_up(self) -> None:
        """Let everything happen that is due by now, in order."""
        end = self._clock()
        while self._due and self._due[0].at <= end:
            due = heapq.heappop(self._due)
            self._reached = max(self._reached, due.at)
            due.happen()
        self._reached = max(self._reached, end)

    def later(self, seconds: float, happen: Callable[[], None]) -> None:
        """Let something happen after a while."""
        heapq.heappush(self._due, _Due(self._reached + seconds, self.number(), happen))

    def number(self) -> int:
        """A number never given before."""
        self._counter += 1
        return self._counter

    def submit(self, offer: Offer, quantity: int, rng: Random, how: Application) -> None:
        """Store what was submitted, and apply it in Amazon's own time."""
        offer.submitted = quantity
        offer.updated_at = self.now()
        delay = how.draw(rng)
        if delay is None:
            return
        earliest = offer.applied_last_at + how.sku_gap_seconds
        at = max(self.now() + delay, earliest)
        offer.applied_last_at = at if how.sku_gap_seconds else offer.applied_last_at
        self.later(at - self.now(), lambda: self.apply(offer, quantity))

    def apply(self, offer: Offer, quantity: int) -> None:
        """The submitted quantity becomes the live one, whatever was sold meanwhile."""
        if offer.code != DEFAULT:
            # Amazon's own warning: the offer is the merchant's from now on.
            offer.code = DEFAULT
        offer.live = quantity
        self.changed(offer)

    def changed(self, offer: Offer) -> None:
        """A live quantity changed; whoever listens is told."""
        self.tell("quantity", offer)

    def tell(self, what: str, subject: object) -> None:
        """Something happened that Amazon notifies of."""
        for listener in self.listeners:
            listener(what, subject)
