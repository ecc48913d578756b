"""The machines have teeth: bend one rule of the protocol and they find what breaks."""

from __future__ import annotations

import pytest
from hypothesis import Phase, seed, settings
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

Case = tuple[type[Rules], tuple[Shape, ...], int]
"""A bent rule, the channels of its world, and where the search begins.

One beginning finds after a dozen examples what another finds after a thousand. The budget is the
same for all, so that a beginning that is no longer the luckiest costs time and nothing else.
"""

CASES: list[Case] = [
    (wrong.RetryIsNotCharged, (SET,), 2),
    (wrong.PushesCarryNoKey, (CAS,), 3),
    (wrong.PushesCarryNoKey, (ADD,), 1),
    (wrong.RaiseBeforeCut, (CAS, ADD), 1),
    (wrong.CutIsFreeAtOnce, (CAS,), 1),
    (wrong.SmallerSetReleasesAtOnce, (SET,), 1),
    (wrong.SettleSubtractsWhatWasCounted, (SET,), 2),
    (wrong.SettleForgetsCancels, (ADD,), 1),
    (wrong.SettleLooksOnlyAtNow, (SET,), 2),
    (wrong.SettleLooksOnlyAtNow, (ADD,), 1),
    (wrong.SettleLooksOnlyAtTheRead, (SET,), 2),
    (wrong.ReadsAreTakenAsFresh, (ADD,), 10),
    (wrong.AnyRefusalIsProof, (CAS,), 2),
    (wrong.UnansweredIsProof, (ADD,), 1),
    (wrong.OldKeysAreSentAgain, (ADD,), 2),
    (wrong.SettleIgnoresQuarantine, (SET,), 1),
    (wrong.SettleLeavesThePushOpen, (CAS,), 1),
    (wrong.LostLeaseEndsTheAttempt, (SET,), 6),
    (wrong.CutIsReleasedEarly, (ADD,), 1),
    (wrong.CutIsReleasedByALaggingRead, (ADD,), 6),
    (wrong.CancelsGoToFree, (SET,), 1),
    (wrong.ExcessIsForgotten, (TILL,), 1),
    (wrong.AdoptionFreezesNothing, (CAS, ADD), 1),
    (wrong.ClientRepeatsWrites, (SET,), 8),
    (wrong.WatermarkPassesUncountedLines, (ADD,), 6),
    (wrong.UnsureCancelsAskForNothing, (ADD,), 2),
]


def case_name(case: Case) -> str:
    rules, shapes, _ = case
    return "-".join([rules.__name__, *(shape.semantics.value for shape in shapes)])


@pytest.mark.parametrize("case", CASES, ids=case_name)
def test_a_bent_rule_is_found_out(case: Case) -> None:
    rules, bent_shapes, beginning = case

    class Bent(EscrowMachine):
        shapes = bent_shapes
        stock = (3,)
        protocol = rules
        walk_steps = 60

    with pytest.raises((ProtocolBroken, InvariantViolated)):
        run_state_machine_as_test(seed(beginning)(Bent), settings=ONE_SEARCH)


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
