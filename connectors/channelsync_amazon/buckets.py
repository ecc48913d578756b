"""Amazon's usage plans: a token bucket for every operation, adapted to what Amazon tells.

The defaults are those of the published models. Amazon may grant an account more or less and says
so in `x-amzn-RateLimit-Limit` of most answers ("Usage plans and rate limits in the SP-API").
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Final

from channelsync.sdk.types import Instant

__all__ = ["PLANS", "Bucket", "Buckets", "Plan"]

PENALTY_MAX: Final = 8.0
"""After repeated refusals a pause lasts at most so many times as long as one token takes."""
RATE_MAX: Final = 1_000.0


@dataclass(frozen=True, slots=True)
class Plan:
    """Requests a second, and how many at once."""

    per_second: float
    burst: float


PLANS: Final[Mapping[str, Plan]] = MappingProxyType(
    {
        "patchListingsItem": Plan(5.0, 5),
        "getListingsItem": Plan(5.0, 10),
        "searchListingsItems": Plan(5.0, 5),
        "createFeedDocument": Plan(0.5, 15),
        "createFeed": Plan(0.0083, 15),
        "getFeed": Plan(2.0, 15),
        "getFeedDocument": Plan(0.0222, 10),
        "searchOrders": Plan(0.0056, 20),
        "getOrder": Plan(0.5, 30),
        "getOrders": Plan(0.0167, 20),
        "getOrderItems": Plan(0.5, 30),
        "confirmShipment": Plan(2.0, 10),
        "getDestinations": Plan(1.0, 5),
        "createDestination": Plan(1.0, 5),
        "getSubscription": Plan(1.0, 5),
        "createSubscription": Plan(1.0, 5),
        "getMarketplaceParticipations": Plan(0.016, 15),
    }
)


@dataclass(slots=True)
class Bucket:
    """The tokens of one operation."""

    plan: Plan
    now: Callable[[], Instant]
    tokens: float = 0.0
    per_second: float = 0.0
    paused_until: Instant = 0.0
    refusals: int = 0
    seen_at: Instant = field(default=0.0)

    def __post_init__(self) -> None:
        self.tokens, self.per_second = self.plan.burst, self.plan.per_second
        self.seen_at = self.now()

    @property
    def wait(self) -> float:
        """Seconds until there is a token; 0: there is one."""
        now = self.now()
        passed = max(now - self.seen_at, 0.0)
        self.seen_at = now
        self.tokens = min(self.plan.burst, self.tokens + passed * self.per_second)
        wait = max(self.paused_until - now, 0.0)
        if wait == 0.0 and self.tokens >= 1.0:
            return 0.0
        return max(wait, (1.0 - self.tokens) / self.per_second, 0.001)

    @property
    def has_token(self) -> bool:
        """Whether a token could be taken now."""
        return self.wait == 0.0

    def take(self) -> float:
        """Take a token and return 0; or none, and return the seconds until there is one."""
        wait = self.wait
        if wait == 0.0:
            self.tokens -= 1.0
        return wait

    def give_back(self) -> None:
        """A token was taken, and the request did not leave."""
        self.tokens = min(self.plan.burst, self.tokens + 1.0)

    def learn(self, told: str | None) -> None:
        """An answer came that was no refusal, perhaps with the account's own rate."""
        self.refusals = 0
        try:
            rate = float(told) if told is not None else 0.0
        except ValueError:
            return
        if 0.0 < rate <= RATE_MAX:
            self.per_second = rate

    def refused(self) -> float:
        """Amazon said 429. Returns how long to stay away: one token's time, doubling."""
        self.refusals += 1
        self.tokens = 0.0
        pause = min(2.0 ** (self.refusals - 1), PENALTY_MAX) / self.per_second
        self.paused_until = max(self.paused_until, self.now() + pause)
        return pause


class Buckets:
    """One bucket an operation, of one seller account."""

    def __init__(self, now: Callable[[], Instant]) -> None:
        self._now = now
        self._held: dict[str, Bucket] = {}

    def of(self, operation: str) -> Bucket:
        """The bucket of an operation."""
        if operation not in self._held:
            self._held[operation] = Bucket(PLANS[operation], self._now)
        return self._held[operation]
