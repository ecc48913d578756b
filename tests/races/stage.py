"""The stage of a race: markets, shoppers and one engine, ours or the naive one, with one judge.

The markets are the truth. At the end shoppers take whatever is on show, the engine gets all the
time it may want, and that goes on until nothing is on show; then the judge counts.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import Any, ClassVar

from channelsync.domain.vocabulary import Instant, PushSemantics
from channelsync.sdk.testing.memory import MemoryMarket
from channelsync.sdk.types import OrderFact, OrderVoid
from tests.support.hooked import HookedChannel, Killed, Wire
from tests.support.house import Clock

__all__ = ["ABSOLUTE", "CAS", "DELTA", "LIVE", "Harm", "Race", "Seller"]

ABSOLUTE = PushSemantics.ABSOLUTE
CAS = PushSemantics.KEYED_COMPARE_AND_SET
DELTA = PushSemantics.KEYED_DELTA
LIVE = PushSemantics.LIVE

LONG_SECONDS = 1_500.0
ROUNDS_MAX = 12


class Harm(StrEnum):
    """What a lost race costs."""

    OVERSOLD = "oversold"
    """More was sold than there is."""
    LOST = "lost"
    """Units are there that nobody can buy any more."""
    MISCOUNTED = "miscounted"
    """The books hold another number of sold units than the markets sold."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Race:
    """What is on the stage."""

    folder: Path
    stock: Mapping[str, int | Mapping[str, int]]
    quotas: Mapping[str, int]
    """Basis points by channel."""
    semantics: Mapping[str, PushSemantics]
    recipes: Mapping[str, Mapping[str, int]] = field(default_factory=dict)
    offers: tuple[str, ...] = ()
    """SKUs on every channel; none named: the items themselves."""
    declared: Mapping[str, Any] = field(default_factory=dict)
    visibility_lag_seconds: float = 0.0

    def levels(self) -> dict[str, dict[str, int]]:
        """Stock by SKU and location."""
        return {sku: {"dc": n} if isinstance(n, int) else dict(n) for sku, n in self.stock.items()}


