"""Transactions: one writer at a time on SQLite, many on PostgreSQL, readers that never wait.

SQLite runs in WAL mode with `synchronous=FULL`: what was committed survives a crash. Writers take
the write lock at once (`BEGIN IMMEDIATE`), so that what a transaction read is still true when it
writes; a reader never waits and never locks.

On PostgreSQL a writer reads what is committed (READ COMMITTED) and locks what it is about to decide
on (`channelsync.store.locks`); a reader has one snapshot (REPEATABLE READ, READ ONLY).
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, Final, TypeVar

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine
from typing_extensions import override

from channelsync.store.errors import (
    OutcomeUnknown,
    StoreUnavailable,
    is_rolled_back,
    may_be_committed,
    only_reads,
)
from channelsync.store.postgresql import ANSWER_SECONDS, postgresql_engine
from channelsync.store.sqlite import READS, WRITES, Connect, sqlite_engine
from channelsync.store.turns import Turns

__all__ = [
    "Database",
    "Joined",
    "at_end",
    "connected",
    "is_writing",
    "pause_before_retry",
    "sqlite_url",
]

READERS_MAX = 4
TRIES_MAX: Final = 8
PAUSE_SECONDS_FIRST: Final = 0.02

Act = Callable[[AsyncConnection], Awaitable[Any]]
AtEnd = Callable[[AsyncConnection], Awaitable[None]]
T = TypeVar("T")


def sqlite_url(path: Path) -> str:
    """The URL of a SQLite file."""
    return f"sqlite+aiosqlite:///{path}"


class Database:
    """The one door to the store."""

    def __init__(
        self,
        url: str,
        *,
        connect: Connect | None = None,
        answer_seconds: float | None = ANSWER_SECONDS,
    ) -> None:
        """`answer_seconds`: None waits as long as it takes, for one person's long statements."""
        self.url = url
        self.is_sqlite = sa.make_url(url).get_backend_name() == "sqlite"
        self.on_marked: Callable[[set[str]], None] = _ignore
        """Told, after a commit, which kinds of work it has marked."""
        self._turns = Turns()
        if self.is_sqlite:
            self._writer = sqlite_engine(url, begin=WRITES, size=1, connect=connect)
            self._reader = sqlite_engine(url, begin=READS, size=READERS_MAX, connect=connect)
        else:
            self._writer = postgresql_engine(url, answer_seconds)
            self._reader = self._writer.execution_options(
                isolation_level="REPEATABLE READ", postgresql_readonly=True
            )

    @asynccontextmanager
    async def write(self) -> AsyncIterator[AsyncConnection]:
        """A transaction that may write: committed at the end, rolled back on any exception.

        Raises:
            StoreUnavailable: the database cannot be reached, or only reads; nothing was changed.
            OutcomeUnknown: the connection broke while committing; it may or may not be done.
        """
        async with self._turn(), connected(self._writer) as connection:
            marked: set[str] = set()
            ends: dict[str, AtEnd] = {}
            connection.info.update(marked=marked, at_end=ends)
            try:
                transaction = await _begun(connection)
                try:
                    async with _answering(connection), _writing(connection):
                        yield connection
                        for end in ends.values():
                            await end(connection)
                except BaseException:
                    await _roll_back(transaction)
                    raise
                await _commit(connection, transaction)
            finally:
                _forget(connection)
        if marked:
            self.on_marked(marked)

    async def transact(self, act: Callable[[AsyncConnection], Awaitable[T]]) -> T:
        """Run `act` in a transaction; again where the database proves that it left no trace.

        Two writers that waited for each other, a connection that broke before the commit: one
        repetition as a rule, `TRIES_MAX` tries at most. `act` must be fit for that.
        """
        for tried in range(1, TRIES_MAX + 1):
            try:
                async with self.write() as tx:
                    return await act(tx)
            except Exception as error:
                if tried == TRIES_MAX or not is_rolled_back(error):
                    raise
            await asyncio.sleep(pause_before_retry(tried))
        raise StoreUnavailable("unreachable")  # pragma: no cover - the last try returns or raises

    @asynccontextmanager
    async def _turn(self) -> AsyncIterator[None]:
        """On SQLite one writer at a time (`channelsync.store.turns`)."""
        if not self.is_sqlite:
            yield
            return
        async with self._turns.one():
            yield

    @asynccontextmanager
    async def read(self) -> AsyncIterator[AsyncConnection]:
        """A consistent snapshot to read from.

        Raises:
            StoreUnavailable: the database cannot be reached.
        """
        async with connected(self._reader) as connection, _answering(connection):
            yield connection
            # Closing it ends the transaction.

    @property
    def engines(self) -> tuple[AsyncEngine, AsyncEngine]:
        """The writers' and the readers' engine."""
        return self._writer, self._reader

    async def forget(self) -> None:
        """Leave every connection alone and open new ones: they were a process's that died."""
        for engine in self.engines:
            await engine.dispose(close=False)

    async def close(self) -> None:
        """Let go of every connection."""
        await self._writer.dispose()
        await self._reader.dispose()


