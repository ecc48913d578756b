"""Amazon, Shopify and Square in one flash sale, every fault on, through the whole engine.

`CHANNELSYNC_MARKET_DAYS` says how many seeds are played; `python -m tests.support.market_day 200`
plays as many and prints what plain policies would have made of the same buyers.
"""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from tests.support.market_day.day import play_day

DAYS = int(os.environ.get("CHANNELSYNC_MARKET_DAYS", "1"))


@pytest.mark.slow
@pytest.mark.timeout(900)
@pytest.mark.parametrize("seed", range(DAYS))
async def test_a_day_of_faults_oversells_nothing_and_counts_every_order_once(
    tmp_path: Path, seed: int
) -> None:
    outcome = await play_day(tmp_path, seed)
    assert outcome.ours.oversold == 0
    assert outcome.ours.sold > 50
    mirror, percent = outcome.rivals
    assert mirror.oversold > 0
    assert percent.oversold > 0
    assert outcome.ours.pushes / outcome.ours.sold < percent.pushes / percent.sold
    kinds = ("throttled", "timeout_after", "server_error_after", "delivery_lost")
    assert all(outcome.injected[kind] for kind in kinds)
