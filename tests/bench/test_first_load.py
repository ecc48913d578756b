"""A first load, small: every number is written once, whatever happens to the daemon half-way."""

from __future__ import annotations

from pathlib import Path

import pytest

from bench.first_load import play

LISTINGS = {"amazon": 60, "shopify": 120, "square": 300}
IN_FLIGHT_MAX = {"amazon": 1, "shopify": 250, "square": 100}
"""What one request carries: its answer may have been lost with the daemon."""


@pytest.mark.parametrize("name", LISTINGS)
def test_a_first_load_survives_a_restart_and_writes_nothing_needlessly(
    name: str, tmp_path: Path
) -> None:
    played = play(name, LISTINGS[name], tmp_path)
    assert played.wrong == 0
    assert played.written == LISTINGS[name]
    assert played.written_again <= IN_FLIGHT_MAX[name]
    assert 0 < played.found_after < played.cut_off_after < played.done_after
    assert played.done_after < 86_400.0
    assert played.limits_allow > 0
