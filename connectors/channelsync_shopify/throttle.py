"""A shop's budget of query cost, as Shopify reports it with every answer.

Shopify keeps a leaky bucket for each app and shop: a request needs its whole estimated cost in the
bucket before it runs (shopify.dev, "GraphQL Admin API rate limits"). Asking first spares refusals,
and writes leave a share for reads: a shop that can be written but not read cannot be settled. The
walk through a catalogue, which may take many minutes, leaves more than that: otherwise no write
would find its share as long as the walk goes on.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final

from channelsync.sdk.types import Instant
from channelsync_shopify.documents import LEVELS, VARIANTS

__all__ = ["READ_RESERVE", "WALK_RESERVE", "CostBucket"]

READ_RESERVE: Final = 0.3
"""The share of the bucket that writes leave for reads."""
WALK_RESERVE: Final = 0.4
"""The share that the walk through a catalogue leaves for writes and other reads."""
COST_UNKNOWN: Final = 10.0
"""A mutation's price, taken for every call until its own is known."""
RATE_UNKNOWN: Final = 100.0
"""Points a second of the smallest plan."""
PRICES_FIRST: Final = {VARIANTS.name: 502.0, LEVELS.name: 251.0}
"""What whole pages come to by Shopify's published rules, taken until one was paid for. Today's real
prices are lower, never higher."""
COST_STEP: Final = 0.001
"""Less than this is rounding: costs are whole points."""
WAIT_SECONDS_MAX: Final = 60.0


class CostBucket:
    """What is left in the shop's bucket, by the last answer and the time since."""

    def __init__(self, now: Callable[[], Instant]) -> None:
        self._now = now
        self._maximum: float | None = None
        self._available = 0.0
        self._rate = 0.0
        self._known_at = 0.0
        self._in_flight = 0.0
        self._costs: dict[str, float] = {}
        self._paid: dict[str, float] = {}

    def cost_of(self, operation: str) -> float:
        """What the last call of this name was estimated at."""
        return self._costs.get(operation, COST_UNKNOWN)

    def delay_seconds(self, operation: str, *, for_read: bool) -> float:
        """How long to wait before this call fits; 0: now. A bucket never heard of is full."""
        if self._maximum is None:
            return 0.0
        share = _share_left(operation) if for_read else READ_RESERVE
        wanted = min(self.cost_of(operation) + share * self._maximum, self._maximum)
        missing = wanted - self._left()
        if missing < COST_STEP:
            return 0.0
        wait = missing / self._rate if self._rate else WAIT_SECONDS_MAX
        return min(wait, WAIT_SECONDS_MAX)

    def calls_per_second(self, operation: str, *, most: float) -> float:
        """How many calls of this name the budget pays for, and `most` allows.

        Every call must find its estimated cost in the bucket, and gets back what it did not need.
        """
        rate = self._rate if self._maximum is not None else RATE_UNKNOWN
        expected = PRICES_FIRST.get(operation, self.cost_of(operation))
        price = self._paid.get(operation, expected)
        return min(rate / max(price, 1.0), most)

    def begin(self, operation: str) -> float:
        """Reserve the cost of a call that leaves now; give it back to `end`."""
        cost = self.cost_of(operation)
        self._in_flight += cost
        return cost

    def end(self, reserved: float) -> None:
        """A call that had reserved this much came back, or did not."""
        self._in_flight = max(self._in_flight - reserved, 0.0)

    def learn(self, operation: str, cost: Mapping[str, Any]) -> None:
        """Believe the `extensions.cost` of an answer just received; ignore what is malformed."""
        requested = cost.get("requestedQueryCost")
        if isinstance(requested, int | float):
            self._costs[operation] = float(requested)
        paid = cost.get("actualQueryCost")
        if isinstance(paid, int | float):
            self._note_paid(operation, float(paid))
        status = cost.get("throttleStatus")
        if not isinstance(status, Mapping):
            return
        numbers = [
            status.get(name) for name in ("maximumAvailable", "currentlyAvailable", "restoreRate")
        ]
        if all(isinstance(number, int | float) for number in numbers):
            self._maximum, self._available, self._rate = (float(number or 0) for number in numbers)
            self._known_at = self._now()

    def _note_paid(self, operation: str, paid: float) -> None:
        """The dearest call of a name is a whole page; the last page of a search says nothing."""
        known = self._paid.get(operation, 0.0)
        self._paid[operation] = max(known, paid)

    def retry_after(self, cost: Mapping[str, Any], operation: str) -> float:
        """After a refusal for want of budget: seconds until the bucket holds the call's cost."""
        self.learn(operation, cost)
        return max(self.delay_seconds(operation, for_read=True), 1.0)

    def _left(self) -> float:
        refilled = self._available + self._rate * max(self._now() - self._known_at, 0.0)
        return min(refilled, self._maximum or refilled) - self._in_flight


def _share_left(reading: str) -> float:
    return WALK_RESERVE if reading == VARIANTS.name else 0.0
