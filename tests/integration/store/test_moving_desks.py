"""Transfers and returns over the store alone, on either engine."""

from __future__ import annotations

from typing import Any

import pytest
import sqlalchemy as sa

from channelsync.domain.transfers import Difference
from channelsync.engine.bookkeeping import repair_books, verify_books
from channelsync.engine.core import Engine
from channelsync.engine.policy import Policy
from channelsync.engine.return_desk import Inspect, OrderRef, ReturnDesk
from channelsync.engine.returns_view import uninspected_units, view_returns
from channelsync.engine.transfer_desk import Begin, Receive, TransferDesk
from channelsync.queue.in_process import InProcessBus
from channelsync.store import tables
from channelsync.store.tables import InspectionOutcome, Quantity
from tests.support.house import Channels
from tests.support.ledger_books import NOON, Books, insert

ON_HAND, RESERVED = Quantity.ON_HAND, Quantity.RESERVED
WHO: dict[str, Any] = {"reason": "weekend", "actor": "cli:ada"}
HOUR = 3_600.0


@pytest.fixture
def engine(books: Books) -> Engine:
    return Engine(
        database=books.database,
        channels=Channels(),
        environment=books.environment,
        bus=InProcessBus(),
        policy=Policy(rules={}),
    )


async def test_a_transfer_goes_through_its_whole_life(books: Books, engine: Engine) -> None:
    await books.move(("MUG", "dc", ON_HAND, 10))
    desk = TransferDesk(engine)
    view = await desk.begin(Begin(sku="MUG", source="dc", target="soho", units=6, **WHO))
    assert view.state == "in_transit"
    assert (await books.levels("MUG"), await books.levels("MUG", "soho")) == (
        (4, 0, 0, 0),
        (0, 0, 0, 0),
    )
    books.now = NOON + HOUR
    lost = {Difference.LOST: 1}
    await desk.receive(Receive(transfer_id=view.id, arrived=3, written_off=lost, **WHO))
    (open_one,) = await desk.list()
    assert (open_one.in_transit, open_one.received, dict(open_one.differences)) == (
        2,
        3,
        {"lost": 1},
    )
    await desk.receive(Receive(transfer_id=view.id, arrived=2, written_off={}, **WHO))
    assert await desk.list() == ()
    assert (await books.levels("MUG", "soho"))[0] == 5
    assert (await verify_books(books.database)).ok


async def test_a_prepared_transfer_keeps_its_units_and_gives_them_back(
    books: Books, engine: Engine
) -> None:
    await books.move(("MUG", "dc", ON_HAND, 10))
    async with books.database.write() as tx:
        row = {"channel": "shop", "sku": "MUG", "semantics": "keyed_delta"}
        key = await insert(tx, tables.listings, **row)
        await insert(tx, tables.recipes, listing_id=key, item_id=1, units=1)
    desk = TransferDesk(engine)
    view = await desk.begin(Begin(sku="MUG", source="dc", target="soho", units=6, **WHO))
    assert view.waits == "a listing of MUG is not settled yet: it may sell any number of it"
    assert (await books.levels("MUG"))[:2] == (10, 6)
    assert (await verify_books(books.database)).ok
    await books.run("UPDATE transfers SET units = 5")
    await repair_books(books.database, books.environment, actor="cli:ada")
    assert (await books.levels("MUG"))[:2] == (10, 5)
    await desk.cancel(view.id, actor="cli:ada")
    assert (await books.levels("MUG"))[:2] == (10, 0)


async def test_returns_wait_and_are_inspected(books: Books, engine: Engine) -> None:
    async with books.database.write() as tx:
        row = {"channel": "shop", "sku": "SET", "semantics": "keyed_delta"}
        key = await insert(tx, tables.listings, **row)
        await insert(tx, tables.recipes, listing_id=key, item_id=1, units=2)
        line = {"order_id": "o1", "line_id": "1", "listing_id": key, "state": "returned"}
        counts = {"ordered": 2, "shipped": 2, "returned": 2, "restocked": 0}
        times = {"first_heard_at": NOON, "heard_at": NOON, "version": NOON}
        facts = {"channel": "shop", "cancel_effect": "unsure", "location": "soho"}
        await insert(tx, tables.order_lines, **line, **counts, **times, **facts)
    async with books.database.read() as tx:
        (waiting,) = await view_returns(tx)
        assert (waiting.sku, waiting.returned, waiting.uninspected) == ("MUG", 4, 4)
        assert await uninspected_units(tx, [1, 2]) == {(1, "main"): 4}
    outcomes = {InspectionOutcome.SELLABLE: 2, InspectionOutcome.DAMAGED: 1}
    order = OrderRef(channel="shop", order="o1")
    found = await ReturnDesk(engine).inspect(Inspect(sku="MUG", outcomes=outcomes, of=order, **WHO))
    assert (found.change.location, found.change.after, found.left) == ("soho", 2, 1)
    async with books.database.read() as tx:
        assert [one.uninspected for one in await view_returns(tx)] == [1]
    (sold,) = await books.rows(sa.select(tables.inspections.c.by_channel).distinct())
    assert sold.by_channel is False or sold.by_channel == 0
