"""SQLite without a thread, with a gate before and after whatever a process could die in.

It has the methods that SQLAlchemy asks of aiosqlite. Statements run where they are awaited; waiting
for another writer takes virtual time. The file and the engine beneath are the real ones.
"""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any, Final, Protocol, Self
from weakref import WeakSet

__all__ = ["Connection", "Gatekeeper"]

BUSY_SECONDS: Final = 10.0
"""As long as the program's own connections wait for another writer."""
LOOK_SECONDS: Final = 0.02
_BUSY: Final = "locked"


class Gatekeeper(Protocol):
    """Whoever the connections belong to. Each gate may never open, or raise what a driver would."""

    async def at_gate(self, where: str) -> None:
        """Pass `begin`, `statement`, `before commit` or `after commit`."""

    def opened(self, connection: Connection) -> None:
        """There is one more connection."""

    def committed(self, touched: set[str]) -> None:
        """Something in these tables was just committed."""


class _Queue:
    """Runs at once what aiosqlite would hand to its thread."""

    def put_nowait(self, job: tuple[Any, Callable[[], Any]]) -> None:
        """Run the job and answer its future."""
        future, function = job
        future.set_result(function())


class _Cursor:
    def __init__(self, owner: Connection) -> None:
        self._owner = owner
        self._cursor = owner.raw.cursor()
        owner.cursors.add(self)

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
        if statement == "BEGIN IMMEDIATE":
            await self._owner.begin_writing()
            return self
        # Processes die here, not machines: waiting for the disk would prove nothing.
        statement = statement.replace("PRAGMA synchronous=FULL", "PRAGMA synchronous=OFF")
        if self._owner.writing:
            await self._owner.keeper.at_gate("statement")
            self._owner.note(statement)
        if (travel := self._owner.travel) is None:
            self._cursor.execute(statement, parameters or ())
            return self
        await travel()
        self._cursor.execute(statement, parameters or ())
        await travel()
        return self

    async def executemany(self, statement: str, parameters: Any) -> _Cursor:
        await self._owner.keeper.at_gate("statement")
        self._owner.note(statement)
        self._cursor.executemany(statement, parameters)
        return self

    async def fetchall(self) -> list[Any]:
        return self._cursor.fetchall()

    async def fetchone(self) -> Any:
        return self._cursor.fetchone()

    async def fetchmany(self, size: int = 1) -> list[Any]:
        return self._cursor.fetchmany(size)

    async def close(self) -> None:
        self.reset()

    def reset(self) -> None:
        """Leave whatever rows were not fetched."""
        self._cursor.close()


class Connection:
    """One connection of one process."""

    def __init__(self, path: Path, keeper: Gatekeeper) -> None:
        self.keeper = keeper
        self.raw = sqlite3.connect(path, isolation_level=None, check_same_thread=False, timeout=0)
        self.writing = False
        self.cursors: WeakSet[_Cursor] = WeakSet()
        self.travel: Callable[[], Awaitable[None]] | None = None
        """One way to the database or back, where that may take time."""
        self.isolation_level = None
        self._conn = self.raw
        self._connection = self.raw
        self._tx = _Queue()
        self._changes = 0
        self._touched: set[str] = set()
        keeper.opened(self)

    def note(self, statement: str) -> None:
        """Remember the table that a statement writes."""
        words = statement.split(None, 3)
        if words[0] in {"INSERT", "DELETE"}:
            self._touched.add(words[2])
        elif words[0] == "UPDATE":
            self._touched.add(words[1])

    async def begin_writing(self) -> None:
        """Take the write lock, however long another writer holds it.

        Raises:
            sqlite3.OperationalError: too long.
        """
        await self.keeper.at_gate("begin")
        waited = 0.0
        while True:
            try:
                self.raw.execute("BEGIN IMMEDIATE")
            except sqlite3.OperationalError as error:
                if _BUSY not in str(error) or waited >= BUSY_SECONDS:
                    raise
            else:
                self.writing = True
                return
            waited += LOOK_SECONDS
            await asyncio.sleep(LOOK_SECONDS)
            await self.keeper.at_gate("begin")

    def cursor(self) -> _Cursor:
        """A cursor."""
        return _Cursor(self)

    async def execute(self, statement: str, parameters: Any = ()) -> _Cursor:
        """Run one statement."""
        return await self.cursor().execute(statement, parameters)

    async def create_function(self, *given: Any, **named: Any) -> None:
        """Give SQL a function of ours."""
        self.raw.create_function(*given, **named)

    async def commit(self) -> None:
        """Commit; something may happen before and after."""
        changed = self.raw.in_transaction and self.raw.total_changes > self._changes
        if changed:
            await self.keeper.at_gate("before commit")
        self.raw.commit()
        self.writing = False
        if changed:
            self._changes = self.raw.total_changes
            touched, self._touched = self._touched, set()
            self.keeper.committed(touched)
            await self.keeper.at_gate("after commit")

    async def rollback(self) -> None:
        """Take back what is not committed; of a dead process the file itself has done so."""
        self.writing = False
        self._touched.clear()
        try:
            self.raw.rollback()
        except sqlite3.ProgrammingError:
            return

    async def close(self) -> None:
        """Let go of the file."""
        self.raw.close()

    def stop(self) -> None:
        """Let go of the file."""
        self.raw.close()

    def cut(self) -> None:
        """Let go of the file as a dead process does, in the midst of whatever.

        A statement that waits to have its rows fetched would keep SQLite's connection, its
        transaction and its locks, even though it was closed.
        """
        for cursor in list(self.cursors):
            cursor.reset()
        self.raw.close()
