"""Presence: which of the processes that work on one store are still there.

A process holds an advisory lock of PostgreSQL for as long as its session lives. A killed process
lets go of it at once, a machine that is gone after half a minute (TCP keepalive); a process that is
merely frozen keeps it, and so is never taken for dead.

The lock's number is the last part of the owner's name: eight hexadecimal digits.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Collection
from typing import Final

import sqlalchemy as sa
import structlog
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine, create_async_engine

from channelsync.store.errors import StoreUnavailable

__all__ = ["Alone", "DatabasePresence"]

_log = structlog.get_logger("channelsync.presence")

_CLASS: Final = 0x6373_7072
"""Our corner of the advisory locks: "cspr" in ASCII."""
LOOK_SECONDS: Final = 2.0
ABSENT_SECONDS: Final = 4.0
"""Who is missed for so long is gone; a database that starts again is missed by everybody."""
ANSWER_SECONDS_MAX: Final = 5.0
RETRY_SECONDS: Final = 0.5
_SETTINGS: Final = {
    "application_name": "channelsync presence",
    "tcp_keepalives_idle": "15",
    "tcp_keepalives_interval": "5",
    "tcp_keepalives_count": "3",
}
_LOCK: Final = sa.text("SELECT pg_try_advisory_lock(:class, :number)")
_PRESENT: Final = sa.text(
    "SELECT CAST(objid AS bigint) FROM pg_locks WHERE locktype = 'advisory' AND granted"
    " AND CAST(classid AS bigint) = :class AND objsubid = 2"
    " AND database = (SELECT oid FROM pg_database WHERE datname = current_database())"
)


class Alone:
    """The only process that may work on the store: it holds the data folder's lock."""

    is_alone = True
    held = True

    async def absent(self, owners: Collection[str]) -> set[str]:
        """Everybody else: whoever worked here before is dead."""
        return set(owners)

    async def count(self) -> int:
        """How many processes work on the store."""
        return 1


class DatabasePresence:
    """One process among several on one PostgreSQL."""

    is_alone = False

    def __init__(self, url: str, owner: str) -> None:
        self._engine: AsyncEngine = create_async_engine(
            url,
            poolclass=sa.NullPool,
            isolation_level="AUTOCOMMIT",
            connect_args={"server_settings": _SETTINGS, "timeout": ANSWER_SECONDS_MAX},
        )
        self._number = _number_of(owner)
        self._connection: AsyncConnection | None = None
        self._watching: asyncio.Task[None] | None = None
        self._missed_since: dict[int, float] = {}

    @property
    def held(self) -> bool:
        """Whether the others can see us. Nothing may be sent while they cannot."""
        return self._connection is not None

    async def start(self) -> None:
        """Become present.

        Raises:
            StoreUnavailable: the database cannot be reached.
        """
        try:
            await self._enter()
        except Exception as error:
            await self._leave()
            said = str(error) or type(error).__name__
            raise StoreUnavailable(f"the database cannot be reached: {said}") from error
        self._watching = asyncio.create_task(self._watch(), name="presence")

    async def close(self) -> None:
        """Be gone."""
        if self._watching is not None:
            self._watching.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._watching
        await self._leave()
        await self._engine.dispose()

    async def absent(self, owners: Collection[str]) -> set[str]:
        """Those whose session has ended a while ago. Nobody, while the database cannot be asked."""
        present = await self._present()
        if present is None:
            self._missed_since.clear()
            return set()
        now = asyncio.get_running_loop().time()
        missed = {_number_of(owner) for owner in owners} - present
        self._missed_since = {number: self._missed_since.get(number, now) for number in missed}
        gone = {n for n, since in self._missed_since.items() if now - since >= ABSENT_SECONDS}
        return {owner for owner in owners if _number_of(owner) in gone}

    async def count(self) -> int:
        """How many processes are present, this one included."""
        return max(len(await self._present() or ()), 1)

    async def _present(self) -> set[int] | None:
        if self._connection is None:
            return None
        try:
            async with asyncio.timeout(ANSWER_SECONDS_MAX):
                rows = await self._connection.execute(_PRESENT, {"class": _CLASS})
                return set(rows.scalars())
        except (sa.exc.SQLAlchemyError, OSError, TimeoutError):
            return None

    # ------------------------------------------------------------ our own session

    async def _enter(self) -> None:
        connection = await self._engine.connect()
        number = self._number - 2**32 if self._number >= 2**31 else self._number
        taken = await connection.execute(_LOCK, {"class": _CLASS, "number": number})
        if not taken.scalar_one():
            # The session that we lost has not ended yet on the server's side.
            await connection.close()
            raise StoreUnavailable("the former session is still there")
        self._connection = connection

    async def _leave(self) -> None:
        connection, self._connection = self._connection, None
        if connection is not None:
            with contextlib.suppress(Exception):
                await connection.invalidate()
                await connection.close()

    async def _watch(self) -> None:
        while True:
            await asyncio.sleep(LOOK_SECONDS if self.held else RETRY_SECONDS)
            if not self.held:
                with contextlib.suppress(Exception):
                    await self._enter()
                    _log.info("present again")
            elif await self._present() is None:
                _log.warning("the database does not see this process: nothing is sent until then")
                await self._leave()


def _number_of(owner: str) -> int:
    return int(owner.rpartition("-")[2], 16)
