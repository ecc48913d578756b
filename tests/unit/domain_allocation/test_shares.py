"""Targets: the arithmetic of shares and limits, and what must hold of it whatever the numbers."""

from __future__ import annotations

import json
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from channelsync.domain.allocation import (
    Offer,
    allocate,
    allocate_recipes,
    largest_remainder,
)
from channelsync.domain.allocation_rules import Limits, Rule, Strategy
from channelsync.domain.errors import InvariantViolated

CHANNELS = ("amazon", "shopify", "till", "ebay")
OFFERS = tuple(Offer(listing_id=c, channel=c, recipe={"MUG": 1}) for c in CHANNELS[:3])
EXAMPLE = Rule(name="example", quotas={"amazon": 5_000, "shopify": 3_000, "till": 2_000})


def offers_of(channels: tuple[str, ...]) -> list[Offer]:
    return [Offer(listing_id=c, channel=c, recipe={"MUG": 1}) for c in channels]


@st.composite
def quotas(draw: st.DrawFn) -> dict[str, int]:
    cuts = sorted(draw(st.lists(st.integers(0, 10_000), min_size=3, max_size=3)))
    shares = [cuts[0], cuts[1] - cuts[0], cuts[2] - cuts[1]]
    return dict(zip(CHANNELS[:3], shares, strict=True))


@st.composite
def limits(draw: st.DrawFn) -> Limits:
    floor = draw(st.integers(0, 20))
    return Limits(
        floor=floor,
        cap=draw(st.none() | st.integers(floor, 60)),
        buffer=draw(st.integers(0, 5)),
        stop_sell_at=draw(st.none() | st.integers(0, 5)),
        multiple=draw(st.integers(1, 6)),
    )


@st.composite
def rules(draw: st.DrawFn) -> Rule:
    return Rule(
        name="drawn",
        strategy=draw(st.sampled_from(Strategy)),
        quotas=draw(quotas()),
        fixed={c: draw(st.integers(0, 60)) for c in CHANNELS[:3]},
        priority=tuple(draw(st.permutations(CHANNELS[:3]))),
        limits={c: draw(limits()) for c in CHANNELS[:3] if draw(st.booleans())},
        margins={c: draw(st.floats(0.1, 10)) for c in CHANNELS[:3] if draw(st.booleans())},
    )


RATES = st.dictionaries(st.sampled_from(CHANNELS[:3]), st.floats(0, 1_000), max_size=3)


def test_the_example_of_the_specification_gives_40_24_16() -> None:
    allocation = allocate(80, OFFERS, EXAMPLE)
    assert allocation.targets == {"amazon": 40, "shopify": 24, "till": 16}


def test_the_units_left_go_to_the_largest_fractions_then_to_the_larger_share() -> None:
    assert allocate(7, OFFERS, EXAMPLE).targets == {"amazon": 4, "shopify": 2, "till": 1}
    assert largest_remainder(1, {"b": 1, "a": 1}) == {"b": 0, "a": 1}
    assert largest_remainder(3, {"a": 1, "b": 3, "c": 2}) == {"a": 0, "b": 2, "c": 1}


def test_what_the_quotas_leave_stays_in_the_common_pool() -> None:
    rule = Rule(name="half", quotas={"amazon": 3_000, "shopify": 2_000})
    allocation = allocate(10, OFFERS, rule)
    assert allocation.targets == {"amazon": 3, "shopify": 2, "till": 0}
    shares = next(step for step in allocation.trace if step.name == "shares")
    assert shares.numbers["common pool"] == 5


def test_a_negative_atp_offers_nothing() -> None:
    assert set(allocate(-3, OFFERS, EXAMPLE).targets.values()) == {0}


def test_fixed_quantities_are_served_in_priority_order_while_stock_lasts() -> None:
    rule = Rule(
        name="fixed",
        strategy=Strategy.FIXED,
        fixed={"amazon": 6, "shopify": 6, "till": 6},
        priority=("till", "amazon"),
    )
    assert allocate(10, OFFERS, rule).targets == {"till": 6, "amazon": 4, "shopify": 0}
    assert sum(allocate(30, OFFERS, rule).targets.values()) == 18


def test_by_priority_only_the_rest_goes_to_the_next() -> None:
    rule = Rule(
        name="priority",
        strategy=Strategy.PRIORITY,
        priority=("shopify", "amazon"),
        limits={"shopify": Limits(cap=8)},
    )
    assert allocate(20, OFFERS, rule).targets == {"shopify": 8, "amazon": 12, "till": 0}