class Seller(ABC):
    """An engine at work among markets."""

    name: ClassVar[str]

    def __init__(self, race: Race, clock: Clock) -> None:
        self.race = race
        self.clock = clock
        self.markets: dict[str, MemoryMarket] = {}
        self.wires: dict[str, Wire] = {}
        self.units = {sku: sum(level.values()) for sku, level in race.levels().items()}
        """The truth: units that exist, sold or not."""
        self.sold_directly: dict[str, int] = dict.fromkeys(self.units, 0)
        self.renamed: dict[str, str] = {}

    # ------------------------------------------------------------ what both engines do

    @abstractmethod
    async def open(self) -> None:
        """Start, with the markets open and the first numbers on show."""

    @abstractmethod
    async def close(self) -> None:
        """End."""

    @abstractmethod
    async def run(self, seconds: float = 0.0) -> None:
        """Do all work that becomes due within `seconds`."""

    @abstractmethod
    async def queue(self) -> None:
        """Decide what to push, and send nothing yet."""

    @abstractmethod
    async def deliver(self, channel: str, key: str, *told: OrderFact | OrderVoid) -> None:
        """A webhook arrives and is worked on."""

    async def adjust(self, sku: str, delta: int, *, begun_at: Instant | None = None) -> None:
        """Units came or went in the warehouse; with `begun_at` their posting began before."""
        self.units[sku] += delta
        await self.book(sku, delta, begun_at)

    @abstractmethod
    async def book(self, sku: str, delta: int, begun_at: Instant | None) -> None:
        """The same, in the engine's books."""

    @abstractmethod
    async def count(self, sku: str, units: int, *, counted_at: Instant) -> None:
        """The merchant saves a count."""

    @abstractmethod
    async def checkout(self, sku: str) -> bool:
        """A shopper buys one unit in the merchant's own shop. Returns whether he may."""

    @abstractmethod
    async def hold(self, sku: str, ttl_seconds: float) -> str:
        """A shopper's cart."""

    @abstractmethod
    async def pay(self, hold: str) -> bool:
        """The shopper's payment went through. Returns whether the order stands."""

    @abstractmethod
    async def restart(self) -> None:
        """The process was killed; the next one starts."""

    @abstractmethod
    async def lose_worker(self) -> None:
        """One worker takes all work that waits, and dies; the others go on."""

    @abstractmethod
    async def rename(self, old: str, new: str) -> None:
        """The merchant gives an item another SKU."""

    @abstractmethod
    async def counted(self, sku: str) -> int:
        """Net units of an item that the books hold as sold."""

    @abstractmethod
    async def require_sound(self) -> None:
        """Whatever the engine promises of its own books."""

    # ------------------------------------------------------------ the world

    def channel(self, name: str) -> HookedChannel:
        """A new connection to a market over its wire."""
        return HookedChannel(self.markets[name], self.wires[name])

    def open_markets(self, semantics: Mapping[str, PushSemantics]) -> None:
        """Empty markets, all wires whole."""
        offers = self.race.offers or tuple(self.race.stock)
        for name, kind in semantics.items():
            counters = dict.fromkeys(offers, 0)
            self.markets[name] = MemoryMarket(semantics=kind, now=self.clock, counters=counters)
            self.wires[name] = Wire(visibility_lag_seconds=self.race.visibility_lag_seconds)

    def buy(self, channel: str, sku: str, units: int = 1) -> OrderFact:
        """A shopper buys, and gets it."""
        order_id = self.markets[channel].sell(sku, units)
        assert order_id is not None, f"{channel} shows {self.markets[channel].counters}"
        return self.markets[channel].orders[order_id]

    def rename_everywhere(self, old: str, new: str) -> None:
        """The markets' offers carry the new SKU too, under the same identity."""
        for name, market in self.markets.items():
            market.counters[new] = market.counters.pop(old)
            wire = self.wires[name]
            wire.identities[new] = wire.identities.pop(old, old)
        self.units[new] = self.units.pop(old)
        self.sold_directly[new] = self.sold_directly.pop(old)
        self.renamed[old] = new

    async def crash_during(self, deed: Callable[[], Awaitable[None]]) -> None:
        """Do something during which the process is killed."""
        try:
            await deed()
        except Killed:
            return
        raise AssertionError("nobody was killed")

    # ------------------------------------------------------------ the judge

    def sold(self, sku: str) -> int:
        """Units of an item that shoppers have and keep, bundles taken apart."""
        total = self.sold_directly[sku]
        for market in self.markets.values():
            for fact in market.orders.values():
                offer = self.renamed.get(fact.sku or "", fact.sku or "")
                each = self.race.recipes.get(offer, {offer: 1}).get(sku, 0)
                total += each * (fact.ordered - fact.cancelled - fact.restocked)
        return total

    async def sell_out(self) -> None:
        """Shoppers take whatever is on show until nothing is, however long it takes."""
        for _ in range(ROUNDS_MAX):
            bought = False
            for market in self.markets.values():
                for sku in sorted(market.counters):
                    while market.sell(sku) is not None:
                        bought = True
            await self.run(LONG_SECONDS)
            if not bought:
                return

    async def harm(self) -> set[Harm]:
        """Sell out, then count."""
        await self.run(LONG_SECONDS)
        await self.sell_out()
        found = set()
        for sku, units in self.units.items():
            sold = self.sold(sku)
            if sold > units:
                found.add(Harm.OVERSOLD)
            if sold < units:
                found.add(Harm.LOST)
            if await self.counted(sku) != sold:
                found.add(Harm.MISCOUNTED)
        return found

    async def judge(self, naive: Harm | None) -> None:
        """Ours comes through without harm; the naive engine suffers the one that is named."""
        harm = await self.harm()
        if self.name == "naive" and naive is not None:
            assert naive in harm, f"the naive engine survived: {harm or 'no harm'}"
            return
        assert not harm, harm
        await self.require_sound()
