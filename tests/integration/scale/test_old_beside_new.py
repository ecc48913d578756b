"""While a new version comes in, old processes work on beside a schema that has grown."""

from __future__ import annotations

import sqlalchemy as sa

from channelsync.domain.vocabulary import PushSemantics
from channelsync.store import tables
from tests.support.house import Build, House, neighbour

CAS = PushSemantics.KEYED_COMPARE_AND_SET
STOCK = 30


async def grow(house: House) -> None:
    """What a release may do to a schema before old processes are gone: add."""
    async with house.engine.database.write() as tx:
        for name in sorted(tables.metadata.tables):
            await tx.exec_driver_sql(f"ALTER TABLE {name} ADD COLUMN added_later text DEFAULT 'x'")
        await tx.exec_driver_sql("CREATE TABLE added_later (id bigint PRIMARY KEY, body text)")
        await tx.exec_driver_sql("CREATE INDEX added_later_stock ON stock (on_hand)")


async def sell(house: House, units: int) -> None:
    for _ in range(units):
        for market in house.markets.values():
            market.sell("MUG")
        await house.settle_down(60, step=20)


async def test_an_old_process_works_on_beside_a_schema_that_has_grown(build: Build) -> None:
    house = await build(
        stock={"MUG": STOCK}, quotas={"a": 5_000, "b": 5_000}, semantics={"a": CAS, "b": CAS}
    )
    await house.settle_down(120, step=20)
    await sell(house, 2)
    await grow(house)
    newer = neighbour(house, "newer")
    await sell(house, 2)
    await sell(newer, 2)
    await house.settle_down(600, step=60)
    assert house.sold("MUG") == 12
    exposed = sum(units or 0 for units in (await house.exposures("MUG")).values())
    assert 0 < exposed <= STOCK - 12
    await house.require_clean_books()
    async with house.engine.database.read() as connection:
        added = await connection.scalar(sa.text("SELECT min(added_later) FROM movements"))
    assert added == "x"
    await newer.engine.database.close()
