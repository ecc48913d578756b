"""The escrow protocol, one rule an example. The machines in tests/property play all the others."""

from __future__ import annotations

import pytest
from msgspec.structs import replace

from channelsync.domain.errors import (
    InsufficientFree,
    InvariantViolated,
    NotSettleable,
    PushConflict,
)
from channelsync.domain.escrow import (
    ChannelLimits,
    Grant,
    Outcome,
    Push,
    Reading,
    SettleReason,
    UnitsAround,
    check_provable,
    count_cancel,
    count_relisted_return,
    count_sale,
    finish_attempt,
    give_up,
    may_retry,
    open_push,
    release_cut,
    resize_slice,
    settle,
    start_attempt,
    withdraw,
)
from channelsync.domain.vocabulary import CancelEffect, PushKind, PushSemantics

CAS = PushSemantics.KEYED_COMPARE_AND_SET
DELTA = PushSemantics.KEYED_DELTA
ABSOLUTE = PushSemantics.ABSOLUTE
LIVE = PushSemantics.LIVE
LIMITS = ChannelLimits(
    apply_limit_seconds=60, quarantine_seconds=600, read_lag_seconds=5, clock_skew_seconds=1
)
NOW = 1_000.0


def grant(semantics: PushSemantics = DELTA, exposure: int | None = 10) -> Grant:
    return Grant(semantics=semantics, exposure=exposure)


def push(kind: PushKind, units: int, compare: int | None = None) -> Push:
    return Push(push_id="p1", kind=kind, units=units, compare=compare, retry_until=NOW + 1_000)


def sent(before: Grant, what: Push, *outcomes: Outcome, takeable: int = 100) -> Grant:
    """Open a push and let one copy after the other end."""
    after = open_push(before, what, takeable=takeable)
    for index, outcome in enumerate(outcomes):
        after = start_attempt(after, now=NOW + index, takeable=takeable)
        assert after.push is not None
        after = finish_attempt(after, after.push, outcome, now=NOW + index, limits=LIMITS)
    return after


def read(quantity: int, at: float, *, push_seq: int = 0) -> Reading:
    return Reading(quantity=quantity, sent_at=at, received_at=at, push_seq=push_seq)


# ------------------------------------------------------------------ facts


def test_a_sale_lowers_the_exposure_and_what_exceeds_it_asks_for_a_settle() -> None:
    after, excess = count_sale(grant(), 4)
    assert (after.exposure, excess, after.settle_reasons) == (6, 0, frozenset())
    beyond, excess = count_sale(after, 8)
    assert (beyond.exposure, excess) == (0, 2)
    assert beyond.settle_reasons == {SettleReason.EXCESS}


def test_a_listing_never_settled_stays_all_whatever_it_sells() -> None:
    assert count_sale(grant(exposure=None), 4) == (grant(exposure=None), 0)


@pytest.mark.parametrize(
    ("effect", "exposure", "reasons"),
    [
        (CancelEffect.RELISTED, 12, frozenset()),
        (CancelEffect.UNSURE, 12, frozenset({SettleReason.UNSURE_CANCEL})),
        (CancelEffect.NOT_RELISTED, 10, frozenset()),
    ],
)
def test_a_cancel_returns_to_the_listing_unless_it_provably_comes_back_to_us(
    effect: CancelEffect, exposure: int, reasons: frozenset[SettleReason]
) -> None:
    after = count_cancel(grant(), 2, effect)
    assert (after.exposure, after.settle_reasons) == (exposure, reasons)


def test_a_relisted_return_adds_to_the_exposure() -> None:
    assert count_relisted_return(grant(), 2).exposure == 12


@pytest.mark.parametrize("units", [0, -1])
def test_a_fact_moves_at_least_one_unit(units: int) -> None:
    with pytest.raises(InvariantViolated):
        count_sale(grant(), units)


# ------------------------------------------------------------------ raises and cuts


def test_a_raise_is_charged_when_it_is_opened_and_only_if_free_has_it() -> None:
    assert open_push(grant(), push(PushKind.RAISE, 5), takeable=5).exposure == 15
    with pytest.raises(InsufficientFree):
        open_push(grant(), push(PushKind.RAISE, 6), takeable=5)


def test_an_applied_raise_closes_and_keeps_its_charge() -> None:
    after = sent(grant(), push(PushKind.RAISE, 5), Outcome.APPLIED)
    assert (after.exposure, after.push) == (15, None)


