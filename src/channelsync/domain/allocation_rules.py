"""How a merchant wants the stock of an item shared between channels: rules, and which one applies.

Plain values; the configuration builds them from YAML. Shares are basis points (10,000 = 100 %), so
that no rounding hides in a float.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from fnmatch import fnmatchcase
from types import MappingProxyType

from channelsync.domain.errors import InvalidRule
from channelsync.domain.vocabulary import Instant

__all__ = [
    "NO_LIMITS",
    "WHOLE",
    "Guarantee",
    "Limits",
    "Rule",
    "RulesNow",
    "Strategy",
    "match_rule",
]

WHOLE = 10_000
"""100 % in basis points."""


class Strategy(StrEnum):
    """How the shares of the channels come about."""

    QUOTA = "quota"
    """A percentage of ATP each; what the quotas leave is the common pool."""
    FIXED = "fixed"
    """A number of units each, in priority order while ATP lasts."""
    PRIORITY = "priority"
    """Each channel in turn up to its cap; only the rest goes to the next."""
    DEMAND = "demand"
    """By the rate at which each channel sells while it has something to sell, and by margin."""


class Guarantee(StrEnum):
    """What the merchant is promised about overselling (design: "Guarantee levels")."""

    STRICT = "strict"
    BOUNDED = "bounded"
    POOLED = "pooled"


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """What one channel may be given, in listing units.

    Applied to a share in this order: buffer, cap, multiple, stop-sell level, floor.
    """

    floor: int = 0
    """At least this many while ATP lasts; taken from the shares above their own floor."""
    cap: int | None = None
    """At most this many."""
    buffer: int = 0
    """Units of its share that stay behind, unsold by anybody, for this channel's surprises."""
    stop_sell_at: int | None = None
    """Show 0 as soon as the share is this small or smaller."""
    multiple: int = 1
    """Only whole multiples are listed (cases, pairs)."""

    def __post_init__(self) -> None:
        if min(self.floor, self.buffer) < 0:
            raise InvalidRule("floor and buffer are units, 0 or more")
        if self.multiple < 1:
            raise InvalidRule(f"multiple {self.multiple}: list at least single units")
        if self.cap is not None and self.cap < self.floor:
            raise InvalidRule(f"cap {self.cap} is below floor {self.floor}")
        if self.stop_sell_at is not None and self.stop_sell_at < 0:
            raise InvalidRule(f"stop_sell_at {self.stop_sell_at} is below 0")


NO_LIMITS = Limits()


