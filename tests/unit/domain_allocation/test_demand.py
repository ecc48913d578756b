"""Rates per exposed hour, what is expected before sales teach it, and protection by margin."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from channelsync.domain.demand import (
    NO_SALES_YET,
    Velocity,
    count_exposure,
    count_sold,
    expected_rates,
)
from channelsync.domain.errors import InvariantViolated
from channelsync.domain.protection import protected_shares
from channelsync.domain.refusals import APPLY_SPREAD, expected_refusals

DAY = 86_400.0
SECONDS = st.floats(0, 30 * DAY)


def after(velocity: Velocity, seconds: float) -> Velocity:
    return count_exposure(velocity, seconds, half_life_seconds=DAY)


@given(first=SECONDS, second=SECONDS, units=st.integers(1, 500))
def test_an_interval_cut_in_two_teaches_the_same(first: float, second: float, units: int) -> None:
    start = count_sold(NO_SALES_YET, units)
    at_once, in_two = after(start, first + second), after(after(start, first), second)
    assert in_two.units == pytest.approx(at_once.units)
    assert in_two.exposed_seconds == pytest.approx(at_once.exposed_seconds)


def test_a_sale_counts_half_after_its_half_life() -> None:
    assert after(count_sold(NO_SALES_YET, 8), DAY).units == pytest.approx(4.0)


def test_a_listing_without_exposure_keeps_its_rate() -> None:
    velocity = count_sold(after(NO_SALES_YET, 7_200.0), 6)
    assert velocity.rate_per_hour == pytest.approx(3.0, rel=0.05)
    assert after(velocity, 0.0) == velocity


def test_before_any_exposure_nothing_was_observed() -> None:
    assert NO_SALES_YET.rate_per_hour is None


def test_evidence_that_cannot_be_is_refused() -> None:
    with pytest.raises(InvariantViolated):
        count_sold(NO_SALES_YET, 0)
    with pytest.raises(InvariantViolated):
        after(NO_SALES_YET, -1.0)
    with pytest.raises(InvariantViolated):
        Velocity(units=-1.0)
    with pytest.raises(InvariantViolated):
        expected_rates({}, {}, prior_units=0.0)


def test_without_evidence_rates_follow_the_assumed_shares() -> None:
    rates = expected_rates(
        {"a": NO_SALES_YET, "b": NO_SALES_YET}, {"a": 3.0, "b": 1.0}, prior_units=20
    )
    assert rates["a"] == pytest.approx(3 * rates["b"])


def test_sales_of_one_listing_teach_the_scale_of_all() -> None:
    hot = Velocity(units=90.0, exposed_seconds=1_800.0)
    cold = Velocity(units=0.0, exposed_seconds=0.0)
    rates = expected_rates({"a": hot, "b": cold}, {"a": 0.5, "b": 0.5}, prior_units=20)
    assert rates["a"] == pytest.approx(180.0, rel=0.02)
    assert rates["b"] == pytest.approx(180.0, rel=0.02)


def test_enough_sales_outweigh_the_assumed_shares() -> None:
    velocities = {
        "a": Velocity(units=1_000.0, exposed_seconds=36_000.0),
        "b": Velocity(units=10.0, exposed_seconds=36_000.0),
    }
    rates = expected_rates(velocities, {"a": 0.5, "b": 0.5}, prior_units=20)
    assert rates["a"] > 20 * rates["b"]


def test_sales_not_heard_of_yet_do_not_look_like_slow_demand() -> None:
    velocity = Velocity(units=30.0, exposed_seconds=90.0)
    late = expected_rates({"a": velocity}, {"a": 1.0}, prior_units=1, feed_seconds={"a": 30.0})
    prompt = expected_rates({"a": velocity}, {"a": 1.0}, prior_units=1)
    assert late["a"] == pytest.approx(1_800.0, rel=0.05)
    assert prompt["a"] == pytest.approx(1_200.0, rel=0.05)


@given(
    units=st.integers(0, 5_000),
    speeds=st.dictionaries(st.sampled_from("abcde"), st.floats(0.001, 100), min_size=1),
    margins=st.dictionaries(st.sampled_from("abcde"), st.floats(0.1, 50)),
)
def test_protected_shares_split_what_there_is(
    units: int, speeds: dict[str, float], margins: dict[str, float]
) -> None:
    shares = protected_shares(units, speeds, margins)
    assert min(shares.values()) >= 0
    assert sum(shares.values()) <= units + 1e-6


def test_the_last_protected_unit_earns_the_same_everywhere() -> None:
    shares = protected_shares(100, {"a": 1.0, "b": 1.0}, {"a": 30.0, "b": 10.0})
    assert sum(shares.values()) == pytest.approx(100, abs=1e-3)
    # Littlewood: 30 x P(D_a >= x_a) = 10 x P(D_b >= x_b); with mean 50 and deviation 7.07.
    assert shares["a"] == pytest.approx(54.77, abs=0.1)


def test_protection_refuses_a_negative_speed() -> None:
    with pytest.raises(InvariantViolated):
        protected_shares(5, {"a": -1.0}, {})


def refusals_by_recursion(units: int, elsewhere: int, share: float) -> float:
    """The exact mean, buyer by buyer, when the units elsewhere serve every other buyer."""
    table = [[0.0] * (elsewhere + 1) for _ in range(units + 1)]
    for here in range(units + 1):
        for there in range(elsewhere + 1):
            if here and there:
                value = share * table[here - 1][there] + (1 - share) * table[here][there - 1]
            elif here:
                value = table[here - 1][0] + 1 / share - 1
            else:
                value = table[0][there - 1] + 1 / (1 - share) - 1 if there else 0.0
            table[here][there] = value
    return table[units][elsewhere]


@pytest.mark.parametrize("share", [0.15, 0.45, 0.8])
@pytest.mark.parametrize(("units", "elsewhere"), [(1, 1), (3, 2), (10, 14), (40, 40), (0, 6)])
def test_expected_refusals_are_close_to_the_exact_ones(
    units: int, elsewhere: int, share: float
) -> None:
    exact = refusals_by_recursion(units, elsewhere, share)
    assert expected_refusals(units, elsewhere, share) == pytest.approx(exact, rel=0.15, abs=0.35)


def test_the_spread_of_delays_keeps_their_mean() -> None:
    assert sum(APPLY_SPREAD) / len(APPLY_SPREAD) == pytest.approx(1.0, abs=0.05)
