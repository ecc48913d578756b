"""Selects that are made once find on either engine what one made for the question would."""

from __future__ import annotations

from typing import Final

import pytest
import sqlalchemy as sa

from channelsync.store.database import Database
from channelsync.store.many import inserting
from channelsync.store.prepared import Prepared
from channelsync.store.tables import items

ADD: Final = inserting(items, "sku", "tags", "created_at")
SKUS: Final = ["A", "B", "ö 'quoted'", "\u2028"]
BY_SKU: Final = Prepared(
    lambda listed: sa.select(items.c.sku, items.c.tags).where(
        listed(items.c.sku, "skus"), items.c.created_at > sa.bindparam("after")
    )
)
BY_ID: Final = Prepared(lambda listed: sa.select(items.c.sku).where(listed(items.c.id, "ids")))


@pytest.fixture
async def stocked(any_database: Database) -> Database:
    async with any_database.write() as tx:
        rows = [{"sku": sku, "tags": [sku], "created_at": at} for at, sku in enumerate(SKUS)]
        await ADD.run(tx, rows)
    return any_database


@pytest.mark.parametrize("wanted", [[], ["B"], SKUS, [*SKUS, "unknown"]])
async def test_many_texts_are_looked_for_at_once(stocked: Database, wanted: list[str]) -> None:
    async with stocked.read() as tx:
        rows = await BY_SKU.rows(tx, skus=wanted, after=-1.0)
        found = {row.sku: row.tags for row in rows}
    assert found == {sku: [sku] for sku in wanted if sku in SKUS}


async def test_so_are_numbers_however_many(stocked: Database) -> None:
    async with stocked.read() as tx:
        ids = [number for (number,) in (await tx.execute(sa.select(items.c.id))).all()]
        for wanted in ([], ids[:1], ids, [*ids, *range(10_000, 20_000)]):
            found = {sku for (sku,) in await BY_ID.rows(tx, ids=wanted)}
            assert len(found) == min(len(wanted), len(SKUS))


async def test_each_question_has_its_own_values(stocked: Database) -> None:
    async with stocked.read() as tx:
        assert len(await BY_SKU.rows(tx, skus=SKUS, after=0.5)) == len(SKUS) - 1
        assert len(await BY_SKU.rows(tx, skus=SKUS, after=1.5)) == len(SKUS) - 2
        assert len(await BY_SKU.rows(tx, skus=SKUS[:1], after=1.5)) == 0
