"""Square's ways of writing times and quantities."""

from __future__ import annotations

from decimal import Decimal

import pytest

from channelsync_square.times import decimal, instant, iso, units_at_least

NOON = 1_795_262_400.0


@pytest.mark.parametrize(
    "text",
    [
        "2026-11-21T12:00:00Z",
        "2026-11-21T12:00:00.000Z",
        "2026-11-21T13:00:00+01:00",
        "2026-11-21T07:00:00-0500",
        "2026-11-21 12:00:00 +0000 UTC",
        "2026-11-21T12:00:00",
    ],
)
def test_every_way_in_which_square_writes_one_instant(text: str) -> None:
    assert instant(text) == NOON


def test_nine_digits_after_the_second_are_read() -> None:
    assert instant("2026-11-21T12:00:00.455006797Z") == pytest.approx(NOON + 0.455006797, abs=1e-6)


@pytest.mark.parametrize("bad", [None, 5, "", "noon", "2026-11-21", "2026-13-41T12:00:00Z"])
def test_what_is_no_time_is_refused(bad: object) -> None:
    with pytest.raises(ValueError, match=r"time|month"):
        instant(bad)


@pytest.mark.parametrize("at", [NOON, NOON + 0.0005, NOON + 0.9999])
def test_a_time_is_written_rounded_down_so_that_it_is_never_in_the_future(at: float) -> None:
    assert at - 0.0011 <= instant(iso(at)) <= at


@pytest.mark.parametrize(
    ("text", "units"), [("5", 5), ("5.00000", 5), ("0.5", 1), ("-2", -2), ("-2.5", -2), ("0", 0)]
)
def test_a_quantity_counts_the_whole_units_that_cover_it(text: str, units: int) -> None:
    assert units_at_least(decimal(text)) == units


@pytest.mark.parametrize("bad", [5, 5.0, None, "", "five", "NaN", "Infinity"])
def test_what_is_no_decimal_text_is_refused(bad: object) -> None:
    with pytest.raises(ValueError, match="not a quantity"):
        decimal(bad)


def test_a_quantity_keeps_its_places() -> None:
    assert decimal("1.00001") == Decimal("1.00001")
