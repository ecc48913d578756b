"""On PostgreSQL: who reads waits for nobody, and an item that everybody buys costs one update."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
import sqlalchemy as sa

from channelsync.domain.vocabulary import PushSemantics
from channelsync.engine.explain import explain
from channelsync.engine.intake import apply_orders
from channelsync.engine.status import view_status
from channelsync.sdk.types import OrderFact
from channelsync.store import tables
from tests.support.house import Build, House

SOON = 60.0
"""Long enough for a busy machine; nothing here waits for it to pass."""
ORDERS = 40


def sales(house: House) -> list[OrderFact]:
    return [
        OrderFact(
            order_id=f"o{number}",
            line_id="1",
            sku="MUG",
            ordered=1,
            cancelled=0,
            version=1.0,
            sold_at=house.clock.at,
        )
        for number in range(ORDERS)
    ]


async def house_with_mugs(build: Build) -> House:
    semantics = {"a": PushSemantics.KEYED_COMPARE_AND_SET}
    house = await build(stock={"MUG": 100}, quotas={"a": 10_000}, semantics=semantics)
    await house.settle_down(120)
    return house


@asynccontextmanager
async def written(house: House) -> AsyncIterator[list[tuple[str, Any]]]:
    """Statements that write, with their parameters, of all that goes on in the block."""
    heard: list[tuple[str, Any]] = []

    def hear(_one: Any, _two: Any, text: str, parameters: Any, _context: Any, many: bool) -> None:
        if text.startswith("UPDATE"):
            heard.extend((text, each) for each in (parameters if many else [parameters]))

    writer, _ = house.engine.database.engines
    sa.event.listen(writer.sync_engine, "before_cursor_execute", hear)
    try:
        yield heard
    finally:
        sa.event.remove(writer.sync_engine, "before_cursor_execute", hear)


async def test_an_item_that_everybody_buys_costs_one_update_a_batch(build: Build) -> None:
    house = await house_with_mugs(build)
    async with written(house) as heard, house.engine.database.write() as tx:
        await apply_orders(tx, "a", sales(house), (), now=house.clock.at)
    for table in ("stock", "listings"):
        updates = [text for text, _ in heard if text.startswith(f"UPDATE {table} ")]
        assert len(updates) == 1, updates
    (stock,) = await house.rows(tables.stock)
    assert stock.reserved == ORDERS
    await house.require_clean_books()


async def test_who_reads_waits_for_no_writer_and_sees_what_was_committed(build: Build) -> None:
    house = await house_with_mugs(build)
    engine = house.engine
    async with asyncio.timeout(SOON), engine.database.write() as tx:
        await apply_orders(tx, "a", sales(house), (), now=house.clock.at)
        async with engine.database.read() as reader:
            before = await explain(engine, reader, "MUG")
            await view_status(engine, reader)
    async with engine.database.read() as reader:
        after = await explain(engine, reader, "MUG")
    assert (before.pools[0].stock.reserved, after.pools[0].stock.reserved) == (0, ORDERS)


async def test_who_reads_can_lock_nothing(build: Build) -> None:
    house = await build(stock={"MUG": 1}, quotas={}, semantics={})
    with pytest.raises(sa.exc.DBAPIError, match="read-only transaction"):
        async with house.engine.database.read() as reader:
            await reader.execute(sa.select(tables.stock).with_for_update())