def test_by_demand_shares_follow_the_rates_and_start_from_the_quotas() -> None:
    rule = Rule(name="demand", strategy=Strategy.DEMAND, quotas=EXAMPLE.quotas)
    assert allocate(80, OFFERS, rule).targets == {"amazon": 40, "shopify": 24, "till": 16}
    rates = {"amazon": 1.0, "shopify": 3.0, "till": 0.0}
    assert allocate(80, OFFERS, rule, rates).targets == {"amazon": 20, "shopify": 60, "till": 0}


def test_what_a_cap_cuts_off_a_demand_share_goes_to_the_others() -> None:
    rule = Rule(name="demand", strategy=Strategy.DEMAND, limits={"shopify": Limits(cap=10)})
    rates = {"amazon": 1.0, "shopify": 3.0, "till": 1.0}
    assert allocate(50, OFFERS, rule, rates).targets == {"amazon": 20, "shopify": 10, "till": 20}


def test_a_better_margin_protects_units() -> None:
    plain = Rule(name="plain", strategy=Strategy.DEMAND)
    rates = {"amazon": 2.0, "shopify": 2.0, "till": 2.0}
    rich = Rule(name="rich", strategy=Strategy.DEMAND, margins={"shopify": 9.0, "amazon": 3.0})
    without, protected = allocate(60, OFFERS, plain, rates), allocate(60, OFFERS, rich, rates)
    assert without.targets == {"amazon": 20, "shopify": 20, "till": 20}
    assert protected.targets["shopify"] > 22
    assert protected.targets["till"] < 20
    assert sum(protected.targets.values()) == 60


def test_limits_apply_in_their_order() -> None:
    rule = Rule(
        name="limits",
        quotas={"amazon": 10_000},
        limits={"amazon": Limits(buffer=3, cap=25, multiple=6, stop_sell_at=6)},
    )
    offers = offers_of(("amazon",))
    assert allocate(40, offers, rule).targets == {"amazon": 24}
    assert allocate(22, offers, rule).targets == {"amazon": 18}
    assert allocate(14, offers, rule).targets == {"amazon": 0}


def test_a_floor_is_taken_from_the_pool_and_then_from_the_least_important() -> None:
    rule = Rule(
        name="floor",
        quotas={"amazon": 8_000, "shopify": 1_000},
        limits={"shopify": Limits(floor=4)},
        priority=("shopify",),
    )
    assert allocate(20, OFFERS[:2], rule).targets == {"amazon": 16, "shopify": 4}
    assert allocate(10, OFFERS[:2], rule).targets == {"amazon": 6, "shopify": 4}
    assert allocate(3, OFFERS[:2], rule).targets == {"amazon": 0, "shopify": 3}


def test_a_bundle_gets_what_its_scarcest_component_allows() -> None:
    offers = [
        Offer(listing_id="mug", channel="amazon", recipe={"MUG": 1}),
        Offer(listing_id="set", channel="shopify", recipe={"MUG": 2, "TRAY": 1}),
    ]
    rule = Rule(name="half", quotas={"amazon": 5_000, "shopify": 5_000})
    rules_of = {"MUG": rule, "TRAY": rule}
    few_trays = allocate_recipes({"MUG": 40, "TRAY": 6}, offers, rules_of)
    assert few_trays.targets == {"mug": 20, "set": 3}
    few_mugs = allocate_recipes({"MUG": 8, "TRAY": 60}, offers, rules_of)
    assert few_mugs.targets == {"mug": 4, "set": 2}


def test_two_listings_of_a_channel_share_its_quota() -> None:
    offers = [
        Offer(listing_id="one", channel="amazon", recipe={"MUG": 1}),
        Offer(listing_id="two", channel="amazon", recipe={"MUG": 1}),
    ]
    rule = Rule(name="all", quotas={"amazon": 10_000})
    assert allocate(9, offers, rule).targets == {"one": 5, "two": 4}
    assert allocate(9, offers, rule, {"two": 2.0, "one": 1.0}).targets == {"one": 3, "two": 6}


def test_offers_that_contradict_each_other_are_refused() -> None:
    twice = [OFFERS[0], OFFERS[0]]
    with pytest.raises(InvariantViolated, match="same listing id"):
        allocate(5, twice, EXAMPLE)
    several = [OFFERS[0], Offer(listing_id="x", channel="x", recipe={"CUP": 1})]
    with pytest.raises(InvariantViolated, match="allocate_recipes"):
        allocate(5, several, EXAMPLE)
    with pytest.raises(InvariantViolated, match="no ATP or no rule"):
        allocate_recipes({}, OFFERS, {"MUG": EXAMPLE})
    with pytest.raises(InvariantViolated, match="recipe"):
        Offer(listing_id="x", channel="x", recipe={})


