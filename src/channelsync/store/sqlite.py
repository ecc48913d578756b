"""SQLite as the program opens it: an engine whose statements are one visit to a thread each."""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import Awaitable, Callable, Sequence
from functools import partial
from typing import Any, Final, Self

import aiosqlite
import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncEngine, create_async_engine
from typing_extensions import override

from channelsync.store.json_text import from_text

__all__ = ["READS", "WRITES", "Connect", "sqlite_engine"]

BUSY_SECONDS: Final = 10.0
ROWS_AT_ONCE: Final = 1_000
"""Rows that come back with their statement; what is behind them is fetched when it is asked for."""

READS: Final = "BEGIN"
WRITES: Final = "BEGIN IMMEDIATE"
Connect = Callable[[], Awaitable[Any]]
"""Makes a driver connection; for drivers that run without a thread."""


def sqlite_engine(url: str, *, begin: str, size: int, connect: Connect | None) -> AsyncEngine:
    """An engine whose transactions begin by `READS` or `WRITES`; `size` connections at most."""
    options: dict[str, Any] = {"connect_args": {"timeout": BUSY_SECONDS, "async_creator_fn": _open}}
    if connect is not None:
        options = {"async_creator": connect}
    engine = create_async_engine(
        url, pool_size=size, max_overflow=0, json_deserializer=from_text, **options
    )

    dialect = engine.sync_engine.dialect
    dialect.colspecs = {**dialect.colspecs, sa.JSON: _Json}

    @sa.event.listens_for(engine.sync_engine, "connect")
    def _prepare(connection: Any, _record: object) -> None:
        # The driver must not open transactions by itself: we say when, and of which kind.
        connection.isolation_level = None
        cursor = connection.cursor()
        for pragma in ("journal_mode=WAL", "synchronous=FULL", "foreign_keys=ON"):
            cursor.execute(f"PRAGMA {pragma}")
        cursor.close()

    def _begin(connection: Any) -> None:
        if begin == READS and isinstance(connection.driver_connection, _Connection):
            connection.driver_connection.begin_to_read()
            return
        cursor = connection.cursor()
        cursor.execute(begin)
        cursor.close()

    # Not by an event, which would have to go all the way that a statement of ours goes.
    dialect.do_begin = _begin  # type: ignore[assignment, method-assign]
    return engine


class _Json(sa.JSON):
    """A column of JSON, each value read by one call where SQLAlchemy makes three."""

    @override
    def result_processor(self, dialect: object, coltype: object) -> Callable[[Any], Any]:
        """What makes a value of what the driver returns."""
        return _value


def _value(stored: Any) -> Any:
    match stored:
        case "{}":  # most of what is kept is empty
            return {}
        case "[]":
            return []
        case str():
            return from_text(stored)
        case _:  # nothing, or a number, which SQLite does not keep as a text
            return stored


def _open(*arguments: Any, **options: Any) -> _Connection:
    connection = _Connection(partial(sqlite3.connect, *arguments, **options), ROWS_AT_ONCE)
    # As SQLAlchemy does it: a connection that nobody closed must not keep the process from ending.
    connection._thread.daemon = True  # noqa: SLF001
    return connection


class _Connection(aiosqlite.Connection):
    """aiosqlite's, with cursors of ours, and stopped once however often it is asked for.

    Whoever is cancelled while a connection closes asks for its end a second time. aiosqlite sends
    each to the connection's thread, and nobody is there to answer the later one: who waits for that
    answer waits for ever, and so does a process that wants to end.
    """

    _stopping: asyncio.Future[object] | None = None
    _begins: str | None = None
    """What goes before the next statement, in the same visit to the thread."""
    _is_over: bool = False
    """Whether the last that was done here was a commit, to its end."""

    def begin_to_read(self) -> None:
        """Begin a transaction with its first statement: before that there is no snapshot either."""
        self._begins = READS

    def beginning(self) -> str | None:
        """What has to go before the statement that is about to be run."""
        begins, self._begins = self._begins, None
        return begins

    @override
    async def commit(self) -> None:
        """Commit, if anything was begun."""
        self._begins = None
        await super().commit()
        self._is_over = True

    @override
    async def rollback(self) -> None:
        """Roll back what may be left. Behind a commit that ended there is nothing."""
        self._begins = None
        if not self._is_over:
            await super().rollback()

    @override
    async def _execute(self, fn: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
        self._is_over = False
        return await super()._execute(fn, *args, **kwargs)  # type: ignore[no-untyped-call]

    @override
    def cursor(self) -> _Cursor:  # type: ignore[override]
        return _Cursor(self)

    @override
    def stop(self) -> asyncio.Future[object] | None:
        """End the thread and close the file. The answer is the same at every call."""
        if self._running:
            self._stopping = super().stop()
        return self._stopping


class _Cursor:
    """What SQLAlchemy asks of a cursor of aiosqlite.

    Every visit to the connection's thread has to wait for the interpreter's lock there and back.
    aiosqlite makes four of a statement: for the cursor, the statement, its rows and the end. The
    work of most is a few microseconds, so that is what they would cost.
    """

    arraysize = 1

    def __init__(self, connection: _Connection) -> None:
        self._connection = connection
        self._unread: sqlite3.Cursor | None = None
        self._rows: list[Any] = []
        self.description: Any = None
        self.rowcount = -1
        self.lastrowid: int | None = None

    async def __aenter__(self) -> Self:
        return self

    async def execute(self, statement: str, parameters: Any = ()) -> Self:
        """Run a statement and fetch its first rows."""
        return await self._visit(lambda cursor: cursor.execute(statement, parameters))

    async def executemany(self, statement: str, parameters: Any) -> Self:
        """Run a statement for each set of parameters."""
        return await self._visit(lambda cursor: cursor.executemany(statement, parameters))

    async def fetchone(self) -> Any:
        """The next row; None: there is none."""
        return next(iter(await self.fetchmany(1)), None)

    async def fetchmany(self, size: int = 1) -> Sequence[Any]:
        """The next rows."""
        missing = size - len(self._rows)
        if self._unread is not None and missing > 0:
            self._rows += await self._in_thread(self._unread.fetchmany, missing)
        rows, self._rows = self._rows[:size], self._rows[size:]
        return rows

    async def fetchall(self) -> Sequence[Any]:
        """All rows that are left."""
        rows, self._rows = self._rows, []
        if self._unread is not None:
            rows += await self._in_thread(self._unread.fetchall)
        return rows

    async def close(self) -> None:
        """Let go of the rows."""
        unread, self._unread = self._unread, None
        if unread is not None:
            await self._in_thread(unread.close)

    async def _visit(self, act: Callable[[sqlite3.Cursor], object]) -> Self:
        await self.close()
        await self._in_thread(self._run, self._connection.beginning(), act)
        return self

    async def _in_thread(self, act: Callable[..., Any], *given: Any) -> Any:
        return await self._connection._execute(act, *given)  # noqa: SLF001

    def _run(self, begins: str | None, act: Callable[[sqlite3.Cursor], object]) -> None:
        """In the connection's thread, while nobody else looks at this cursor."""
        cursor = self._connection._conn.cursor()  # noqa: SLF001
        try:
            if begins is not None:
                cursor.execute(begins)
            act(cursor)
            self._rows = [] if cursor.description is None else cursor.fetchmany(ROWS_AT_ONCE)
        except BaseException:
            cursor.close()
            raise
        self.description, self.lastrowid = cursor.description, cursor.lastrowid
        self.rowcount = cursor.rowcount
        if len(self._rows) < ROWS_AT_ONCE:
            cursor.close()
        else:
            self._unread = cursor
