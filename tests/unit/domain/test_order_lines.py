"""Order facts: whatever order they arrive in, each unit moves the books once."""

from __future__ import annotations

from itertools import permutations, product
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from channelsync.domain.errors import InvariantViolated
from channelsync.domain.grant import ChannelLimits, Reading
from channelsync.domain.orders import (
    LineChange,
    LineEvent,
    LineEventKind,
    LineState,
    _difference,
    diff,
    merge,
    state_of,
    units_around,
)
from channelsync.domain.vocabulary import CancelEffect, OrderState

RELISTED = CancelEffect.RELISTED
UNSURE = CancelEffect.UNSURE
NEVER = CancelEffect.NOT_RELISTED


def moved(change: LineChange) -> dict[str, int]:
    """What a change moves, by name, without what is 0."""
    names = (
        "sold",
        "sold_outside",
        "cancelled",
        "cancelled_outside",
        "shipped",
        "restocked",
        "relisted",
    )
    return {name: value for name in names if (value := getattr(change, name))}


# ------------------------------------------------------------------ merging


@st.composite
def histories(draw: st.DrawFn) -> list[LineState]:
    """States that one line has had, oldest first; every count only grows."""
    state = LineState(ordered=draw(st.integers(1, 4)), version=1.0, cancel_effect=RELISTED)
    told = [state]
    for step in range(draw(st.integers(0, 3))):
        name = draw(st.sampled_from(["ordered", "cancelled", "shipped", "returned"]))
        state = replace(
            state,
            version=state.version + draw(st.integers(0, 1)),
            cancelled_at=10.0 + step if name == "cancelled" else state.cancelled_at,
            **{name: getattr(state, name) + 1},
        )
        told.append(state)
    return told


@given(told=histories())
def test_the_order_in_which_states_arrive_does_not_matter(told: list[LineState]) -> None:
    ends = set()
    for arrival in permutations(told):
        believed = None
        for state in arrival:
            believed = merge(believed, state)
        ends.add(believed)
    assert len(ends) == 1


@given(told=histories(), data=st.data())
def test_hearing_again_what_is_known_moves_nothing(
    told: list[LineState], data: st.DataObject
) -> None:
    believed = told[0]
    for state in told:
        believed = merge(believed, state)
    again = merge(believed, data.draw(st.sampled_from(told)))
    assert moved(diff(believed, again)) == {}


@given(told=histories(), data=st.data())
def test_the_reserve_follows_the_line_whatever_was_heard_on_the_way(
    told: list[LineState], data: st.DataObject
) -> None:
    known, reserved, on_hand = None, 0, 0
    for state in data.draw(st.permutations(told)):
        now = merge(known, state)
        change = diff(known, now)
        reserved += change.sold + change.sold_outside
        reserved -= change.cancelled + change.cancelled_outside + change.shipped
        on_hand += change.restocked - change.shipped
        known = now
    assert known is not None
    assert reserved == known.to_reserve
    assert on_hand == known.restocked - known.shipped


def test_of_two_states_of_one_instant_the_most_cautious_words_are_believed() -> None:
    one = LineState(ordered=1, cancelled=1, cancel_effect=NEVER, pending=True, version=5.0)
    other = replace(one, cancel_effect=RELISTED, pending=False)
    for believed in (merge(one, other), merge(other, one)):
        assert (believed.cancel_effect, believed.pending) == (UNSURE, False)


# ------------------------------------------------------------------ what moves


def test_a_sale_is_reserved_and_a_shipment_leaves_the_house() -> None:
    sold = LineState(ordered=3, sold_at=10.0)
    assert moved(diff(None, sold)) == {"sold": 3}
    assert moved(diff(sold, replace(sold, shipped=2))) == {"shipped": 2}


def test_the_short_way_for_a_plain_sale_says_what_the_long_one_does() -> None:
    counts = ("cancelled", "shipped", "returned", "restocked", "relisted")
    others: list[dict[str, Any]] = [{}, *({name: 1} for name in counts)]
    times = (None, 1.0, 3.0)
    for ordered, other, at, off, own, effect in product(
        range(3), others, times, times, (True, False), CancelEffect
    ):
        line = LineState(ordered=ordered, version=4.0, sold_at=at, cancelled_at=off)
        line = replace(line, cancel_effect=effect, moves_counter=own, **other)
        for settled, baseline_at in product((None, 2.0), (None, 5.0)):
            short = diff(None, line, settled_from=settled, settled_to=9.0, baseline_at=baseline_at)
            assert short == _difference(None, line, settled, 9.0, baseline_at)


def test_a_cancel_heard_with_its_order_moves_nothing_where_the_channel_lists_again() -> None:
    both = LineState(ordered=3, cancelled=1, cancel_effect=RELISTED)
    change = diff(None, both)
    assert moved(change) == {"sold": 2}
    assert [(event.kind, event.units) for event in change.events] == [
        (LineEventKind.SALE, 3),
        (LineEventKind.CANCEL, 1),
    ]


def test_where_the_channel_never_lists_again_the_counter_stays_down() -> None:
    both = LineState(ordered=3, cancelled=1, cancel_effect=NEVER)
    assert moved(diff(None, both)) == {"sold": 3, "cancelled": 1}


