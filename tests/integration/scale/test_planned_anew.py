"""A listing is planned anew in one process while another one is about to send the former plan."""

from __future__ import annotations

import asyncio

import sqlalchemy as sa

from channelsync.domain.vocabulary import PushSemantics
from channelsync.engine.publish import publish
from channelsync.engine.reconcile import reconcile_items
from channelsync.engine.work import Claim, WorkKind, claim, mark
from channelsync.store import tables
from channelsync.store.ledger import StockMove, move_stock
from channelsync.store.tables import MovementKind, PushState, Quantity
from tests.support.house import Build, House, neighbour

CAS = PushSemantics.KEYED_COMPARE_AND_SET
MUG = 1
SOON = 20.0
_WAITING = sa.text(
    "SELECT count(*) FROM pg_stat_activity"
    " WHERE datname = current_database() AND wait_event_type = 'Lock'"
)


async def restock(house: House, tx: object, units: int) -> None:
    (place,) = await house.rows(tables.locations)
    move = StockMove(
        item_id=MUG,
        location_id=place.id,
        quantity=Quantity.ON_HAND,
        delta=units,
        kind=MovementKind.ADJUSTMENT,
        actor="test",
        at=house.clock(),
    )
    await move_stock(tx, [move])  # type: ignore[arg-type]
    await reconcile_items(house.engine, tx, (MUG,), now=house.clock())  # type: ignore[arg-type]


async def lease(house: House) -> Claim:
    async with house.engine.database.write() as tx:
        await mark(tx, WorkKind.PUBLISH, "a")
    async with house.engine.database.write() as tx:
        token = f"{house.engine.environment.owner}/1"
        now = house.clock()
        (held,) = await claim(tx, WorkKind.PUBLISH, now=now, lease_seconds=60, token=token)
    return held


async def until_somebody_waits(house: House) -> None:
    async with asyncio.timeout(SOON):
        while True:
            async with house.engine.database.read() as connection:
                if (await connection.execute(_WAITING)).scalar_one():
                    return
            await asyncio.sleep(0.01)


async def planned(house: House) -> list[int]:
    rows = await house.rows(tables.pushes)
    return [row.units for row in rows if row.state == PushState.PLANNED]


async def test_what_was_planned_before_never_leaves_on_the_account_of_what_is_planned_now(
    build: Build,
) -> None:
    house = await build(stock={"MUG": 4}, quotas={"a": 10_000}, semantics={"a": CAS})
    await house.settle_down(120)
    assert house.markets["a"].counters == {"MUG": 4}
    async with house.engine.database.write() as tx:
        await restock(house, tx, 20)
    assert await planned(house) == [20]
    held, other = await lease(house), neighbour(house, "n1")
    async with other.engine.database.write() as tx:
        await restock(other, tx, -14)
        sending = asyncio.create_task(publish(house.engine, held))
        await until_somebody_waits(house)
    await sending
    assert await planned(house) == [6]
    assert house.markets["a"].counters == {"MUG": 4}
    await house.settle_down(120)
    assert house.markets["a"].counters == {"MUG": 10}
    assert await house.exposures("MUG") == {"a": 10}
    await house.require_clean_books()
    await other.engine.database.close()
