"""A channel that keeps to its usage plan is waited for, and nobody is alarmed."""

from __future__ import annotations

from dataclasses import replace

from typing_extensions import override

from channelsync.domain.vocabulary import PushSemantics
from channelsync.engine.work import WorkKind
from channelsync.sdk.errors import Resting
from channelsync.sdk.testing.memory import MemoryChannel
from channelsync.sdk.types import OrderPage
from channelsync.store import tables
from tests.support.house import Build


class Slow(MemoryChannel):
    """Its first polls come too early."""

    early = 2

    @override
    async def orders_since(self, cursor: str) -> OrderPage:
        if self.early:
            self.early -= 1
            raise Resting("one call in three minutes", after_seconds=170.0)
        return await super().orders_since(cursor)


async def test_a_poll_that_came_too_early_is_made_when_the_plan_allows_it(build: Build) -> None:
    house = await build(
        stock={"MUG": 6}, quotas={"a": 10_000}, semantics={"a": PushSemantics.KEYED_DELTA}
    )
    running = house.channels.running["a"]
    house.channels.running["a"] = replace(running, channel=Slow(house.markets["a"]))
    began = house.clock.at
    await house.settle_down(60)
    [work] = [row for row in await house.rows(tables.work) if row.kind == WorkKind.POLL]
    assert work.attempts == 0
    assert work.not_before > began + 160
    assert await house.rows(tables.alarms) == []
    await house.settle_down(600)
    assert house.markets["a"].counters["MUG"] == 6
    assert await house.rows(tables.alarms) == []
