"""Connections to PostgreSQL that were not in use: seen to stand before they are used again."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest
import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection

from channelsync.store.database import Database
from tests.support.servers import Postgres

SOON = 30.0
LONG_SECONDS = 3_600.0


class Watched:
    """A database of one connection: how often it was asked whether it stands, and its end."""

    def __init__(self, url: str) -> None:
        self.database = Database(url)
        self.asked = 0
        self.ended = asyncio.Event()
        self.rests_long = False
        sync = self.database.engines[0].sync_engine
        ask = sync.dialect.do_ping

        def counting(dbapi_connection: Any) -> bool:
            self.asked += 1
            return ask(dbapi_connection)

        sync.dialect.do_ping = counting  # type: ignore[method-assign]
        sa.event.listen(sync, "connect", self._watch)
        sa.event.listen(sync, "checkin", self._let_rest)

    def _watch(self, connection: Any, _record: object) -> None:
        connection.driver_connection.add_termination_listener(lambda _gone: self.ended.set())

    def _let_rest(self, _connection: object, record: Any) -> None:
        if self.rests_long:
            record.info["rests_since"] -= LONG_SECONDS

    async def process(self) -> int:
        """The server's process behind the connection that is used."""
        async with self.database.read() as tx:
            return int(await tx.scalar(sa.text("SELECT pg_backend_pid()")) or 0)


@pytest.fixture
async def watched(postgres_url: str) -> AsyncIterator[Watched]:
    watched = Watched(postgres_url)
    yield watched
    await watched.database.close()


async def test_a_connection_is_asked_only_after_a_rest(watched: Watched) -> None:
    first = await watched.process()
    assert await watched.process() == first
    assert watched.asked == 0
    watched.rests_long = True
    assert await watched.process() == first
    assert await watched.process() == first
    assert watched.asked == 1


async def test_one_that_the_server_has_ended_is_replaced_unasked(
    watched: Watched, postgres_server: Postgres
) -> None:
    first = await watched.process()
    await postgres_server.execute(f"SELECT pg_terminate_backend({first})")
    async with asyncio.timeout(SOON):
        await watched.ended.wait()
    assert await watched.process() != first
    assert watched.asked == 0


async def test_one_that_ended_unseen_is_replaced_when_it_is_asked(
    watched: Watched, postgres_server: Postgres
) -> None:
    watched.rests_long = True
    first = await watched.process()
    # Nobody looks at the socket meanwhile.
    postgres_server.run(f"SELECT pg_terminate_backend({first}, 5000)")
    assert await watched.process() != first
    assert watched.asked == 1


async def test_one_that_ended_unseen_a_moment_ago_costs_one_more_try(
    watched: Watched, postgres_server: Postgres
) -> None:
    first = await watched.process()
    postgres_server.run(f"SELECT pg_terminate_backend({first}, 5000)")
    tries = 0

    async def ask(tx: AsyncConnection) -> int:
        nonlocal tries
        tries += 1
        return int(await tx.scalar(sa.text("SELECT pg_backend_pid()")) or 0)

    assert await watched.database.transact(ask) != first
    assert tries == 2
    assert watched.asked == 0
