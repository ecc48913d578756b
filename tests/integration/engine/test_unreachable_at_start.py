"""A marketplace that does not answer at the start: everything else works, and it is said."""

from __future__ import annotations

from channelsync.domain.vocabulary import PushSemantics
from channelsync.engine.status import view_status
from tests.support.house import Build, House

CAS = PushSemantics.KEYED_COMPARE_AND_SET


async def failing(house: House) -> dict[str, str | None]:
    """Channels whose last call failed, and why."""
    async with house.engine.database.read() as connection:
        status = await view_status(house.engine, connection)
    return {one.channel: one.last_error for one in status.channels if one.failing_since is not None}


async def test_a_channel_that_never_answered_is_degraded_until_it_does(build: Build) -> None:
    house = await build(
        stock={"MUG": 10},
        quotas={"up": 5_000, "down": 5_000},
        semantics={"up": CAS, "down": CAS},
    )
    house.markets["down"].offline = True
    await house.settle_down(120)
    errors = await failing(house)
    assert set(errors) == {"down"}
    assert errors["down"]
    house.markets["down"].offline = False
    await house.settle_down(900)
    assert await failing(house) == {}
    assert await house.exposures("MUG") == {"up": 5, "down": 5}
    await house.require_clean_books()
