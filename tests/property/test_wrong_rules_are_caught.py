"""The machines have teeth: bend one rule of the protocol and they find what breaks."""

from __future__ import annotations

import pytest
from hypothesis import Phase, settings
from hypothesis.stateful import run_state_machine_as_test

from channelsync.domain.errors import InvariantViolated
from tests.property import wrong_rules as wrong
from tests.property.machine import ABSOLUTE, COMPARE_AND_SET, DELTA, ProtocolBroken, Shape
from tests.property.rules import Rules
from tests.property.settling import EscrowMachine

ONE_SEARCH = settings(
    max_examples=8_000,
    stateful_step_count=15,
    phases=[Phase.generate],
    derandomize=True,
    database=None,
    deadline=None,
    report_multiple_bugs=False,
)
CAS = Shape(semantics=COMPARE_AND_SET)
ADD = Shape(semantics=DELTA)
TILL = Shape(semantics=DELTA, enforces=False)
SET = Shape(semantics=ABSOLUTE)

CASES: list[tuple[type[Rules], tuple[Shape, ...]]] = [
    (wrong.RetryIsNotCharged, (SET,)),
    (wrong.PushesCarryNoKey, (CAS,)),
    (wrong.PushesCarryNoKey, (ADD,)),
    (wrong.RaiseBeforeCut, (CAS, ADD)),
    (wrong.CutIsFreeAtOnce, (CAS,)),
    (wrong.SmallerSetReleasesAtOnce, (SET,)),
    (wrong.SettleSubtractsWhatWasCounted, (SET,)),
    (wrong.SettleForgetsCancels, (ADD,)),
    (wrong.SettleLooksOnlyAtNow, (SET,)),
    (wrong.SettleLooksOnlyAtNow, (ADD,)),
    (wrong.SettleLooksOnlyAtTheRead, (SET,)),
    (wrong.ReadsAreTakenAsFresh, (ADD,)),
    (wrong.AnyRefusalIsProof, (CAS,)),
    (wrong.UnansweredIsProof, (ADD,)),
    (wrong.OldKeysAreSentAgain, (ADD,)),
    (wrong.SettleIgnoresQuarantine, (SET,)),
    (wrong.SettleLeavesThePushOpen, (CAS,)),
    (wrong.LostLeaseEndsTheAttempt, (SET,)),
    (wrong.CutIsReleasedEarly, (ADD,)),
    (wrong.CutIsReleasedByALaggingRead, (ADD,)),
    (wrong.CancelsGoToFree, (SET,)),
    (wrong.ExcessIsForgotten, (TILL,)),
    (wrong.AdoptionFreezesNothing, (CAS, ADD)),
    (wrong.ClientRepeatsWrites, (SET,)),
    (wrong.WatermarkPassesUncountedLines, (ADD,)),
    (wrong.UnsureCancelsAskForNothing, (ADD,)),
]


def case_name(case: tuple[type[Rules], tuple[Shape, ...]]) -> str:
    rules, shapes = case
    return "-".join([rules.__name__, *(shape.semantics.value for shape in shapes)])


@pytest.mark.parametrize("case", CASES, ids=case_name)
def test_a_bent_rule_is_found_out(case: tuple[type[Rules], tuple[Shape, ...]]) -> None:
    rules, bent_shapes = case

    class Bent(EscrowMachine):
        shapes = bent_shapes
        stock = (3,)
        protocol = rules
        walk_steps = 60

    with pytest.raises((ProtocolBroken, InvariantViolated)):
        run_state_machine_as_test(Bent, settings=ONE_SEARCH)


def play_a_checkout_that_outlives_a_cut(rules: type[Rules]) -> None:
    """The last unit is in a checkout, is cut, and is sold all the same: the counter is at -1."""

    class World(EscrowMachine):
        shapes = (CAS,)
        stock = (1,)
        protocol = rules

    world = World()
    world.begin(adopting=False, checkouts=True, offset=0.0, shown=1)
    world.shop(0, 1, 0, "begin")
    world.push(0, 1, 4, "answer", raising=False)
    world.shop(0, 1, 0, "finish")
    assert world.accounts[0].market.counter == -1
    world.wait(20.0)
    world.read(0, 0, "look", poll=False)
    world.check_everything()


def test_a_cut_that_is_released_below_zero_is_found_out() -> None:
    play_a_checkout_that_outlives_a_cut(Rules)
    with pytest.raises(ProtocolBroken):
        play_a_checkout_that_outlives_a_cut(wrong.CutBelowZeroIsReleased)
