"""On PostgreSQL: a count that is imported in the moment in which the daemons first start."""

from __future__ import annotations

import asyncio

import sqlalchemy as sa

from channelsync.domain.vocabulary import PushSemantics
from channelsync.engine.places import add_missing_locations
from channelsync.store import tables
from channelsync.store.locks import lock_setup
from tests.support.house import Build, House, setup_for

SOON = 60.0
WAITING = sa.text(
    "SELECT count(*) FROM pg_stat_activity"
    " WHERE datname = current_database() AND wait_event_type = 'Lock'"
)


async def somebody_waits(house: House) -> None:
    while True:
        async with house.engine.database.read() as tx:
            if (await tx.execute(WAITING)).scalar_one():
                return
        await asyncio.sleep(0.01)


async def test_a_location_that_a_daemon_is_adding_is_added_once(build: Build) -> None:
    semantics = {"a": PushSemantics.KEYED_COMPARE_AND_SET}
    house = await build(stock={"MUG": 1}, quotas={"a": 10_000}, semantics=semantics)
    wanted = setup_for(("a",), ("dc", "soho", "attic")).locations
    soho = {"code": "soho", "name": "SoHo", "pool": "main", "priority": 1, "active": True}
    async with asyncio.timeout(SOON):
        async with house.engine.database.write() as tx:
            await lock_setup(tx)
            await tx.execute(sa.insert(tables.locations).values(soho))
            adding = asyncio.create_task(add_missing_locations(house.engine.database, wanted))
            await somebody_waits(house)
        await adding
    rows = await house.rows(tables.locations)
    assert [(row.code, row.name) for row in rows] == [
        ("dc", "DC"),
        ("soho", "SoHo"),
        ("attic", "ATTIC"),
    ]
