"""From SQLite to PostgreSQL: everything or nothing, and the books go on there."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import sqlalchemy as sa

from channelsync.engine.bookkeeping import verify_books
from channelsync.engine.fold import DAY_SECONDS, fold_ledger
from channelsync.store import tables
from channelsync.store.archive import check_archive
from channelsync.store.audit_chain import Change
from channelsync.store.copying import CopyRefused, copy_store
from channelsync.store.database import Database
from channelsync.store.folding import load_folds
from channelsync.store.tables import Quantity
from tests.support.ledger_books import NOON, Books

ON_HAND = Quantity.ON_HAND
CHANGE = Change(at=1.0, actor="cli:ada", action="database.copy", subject="database")


@pytest.fixture
async def target(postgres_url: str) -> AsyncIterator[Database]:
    database = Database(postgres_url)
    yield database
    await database.close()


async def test_everything_is_there_and_goes_on(sqlite_books: Books, target: Database) -> None:
    await sqlite_books.move(("MUG", "dc", ON_HAND, 7), ("PLATE", "soho", ON_HAND, 1))
    await sqlite_books.seal()
    copied = await copy_store(sqlite_books.database, target, CHANGE)
    there = Books(target)
    for table in tables.metadata.sorted_tables:
        rows = [tuple(row) for row in await there.rows(table)]
        if table is tables.audit:
            assert [row.action for row in await there.rows(table)] == [CHANGE.action]
            continue
        assert rows == [tuple(row) for row in await sqlite_books.rows(table)], table.name
        assert copied.rows[table.name] == len(rows)
    assert copied.rows["movements"] == 2
    await there.move(("MUG", "dc", ON_HAND, 1))
    await there.seal()
    report = await verify_books(target)
    assert report.ok
    assert report.chain.sealed == 3


async def test_a_ledger_that_was_folded_is_proven_there_as_well(
    sqlite_books: Books, target: Database, tmp_path: Path
) -> None:
    for number in range(20):
        await sqlite_books.move(("MUG", "dc", ON_HAND, 1), at=NOON + number)
    await sqlite_books.seal()
    sqlite_books.now += 401 * DAY_SECONDS
    done = await fold_ledger(
        sqlite_books.database,
        sqlite_books.environment,
        before=NOON + 10,
        archive=tmp_path / "old.gz",
        actor="test",
    )
    assert done is not None
    await copy_store(sqlite_books.database, target, CHANGE)
    async with target.read() as tx:
        folds = await load_folds(tx)
    assert check_archive(tmp_path / "old.gz", folds).breaks == ()
    there = Books(target)
    await there.move(("MUG", "dc", ON_HAND, 1))
    await there.seal()
    report = await verify_books(target)
    assert (report.ok, report.chain.sealed) == (True, 11)


async def test_a_target_with_rows_is_left_alone(sqlite_books: Books, target: Database) -> None:
    await copy_store(sqlite_books.database, target, CHANGE)
    before = await Books(target).count_of(tables.items)
    with pytest.raises(CopyRefused, match=r"not empty .*copy into a new database"):
        await copy_store(sqlite_books.database, target, CHANGE)
    assert await Books(target).count_of(tables.items) == before


async def test_wrong_books_are_not_carried_along(sqlite_books: Books, target: Database) -> None:
    await sqlite_books.move(("MUG", "dc", ON_HAND, 7))
    await sqlite_books.run("UPDATE stock SET on_hand = 9")
    with pytest.raises(CopyRefused, match=r"do not add up .*verify --repair"):
        await copy_store(sqlite_books.database, target, CHANGE)
    assert await Books(target).count_of(tables.items) == 0


async def test_a_file_is_no_target(sqlite_books: Books) -> None:
    with pytest.raises(CopyRefused, match="must be PostgreSQL"):
        await copy_store(sqlite_books.database, sqlite_books.database, CHANGE)


async def test_a_row_that_does_not_fit_takes_all_of_it_back(
    sqlite_books: Books, target: Database
) -> None:
    await sqlite_books.move(("MUG", "dc", ON_HAND, 7))
    async with target.write() as tx:
        await tx.exec_driver_sql("ALTER TABLE movements ADD CHECK (delta < 5)")
    with pytest.raises(sa.exc.IntegrityError):
        await copy_store(sqlite_books.database, target, CHANGE)
    assert await Books(target).count_of(tables.items) == 0
