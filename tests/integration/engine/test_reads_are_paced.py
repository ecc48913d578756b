"""A read that proves nothing is repeated after a pause, however long the channel takes."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest

from channelsync.domain.vocabulary import PushSemantics
from channelsync.engine.stock_desk import StockDesk
from tests.support.hooked import HookedChannel, Wire
from tests.support.house import House, build_house

ABSOLUTE = PushSemantics.ABSOLUTE
CALLS_MAX = 60
"""In ten minutes: a look every five seconds for a while, the polls, and some to spare."""


async def house_with(folder: Path, wire: Wire, **declared: object) -> House:
    house = await build_house(
        folder,
        stock={"MUG": 10},
        quotas={"a": 10_000},
        semantics={"a": ABSOLUTE},
        declared=declared,
        open_channel=lambda _name, market: HookedChannel(market, wire),
    )
    await house.settle_down(120)
    return house


@pytest.mark.parametrize("trouble", ["a zero that is accepted and hangs", "a counter that is gone"])
async def test_a_channel_in_trouble_is_not_asked_without_pause(
    tmp_path: Path, trouble: str
) -> None:
    wire, calls = Wire(), Counter[str]()
    house = await house_with(tmp_path, wire, apply_limit_seconds=120.0, confirms_at_once=False)
    try:
        if trouble == "a counter that is gone":
            del house.markets["a"].counters["MUG"]
        else:
            wire.faults.append("swallow")
        desk = StockDesk(house.engine.database, house.engine.environment)
        await desk.adjust("MUG", "dc", -4, reason="broken", actor="test")
        wire.before_call = lambda what: calls.update([what])
        await house.settle_down(600, step=5)
        assert 0 < calls["read"] <= CALLS_MAX, calls
        assert calls["poll"] <= CALLS_MAX * 2, calls
        await house.require_clean_books()
    finally:
        await house.engine.database.close()
