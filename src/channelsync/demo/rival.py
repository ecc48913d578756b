"""The rival: what a plain quota pusher would have sold to the same shoppers.

It keeps no account of what channels may still sell. At every sale that it hears of it computes each
channel's share of what it believes is left, and pushes the shares that changed as plain numbers. It
hears with the same delays as we do, and its numbers take as long to apply as ours.
"""

from __future__ import annotations

import heapq
import itertools
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from random import Random

from channelsync.demo.catalogue import shares_of

__all__ = ["Delays", "Rival"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Delays:
    """How long news and numbers take on one channel, in seconds."""

    heard: Callable[[Random], float]
    """From a sale until it is heard of."""
    applies: Callable[[Random], float]
    """From a push until the channel shows its number."""


@dataclass(slots=True)
class Rival:
    """A shadow of the demonstration's marketplaces, in memory."""

    stock: Mapping[str, int]
    delays: Mapping[str, Delays]
    """By channel."""
    rng: Random
    accepted: Counter[str] = field(default_factory=Counter)
    """Units sold by SKU, cancels taken off."""
    supply: Counter[str] = field(default_factory=Counter)
    _left: Counter[str] = field(default_factory=Counter)
    _shown: dict[str, dict[str, int]] = field(default_factory=dict)
    _pushed: dict[str, dict[str, int]] = field(default_factory=dict)
    _due: list[tuple[float, int, Callable[[float], None]]] = field(default_factory=list)
    _count: itertools.count[int] = field(default_factory=itertools.count)

    def __post_init__(self) -> None:
        self.supply.update(self.stock)
        self._left.update(self.stock)
        for sku, units in self.stock.items():
            self._shown[sku] = shares_of(units)
            self._pushed[sku] = shares_of(units)

    @property
    def oversold(self) -> int:
        """Units accepted beyond the stock."""
        return sum(max(units - self.supply[sku], 0) for sku, units in self.accepted.items())

    def attempt(self, channel: str, sku: str, now: float) -> bool:
        """A shopper tries to buy one unit. Returns whether the channel lets him."""
        self.advance(now)
        shown = self._shown[sku]
        if shown[channel] <= 0:
            return False
        shown[channel] -= 1
        self._pushed[sku][channel] -= 1
        self.accepted[sku] += 1
        self._later(self._heard_at(channel, now), lambda at: self._hear(sku, -1, at))
        return True

    def cancel(self, channel: str, sku: str, now: float) -> None:
        """An accepted unit is called off, and the channel lists it again."""
        self.advance(now)
        self.accepted[sku] -= 1
        self._shown[sku][channel] += 1
        self._pushed[sku][channel] += 1
        self._later(self._heard_at(channel, now), lambda at: self._hear(sku, 1, at))

    def restock(self, sku: str, units: int, now: float) -> None:
        """Units arrive, and are entered at once."""
        self.advance(now)
        self.supply[sku] += units
        self._hear(sku, units, now)

    def advance(self, now: float) -> None:
        """Let everything happen that is due."""
        while self._due and self._due[0][0] <= now:
            at, _, act = heapq.heappop(self._due)
            act(at)

    def _heard_at(self, channel: str, now: float) -> float:
        return now + self.delays[channel].heard(self.rng)

    def _hear(self, sku: str, change: int, now: float) -> None:
        self._left[sku] += change
        for channel, units in shares_of(max(self._left[sku], 0)).items():
            if units != self._pushed[sku][channel]:
                self._pushed[sku][channel] = units
                shown_at = now + self.delays[channel].applies(self.rng)
                self._later(shown_at, self._setter(sku, channel, units))

    def _setter(self, sku: str, channel: str, units: int) -> Callable[[float], None]:
        def apply(_at: float) -> None:
            self._shown[sku][channel] = units

        return apply

    def _later(self, at: float, act: Callable[[float], None]) -> None:
        heapq.heappush(self._due, (at, next(self._count), act))