def test_keyed_copies_are_charged_once_however_many_leave() -> None:
    after = sent(grant(), push(PushKind.RAISE, 5), Outcome.UNKNOWN, Outcome.UNKNOWN)
    assert after.exposure == 15
    assert after.push is not None
    assert after.push.copies == 2


def test_a_raise_is_taken_back_only_when_every_copy_was_refused() -> None:
    all_refused = sent(grant(), push(PushKind.RAISE, 5), Outcome.REFUSED)
    assert (all_refused.exposure, all_refused.push) == (10, None)
    one_unanswered = sent(grant(), push(PushKind.RAISE, 5), Outcome.UNKNOWN, Outcome.REFUSED)
    assert one_unanswered.exposure == 15
    assert one_unanswered.settle_reasons == {SettleReason.UNKNOWN_PUSH}
    assert not may_retry(one_unanswered, now=NOW, takeable=100)


def test_an_old_key_is_never_sent_again_and_what_it_charged_stays() -> None:
    waiting = sent(grant(), push(PushKind.RAISE, 5), Outcome.UNKNOWN)
    assert may_retry(waiting, now=NOW + 999, takeable=0)
    assert not may_retry(waiting, now=NOW + 1_000, takeable=0)
    with pytest.raises(PushConflict, match="too old"):
        start_attempt(waiting, now=NOW + 1_000, takeable=100)
    given_up = give_up(waiting)
    assert given_up.exposure == 15
    assert given_up.settle_reasons == {SettleReason.UNKNOWN_PUSH}


def test_a_copy_that_never_left_is_no_copy() -> None:
    after = sent(grant(), push(PushKind.RAISE, 5), Outcome.UNSENT)
    assert after.push is not None
    assert (after.push.copies, after.exposure) == (0, 15)
    back = withdraw(after)
    assert (back.exposure, back.push) == (10, None)


def test_a_push_of_which_a_copy_left_cannot_be_withdrawn() -> None:
    with pytest.raises(PushConflict):
        withdraw(sent(grant(), push(PushKind.RAISE, 5), Outcome.UNKNOWN))


def test_a_cut_gives_back_nothing_before_a_read_sent_after_its_quarantine() -> None:
    cut = sent(grant(CAS), push(PushKind.CUT, 4, compare=10), Outcome.APPLIED)
    assert cut.exposure == 10
    with pytest.raises(NotSettleable, match="inside the quarantine"):
        release_cut(cut, read(6, NOW + 604))
    released = release_cut(cut, read(6, NOW + 605))
    assert (released.exposure, released.push) == (6, None)


def test_a_counter_below_zero_leaves_the_cut_to_a_settle() -> None:
    cut = sent(grant(DELTA), push(PushKind.CUT, 4), Outcome.APPLIED)
    kept = release_cut(cut, read(-1, NOW + 605))
    assert kept.exposure == 10
    assert kept.settle_reasons == {SettleReason.NEGATIVE_COUNTER}


# ------------------------------------------------------------------ absolute sets


def test_every_attempt_of_a_set_is_charged_in_full() -> None:
    once = sent(grant(ABSOLUTE), push(PushKind.SET, 7), Outcome.UNKNOWN)
    assert once.exposure == 17
    twice = sent(grant(ABSOLUTE), push(PushKind.SET, 7), Outcome.UNKNOWN, Outcome.UNKNOWN)
    assert twice.exposure == 24
    with pytest.raises(InsufficientFree):
        start_attempt(once, now=NOW, takeable=6)


def test_even_an_answered_set_is_released_by_a_settle_alone() -> None:
    done = sent(grant(ABSOLUTE), push(PushKind.SET, 7), Outcome.APPLIED)
    assert done.exposure == 17
    assert done.settle_reasons == {SettleReason.ABSOLUTE_PUSH}


def test_a_zero_costs_nothing_and_is_allowed_before_the_first_settle() -> None:
    zero = sent(grant(ABSOLUTE, exposure=None), push(PushKind.ZERO, 0), Outcome.APPLIED, takeable=0)
    assert (zero.exposure, zero.push_seq) == (None, 0)


@pytest.mark.parametrize(
    ("semantics", "what"),
    [
        (ABSOLUTE, push(PushKind.RAISE, 1)),
        (DELTA, push(PushKind.SET, 1)),
        (CAS, push(PushKind.CUT, 1)),  # names no value that it replaces
        (LIVE, push(PushKind.RAISE, 1)),
        (ABSOLUTE, push(PushKind.ZERO, 1)),
        (DELTA, push(PushKind.CUT, 0)),
    ],
)
def test_a_push_that_does_not_fit_the_channel_is_refused(
    semantics: PushSemantics, what: Push
) -> None:
    with pytest.raises(PushConflict):
        open_push(grant(semantics), what, takeable=100)