def test_the_trace_says_every_step_and_is_plain_json() -> None:
    rule = Rule(name="r", quotas=EXAMPLE.quotas, limits={"amazon": Limits(cap=30)})
    allocation = allocate(80, OFFERS, rule)
    said = json.loads(json.dumps(allocation.as_json()))
    assert [step["name"] for step in said["trace"]] == ["atp", "shares", "cap", "targets"]
    assert said["targets"] == {"amazon": 30, "shopify": 24, "till": 16}


@given(atp=st.integers(-50, 500), rule=rules(), rates=RATES)
def test_targets_never_exceed_atp_nor_fall_below_nothing(
    atp: int, rule: Rule, rates: dict[str, float]
) -> None:
    allocation = allocate(atp, OFFERS, rule, rates)
    assert min(allocation.targets.values()) >= 0
    assert sum(allocation.targets.values()) <= max(atp, 0)
    assert allocate(atp, OFFERS, rule, rates) == allocation
    for channel, target in allocation.targets.items():
        own = rule.limits_of(channel)
        assert own.cap is None or target <= own.cap
        assert target % own.multiple == 0


@given(
    mugs=st.integers(-5, 200),
    trays=st.integers(-5, 200),
    rule=rules(),
    other=rules(),
    units=st.integers(1, 5),
)
def test_bundles_never_promise_a_component_twice(
    mugs: int, trays: int, rule: Rule, other: Rule, units: int
) -> None:
    offers = [
        Offer(listing_id="mug", channel="amazon", recipe={"MUG": 1}),
        Offer(listing_id="pack", channel="shopify", recipe={"MUG": units}),
        Offer(listing_id="set", channel="till", recipe={"MUG": 2, "TRAY": units}),
    ]
    atp = {"MUG": mugs, "TRAY": trays}
    targets = allocate_recipes(atp, offers, {"MUG": rule, "TRAY": other}).targets
    for item, available in atp.items():
        used = sum(targets[o.listing_id] * o.recipe.get(item, 0) for o in offers)
        assert used <= max(available, 0)


@given(atp=st.integers(0, 2_000), shares=quotas())
def test_by_quota_more_stock_means_more_listed_and_nobody_loses_more_than_a_unit(
    atp: int, shares: dict[str, int]
) -> None:
    rule = Rule(name="drawn", quotas=shares)
    less, more = allocate(atp, OFFERS, rule).targets, allocate(atp + 1, OFFERS, rule).targets
    assert sum(more.values()) >= sum(less.values()) - 1
    assert all(more[channel] >= less[channel] - 1 for channel in less)
    if sum(shares.values()) == 10_000:
        assert sum(more.values()) == atp + 1


@given(atp=st.integers(0, 10_000), shares=quotas())
def test_a_quota_share_is_within_a_unit_of_the_true_share(atp: int, shares: dict[str, int]) -> None:
    targets = allocate(atp, OFFERS, Rule(name="drawn", quotas=shares)).targets
    for channel, share in shares.items():
        assert abs(targets[channel] - Fraction(atp * share, 10_000)) < 1


@given(
    total=st.integers(0, 10_000),
    weights=st.dictionaries(st.text(max_size=3), st.floats(0, 1e9) | st.fractions(0, 100)),
)
def test_largest_remainder_splits_everything_and_is_exact(
    total: int, weights: dict[str, float | Fraction]
) -> None:
    split = largest_remainder(total, weights)
    whole = sum(Fraction(weight) for weight in weights.values())
    assert sum(split.values()) == (total if whole else 0)
    for name, weight in weights.items():
        assert not whole or abs(split[name] - total * Fraction(weight) / whole) < 1
    backwards = dict(reversed(weights.items()))
    assert largest_remainder(total, backwards) == split


def test_largest_remainder_refuses_a_negative_weight() -> None:
    with pytest.raises(InvariantViolated, match="negative weight"):
        largest_remainder(5, {"a": 1, "b": -1})


def test_without_a_trace_the_targets_are_the_same() -> None:
    limits = {"amazon": Limits(cap=30), "till": Limits(floor=20)}
    rule = Rule(name="r", quotas=EXAMPLE.quotas, limits=limits)
    told, untold = (
        allocate_recipes({"MUG": 80}, OFFERS, {"MUG": rule}, traced=traced)
        for traced in (True, False)
    )
    assert untold.targets == told.targets
    assert told.trace
    assert untold.trace == ()
