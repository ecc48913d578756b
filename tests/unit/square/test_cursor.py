"""How far each window of the feed reaches back."""

from __future__ import annotations

from channelsync_square.cursor import Cursor, Phase

START = 1_000_000.0
MINUTE = 60.0


def window(here: Cursor, *, pages: int, at: float) -> Cursor:
    """The cursor after a whole window that began then."""
    while here.phase is not Phase.LEDGER:
        here = here.onward(None, started=at)
    for page in range(pages - 1):
        here = here.onward(f"page-{page}", started=at)
    return here.onward(None, started=at)


def minutes_back(here: Cursor, *, lag: float = MINUTE) -> float:
    return (here.since - here.ledger_from(lag)) / MINUTE


def test_a_window_reaches_five_minutes_back_while_the_ledger_is_short() -> None:
    here = Cursor.first(START)
    assert minutes_back(here) == 5.0
    for minute in range(1, 5):
        here = window(here, pages=1, at=START + minute * MINUTE)
        assert minutes_back(here) == 5.0


def test_behind_a_long_window_only_what_may_have_been_invisible_is_read_again() -> None:
    here = window(Cursor.first(START), pages=3, at=START + MINUTE)
    assert here.since == START + MINUTE
    assert minutes_back(here) == 1.25
    assert minutes_back(here, lag=10 * MINUTE) == 10.25


def test_long_windows_are_swept_now_and_then_from_where_the_last_sweep_left_off() -> None:
    here = window(Cursor.first(START), pages=3, at=START)
    for minute in range(1, 15):
        here = window(here, pages=2, at=START + minute * MINUTE)
        assert minutes_back(here) == 1.25
    here = window(here, pages=2, at=START + 15 * MINUTE)
    assert minutes_back(here) == 20.0
    here = window(here, pages=9, at=START + 16 * MINUTE)
    assert minutes_back(here) == 1.25


def test_the_sweep_comes_at_once_when_the_ledger_is_short_again() -> None:
    here = window(Cursor.first(START), pages=3, at=START)
    here = window(here, pages=3, at=START + MINUTE)
    here = window(here, pages=1, at=START + 2 * MINUTE)
    assert minutes_back(here) == 7.0
    here = window(here, pages=1, at=START + 3 * MINUTE)
    assert minutes_back(here) == 5.0


def test_a_lag_longer_than_the_overlap_is_read_over_whole() -> None:
    here = window(Cursor.first(START), pages=1, at=START)
    assert minutes_back(here, lag=10 * MINUTE) == 10.25
    assert here.since - here.orders_from(10 * MINUTE) == 10.25 * MINUTE
    assert here.since - here.orders_from(MINUTE) == 5 * MINUTE


def test_a_window_begun_anew_reaches_back_like_before() -> None:
    here = window(Cursor.first(START), pages=3, at=START)
    paging = here.onward(None, started=START + MINUTE).onward("one", started=START + MINUTE)
    anew = paging.model_copy(update={"after": None})
    assert anew.ledger_from(MINUTE) == paging.ledger_from(MINUTE) == here.ledger_from(MINUTE)


def test_a_place_stored_before_sweeps_were_kept_is_read_in_full() -> None:
    here = Cursor.read('{"phase":"ledger","since":1000000.0}')
    assert minutes_back(here) == 5.0
