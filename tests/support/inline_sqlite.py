"""SQLite without a thread: statements run where they are awaited.

A test that hammers the store spends most of its time handing statements to aiosqlite's thread and
back. This connection has the same methods and no thread, so runs are quick and, on a clock in hand,
the same every time. The database is a real file under real SQLite.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any, Self

__all__ = ["inline_connections"]


class _Queue:
    """Runs at once what aiosqlite would hand to its thread."""

    def put_nowait(self, job: tuple[Any, Callable[[], Any]]) -> None:
        """Run the job and answer its future."""
        future, function = job
        future.set_result(function())


class _Cursor:
    def __init__(self, cursor: sqlite3.Cursor) -> None:
        self._cursor = cursor

    async def __aenter__(self) -> Self:
        return self

    @property
    def description(self) -> Any:
        return self._cursor.description

    @property
    def rowcount(self) -> int:
        return self._cursor.rowcount

    @property
    def lastrowid(self) -> int | None:
        return self._cursor.lastrowid

    async def execute(self, statement: str, parameters: Any = ()) -> _Cursor:
        # These tests kill processes, not the machine: waiting for the disk would prove nothing.
        statement = statement.replace("PRAGMA synchronous=FULL", "PRAGMA synchronous=OFF")
        self._cursor.execute(statement, parameters or ())
        return self

    async def executemany(self, statement: str, parameters: Any) -> _Cursor:
        self._cursor.executemany(statement, parameters)
        return self

    async def fetchall(self) -> list[Any]:
        return self._cursor.fetchall()

    async def fetchone(self) -> Any:
        return self._cursor.fetchone()

    async def fetchmany(self, size: int = 1) -> list[Any]:
        return self._cursor.fetchmany(size)

    async def close(self) -> None:
        self._cursor.close()


class _Connection:
    def __init__(self, path: Path, gate: Callable[[str], None]) -> None:
        self._gate = gate
        self._conn = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
        self._connection = self._conn
        self._tx = _Queue()
        self.isolation_level = None
        self._changes = 0

    def cursor(self) -> _Cursor:
        return _Cursor(self._conn.cursor())

    async def execute(self, statement: str, parameters: Any = ()) -> _Cursor:
        return await _Cursor(self._conn.cursor()).execute(statement, parameters)

    async def create_function(self, *given: Any, **named: Any) -> None:
        self._conn.create_function(*given, **named)

    async def commit(self) -> None:
        writes = self._conn.in_transaction and self._conn.total_changes > self._changes
        if writes:
            self._gate("before a commit")
        self._conn.commit()
        if writes:
            self._changes = self._conn.total_changes
            self._gate("after a commit")

    async def rollback(self) -> None:
        self._conn.rollback()

    async def close(self) -> None:
        self._conn.close()

    def stop(self) -> None:
        self._conn.close()


def inline_connections(
    path: Path, gate: Callable[[str], None] = lambda _which: None
) -> Callable[[], Awaitable[Any]]:
    """What `Database(connect=…)` wants: a maker of such connections to one file.

    `gate` is told just before and just after every commit that changes something.
    """

    async def connect() -> Any:
        return _Connection(path, gate)

    return connect
