"""Injected faults are seeded, in proportion, and none of them by default."""

from __future__ import annotations

from collections import Counter
from math import sqrt
from random import Random

import pytest

from channelsync.sdk.testing.faults import AnswerFault, DeliveryPlan, FaultPlan

DRAWS = 20_000
CHANCES = {
    "throttled": 0.1,
    "server_error_before": 0.05,
    "server_error_after": 0.15,
    "timeout_before": 0.2,
    "timeout_after": 0.25,
}


def within(count: int, chance: float) -> bool:
    """Five standard deviations: a seed that misses them says that the proportion is wrong."""
    return abs(count - DRAWS * chance) <= 5 * sqrt(DRAWS * chance * (1 - chance))


def test_a_fresh_plan_injects_nothing() -> None:
    plan, rng = FaultPlan(), Random(1)
    assert {plan.answers.draw(rng) for _ in range(100)} == {None}
    assert {tuple(plan.deliveries.draw(rng)) for _ in range(100)} == {(0.0,)}
    assert not plan.offline
    assert plan.injected == {}


def test_faults_come_in_their_proportions() -> None:
    fault, rng = AnswerFault(**CHANCES), Random(2)
    drawn = Counter(fault.draw(rng) for _ in range(DRAWS))
    assert all(within(drawn[name], chance) for name, chance in CHANCES.items()), drawn
    assert within(drawn[None], 1 - sum(CHANCES.values()))


@pytest.mark.parametrize("name", CHANCES)
def test_a_certain_fault_always_happens(name: str) -> None:
    fault = AnswerFault(**{name: 1.0})
    assert {fault.draw(Random(seed)) for seed in range(50)} == {name}


def test_the_same_seed_draws_the_same_faults() -> None:
    fault = AnswerFault(**CHANCES)
    first, second = Random(3), Random(3)
    assert [fault.draw(first) for _ in range(200)] == [fault.draw(second) for _ in range(200)]


def test_deliveries_are_lost_and_doubled_in_proportion() -> None:
    plan, rng = DeliveryPlan(lose=0.2, double=0.3), Random(4)
    copies = Counter(len(plan.draw(rng)) for _ in range(DRAWS))
    assert within(copies[0], 0.2)
    assert within(copies[2], 0.8 * 0.3)
    assert copies.keys() == {0, 1, 2}


def test_delays_stay_between_their_bounds_and_overtake_each_other() -> None:
    plan, rng = DeliveryPlan(delay_seconds_min=1.0, delay_seconds_max=9.0), Random(5)
    delays = [delay for _ in range(200) for delay in plan.draw(rng)]
    assert min(delays) >= 1.0
    assert max(delays) <= 9.0
    assert delays != sorted(delays)


def test_what_happened_is_counted() -> None:
    plan = FaultPlan()
    for name in ("throttled", "delivery_lost", "throttled"):
        plan.count(name)
    assert plan.injected == {"throttled": 2, "delivery_lost": 1}


def test_plans_do_not_share_what_they_counted() -> None:
    FaultPlan().count("throttled")
    assert FaultPlan().injected == {}
