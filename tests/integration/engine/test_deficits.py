"""A deficit costs as many units as are missing, however often it is looked at."""

from __future__ import annotations

from channelsync.domain.vocabulary import PushKind, PushSemantics
from channelsync.engine.stock_desk import StockDesk
from channelsync.store import tables
from tests.support.house import Build

DELTA = PushSemantics.KEYED_DELTA


async def test_units_that_are_on_their_way_back_are_not_cut_again(build: Build) -> None:
    house = await build(
        stock={"MUG": 20},
        quotas={"a": 5_000, "b": 5_000},
        semantics={"a": DELTA, "b": DELTA},
        declared={"quarantine_seconds": 300.0},
    )
    await house.settle_down(120)
    assert await house.exposures("MUG") == {"a": 10, "b": 10}
    desk = StockDesk(house.engine.database, house.engine.environment)
    await desk.count("MUG", "dc", 16, counted_at=house.clock(), reason="counted", actor="test")
    await house.settle_down(120)
    cuts = [push for push in await house.rows(tables.pushes) if push.kind == PushKind.CUT]
    assert sum(push.units for push in cuts) == 4
    await house.settle_down(900)
    exposures = await house.exposures("MUG")
    assert sum(exposure or 0 for exposure in exposures.values()) == 16
    await house.require_clean_books()
