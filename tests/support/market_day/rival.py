"""What plain policies would have sold to the same buyers, with the same delays of the channels.

They keep no account of what a channel may still sell: whenever they hear of a sale they compute
every channel's number anew and push those that changed.
"""

from __future__ import annotations

import heapq
import itertools
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from random import Random
from typing import Final

from tests.support.market_day.demand import BUYERS, Buyer

__all__ = ["POLICIES", "QUOTAS", "Delays", "Rival", "Tally", "lost"]

QUOTAS: Final = {"amazon": 50, "shopify": 30, "square": 20}


@dataclass(slots=True)
class Tally:
    """What a policy came to."""

    policy: str
    demand: int = 0
    sold: int = 0
    oversold: int = 0
    refused: int = 0
    """Buyers turned away while units remained, be it one for a hundred of them."""
    lost: int = 0
    """Sales that they would still have been: no more of an item than was left when doors closed."""
    pushes: int = 0


def lost(refused: Mapping[str, int], stock: Mapping[str, int], sold: Mapping[str, int]) -> int:
    """Sales that buyers turned away would still have been."""
    return sum(min(count, max(stock[sku] - sold[sku], 0)) for sku, count in refused.items())


@dataclass(frozen=True, slots=True, kw_only=True)
class Delays:
    """How long news and numbers take on one channel."""

    heard: Callable[[Random], float]
    applies: Callable[[Random], float | None]
    """None: this number is never applied."""


def mirror(left: int) -> dict[str, int]:
    """Everything everywhere."""
    return dict.fromkeys(BUYERS, max(left, 0))


def percent(left: int) -> dict[str, int]:
    """Each channel its share of what is left."""
    return {channel: max(left, 0) * share // 100 for channel, share in QUOTAS.items()}


POLICIES: Final[Mapping[str, Callable[[int], dict[str, int]]]] = {
    "mirror": mirror,
    "percent": percent,
}


@dataclass(slots=True)
class Rival:
    """One policy over all items."""

    policy: str
    stock: Mapping[str, int]
    delays: Mapping[str, Delays]
    rng: Random
    _sold: Counter[str] = field(default_factory=Counter)
    _refused: Counter[str] = field(default_factory=Counter)
    _left: Counter[str] = field(default_factory=Counter)
    _shown: dict[str, dict[str, int]] = field(default_factory=dict)
    _pushed: dict[str, dict[str, int]] = field(default_factory=dict)
    _due: list[tuple[float, int, Callable[[], None]]] = field(default_factory=list)
    _numbers: Iterable[int] = field(default_factory=itertools.count)
    _now: float = 0.0

    def play(self, everybody: Iterable[Buyer]) -> Tally:
        """Let all buyers come, and count."""
        tally = Tally(self.policy)
        share = POLICIES[self.policy]
        self._left.update(self.stock)
        for sku, units in self.stock.items():
            self._shown[sku], self._pushed[sku] = share(units), share(units)
        for buyer in everybody:
            self._reach(buyer.at)
            self._buy(buyer, tally)
        self._reach(float("inf"))
        tally.sold = sum(self._sold.values())
        tally.lost = lost(self._refused, self.stock, self._sold)
        tally.oversold = sum(max(units - self.stock[sku], 0) for sku, units in self._sold.items())
        return tally

    def _buy(self, buyer: Buyer, tally: Tally) -> None:
        tally.demand += 1
        shown = self._shown[buyer.sku]
        if shown[buyer.channel] <= 0:
            if self._sold[buyer.sku] < self.stock[buyer.sku]:
                self._refused[buyer.sku] += 1
                tally.refused += 1
            return
        self._move(buyer.channel, buyer.sku, -1, tally)
        if buyer.cancels_after is not None:
            self._later(buyer.cancels_after, lambda: self._move(buyer.channel, buyer.sku, 1, tally))

    def _move(self, channel: str, sku: str, units: int, tally: Tally) -> None:
        self._sold[sku] -= units
        self._shown[sku][channel] += units
        self._pushed[sku][channel] += units
        delay = self.delays[channel].heard(self.rng)
        self._later(delay, lambda: self._hear(sku, units, tally))

    def _hear(self, sku: str, units: int, tally: Tally) -> None:
        self._left[sku] += units
        for channel, wanted in POLICIES[self.policy](self._left[sku]).items():
            if wanted == self._pushed[sku][channel]:
                continue
            self._pushed[sku][channel] = wanted
            tally.pushes += 1
            delay = self.delays[channel].applies(self.rng)
            if delay is not None:
                self._later(delay, self._setter(sku, channel, wanted))

    def _setter(self, sku: str, channel: str, units: int) -> Callable[[], None]:
        def apply() -> None:
            self._shown[sku][channel] = units

        return apply

    def _later(self, seconds: float, act: Callable[[], None]) -> None:
        number = next(iter(self._numbers))
        heapq.heappush(self._due, (self._now + seconds, number, act))

    def _reach(self, now: float) -> None:
        while self._due and self._due[0][0] <= now:
            self._now, _, act = heapq.heappop(self._due)
            act()
        self._now = now
