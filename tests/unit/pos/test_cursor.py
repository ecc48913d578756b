"""How far a register is known to be complete is proven by the numbers heard, in any order."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from channelsync.sdk.errors import Misconfigured
from channelsync_pos.cursor import RANGES_MAX, Cursor, Heard, complete_to

NUMBERS = st.lists(st.integers(1, 40), max_size=60)


@given(st.integers(0, 10), st.lists(NUMBERS, max_size=5))
def test_what_was_heard_is_what_a_set_of_numbers_would_say(
    begins_after: int, batches: list[list[int]]
) -> None:
    heard, truth = Heard(through=begins_after), set(range(begins_after + 1))
    for batch in batches:
        heard.hear(batch)
        truth.update(batch)
    through = begins_after
    while through + 1 in truth:
        through += 1
    assert heard.through == through
    beyond = {n for low, high in heard.beyond for n in range(low, high + 1)}
    assert beyond == {n for n in truth if n > through}
    for (_, high), (low, _) in zip(heard.beyond, heard.beyond[1:], strict=False):
        assert high + 1 < low


def test_a_numbering_full_of_holes_is_called_what_it_is() -> None:
    heard = Heard(through=0)
    heard.hear(range(2, 2 * RANGES_MAX + 2, 2))
    with pytest.raises(Misconfigured, match="gaps"):
        heard.hear([3 * RANGES_MAX])


def test_a_cursor_survives_being_kept() -> None:
    cursor = Cursor(after="17")
    cursor.register("T1", begins_after=4).hear([5, 7, 9])
    assert Cursor.read(cursor.text()) == cursor


def test_a_foreign_cursor_is_refused_for_people() -> None:
    with pytest.raises(Misconfigured, match="adopt"):
        Cursor.read('{"page": 3}')


def heard_cursor(**through: int) -> Cursor:
    return Cursor(registers={name: Heard(through=number) for name, number in through.items()})


def test_complete_means_up_to_the_oldest_contact() -> None:
    cursor = heard_cursor(T1=5, T2=9)
    contacts = [("T1", 5, 100.0), ("T2", 9, 60.0)]
    assert complete_to(cursor, contacts, expected=("T1",), as_of=100.0) == 60.0


def test_no_claim_goes_beyond_the_tills_own_clock() -> None:
    cursor = heard_cursor(T1=5)
    assert complete_to(cursor, [("T1", 5, 130.0)], expected=(), as_of=100.0) == 100.0


def test_a_till_without_registers_sells_nothing() -> None:
    assert complete_to(Cursor(), [], expected=(), as_of=100.0) == 100.0


def test_an_expected_register_that_is_missing_makes_the_whole_unknown() -> None:
    cursor = heard_cursor(T1=5)
    assert complete_to(cursor, [("T1", 5, 100.0)], expected=("T2",), as_of=100.0) is None


def test_a_hole_holds_the_claim_at_the_last_contact_before_it() -> None:
    cursor = heard_cursor(T1=5)
    assert complete_to(cursor, [("T1", 5, 100.0)], expected=(), as_of=100.0) == 100.0
    assert complete_to(cursor, [("T1", 7, 200.0)], expected=(), as_of=200.0) == 100.0
    cursor.registers["T1"].hear([7])
    assert complete_to(cursor, [("T1", 7, 250.0)], expected=(), as_of=250.0) == 100.0
    cursor.registers["T1"].hear([6])
    assert complete_to(cursor, [("T1", 7, 300.0)], expected=(), as_of=300.0) == 300.0


def test_a_register_that_was_never_complete_makes_the_whole_unknown() -> None:
    assert complete_to(heard_cursor(T1=3), [("T1", 4, 100.0)], expected=(), as_of=100.0) is None
