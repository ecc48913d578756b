"""SQLite's connections: each statement with its rows is one visit to the connection's thread."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from channelsync.store.database import Database, sqlite_url
from channelsync.store.sqlite import ROWS_AT_ONCE

NUMBERS = sa.table("numbers", sa.column("number", sa.Integer))
MANY = 2 * ROWS_AT_ONCE + 7


class _Counted:
    """A queue to a thread that counts what is put into it."""

    def __init__(self, queue: Any) -> None:
        self._queue = queue
        self.visits = 0

    def put_nowait(self, job: Any) -> None:
        self.visits += 1
        self._queue.put_nowait(job)


@pytest.fixture
async def database(tmp_path: Path) -> AsyncIterator[Database]:
    opened = Database(sqlite_url(tmp_path / "numbers.db"))
    async with opened.write() as tx:
        await tx.exec_driver_sql("CREATE TABLE numbers (number INTEGER PRIMARY KEY)")
        await tx.execute(sa.insert(NUMBERS), [{"number": number} for number in range(MANY)])
    yield opened
    await opened.close()


async def test_a_statement_with_its_rows_is_one_visit_to_the_thread(database: Database) -> None:
    async with database.write() as tx:
        driver = (await tx.get_raw_connection()).driver_connection
        counted = driver._tx = _Counted(driver._tx)  # type: ignore[union-attr]
        await tx.execute(sa.select(NUMBERS).where(NUMBERS.c.number < 3))
        await tx.execute(sa.delete(NUMBERS).where(NUMBERS.c.number == 0))
        await tx.execute(sa.insert(NUMBERS), [{"number": 0}, {"number": MANY}])
        assert counted.visits == 3


async def test_a_look_is_two_visits_and_a_writer_has_none_behind_its_commit(
    database: Database,
) -> None:
    async with database.read() as tx:
        reading = (await tx.get_raw_connection()).driver_connection
        counted = reading._tx = _Counted(reading._tx)  # type: ignore[union-attr]
        await tx.execute(sa.select(NUMBERS).where(NUMBERS.c.number < 3))
        assert counted.visits == 1
    assert counted.visits == 2
    async with database.write() as tx:
        writing = (await tx.get_raw_connection()).driver_connection
        counted = writing._tx = _Counted(writing._tx)  # type: ignore[union-attr]
        await tx.execute(sa.delete(NUMBERS).where(NUMBERS.c.number == 0))
    assert counted.visits == 2


async def test_a_reader_sees_what_was_there_at_its_first_statement(database: Database) -> None:
    query = sa.select(sa.func.count()).select_from(NUMBERS)
    async with database.read() as reader:
        assert (await reader.execute(query)).scalar() == MANY
        async with database.write() as writer:
            await writer.execute(sa.delete(NUMBERS).where(NUMBERS.c.number < 7))
        assert (await reader.execute(query)).scalar() == MANY
    async with database.read() as reader:
        assert (await reader.execute(query)).scalar() == MANY - 7


async def test_nothing_of_a_writer_that_failed_or_was_cut_off_stays(database: Database) -> None:
    query = sa.select(sa.func.count()).select_from(NUMBERS)

    async def lose_all() -> None:
        async with database.write() as tx:
            await tx.execute(sa.delete(NUMBERS))
            raise ValueError("after all, no")

    for begun in range(5):
        with pytest.raises(ValueError, match="after all"):
            await lose_all()
        losing = asyncio.create_task(lose_all())
        for _ in range(begun):
            await asyncio.sleep(0)
        losing.cancel()
        await asyncio.wait([losing])
        async with database.write() as tx:
            assert (await tx.execute(query)).scalar() == MANY


async def test_all_rows_come_however_many_they_are(database: Database) -> None:
    query = sa.select(NUMBERS.c.number).order_by(NUMBERS.c.number)
    async with database.read() as tx:
        assert (await tx.execute(query)).scalars().all() == list(range(MANY))
        found: list[int] = []
        async for part in (await tx.stream(query)).scalars().partitions(300):
            found += part
        assert found == list(range(MANY))
        streamed = await tx.stream(query)
        assert await streamed.fetchone() == (0,)
        await streamed.close()
        last = query.where(NUMBERS.c.number >= MANY - 1)
        assert (await tx.execute(last)).scalars().all() == [MANY - 1]


async def test_what_a_statement_changed_is_counted_and_returned(database: Database) -> None:
    async with database.write() as tx:
        gone = await tx.execute(sa.delete(NUMBERS).where(NUMBERS.c.number < 5))
        assert gone.rowcount == 5
        below = sa.delete(NUMBERS).where(NUMBERS.c.number < 7).returning(NUMBERS.c.number)
        assert sorted((await tx.execute(below)).scalars()) == [5, 6]


async def test_a_statement_that_fails_leaves_the_transaction_as_it_was(database: Database) -> None:
    async with database.write() as tx:
        await tx.execute(sa.insert(NUMBERS).values(number=-1))
        with pytest.raises(sa.exc.IntegrityError):
            await tx.execute(sa.insert(NUMBERS), [{"number": -2}, {"number": 1}])
        with pytest.raises(sa.exc.OperationalError, match="no such table"):
            await tx.exec_driver_sql("SELECT * FROM nowhere")
    async with database.read() as tx:
        below = sa.select(NUMBERS.c.number).where(NUMBERS.c.number < 0)
        assert -1 in (await tx.execute(below)).scalars().all()


async def test_a_connection_that_is_told_twice_to_close_closes(database: Database) -> None:
    async with database.read() as tx:
        driver = (await tx.get_raw_connection()).driver_connection
        assert driver is not None
        closing = asyncio.create_task(driver.close())
        await asyncio.sleep(0)  # it is under way, and whoever waited for it was cancelled
        driver.stop()
        async with asyncio.timeout(10):
            await closing
        await tx.invalidate()
