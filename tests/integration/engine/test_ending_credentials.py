"""A credential that ends is said two weeks before, once, and no more once a new day is given."""

from __future__ import annotations

from dataclasses import replace

from channelsync.domain.vocabulary import PushSemantics
from channelsync.store import tables
from tests.support.house import Build, House

DAY = 86_400.0


async def messages(house: House) -> list[str]:
    """Of the alarms about credentials that stand."""
    return [
        row.message
        for row in await house.rows(tables.alarms)
        if row.kind == "credential_expiring" and row.cleared_at is None
    ]


def ends(house: House, at: float | None) -> None:
    running = house.channels.running
    running["a"] = replace(running["a"], credentials_expire_at=at)


async def test_an_ending_credential_raises_one_alarm_until_a_new_day_is_given(build: Build) -> None:
    kind = PushSemantics.KEYED_COMPARE_AND_SET
    house = await build(stock={}, quotas={"a": 10_000}, semantics={"a": kind})
    ends(house, house.clock.at + 15 * DAY)
    await house.settle_down(70)
    assert await messages(house) == []
    ends(house, house.clock.at + 13 * DAY)
    await house.settle_down(140, step=70)
    assert await messages(house) == ["a credential of a ends 2023-11-27 22:14Z"]
    ends(house, house.clock.at + 180 * DAY)
    await house.settle_down(70)
    assert await messages(house) == []
