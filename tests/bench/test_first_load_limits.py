"""What a first load is held against: small cases, reckoned by hand."""

from __future__ import annotations

import pytest

from bench.first_load_limits import Batches, shortest_seconds

SHARED = {"found": 100.0, "read": 50.0, "written": 20.0, "shared": True}
APART = {"found": 100.0, "read": 100.0, "written": 10.0, "shared": False}
FEEDS = Batches(size_max=25_000, seconds_min=20.0, singles_per_second=5.0)


@pytest.mark.parametrize(
    ("rates", "visible_after", "seconds"),
    [
        # 10 s for the catalogue, 20 s for reading, 50 s for writing, one after the other.
        (SHARED, 5.0, 10 + 20 + 50),
        # The last listing is read no sooner than the others are written: 60 s of waiting count.
        (SHARED, 60.0, 10 + 60 + 50),
        # 10 s of reading pass while 100 s of writing go on, once the first listing is proven.
        (APART, 0.0, 10 + 100),
        (APART, 7.0, 10 + 7 + 100),
    ],
)
def test_what_is_applied_at_once(
    rates: dict[str, float], visible_after: float, seconds: float
) -> None:
    assert shortest_seconds(1_000, rates, visible_after_seconds=visible_after) == seconds


@pytest.mark.parametrize(
    ("listings", "batches", "seconds"),
    [
        # 1,000 s of catalogue, 305 s until orders are visible, 1,000 s of reading. Of what is
        # proven in the last 20 s a twentieth may go alone, so the last feed ends 19 s later.
        (100_000, FEEDS, 1_000 + 305 + 1_000 + 19),
        (10_000, FEEDS, 100 + 305 + 100 + 19),
        # 60 one by one, 5 a second, are done before any feed would be.
        (60, FEEDS, 0.6 + 305 + 12),
        # Feeds of 1,000 in 20 s and 5 a second beside them: 55 a second, slower than reading.
        (
            11_000,
            Batches(size_max=1_000, seconds_min=20.0, singles_per_second=5.0),
            110 + 305 + 200,
        ),
        # Whatever may go one by one as quickly as it is proven waits for no batch.
        (
            1_000,
            Batches(size_max=1_000, seconds_min=20.0, singles_per_second=100.0),
            10 + 305 + 10,
        ),
    ],
)
def test_what_is_worked_off_in_batches(listings: int, batches: Batches, seconds: float) -> None:
    shortest = shortest_seconds(listings, APART, visible_after_seconds=305.0, batches=batches)
    assert shortest == pytest.approx(seconds)