def test_an_unsure_cancel_asks_for_a_settle() -> None:
    sold = LineState(ordered=2, cancel_effect=UNSURE)
    change = diff(sold, replace(sold, cancelled=1))
    assert moved(change) == {"cancelled": 1}
    assert change.settle_wanted


def test_a_sale_that_left_the_counter_alone_is_no_part_of_the_exposure() -> None:
    outside = LineState(ordered=2, moves_counter=False, cancel_effect=RELISTED)
    assert moved(diff(None, outside)) == {"sold_outside": 2}
    assert moved(diff(outside, replace(outside, cancelled=1))) == {"cancelled_outside": 1}


def test_a_sale_that_the_last_settle_saw_before_we_heard_of_it_comes_out_of_free() -> None:
    late = LineState(ordered=2, sold_at=10.0)
    change = diff(None, late, settled_from=20.0, settled_to=21.0)
    assert moved(change) == {"sold_outside": 2}
    assert change.settle_wanted
    after = diff(None, replace(late, sold_at=30.0), settled_from=20.0, settled_to=21.0)
    assert moved(after) == {"sold": 2}


def test_a_returned_unit_on_the_counter_again_comes_out_of_free_and_waits_for_inspection() -> None:
    shipped = LineState(ordered=1, shipped=1)
    back = replace(shipped, returned=1, relisted=1)
    assert moved(diff(shipped, back)) == {"relisted": 1}
    assert moved(diff(back, replace(back, restocked=1))) == {"restocked": 1}


def test_what_had_left_before_the_stock_was_counted_is_history() -> None:
    shipped = LineState(ordered=3, shipped=2, version=50.0, shipped_at=40.0)
    assert moved(diff(None, shipped, baseline_at=100.0)) == {"sold": 1}
    # A version may be newer than the count; when the units left is what counts.
    edited = replace(shipped, version=200.0)
    assert moved(diff(None, edited, baseline_at=100.0)) == {"sold": 1}
    assert moved(diff(None, edited, baseline_at=30.0)) == {"sold": 3, "shipped": 2}


def test_negative_counts_are_refused() -> None:
    with pytest.raises(InvariantViolated):
        LineState(ordered=1, relisted=-1)


@pytest.mark.parametrize(
    ("line", "word"),
    [
        (LineState(ordered=2, pending=True), OrderState.PENDING),
        (LineState(ordered=2), OrderState.OPEN),
        (LineState(ordered=2, shipped=1), OrderState.PART_SHIPPED),
        (LineState(ordered=2, shipped=1, cancelled=1), OrderState.SHIPPED),
        (LineState(ordered=2, cancelled=2), OrderState.CANCELLED),
        (LineState(ordered=2, shipped=2, returned=2), OrderState.RETURNED),
    ],
)
def test_the_word_for_a_lines_state(line: LineState, word: OrderState) -> None:
    assert state_of(line) is word


# ------------------------------------------------------------------ around a reading

LIMITS = ChannelLimits(
    apply_limit_seconds=5, quarantine_seconds=0, read_lag_seconds=2, clock_skew_seconds=1
)
READING = Reading(quantity=3, sent_at=100.0, received_at=101.0, push_seq=0)
"""True at some instant from 97 to 102."""


def event(kind: LineEventKind, at: float | None, effect: CancelEffect = RELISTED) -> LineEvent:
    return LineEvent(kind=kind, units=1, moved_at=at, effect=effect)


@pytest.mark.parametrize(
    ("happened", "heard_at", "sold_after", "relisted_after", "doubtful"),
    [
        (event(LineEventKind.SALE, 90.0), 103.0, 0, 0, False),
        (event(LineEventKind.SALE, 100.0), 103.0, 0, 0, True),
        (event(LineEventKind.SALE, 103.0), 104.0, 1, 0, False),
        (event(LineEventKind.SALE, None), 104.0, 0, 0, True),
        (event(LineEventKind.SALE, None), 90.0, 0, 0, False),
        (event(LineEventKind.CANCEL, 90.0), 103.0, 0, 0, False),
        (event(LineEventKind.CANCEL, 100.0), 103.0, 0, 1, True),
        (event(LineEventKind.CANCEL, 103.0), 104.0, 0, 1, False),
        (event(LineEventKind.CANCEL, None), 104.0, 0, 1, True),
        (event(LineEventKind.CANCEL, 103.0, UNSURE), 104.0, 0, 1, True),
        (event(LineEventKind.CANCEL, 103.0, NEVER), 104.0, 0, 0, False),
        (event(LineEventKind.RELIST, None), 104.0, 0, 1, True),
    ],
)
def test_only_what_surely_came_after_a_reading_is_taken_off_it(
    happened: LineEvent, heard_at: float, sold_after: int, relisted_after: int, *, doubtful: bool
) -> None:
    around = units_around([(happened, heard_at)], READING, LIMITS)
    assert (around.sold_after, around.relisted_after) == (sold_after, relisted_after)
    assert around.doubtful is doubtful
