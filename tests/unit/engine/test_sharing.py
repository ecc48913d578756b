"""Looks shared: one for many, and none older than its question."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field

from channelsync.engine.sharing import SharedLook


@dataclass
class World:
    """Something that changes, and looks at it that take until they are let go."""

    state: str = "old"
    looks: int = 0
    goes_on: asyncio.Event = field(default_factory=asyncio.Event)
    broken: bool = False

    async def look(self) -> str:
        self.looks += 1
        seen = self.state
        await self.goes_on.wait()
        if self.broken:
            raise LookupError("it cannot be seen")
        return seen


async def test_those_who_ask_during_a_look_share_the_next_one() -> None:
    world = World()
    shared = SharedLook(world.look)
    first = asyncio.ensure_future(shared())
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    world.state = "new"
    others = [asyncio.ensure_future(shared()) for _ in range(50)]
    await asyncio.sleep(0)
    assert not shared.is_idle
    world.goes_on.set()
    assert await first == "old"
    assert set(await asyncio.gather(*others)) == {"new"}
    assert world.looks == 2
    assert shared.is_idle


async def test_who_hangs_up_takes_nobody_along() -> None:
    world = World()
    shared = SharedLook(world.look)
    gone, stays = asyncio.ensure_future(shared()), asyncio.ensure_future(shared())
    await asyncio.sleep(0)
    gone.cancel()
    world.goes_on.set()
    assert await stays == "old"


async def test_all_hear_of_a_look_that_fails_and_the_next_is_another() -> None:
    world = World(broken=True)
    shared = SharedLook(world.look)
    world.goes_on.set()
    found = await asyncio.gather(shared(), shared(), return_exceptions=True)
    assert [type(one) for one in found] == [LookupError, LookupError]
    world.broken = False
    assert await shared() == "old"
