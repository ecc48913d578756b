"""Units that came back: on hand again only after somebody looked, and never twice."""

from __future__ import annotations

from typing import Any

import pytest
import sqlalchemy as sa
from msgspec.structs import replace

from channelsync.domain.vocabulary import PushSemantics
from channelsync.engine.bookkeeping import verify_books
from channelsync.engine.return_desk import Inspect, Inspected, OrderRef, ReturnDesk
from channelsync.engine.returns_view import uninspected_units, view_returns
from channelsync.engine.stock_errors import StockRefused, UnknownItem
from channelsync.store import tables
from channelsync.store.tables import InspectionOutcome
from tests.support.house import Build, House

DC = "dc"
ORDER = OrderRef(channel="shop", order="order-1")


@pytest.fixture
async def house(build: Build) -> House:
    """Ten mugs; an order of three has shipped."""
    house = await build(
        stock={"MUG": 10},
        quotas={"shop": 10_000},
        semantics={"shop": PushSemantics.KEYED_COMPARE_AND_SET},
    )
    await house.settle_down(60, step=20)
    market = house.markets["shop"]
    order = market.sell("MUG", 3)
    assert order == ORDER.order
    market.ship(order)
    await house.settle_down(60, step=20)
    assert await on_hand(house) == 7
    return house


async def tell(house: House, **counts: Any) -> None:
    """The shop tells a newer state of the order."""
    market = house.markets["shop"]
    now = house.clock()
    fact = market.orders[ORDER.order]
    market.orders[ORDER.order] = replace(fact, version=now, returned_at=now, **counts)
    await house.settle_down(60, step=20)


async def inspect(house: House, of: OrderRef | None = ORDER, **found: Any) -> Inspected:
    outcomes = {
        InspectionOutcome(name): found.pop(name)
        for name in list(found)
        if name in set(InspectionOutcome)
    }
    values = {"sku": "MUG", "reason": "looked at", "actor": "cli:ada"} | found
    return await ReturnDesk(house.engine).inspect(Inspect(outcomes=outcomes, of=of, **values))


async def on_hand(house: House) -> int:
    return sum(row.on_hand for row in await house.rows(tables.stock))


async def waiting(house: House) -> int:
    async with house.engine.database.read() as tx:
        by_pool = await uninspected_units(tx, [1])
        listed = await view_returns(tx)
    assert sum(one.uninspected for one in listed) == sum(by_pool.values())
    return sum(by_pool.values())


async def test_what_came_back_waits_until_somebody_looks(house: House) -> None:
    await tell(house, returned=3)
    assert (await on_hand(house), await waiting(house)) == (7, 3)
    done = await inspect(house, sellable=1, damaged=1)
    assert (done.change.before, done.change.after, done.left) == (7, 8, 1)
    assert (await on_hand(house), await waiting(house)) == (8, 1)
    done = await inspect(house, supplier=1)
    assert (done.change.after, done.left) == (8, 0)
    assert await waiting(house) == 0
    rows = [(row.outcome, row.units) for row in await house.rows(tables.inspections)]
    assert rows == [("damaged", 1), ("sellable", 1), ("supplier", 1)]
    moved = [row for row in await house.rows(tables.movements) if row.kind == "inspection"]
    assert [(row.quantity, row.delta, row.reference) for row in moved] == [
        ("on_hand", 1, "order-1/1")
    ]
    await house.require_clean_books()


async def test_more_than_left_the_house_cannot_come_back(house: House) -> None:
    with pytest.raises(StockRefused, match="at most 3 more units of MUG can have come back"):
        await inspect(house, sellable=4)
    await inspect(house, sellable=2)
    with pytest.raises(StockRefused, match="at most 1 more units"):
        await inspect(house, damaged=2)
    assert await on_hand(house) == 9


@pytest.mark.parametrize("outcome", ["sellable", "damaged"])
async def test_a_parcel_looked_at_here_and_restocked_in_the_shop_counts_once(
    house: House, outcome: str
) -> None:
    """The warehouse opens the parcel; later a colleague clicks "restock" in the shop."""
    await inspect(house, ORDER, **{outcome: 1})
    before = await on_hand(house)
    await tell(house, returned=1, restocked=1)
    assert await on_hand(house) == before
    assert await waiting(house) == 0
    await tell(house, returned=2, restocked=2)
    assert await on_hand(house) == before + 1, "that one nobody has looked at here"
    await house.require_clean_books()


