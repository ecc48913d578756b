"""Which rule speaks about an item, and what a rule may not say."""

from __future__ import annotations

from typing import Any

import pytest

from channelsync.domain.allocation_rules import NO_LIMITS, Limits, Rule, Strategy, match_rule
from channelsync.domain.errors import InvalidRule

DEFAULT = Rule(name="default")
PHONES = Rule(name="phones", skus=("IPHONE-*",))
ONE_PHONE = Rule(name="one phone", skus=("IPHONE-15",))
SALE = Rule(name="sale", skus=("IPHONE-*",), window_from=100.0, window_to=200.0)
FRAGILE = Rule(name="fragile", tags=("fragile",))
ON_EBAY = Rule(name="on ebay", channels=("ebay",))


def test_the_most_specific_rule_wins_wherever_it_stands() -> None:
    rules = [DEFAULT, FRAGILE, PHONES, ONE_PHONE]
    for order in (rules, rules[::-1]):
        assert match_rule(order, "IPHONE-15", (), 0.0) is ONE_PHONE
        assert match_rule(order, "IPHONE-16", ("fragile",), 0.0) is PHONES
        assert match_rule(order, "MUG", ("fragile",), 0.0) is FRAGILE
        assert match_rule(order, "MUG", (), 0.0) is DEFAULT


def test_a_longer_pattern_outranks_a_shorter_one() -> None:
    longer = Rule(name="longer", skus=("IPHONE-1*",))
    assert match_rule([PHONES, longer], "IPHONE-15", (), 0.0) is longer


def test_a_window_holds_from_its_start_until_just_before_its_end() -> None:
    rules = [PHONES, SALE]
    found = [match_rule(rules, "IPHONE-15", (), now) for now in (99.9, 100.0, 199.9, 200.0)]
    assert found == [PHONES, SALE, SALE, PHONES]


def test_a_channel_rule_needs_the_item_to_be_offered_there() -> None:
    assert match_rule([DEFAULT, ON_EBAY], "MUG", (), 0.0, ("ebay", "till")) is ON_EBAY
    assert match_rule([DEFAULT, ON_EBAY], "MUG", (), 0.0, ("till",)) is DEFAULT


def test_among_equals_the_first_wins_and_without_a_match_there_is_none() -> None:
    twin = Rule(name="twin", skus=("IPHONE-*",))
    assert match_rule([PHONES, twin], "IPHONE-1", (), 0.0) is PHONES
    assert match_rule([PHONES, SALE], "MUG", (), 150.0) is None


def test_patterns_are_case_sensitive() -> None:
    assert match_rule([PHONES], "iphone-15", (), 0.0) is None


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({"quotas": {"a": 6_000, "b": 5_000}}, "quotas sum to 110 %, above 100 %"),
        ({"quotas": {"a": -1}}, "quota of a is not within"),
        ({"fixed": {"a": -1}}, "a fixed quantity is below 0"),
        ({"low_water_basis_points": 10_001}, "low_water"),
        ({"demand_half_life_seconds": 0.0}, "half life"),
        ({"margins": {"a": 0.0}}, "margin"),
        ({"window_from": 5.0, "window_to": 5.0}, "window ends before it starts"),
    ],
)
def test_a_rule_that_contradicts_itself_is_refused_by_name(
    wrong: dict[str, Any], said: str
) -> None:
    with pytest.raises(InvalidRule, match=said) as refused:
        Rule(name="mine", **wrong)
    assert "'mine'" in str(refused.value)


@pytest.mark.parametrize(
    "wrong",
    [{"floor": -1}, {"buffer": -1}, {"multiple": 0}, {"floor": 5, "cap": 4}, {"stop_sell_at": -1}],
)
def test_limits_that_contradict_themselves_are_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(InvalidRule):
        Limits(**wrong)


def test_only_a_demand_rule_without_limits_is_paced() -> None:
    assert Rule(name="r", strategy=Strategy.DEMAND).paced
    assert not DEFAULT.paced
    assert not Rule(name="r", strategy=Strategy.DEMAND, limits={"a": NO_LIMITS}).paced


def test_low_water_is_told_as_a_fraction() -> None:
    assert Rule(name="r", low_water_basis_points=2_500).low_water == 0.25
