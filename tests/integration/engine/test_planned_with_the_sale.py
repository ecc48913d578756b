"""What follows from a sale is planned when it is committed, and nobody looks twice at it."""

from __future__ import annotations

from typing import Any

from typing_extensions import override

from channelsync.domain.vocabulary import PushKind, PushSemantics
from channelsync.engine.reconcile import reconcile_marked
from channelsync.engine.work import WorkKind, due_kinds, mark_items
from channelsync.ports import RunningChannel
from channelsync.store import tables
from channelsync.store.ledger import StockMove, move_stock
from channelsync.store.tables import MovementKind, PushState, Quantity
from tests.support.house import Build, Channels, House

KEYED = PushSemantics.KEYED_COMPARE_AND_SET


class Untellable(Channels):
    """Channels that cannot be told of."""

    @override
    def get(self, name: str) -> RunningChannel | None:
        raise ValueError(f"what {name} is cannot be told")


async def a_settled_house(build: Build) -> House:
    house = await build(
        stock={"MUG": 20},
        quotas={"a": 10_000},
        semantics={"a": KEYED},
        declared={"quarantine_seconds": 300.0},
    )
    await house.settle_down(120)
    assert await house.exposures("MUG") == {"a": 20}
    return house


async def lose_four(house: House) -> None:
    """Four mugs are gone, and what follows is looked at in the same transaction."""
    [item] = await house.rows(tables.items)
    [place] = await house.rows(tables.locations)
    now = house.clock()
    move = StockMove(
        item_id=item.id,
        location_id=place.id,
        quantity=Quantity.ON_HAND,
        delta=-4,
        kind=MovementKind.ADJUSTMENT,
        actor="test",
        at=now,
    )
    async with house.engine.database.write() as tx:
        await move_stock(tx, [move])
        await mark_items(tx, (item.id,), now)
        await reconcile_marked(house.engine, tx, now=now)


async def due(house: House) -> set[str]:
    async with house.engine.database.read() as connection:
        return await due_kinds(connection, now=house.clock())


async def cuts(house: House) -> list[Any]:
    return [push for push in await house.rows(tables.pushes) if push.kind == PushKind.CUT]


async def test_pushes_are_planned_in_the_transaction_that_asks_for_them(build: Build) -> None:
    house = await a_settled_house(build)
    await lose_four(house)
    [cut] = await cuts(house)
    assert (cut.units, cut.state) == (4, PushState.PLANNED)
    kinds = await due(house)
    assert WorkKind.PUBLISH in kinds
    assert WorkKind.RECONCILE not in kinds


async def test_what_cannot_be_planned_at_once_stays_to_be_looked_at(build: Build) -> None:
    house = await a_settled_house(build)
    whole = house.engine.channels
    house.engine.channels = Untellable()
    await lose_four(house)
    house.engine.channels = whole
    assert await cuts(house) == []
    assert WorkKind.RECONCILE in await due(house)
    await house.settle_down(900)
    assert await house.exposures("MUG") == {"a": 16}
    await house.require_clean_books()


async def test_a_cut_that_applied_is_looked_at_when_its_quarantine_ends(build: Build) -> None:
    house = await a_settled_house(build)
    await lose_four(house)
    handlers = house.supervisor.handlers
    house.supervisor.handlers = {WorkKind.PUBLISH: handlers[WorkKind.PUBLISH]}
    await house.settle_down()
    [cut] = await cuts(house)
    assert cut.release_after is not None
    settling = [row for row in await house.rows(tables.work) if row.kind == WorkKind.SETTLE]
    assert [row.not_before for row in settling] == [cut.release_after]
    assert WorkKind.RECONCILE not in await due(house)
    house.supervisor.handlers = handlers
    await house.settle_down(900)
    assert await house.exposures("MUG") == {"a": 16}
    await house.require_clean_books()
