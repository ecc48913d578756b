"""Virtual time, buyers and marketplaces: what really happens, whoever keeps the stock.

Demand, notifications and push delays draw from generators of their own, so that every policy meets
the same buyers at the same instants under the same seed.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from heapq import heappop, heappush
from math import log
from random import Random
from typing import Protocol, TypeAlias

from channelsync.domain.vocabulary import Instant
from channelsync.simulate.scenarios import CHANNELS, LOST_NOTIFICATIONS, Scenario

__all__ = ["Counts", "Keeper", "World"]

POLL_EVERY_SECONDS = 300.0
POLL_VISIBILITY_SECONDS = 1.0
"""An order is in the channel's list this long after it was placed."""
NOTIFY_LIMIT_SECONDS = 600.0

Action: TypeAlias = Callable[[], None]


class Keeper(Protocol):
    """Who decides what the channels show."""

    def start(self) -> None:
        """Set the opening quantities, at no push."""

    def order_heard(self, channel: str, sold_at: Instant) -> None:
        """Count one unit sold."""

    def check(self) -> None:
        """Raise when something that must always hold does not."""


@dataclass(slots=True)
class Counts:
    """What one run came to, in units and pushes."""

    demand: int = 0
    sold: int = 0
    oversold: int = 0
    refused: int = 0
    pushes: int = 0

    def stranded(self, stock: int) -> int:
        """Sales that were refused and never made good: unsold stock that had its buyer."""
        return max(min(stock, self.demand) - self.sold, 0)


def _drawn(lot: float) -> str:
    """The channel that a lot in [0, 1) falls to, by the true shares of demand."""
    *others, last = CHANNELS
    for channel in others:
        lot -= CHANNELS[channel].demand_share
        if lot < 0:
            return channel
    return last


@dataclass(slots=True)
class World:
    """One run of a scenario. `remote` is the truth: what each marketplace shows."""

    scenario: Scenario
    seed: str
    now: Instant = 0.0
    counts: Counts = field(default_factory=Counts)
    remote: dict[str, int] = field(default_factory=lambda: dict.fromkeys(CHANNELS, 0))
    uncounted: dict[str, dict[int, Instant]] = field(
        default_factory=lambda: {channel: {} for channel in CHANNELS}
    )
    """Orders placed and not heard of yet: number -> when placed."""
    _agenda: list[tuple[Instant, int, Action]] = field(default_factory=list)
    _events: int = 0
    _random: dict[str, Random] = field(default_factory=dict)
    _keeper: Keeper | None = None

    def run(self, keeper: Keeper) -> Counts:
        """Play the scenario to its horizon under `keeper`, checking after every event."""
        self._keeper = keeper
        own = (f"{purpose} {channel}" for purpose in ("notify", "apply") for channel in CHANNELS)
        for purpose in ("buyers", "polls", *own):
            self._random[purpose] = Random(f"{self.seed} {purpose}")
        for channel in CHANNELS:
            phase = self._random["polls"].uniform(0, POLL_EVERY_SECONDS)
            self.after(phase, lambda channel=channel: self._poll(channel))  # type: ignore[misc]
        self._next_buyer()
        keeper.start()
        keeper.check()
        horizon = self.scenario.horizon_seconds
        while self._agenda:
            self.now, _, action = heappop(self._agenda)
            if self.now > horizon:
                break
            action()
            keeper.check()
        return self.counts

    def after(self, seconds: float, action: Action) -> None:
        """Let `action` happen `seconds` from now."""
        self._events += 1
        heappush(self._agenda, (self.now + seconds, self._events, action))

    # -------------------------------------------------------------- buyers and news of them

    def _next_buyer(self) -> None:
        buyers = self._random["buyers"]
        gap = buyers.expovariate(1 / self.scenario.buyer_every_seconds)
        channel = _drawn(buyers.random())
        self.after(gap, lambda: self._buy(channel))

    def _buy(self, channel: str) -> None:
        self._next_buyer()
        counts = self.counts
        counts.demand += 1
        if self.remote[channel] <= 0:
            counts.refused += counts.sold < self.scenario.stock
            return
        self.remote[channel] -= 1
        counts.sold += 1
        counts.oversold += counts.sold > self.scenario.stock
        order = counts.sold
        self.uncounted[channel][order] = self.now
        chance, model = self._random[f"notify {channel}"], CHANNELS[channel]
        lost = chance.random() < LOST_NOTIFICATIONS
        delay = chance.lognormvariate(log(model.notify_median_seconds), model.notify_sigma)
        if not lost:
            self.after(min(delay, NOTIFY_LIMIT_SECONDS), lambda: self._hear(channel, order))

    def _hear(self, channel: str, order: int) -> None:
        sold_at = self.uncounted[channel].pop(order, None)
        if sold_at is not None and self._keeper is not None:
            self._keeper.order_heard(channel, sold_at)

    def _poll(self, channel: str) -> None:
        self.after(POLL_EVERY_SECONDS, lambda: self._poll(channel))
        self.hear_orders_until(channel, self.now - POLL_VISIBILITY_SECONDS)

    def hear_orders_until(self, channel: str, until: Instant) -> None:
        """What a poll of the channel's orders does: every order placed by `until` is counted."""
        found = [order for order, at in self.uncounted[channel].items() if at <= until]
        for order in found:
            self._hear(channel, order)

    # -------------------------------------------------------------- pushes

    def push(self, channel: str, apply: Action) -> None:
        """Count a push, and let the marketplace apply it when it gets round to it."""
        self.counts.pushes += 1
        slow = CHANNELS[channel].slow_to_apply
        scenario = self.scenario
        median = scenario.slow_apply_median_seconds if slow else scenario.apply_median_seconds
        delay = self._random[f"apply {channel}"].lognormvariate(log(median), scenario.apply_sigma)
        self.after(delay, apply)
