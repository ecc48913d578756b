"""The way to PostgreSQL or Redis breaks without a word: nobody waits without an end."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import pytest

from channelsync.engine.work import WorkKind
from channelsync.queue.arq_bus import ArqBus
from channelsync.store.database import Database
from channelsync.store.errors import OutcomeUnknown, StoreUnavailable, is_rolled_back
from tests.support.halfway import Halfway, halfway
from tests.support.servers import Postgres, Redis, scratch_folder

SOON = 60.0
"""Long enough for a machine that has much else to do; nothing here waits for it to pass."""
SOCKET = ".s.PGSQL.5432"


@pytest.fixture
async def way_to_redis(redis_server: Redis) -> AsyncIterator[tuple[Halfway, str]]:
    door = scratch_folder() / "redis.sock"
    async with halfway(door, redis_server.socket) as way:
        yield way, f"unix://{door}"


@pytest.fixture
async def way_to_postgres(
    postgres_server: Postgres, postgres_url: str
) -> AsyncIterator[tuple[Halfway, Database]]:
    folder = scratch_folder()
    async with halfway(folder / SOCKET, postgres_server.folder / SOCKET) as way:
        url = postgres_url.replace(str(postgres_server.folder), str(folder))
        database = Database(url, answer_seconds=0.5)
        yield way, database
        await database.close()


async def test_wake_ups_come_again_over_a_new_connection(way_to_redis: tuple[Halfway, str]) -> None:
    way, url = way_to_redis
    web, worker = ArqBus(url, answer_seconds=1.5), ArqBus(url, answer_seconds=1.5)
    running = [asyncio.create_task(bus.run(listens=bus is worker)) for bus in (web, worker)]
    try:
        async with asyncio.timeout(SOON):
            await _until_woken(web, worker, WorkKind.INTAKE)
            way.break_silently()
            await _until_woken(web, worker, WorkKind.SETTLE)
        assert way.swallowed
        # Who listens may have been between two polls, which go over a new connection then.
        assert web.troubles
    finally:
        for task in running:
            task.cancel()
        await asyncio.gather(*running, return_exceptions=True)


async def test_every_connection_to_redis_gives_up_one_that_does_not_answer(
    redis_server: Redis,
) -> None:
    """Of the one that arq tries first as well: it was once made before the limit was set."""
    pool = await ArqBus(redis_server.url, answer_seconds=1.5)._connect()
    async with pool, pool.client() as one, pool.client() as other:
        for client in (one, other):
            assert await client.ping()
            assert client.connection
            assert client.connection.socket_timeout == 1.5


async def _until_woken(web: ArqBus, worker: ArqBus, kind: str) -> None:
    woken = asyncio.create_task(worker.wait(kind, SOON))
    while not woken.done():
        web.wake(kind)
        await asyncio.wait({woken}, timeout=0.1)
    await woken


async def test_a_statement_without_an_answer_is_tried_again_over_a_new_connection(
    way_to_postgres: tuple[Halfway, Database],
) -> None:
    way, database = way_to_postgres
    await _make_table(database)
    tries = 0

    async def add(tx: object) -> None:
        nonlocal tries
        tries += 1
        if tries == 1:
            way.break_silently()
        await tx.exec_driver_sql("INSERT INTO kept VALUES (1)")  # type: ignore[attr-defined]

    async with asyncio.timeout(SOON):
        await database.transact(add)
    assert tries == 2
    assert way.swallowed
    assert await _kept(database) == 1


async def test_a_reader_without_an_answer_says_so(
    way_to_postgres: tuple[Halfway, Database],
) -> None:
    way, database = way_to_postgres
    await _make_table(database)
    async with asyncio.timeout(SOON):
        with pytest.raises(StoreUnavailable, match="does not answer"):
            await _read_over(way, database)
        assert await _kept(database) == 0


async def test_a_commit_without_an_answer_is_of_unknown_outcome(
    way_to_postgres: tuple[Halfway, Database],
) -> None:
    way, database = way_to_postgres
    await _make_table(database)
    async with asyncio.timeout(SOON):
        with pytest.raises(OutcomeUnknown) as caught:
            await _add_and_break(way, database)
        assert not is_rolled_back(caught.value)
        assert await _kept(database) in {0, 1}


async def _read_over(way: Halfway, database: Database) -> None:
    async with database.read() as connection:
        way.break_silently()
        await connection.exec_driver_sql("SELECT 1")


async def _add_and_break(way: Halfway, database: Database) -> None:
    async with database.write() as tx:
        await tx.exec_driver_sql("INSERT INTO kept VALUES (1)")
        way.break_silently()


async def _make_table(database: Database) -> None:
    async with database.write() as tx:
        await tx.exec_driver_sql("CREATE TABLE kept (number integer)")


async def _kept(database: Database) -> int:
    async with database.read() as connection:
        rows = await connection.exec_driver_sql("SELECT count(*) FROM kept")
        count: int = rows.scalar_one()
        return count