def test_one_push_at_a_time_and_no_raise_before_the_first_settle() -> None:
    busy = open_push(grant(), push(PushKind.RAISE, 1), takeable=1)
    with pytest.raises(PushConflict, match="not closed"):
        open_push(busy, replace(push(PushKind.CUT, 1), push_id="p2"), takeable=1)
    with pytest.raises(PushConflict, match="never settled"):
        open_push(grant(exposure=None), push(PushKind.RAISE, 1), takeable=1)


# ------------------------------------------------------------------ settling


def settled(before: Grant, reading: Reading, around: UnitsAround) -> Grant:
    return settle(before, reading, around, watermark=reading.received_at + 1, limits=LIMITS)


def test_a_reading_proves_the_exposure_from_order_facts() -> None:
    around = UnitsAround(sold_after=2, relisted_after=1, exposure_at_read=10)
    after = settled(grant(exposure=10), read(6, NOW), around)
    assert after.exposure == 5


def test_a_settle_never_raises_what_the_reading_does_not_contradict() -> None:
    kept = settled(grant(exposure=3), read(6, NOW), UnitsAround(exposure_at_read=6))
    assert kept.exposure == 3
    drifted = settled(grant(exposure=3), read(9, NOW), UnitsAround(exposure_at_read=6))
    assert drifted.exposure == 9


def test_units_put_back_on_a_counter_below_zero_ask_for_another_look() -> None:
    """They fill it up to 0 first, so the exposure may be too high by as much as was missing."""
    back = settled(grant(exposure=1), read(-1, NOW), UnitsAround(relisted_after=1))
    assert back.exposure == 1
    assert back.settle_reasons == {SettleReason.SWALLOWED_UNITS}
    assert settled(back, read(0, NOW + 100), UnitsAround()).settle_reasons == set()


def test_a_settle_closes_a_doubtful_push() -> None:
    doubtful = give_up(sent(grant(), push(PushKind.RAISE, 5), Outcome.UNKNOWN))
    after = settled(doubtful, read(12, NOW + 700, push_seq=1), UnitsAround(exposure_at_read=15))
    assert (after.exposure, after.push, after.settle_reasons) == (12, None, frozenset())


@pytest.mark.parametrize(
    ("before", "reading", "missing"),
    [
        (
            start_attempt(
                open_push(grant(), push(PushKind.RAISE, 5), takeable=5), now=NOW, takeable=5
            ),
            read(10, NOW + 700, push_seq=1),
            "under way",
        ),
        (
            sent(grant(), push(PushKind.RAISE, 5), Outcome.UNKNOWN),
            read(10, NOW + 66, push_seq=1),
            "may still apply",
        ),
        (
            sent(grant(), push(PushKind.RAISE, 5), Outcome.UNKNOWN),
            read(10, NOW + 700, push_seq=0),
            "started after",
        ),
        (
            sent(grant(), push(PushKind.CUT, 5), Outcome.APPLIED),
            read(5, NOW + 606, push_seq=1),
            "quarantine",
        ),
    ],
)
def test_a_reading_that_proves_nothing_settles_nothing(
    before: Grant, reading: Reading, missing: str
) -> None:
    with pytest.raises(NotSettleable, match=missing):
        settled(before, reading, UnitsAround())
    with pytest.raises(NotSettleable, match=missing):
        check_provable(before, reading, limits=LIMITS)


def test_a_settle_waits_until_every_order_up_to_the_reading_is_counted() -> None:
    reading = read(5, NOW)
    with pytest.raises(NotSettleable, match="not all counted"):
        settle(grant(), reading, UnitsAround(), watermark=NOW + 0.9, limits=LIMITS)
    check_provable(grant(), reading, limits=LIMITS)
    assert settle(grant(), reading, UnitsAround(), watermark=NOW + 1, limits=LIMITS).exposure == 5


# ------------------------------------------------------------------ live channels


def test_a_slice_grows_only_by_what_is_free() -> None:
    assert resize_slice(grant(LIVE, 4), 9, takeable=5).exposure == 9
    assert resize_slice(grant(LIVE, 4), 1, takeable=0).exposure == 1
    with pytest.raises(InsufficientFree):
        resize_slice(grant(LIVE, 4), 10, takeable=5)
    with pytest.raises(PushConflict):
        resize_slice(grant(DELTA, 4), 5, takeable=5)
