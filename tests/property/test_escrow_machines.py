"""The theorem, on the real functions: one machine for each way to push, and mixed pools."""

from __future__ import annotations

from hypothesis import settings

from tests.property import budget
from tests.property.machine import ABSOLUTE, COMPARE_AND_SET, DELTA, LIVE, Shape
from tests.property.settling import EscrowMachine

BUDGET = settings(max_examples=budget.CHOSEN.examples, stateful_step_count=budget.CHOSEN.steps)


class KeyedCompareAndSet(EscrowMachine):
    shapes = (Shape(semantics=COMPARE_AND_SET),)
    stock = (4,)


class KeyedDelta(EscrowMachine):
    shapes = (Shape(semantics=DELTA),)
    stock = (4,)


class Absolute(EscrowMachine):
    shapes = (Shape(semantics=ABSOLUTE),)


class TillAndLive(EscrowMachine):
    """A till that sells what it has in hand, and a channel that asks, with a protected slice."""

    shapes = (Shape(semantics=DELTA, enforces=False), Shape(semantics=LIVE))


class MixedPool(EscrowMachine):
    """Every way to push, over one item."""

    shapes = (
        Shape(semantics=COMPARE_AND_SET),
        Shape(semantics=ABSOLUTE),
        Shape(semantics=DELTA),
        Shape(semantics=LIVE),
    )
    stock = (9,)


class Bundles(EscrowMachine):
    """Listings whose recipes share a component."""

    shapes = (
        Shape(semantics=COMPARE_AND_SET, recipe=((0, 1),)),
        Shape(semantics=DELTA, recipe=((0, 1), (1, 2))),
        Shape(semantics=ABSOLUTE, recipe=((1, 2),)),
    )
    stock = (5, 9)


MACHINES = (KeyedCompareAndSet, KeyedDelta, Absolute, TillAndLive, MixedPool, Bundles)

TestKeyedCompareAndSet = KeyedCompareAndSet.TestCase
TestKeyedDelta = KeyedDelta.TestCase
TestAbsolute = Absolute.TestCase
TestTillAndLive = TillAndLive.TestCase
TestMixedPool = MixedPool.TestCase
TestBundles = Bundles.TestCase
for case in (machine.TestCase for machine in MACHINES):
    case.settings = BUDGET


def test_the_configured_budget_reaches_its_floor() -> None:
    configured = sum(
        machine.TestCase.settings.max_examples * machine.TestCase.settings.stateful_step_count
        for machine in MACHINES
    )
    assert budget.PROFILE == "quick" or configured >= budget.STEPS_FLOOR