def pause_before_retry(tried: int) -> float:
    """Growing, and different for everybody, so that those who met do not meet again."""
    return random.uniform(0.5, 1.0) * PAUSE_SECONDS_FIRST * 2.0**tried  # noqa: S311 - no secret


def is_writing(tx: AsyncConnection) -> bool:
    """Whether this transaction may write, and so must lock what it decides on."""
    return "at_end" in tx.info


def at_end(tx: AsyncConnection, name: str, make: Callable[[], AtEnd]) -> AtEnd | None:
    """What runs under `name` as the last thing before the commit; made at the first call.

    None outside a transaction of `Database.write`: there the caller does it at once.
    """
    ends: dict[str, AtEnd] | None = tx.info.get("at_end")
    if ends is None:
        return None
    if name not in ends:
        ends[name] = make()
    return ends[name]


def _ignore(_kinds: set[str]) -> None:
    """Nobody listens."""


def _forget(connection: AsyncConnection) -> None:
    """The notes of a transaction must not outlive it: the connection is used again."""
    if not connection.closed and not connection.invalidated:
        connection.info.pop("at_end", None)
        connection.info.pop("marked", None)


@asynccontextmanager
async def connected(engine: AsyncEngine) -> AsyncIterator[AsyncConnection]:
    """A connection, without a transaction yet.

    Raises:
        StoreUnavailable: the database cannot be reached.
    """
    connection = engine.connect()
    try:
        await connection.start()
    except sa.exc.DBAPIError:
        raise
    except Exception as error:
        # What the driver raises while it connects is not translated.
        said = str(error) or type(error).__name__
        raise StoreUnavailable(f"the database cannot be reached: {said}") from error
    try:
        yield connection
    finally:
        await connection.close()


@asynccontextmanager
async def _answering(connection: AsyncConnection) -> AsyncIterator[None]:
    """Give a connection up on which a statement was not answered in time.

    Raises:
        StoreUnavailable: so it is. It was not the commit: nothing was changed.
    """
    try:
        yield
    except TimeoutError as error:
        await connection.invalidate()
        raise StoreUnavailable("the database does not answer") from error


@asynccontextmanager
async def _writing(connection: AsyncConnection) -> AsyncIterator[None]:
    """Give a connection up whose server only reads: another one may lead to a server that writes.

    Raises:
        StoreUnavailable: so it is. Nothing was changed.
    """
    try:
        yield
    except sa.exc.DBAPIError as error:
        if not only_reads(error):
            raise
        await connection.invalidate()
        raise StoreUnavailable("the database only reads now") from error


async def _begun(connection: AsyncConnection) -> Any:
    async with _answering(connection):
        return await connection.begin().start()


async def _roll_back(transaction: Any) -> None:
    try:
        await transaction.rollback()
    except (sa.exc.DBAPIError, ConnectionError):
        # The connection broke: the server rolls back by itself.
        return


async def _commit(connection: AsyncConnection, transaction: Any) -> None:
    try:
        await transaction.commit()
    except TimeoutError as error:
        await connection.invalidate()
        raise OutcomeUnknown("the database did not answer to a commit") from error
    except (sa.exc.DBAPIError, ConnectionError) as error:
        await _roll_back(transaction)
        if may_be_committed(error):
            said = "the connection to the database broke during a commit"
            raise OutcomeUnknown(said) from error
        raise


class Joined(Database):
    """The same door inside a transaction that is open already: what writes here is a savepoint.

    A use case that opens its own transaction becomes part of the caller's, all or nothing; what it
    refuses leaves no trace, and the caller's transaction goes on.
    """

    def __init__(self, outer: Database, tx: AsyncConnection) -> None:
        self.url, self.is_sqlite, self.on_marked = outer.url, outer.is_sqlite, outer.on_marked
        self._tx = tx

    @asynccontextmanager
    @override
    async def write(self) -> AsyncIterator[AsyncConnection]:
        """A savepoint: rolled back on any exception."""
        async with self._tx.begin_nested():
            yield self._tx

    @asynccontextmanager
    @override
    async def read(self) -> AsyncIterator[AsyncConnection]:
        """The caller's transaction."""
        yield self._tx

    @override
    async def transact(self, act: Callable[[AsyncConnection], Awaitable[T]]) -> T:
        """Once: repeating is the caller's."""
        async with self.write() as tx:
            return await act(tx)

    @override
    async def close(self) -> None:
        """The connection is the caller's."""
