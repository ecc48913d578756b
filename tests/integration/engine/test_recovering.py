"""What dead processes left behind is ended, whatever others have made of it meanwhile."""

from __future__ import annotations

import sqlalchemy as sa

from channelsync.domain.vocabulary import PushSemantics
from channelsync.engine.recover import recover
from channelsync.engine.settle import request_drift_check
from channelsync.store import tables
from tests.support.house import Build, House

CAS = PushSemantics.KEYED_COMPARE_AND_SET


async def left_open(house: House, owner: str) -> None:
    """A frozen process began a copy; another one sent its own, and that closed the push."""
    [push] = [row for row in await house.rows(tables.pushes) if row.result == "applied"]
    attempt = {
        "request_id": push.request_id,
        "started_at": push.opened_at,
        "deadline": push.opened_at + 10.0,
        "owner": owner,
    }
    async with house.engine.database.write() as tx:
        await tx.execute(sa.insert(tables.attempts).values(attempt))
        await tx.execute(sa.update(tables.listings).values(attempts_open=1))


async def test_an_attempt_is_ended_though_another_copy_has_closed_its_push(build: Build) -> None:
    house = await build(stock={"MUG": 10}, quotas={"a": 10_000}, semantics={"a": CAS})
    await house.settle_down(120)
    await left_open(house, "gone")
    assert await recover(house.engine) == 1
    listing = await house.listing("a", "MUG")
    assert listing.attempts_open == 0
    # Its bytes may have left: until its limit has passed, nothing that is read proves anything.
    assert listing.outstanding_until >= house.clock.at
    asked_at = house.clock.at
    async with house.engine.database.write() as tx:
        await request_drift_check(tx, "a", [listing.id], now=asked_at)
    await house.settle_down(600, step=20)
    settled = await house.listing("a", "MUG")
    assert settled.settle_reasons == []
    assert settled.settled_at > asked_at
    assert await house.exposures("MUG") == {"a": 10}
    await house.require_clean_books()
