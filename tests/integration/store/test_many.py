"""Statements over many rows do on either engine what one statement a row would."""

from __future__ import annotations

from typing import Any, Final

import pytest
import sqlalchemy as sa

from channelsync.store.database import Database
from channelsync.store.many import TOGETHER, Many, among, inserting, updating
from channelsync.store.tables import items, work

ADD: Final = inserting(items, "sku", "tags", "created_at")
RENAME: Final = updating(items, "name", "tags", by=("sku",))
MARK: Final = inserting(work, "kind", "key", "lease_token", "not_before")


def thing(sku: str, *tags: str) -> dict[str, Any]:
    return {"sku": sku, "tags": list(tags), "created_at": 0.1}


async def every(database: Database) -> list[Any]:
    async with database.read() as tx:
        return list(await tx.execute(sa.select(items).order_by(items.c.id)))


async def test_rows_are_inserted_in_their_order(any_database: Database) -> None:
    given = [thing("C", "späť", "'"), thing("A"), thing("B", "x")]
    async with any_database.write() as tx:
        await ADD.run(tx, given)
    stored = [(row.sku, row.tags, row.created_at) for row in await every(any_database)]
    assert stored == [(one["sku"], one["tags"], 0.1) for one in given]


async def test_no_rows_are_no_statement(any_database: Database) -> None:
    async with any_database.write() as tx:
        await ADD.run(tx, [])
    assert await every(any_database) == []


async def test_what_is_not_known_stays_unknown(any_database: Database) -> None:
    async with any_database.write() as tx:
        row = {"kind": "poll", "key": "shop", "lease_token": None, "not_before": 1.5}
        await MARK.run(tx, [row, row | {"key": "till", "lease_token": "mine"}])
        found = await tx.execute(sa.select(work.c.lease_token).order_by(work.c.key))
        assert found.scalars().all() == [None, "mine"]


async def test_only_the_named_rows_are_updated(any_database: Database) -> None:
    async with any_database.write() as tx:
        await ADD.run(tx, [thing("A"), thing("B"), thing("C")])
        names: tuple[tuple[str, str, list[int]], ...] = (
            ("C", "sea", [1]),
            ("A", "ay", []),
            ("Z", "nobody", []),
        )
        rows = [{"sku": sku, "name": name, "tags": tags} for sku, name, tags in names]
        await RENAME.run(tx, rows)
    assert [(row.name, row.tags) for row in await every(any_database)] == [
        ("ay", []),
        ("", []),
        ("sea", [1]),
    ]


async def test_a_row_that_is_there_already_can_be_left_alone(any_database: Database) -> None:
    add = inserting(items, "sku", "created_at", conflict=lambda one: one.on_conflict_do_nothing())
    async with any_database.write() as tx:
        await ADD.run(tx, [thing("A")])
        await add.run(tx, [{"sku": "A", "created_at": 9.0}, {"sku": "B", "created_at": 9.0}])
    assert [(row.sku, row.created_at) for row in await every(any_database)] == [
        ("A", 0.1),
        ("B", 9.0),
    ]


async def test_nothing_of_a_refused_batch_stays(any_database: Database) -> None:
    with pytest.raises(sa.exc.IntegrityError):
        async with any_database.write() as tx:
            await ADD.run(tx, [thing("A"), thing("B"), thing("A")])
    assert await every(any_database) == []


async def test_rows_among_many_values_are_found(any_database: Database) -> None:
    async with any_database.write() as tx:
        await ADD.run(tx, [thing(sku) for sku in "ABCD"])
        skus = ["B", "D", *(str(number) for number in range(20_000))]
        for wanted, found in ((skus, ["B", "D"]), ([], [])):
            query = sa.select(items.c.sku).where(among(tx, items.c.sku, wanted))
            assert sorted((await tx.execute(query)).scalars()) == found


async def test_rows_among_many_numbers_are_found_counted_and_left_out(
    any_database: Database,
) -> None:
    async with any_database.write() as tx:
        await ADD.run(tx, [thing(sku) for sku in "ABCD"])
        ids = {row.sku: row.id for row in await tx.execute(sa.select(items))}
        wanted = among(tx, items.c.id, [ids["B"], ids["D"], *range(10_000, 30_000)])
        counted = sa.select(sa.func.count()).where(wanted, items.c.sku != "D")
        assert await tx.scalar(counted) == 1
        others = sa.select(items.c.sku).where(sa.not_(wanted))
        assert sorted((await tx.execute(others)).scalars()) == ["A", "C"]
        # Another statement of the same form: the numbers are its own.
        for sku in "AC":
            mine = sa.select(items.c.sku).where(among(tx, items.c.id, [ids[sku], 0]))
            assert (await tx.execute(mine)).scalars().all() == [sku]
        assert (await tx.execute(sa.delete(items).where(wanted))).rowcount == 2


async def test_a_constant_that_would_be_lost_is_refused(sqlite_statement: Many) -> None:
    with pytest.raises(ValueError, match="constant"):
        _ = sqlite_statement._row_by_row


@pytest.fixture
def sqlite_statement() -> Many:
    return updating(items, "name", values=lambda given: {"name": given["name"] + "!"})


async def test_a_column_that_says_nothing_in_any_row_is_null_in_all(any_database: Database) -> None:
    rows = [
        {"kind": "poll", "key": key, "lease_token": None, "not_before": 1.5} for key in ("a", "b")
    ]
    async with any_database.write() as tx:
        await MARK.run(tx, rows)
        found = await tx.execute(sa.select(work.c.lease_token, work.c.not_before))
        assert [tuple(row) for row in found] == [(None, 1.5), (None, 1.5)]


async def test_more_rows_than_one_statement_takes_come_in_their_order(
    any_database: Database,
) -> None:
    """Some say the same in every row, or in all but the last."""
    count = 2 * TOGETHER + 3
    given = [thing(f"{number:03}", "x") for number in range(count)]
    given[-1] |= {"created_at": 0.2, "tags": []}
    async with any_database.write() as tx:
        await ADD.run(tx, given)
        names = [{"sku": one["sku"], "name": "same", "tags": ["y"]} for one in given[1:]]
        await RENAME.run(tx, names)
    stored = await every(any_database)
    assert [row.sku for row in stored] == [one["sku"] for one in given]
    assert [row.created_at for row in stored] == [0.1] * (count - 1) + [0.2]
    assert [(row.name, row.tags) for row in stored] == [("", ["x"])] + [("same", ["y"])] * (
        count - 1
    )


async def test_rows_that_are_there_already_are_left_alone_among_many(
    any_database: Database,
) -> None:
    add = inserting(items, "sku", "created_at", conflict=lambda one: one.on_conflict_do_nothing())
    given = [{"sku": str(number), "created_at": 9.0} for number in range(2 * TOGETHER)]
    async with any_database.write() as tx:
        await ADD.run(tx, [thing("1"), thing(str(TOGETHER + 1))])
        await add.run(tx, given)
    kept = {row.sku: row.created_at for row in await every(any_database)}
    assert len(kept) == 2 * TOGETHER
    assert [sku for sku, at in kept.items() if at == 0.1] == ["1", str(TOGETHER + 1)]
