"""Transactions: one writer at a time on SQLite, many readers, on whichever engine the URL names.

SQLite runs in WAL mode with `synchronous=FULL`: what was committed survives a crash. Writers take
the write lock at once (`BEGIN IMMEDIATE`), so that what a transaction read is still true when it
writes; a reader never waits and never locks.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine, create_async_engine

__all__ = ["Database", "sqlite_url"]

BUSY_SECONDS = 10.0
READERS_MAX = 4


def sqlite_url(path: Path) -> str:
    """The URL of a SQLite file."""
    return f"sqlite+aiosqlite:///{path}"


Connect = Callable[[], Awaitable[Any]]
"""Makes a driver connection; for drivers that run without a thread."""


class Database:
    """The one door to the store."""

    def __init__(self, url: str, *, connect: Connect | None = None) -> None:
        self.url = url
        self.is_sqlite = sa.make_url(url).get_backend_name() == "sqlite"
        self.on_marked: Callable[[set[str]], None] = _ignore
        """Told, after a commit, which kinds of work it has marked."""
        self._writer_turn = asyncio.Lock()
        if self.is_sqlite:
            self._writer = _sqlite_engine(url, begin="BEGIN IMMEDIATE", size=1, connect=connect)
            self._reader = _sqlite_engine(url, begin="BEGIN", size=READERS_MAX, connect=connect)
        else:
            self._writer = self._reader = create_async_engine(url, pool_pre_ping=True)

    @asynccontextmanager
    async def write(self) -> AsyncIterator[AsyncConnection]:
        """A transaction that may write: committed at the end, rolled back on any exception."""
        async with self._turn(), self._writer.connect() as connection:
            marked: set[str] = set()
            connection.info["marked"] = marked
            async with connection.begin():
                yield connection
        if marked:
            self.on_marked(marked)

    @asynccontextmanager
    async def _turn(self) -> AsyncIterator[None]:
        """On SQLite one writer at a time, in the order of asking."""
        if not self.is_sqlite:
            yield
            return
        async with self._writer_turn:
            yield

    @asynccontextmanager
    async def read(self) -> AsyncIterator[AsyncConnection]:
        """A consistent snapshot to read from."""
        async with self._reader.connect() as connection:
            yield connection
            await connection.rollback()

    async def close(self) -> None:
        """Let go of every connection."""
        await self._writer.dispose()
        await self._reader.dispose()


def _ignore(_kinds: set[str]) -> None:
    """Nobody listens."""


def _sqlite_engine(url: str, *, begin: str, size: int, connect: Connect | None) -> AsyncEngine:
    options: dict[str, Any] = {"connect_args": {"timeout": BUSY_SECONDS}}
    if connect is not None:
        options = {"async_creator": connect}
    engine = create_async_engine(url, pool_size=size, max_overflow=0, **options)

    @sa.event.listens_for(engine.sync_engine, "connect")
    def _prepare(connection: Any, _record: object) -> None:
        # The driver must not open transactions by itself: we say when, and of which kind.
        connection.isolation_level = None
        cursor = connection.cursor()
        for pragma in ("journal_mode=WAL", "synchronous=FULL", "foreign_keys=ON"):
            cursor.execute(f"PRAGMA {pragma}")
        cursor.close()

    @sa.event.listens_for(engine.sync_engine, "begin")
    def _begin(connection: sa.Connection) -> None:
        connection.exec_driver_sql(begin)

    return engine