async def test_a_parcel_restocked_in_the_shop_cannot_be_inspected_again(house: House) -> None:
    await tell(house, returned=1, restocked=1)
    assert (await on_hand(house), await waiting(house)) == (8, 0)
    done = await inspect(house, sellable=2)
    assert (done.change.after, done.left) == (10, 0)
    with pytest.raises(StockRefused, match="at most 0 more units"):
        await inspect(house, sellable=1)
    await tell(house, returned=3, restocked=3)
    assert await on_hand(house) == 10
    await house.require_clean_books()


async def test_units_the_shop_restocked_before_our_time_are_not_put_back_again(
    build: Build,
) -> None:
    """The first state that we hear of has two units back on the shelf since long."""
    house = await build(
        stock={"MUG": 10},
        quotas={"shop": 10_000},
        semantics={"shop": PushSemantics.KEYED_COMPARE_AND_SET},
    )
    market = house.markets["shop"]
    order = market.book("MUG", 3)
    old: dict[str, Any] = {"version": 1.0, "sold_at": 1.0, "shipped_at": 1.0, "shipped": 3}
    market.orders[order] = replace(market.orders[order], **old, returned=2, restocked=2)
    await house.settle_down(60, step=20)
    assert await on_hand(house) == 10
    await inspect(house, sellable=1)
    assert await on_hand(house) == 11
    await tell(house, returned=3, restocked=3)
    assert await on_hand(house) == 11, "the third one was looked at here"


async def test_a_parcel_that_nobody_can_place_is_taken_in_by_its_sku(house: House) -> None:
    done = await inspect(house, of=None, sellable=1)
    assert (done.change.after, done.left) == (8, None)
    (row,) = await house.rows(tables.inspections)
    assert (row.line_id, row.by_channel) == (None, False)


async def test_what_cannot_be_is_refused_and_changes_nothing(house: House) -> None:
    elsewhere = OrderRef(channel="shop", order="order-9")
    refused: list[tuple[dict[str, Any], type[Exception], str]] = [
        ({}, StockRefused, "say how many units"),
        ({"sellable": -1}, StockRefused, "between 0 and"),
        ({"sellable": 1, "reason": ""}, StockRefused, "say why"),
        ({"sellable": 1, "sku": "MUGG"}, UnknownItem, "did you mean 'MUG'"),
        ({"sellable": 1, "of": elsewhere}, StockRefused, "no counted line of shop order order-9"),
    ]
    for found, error, message in refused:
        with pytest.raises(error, match=message):
            await inspect(house, **found)
    assert await house.rows(tables.inspections) == []
    assert await on_hand(house) == 7


async def test_units_of_two_lines_need_their_line_named(house: House) -> None:
    async with house.engine.database.write() as tx:
        line = (await tx.execute(sa.select(tables.order_lines))).mappings().one()
        copy = dict(line) | {"id": 99, "line_id": "2", "shipped": 1}
        await tx.execute(sa.insert(tables.order_lines).values(copy))
    with pytest.raises(StockRefused, match="on several lines, say which: 1, 2"):
        await inspect(house, sellable=1)
    second = OrderRef(channel="shop", order="order-1", line="2")
    assert (await inspect(house, of=second, sellable=1)).left == 0


async def test_verify_notes_lines_with_more_inspected_than_came_back(house: House) -> None:
    await inspect(house, sellable=3)
    assert (await verify_books(house.engine.database)).notes == ()
    async with house.engine.database.write() as tx:
        await tx.execute(sa.update(tables.inspections).values(units=5))
    (note,) = (await verify_books(house.engine.database)).notes
    assert (note.kind, note.units) == ("inspection", 2)
    assert note.message == (
        "2 more units of MUG of shop order order-1/1 were inspected than can have come back: count"
        " its shelf"
    )
