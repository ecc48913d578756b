"""How many units each listing should hold: arithmetic alone, with a trace that explains it.

The protocol (`channelsync.domain.escrow`) keeps the promise, whatever the targets are; targets say
where units do most good. They never sum to more than ATP. Two steps: shares in item units, by the
strategy of the rule; then the limits of each listing, in listing units.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from math import lcm
from types import MappingProxyType
from typing import TypeAlias

from msgspec import Struct, field

from channelsync.domain.allocation_rules import WHOLE, Limits, Rule, Strategy
from channelsync.domain.errors import InvariantViolated
from channelsync.domain.protection import protected_shares

__all__ = ["Allocation", "Offer", "Step", "allocate", "allocate_recipes", "largest_remainder"]

Weight: TypeAlias = int | float | Fraction
COMMON_POOL = "common pool"


class Offer(Struct, frozen=True, gc=False, kw_only=True):
    """One listing that wants a share: its channel, and its recipe in units of each item."""

    listing_id: str
    channel: str
    recipe: Mapping[str, int]

    def __post_init__(self) -> None:
        if not self.recipe or min(self.recipe.values()) < 1:
            raise InvariantViolated(f"listing {self.listing_id} has recipe {dict(self.recipe)}")


class Step(Struct, frozen=True, gc=False):
    """One step of the reasoning, as `explain` prints it."""

    name: str
    explanation: str
    numbers: Mapping[str, float] = field(default_factory=lambda: MappingProxyType({}))

    def as_json(self) -> dict[str, object]:
        """The step as plain JSON values."""
        return {"name": self.name, "explanation": self.explanation, "numbers": dict(self.numbers)}


class Allocation(Struct, frozen=True, gc=False, kw_only=True):
    """Targets in listing units by listing, and how they came about."""

    targets: Mapping[str, int]
    trace: tuple[Step, ...]

    def as_json(self) -> dict[str, object]:
        """The whole result as plain JSON values."""
        return {
            "targets": dict(self.targets),
            "trace": [step.as_json() for step in self.trace],
        }


def largest_remainder(total: int, weights: Mapping[str, Weight]) -> dict[str, int]:
    """Split `total` units by `weights`: whole units, summing to `total` exactly.

    Everybody gets the whole part of his share; the units left go to the largest fractions, then to
    the larger weight, then in order of name. Nothing is split when no weight is above 0. Exact for
    integers and fractions. As with every method that stays within one unit of the true share by
    remainders, one more unit in `total` may move one unit from one name to another.

    Raises:
        InvariantViolated: a weight is below 0.
    """
    if any(weight < 0 for weight in weights.values()):
        raise InvariantViolated(f"negative weight in {dict(weights)}")
    exact = _integers(weights)
    whole_weight = sum(exact.values())
    if total <= 0 or not whole_weight:
        return dict.fromkeys(weights, 0)
    split, rest = {}, {}
    for name, weight in exact.items():
        split[name], rest[name] = divmod(total * weight, whole_weight)
    left = total - sum(split.values())
    for name in sorted(rest, key=lambda name: (-rest[name], -exact[name], name))[:left]:
        split[name] += 1
    return split


def _integers(weights: Mapping[str, Weight]) -> dict[str, int]:
    """The same proportions as whole numbers: exact, for a float is a fraction too."""
    ratios = {name: weight.as_integer_ratio() for name, weight in weights.items()}
    common = lcm(*(below for _, below in ratios.values()))
    return {name: above * (common // below) for name, (above, below) in ratios.items()}


def allocate(
    atp: int,
    offers: Sequence[Offer],
    rule: Rule,
    demand: Mapping[str, float] = MappingProxyType({}),
) -> Allocation:
    """Targets of the listings of ONE item with `atp` units available to promise.

    `demand` maps a listing to units per exposed hour (`channelsync.domain.demand`); needed by the
    demand strategy, and to split a channel's share between several listings of it.

    Raises:
        InvariantViolated: the offers are of several items, or two have the same id.
    """
    items = {item for offer in offers for item in offer.recipe}
    if len(items) > 1:
        raise InvariantViolated(f"one item wanted, found {sorted(items)}: use allocate_recipes")
    item = next(iter(items), "")
    return allocate_recipes({item: atp}, offers, {item: rule}, demand)


def allocate_recipes(
    atp: Mapping[str, int],
    offers: Sequence[Offer],
    rules: Mapping[str, Rule],
    demand: Mapping[str, float] = MappingProxyType({}),
    *,
    traced: bool = True,
) -> Allocation:
    """Targets of all listings of items that share listings (bundles, multipacks).

    Each item is shared by its own rule; a listing gets what the scarcest of its components allows,
    and what the others gave it in vain stays in the common pool. Limits are those of the rule of
    its scarcest component. Without `traced` the trace stays empty: nobody is to be told.

    Raises:
        InvariantViolated: ATP or rule of a component is missing, or two offers have the same id.
    """
    if len({offer.listing_id for offer in offers}) != len(offers):
        raise InvariantViolated("two offers have the same listing id")
    needed = {item for offer in offers for item in offer.recipe}
    if missing := sorted(needed - atp.keys() | needed - rules.keys()):
        raise InvariantViolated(f"no ATP or no rule for {missing}")
    trace: list[Step] | None = [] if traced else None
    shares: dict[str, dict[str, int]] = {}
    for item in sorted(needed):
        own = [offer for offer in offers if item in offer.recipe]
        shares[item] = _share_item(item, atp[item], own, rules[item], demand, trace)
    targets, governing = {}, {}
    for offer in offers:
        allowed = {item: shares[item][offer.listing_id] // n for item, n in offer.recipe.items()}
        scarcest = min(allowed, key=lambda item: (allowed[item], item))
        targets[offer.listing_id] = allowed[scarcest]
        governing[offer.listing_id] = rules[scarcest]
        if trace is not None and len(offer.recipe) > 1:
            text = f"{offer.listing_id}: {scarcest} is its scarcest component"
            trace.append(Step("recipe", text, allowed))
    limited = _Limiter(atp, offers, governing, trace).apply(targets)
    if trace is None:
        return Allocation(targets=limited, trace=())
    trace.append(Step("targets", "what each listing should hold, in listing units", limited))
    return Allocation(targets=limited, trace=tuple(trace))


# ------------------------------------------------------------------ shares, in item units


def _share_item(
    item: str,
    atp: int,
    offers: Sequence[Offer],
    rule: Rule,
    demand: Mapping[str, float],
    trace: list[Step] | None,
) -> dict[str, int]:
    """Units of one item for each of its listings, before limits."""
    available = max(atp, 0)
    rates = {offer.listing_id: demand.get(offer.listing_id, 0.0) for offer in offers}
    by_channel: dict[str, float] = {}
    for offer in offers:
        speed = rates[offer.listing_id] * offer.recipe[item]
        by_channel[offer.channel] = by_channel.get(offer.channel, 0.0) + speed
    split = _by_strategy(available, by_channel, rule)
    if trace is not None:
        trace += _sharing(item, atp, split, rule)
    shares: dict[str, int] = {}
    for channel, units in split.items():
        own = [offer.listing_id for offer in offers if offer.channel == channel]
        weights = {listing: rates[listing] for listing in own}
        if not any(weights.values()):
            weights = dict.fromkeys(own, 1.0)
        shares.update({own[0]: units} if len(own) == 1 else largest_remainder(units, weights))
    return shares


def _sharing(item: str, atp: int, split: Mapping[str, int], rule: Rule) -> Iterator[Step]:
    label = f"{item}: " if item else ""
    yield Step("atp", f"{label}units available to promise", {"atp": atp})
    explanation = f"{label}rule {rule.name!r} shares by {rule.strategy}"
    yield Step("shares", explanation, {**split, COMMON_POOL: max(atp, 0) - sum(split.values())})


def _by_strategy(available: int, speeds: Mapping[str, float], rule: Rule) -> dict[str, int]:
    match rule.strategy:
        case Strategy.QUOTA:
            return _by_quota(available, speeds, rule)
        case Strategy.FIXED:
            wanted = {channel: rule.fixed.get(channel, 0) for channel in speeds}
            return _in_turn(available, wanted, rule)
        case Strategy.PRIORITY:
            caps = {channel: rule.limits_of(channel).cap for channel in speeds}
            wanted = {c: available if cap is None else cap for c, cap in caps.items()}
            return _in_turn(available, wanted, rule)
        case Strategy.DEMAND:
            return _by_demand(available, speeds, rule)


def _by_quota(available: int, channels: Iterable[str], rule: Rule) -> dict[str, int]:
    """What the quotas leave, and the quota of a channel without the item, is the common pool."""
    weights = {channel: rule.quotas.get(channel, 0) for channel in channels}
    # The name sorts behind every channel, so the pool loses every tie.
    pool = "\U0010ffff"
    split = largest_remainder(available, {**weights, pool: WHOLE - sum(weights.values())})
    del split[pool]
    return split


def _in_turn(available: int, wanted: Mapping[str, int], rule: Rule) -> dict[str, int]:
    """Serve the channels of `priority` first, then the rest by name, while units last."""
    split: dict[str, int] = {}
    for channel in sorted(wanted, key=lambda name: _turn(name, rule)):
        split[channel] = min(wanted[channel], available)
        available -= split[channel]
    return split


def _turn(channel: str, rule: Rule) -> tuple[int, str]:
    first = rule.priority
    return (first.index(channel) if channel in first else len(first)), channel


def _by_demand(available: int, speeds: Mapping[str, float], rule: Rule) -> dict[str, int]:
    """By speed; what a cap cuts off goes to the others."""
    weights: dict[str, float] = dict(speeds)
    if not any(weights.values()):
        weights = {channel: float(rule.quotas.get(channel, 0)) for channel in speeds}
    if not any(weights.values()):
        weights = dict.fromkeys(speeds, 1.0)
    split: dict[str, int] = {}
    while weights:
        shares = protected_shares(available, weights, rule.margins)
        round_ = largest_remainder(available, shares)
        caps = {channel: rule.limits_of(channel).cap for channel in weights}
        over = {c: cap for c, cap in caps.items() if cap is not None and round_[c] > cap}
        if not over:
            return split | round_
        split |= over
        available -= sum(over.values())
        weights = {channel: speed for channel, speed in weights.items() if channel not in over}
    return split


# ------------------------------------------------------------------ limits, in listing units


@dataclass(frozen=True, slots=True)
class _Limiter:
    """The limits of every listing, kept within the ATP of every component."""

    atp: Mapping[str, int]
    offers: Sequence[Offer]
    rules: Mapping[str, Rule]
    trace: list[Step] | None

    def apply(self, targets: Mapping[str, int]) -> dict[str, int]:
        limited = {
            offer.listing_id: self._lower(offer, targets[offer.listing_id]) for offer in self.offers
        }
        for offer in sorted(self.offers, key=self._rank):
            limits = self._limits(offer)
            stopped = limited[offer.listing_id] == 0 and limits.stop_sell_at is not None
            if limited[offer.listing_id] < limits.floor and not stopped:
                self._lift(offer, limited)
        return limited

    def _limits(self, offer: Offer) -> Limits:
        return self.rules[offer.listing_id].limits_of(offer.channel)

    def _rank(self, offer: Offer) -> tuple[int, str, str]:
        return (*_turn(offer.channel, self.rules[offer.listing_id]), offer.listing_id)

    def _lower(self, offer: Offer, share: int) -> int:
        limits = self._limits(offer)
        units = max(share - limits.buffer, 0)
        self._say("buffer", offer, share, units)
        if limits.cap is not None:
            self._say("cap", offer, units, min(units, limits.cap))
            units = min(units, limits.cap)
        whole = units - units % limits.multiple
        self._say("multiple", offer, units, whole)
        if limits.stop_sell_at is not None and whole <= limits.stop_sell_at:
            self._say("stop_sell_at", offer, whole, 0)
            return 0
        return whole

    def _say(self, name: str, offer: Offer, before: int, after: int) -> None:
        if before != after and self.trace is not None:
            text = f"{offer.listing_id}: {name} changes its share"
            self.trace.append(Step(name, text, {"from": before, "to": after}))

    def _lift(self, offer: Offer, targets: dict[str, int]) -> None:
        """Raise a listing to its floor from the pool, then from those above their own floor."""
        limits, before = self._limits(offer), targets[offer.listing_id]
        reach = min(
            (self._spare(item, targets) + self._surplus(item, targets, offer)) // units
            for item, units in offer.recipe.items()
        )
        wanted = min(limits.floor, before + reach)
        wanted -= wanted % limits.multiple
        if wanted <= before:
            return
        targets[offer.listing_id] = wanted
        for item in offer.recipe:
            self._give_back(item, targets, offer)
        self._say("floor", offer, before, wanted)

    def _spare(self, item: str, targets: Mapping[str, int]) -> int:
        used = sum(targets[o.listing_id] * o.recipe.get(item, 0) for o in self.offers)
        return max(self.atp[item], 0) - used

    def _above_floor(self, other: Offer, targets: Mapping[str, int]) -> int:
        return max(targets[other.listing_id] - self._limits(other).floor, 0)

    def _surplus(self, item: str, targets: Mapping[str, int], taker: Offer) -> int:
        return sum(
            self._above_floor(other, targets) * other.recipe[item]
            for other in self.offers
            if item in other.recipe and other is not taker
        )

    def _give_back(self, item: str, targets: dict[str, int], taker: Offer) -> None:
        """Take what is missing from the listings above their floor, those of least rank first."""
        for other in sorted(self.offers, key=self._rank, reverse=True):
            missing = -self._spare(item, targets)
            if missing <= 0:
                return
            if other is taker or item not in other.recipe:
                continue
            units, multiple = other.recipe[item], self._limits(other).multiple
            taken = min(-(-missing // units), self._above_floor(other, targets))
            left = targets[other.listing_id] - taken
            targets[other.listing_id] = left - left % multiple