def _empty() -> Mapping[str, int]:
    return MappingProxyType({})


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    """One allocation rule. A rule without SKUs, tags, channels and window is the default rule."""

    name: str
    skus: tuple[str, ...] = ()
    """Shell patterns (`IPHONE-*`), case-sensitive; one match is enough. Empty: every SKU."""
    tags: tuple[str, ...] = ()
    """An item needs all of them."""
    channels: tuple[str, ...] = ()
    """Applies only to items offered on one of these channels. Empty: wherever it is offered."""
    window_from: Instant | None = None
    window_to: Instant | None = None
    """The rule holds from `window_from` until just before `window_to`."""

    strategy: Strategy = Strategy.QUOTA
    quotas: Mapping[str, int] = field(default_factory=_empty)
    """Channel -> basis points of ATP. With `demand`: the shares assumed before sales teach better
    ones, and then they should sum to 100 %."""
    fixed: Mapping[str, int] = field(default_factory=_empty)
    """Channel -> units of the item."""
    priority: tuple[str, ...] = ()
    """Channels, most important first: order of `fixed` and `priority`, and rank of the pool."""
    limits: Mapping[str, Limits] = field(default_factory=lambda: MappingProxyType({}))

    low_water_basis_points: int = 5_000
    """A listing is topped up when its exposure is below this part of its target."""
    guarantee: Guarantee = Guarantee.STRICT
    safety_stock: int | None = None
    """Once per item and pool; None: the configured default."""

    demand_half_life_seconds: float = 7 * 86_400.0
    """After this many exposed seconds a sale counts half in the velocity."""
    demand_prior_units: float = 20.0
    """How many units of sales the assumed shares weigh as much as."""
    margins: Mapping[str, float] = field(default_factory=lambda: MappingProxyType({}))
    """Channel -> profit per unit, any currency: protects units for the better-paid channels.
    Empty: every sale counts alike."""

    def __post_init__(self) -> None:
        wrong = [channel for channel, share in self.quotas.items() if not 0 <= share <= WHOLE]
        if wrong:
            raise InvalidRule(f"rule {self.name!r}: quota of {wrong[0]} is not within 0 to 100 %")
        if sum(self.quotas.values()) > WHOLE:
            total = sum(self.quotas.values()) / 100
            raise InvalidRule(f"rule {self.name!r}: quotas sum to {total:g} %, above 100 %")
        if any(units < 0 for units in self.fixed.values()):
            raise InvalidRule(f"rule {self.name!r}: a fixed quantity is below 0")
        if not 0 <= self.low_water_basis_points <= WHOLE:
            raise InvalidRule(f"rule {self.name!r}: low_water is not within 0 to 100 %")
        if self.demand_half_life_seconds <= 0 or self.demand_prior_units <= 0:
            raise InvalidRule(f"rule {self.name!r}: half life and prior are above 0")
        if any(margin <= 0 for margin in self.margins.values()):
            raise InvalidRule(f"rule {self.name!r}: a margin must be above 0")
        start, end = self.window_from, self.window_to
        if start is not None and end is not None and end <= start:
            raise InvalidRule(f"rule {self.name!r}: its window ends before it starts")

    @property
    def low_water(self) -> float:
        """`low_water_basis_points` as a fraction."""
        return self.low_water_basis_points / WHOLE

    @property
    def paced(self) -> bool:
        """Whether grants may follow demand more closely than targets do (`Policy.hold_back`).

        Only where nothing but demand decides: limits are promises about what a listing shows.
        """
        return self.strategy is Strategy.DEMAND and not self.limits

    def limits_of(self, channel: str) -> Limits:
        """The limits of a channel; none where the rule is silent."""
        return self.limits.get(channel, NO_LIMITS)

    def matches(
        self, sku: str, tags: frozenset[str], now: Instant, channels: frozenset[str]
    ) -> bool:
        """Whether this rule speaks about the item at `now`."""
        return (
            (not self.skus or any(fnmatchcase(sku, pattern) for pattern in self.skus))
            and tags.issuperset(self.tags)
            and (not self.channels or not channels.isdisjoint(self.channels))
            and self.holds_at(now)
        )

    def holds_at(self, now: Instant) -> bool:
        """Whether its window is open at `now`."""
        return (self.window_from is None or now >= self.window_from) and (
            self.window_to is None or now < self.window_to
        )

    def specificity(self, sku: str) -> tuple[int, int, bool, bool]:
        """Sorts matching rules: SKU closeness, then tags, window and channels."""
        window = self.window_from is not None or self.window_to is not None
        closest = max(
            (_closeness(pattern) for pattern in self.skus if fnmatchcase(sku, pattern)), default=0
        )
        return closest, len(self.tags), window, bool(self.channels)


def _closeness(pattern: str) -> int:
    """Literal characters of a pattern; one without wildcards outranks every other."""
    literal = sum(character not in "*?[]" for character in pattern)
    return literal * 2 + 2_000_000 if literal == len(pattern) else literal * 2 + 1


def match_rule(
    rules: Iterable[Rule],
    sku: str,
    tags: Iterable[str],
    now: Instant,
    channels: Iterable[str] = (),
) -> Rule | None:
    """The most specific rule that speaks about the item at `now`; None when none does.

    An exact SKU outranks a pattern, a longer pattern a shorter one; then more tags, then a time
    window, then a channel. Among equals the first in the list wins.
    """
    own_tags, offered_on = frozenset(tags), frozenset(channels)
    matching = [rule for rule in rules if rule.matches(sku, own_tags, now, offered_on)]
    return max(matching, key=lambda rule: rule.specificity(sku), default=None)


class RulesNow:
    """The rules of a pool at one instant, for many items.

    What `match_rule` would say, at next to no cost where no rule looks at an item's SKU or tags.
    """

    def __init__(self, rules: Iterable[Rule], now: Instant) -> None:
        self._now = now
        self._rules = tuple(rule for rule in rules if rule.holds_at(now))
        self._particular = any(rule.skus or rule.tags for rule in self._rules)
        self.by_channel = any(rule.channels for rule in self._rules)
        """Whether it matters on which channels an item is offered."""
        self._by_channels: dict[frozenset[str], Rule | None] = {}

    def match(self, sku: str, tags: Iterable[str], channels: frozenset[str]) -> Rule | None:
        """The most specific rule that speaks about the item; None when none does."""
        if self._particular:
            return match_rule(self._rules, sku, tags, self._now, channels)
        if channels not in self._by_channels:
            found = match_rule(self._rules, sku, (), self._now, channels)
            self._by_channels[channels] = found
        return self._by_channels[channels]
