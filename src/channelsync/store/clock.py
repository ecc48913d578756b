"""One clock for all processes: the database's, carried on by this machine between two looks.

Leases, deadlines and watermarks of several machines are compared with each other; their own clocks
may differ by minutes or be set back. What counts the seconds between two looks does neither.

This machine's own clock is never believed, not even until the database has answered: readings that
a process stamps ten minutes too early are taken for proven by orders that were not counted yet.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from typing import Final, Self

import sqlalchemy as sa
import structlog

from channelsync.domain.vocabulary import Instant
from channelsync.store.database import Database
from channelsync.store.errors import StoreUnavailable

__all__ = ["DatabaseClock"]

_log = structlog.get_logger("channelsync.clock")

ROUND_TRIP_SECONDS_MAX: Final = 0.5
"""A slower answer says too little about when it was given."""
TRIES: Final = 60
PAUSE_SECONDS: Final = 0.5
REMARKABLE_SECONDS: Final = 5.0
_NOW: Final = sa.text("SELECT CAST(extract(epoch FROM clock_timestamp()) AS double precision)")


def _counted() -> float:
    """Seconds that also pass while the machine sleeps, where it has such a counter."""
    boot = getattr(time, "CLOCK_BOOTTIME", None)
    return time.monotonic() if boot is None else time.clock_gettime(boot)


class DatabaseClock:
    """Call it for the instant now. `DatabaseClock.of` makes one that has been set."""

    def __init__(
        self, told: Instant, *, counted: Callable[[], float], query: sa.TextClause = _NOW
    ) -> None:
        """`told` is what the database's clock shows while `counted` shows what it does."""
        self._counted = counted
        self._query = query
        self._offset = told - counted()

    @classmethod
    async def of(
        cls,
        database: Database,
        *,
        counted: Callable[[], float] = _counted,
        query: sa.TextClause = _NOW,
        pause: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> Self:
        """Ask the database what time it is until it answers quickly enough to be believed.

        Raises:
            StoreUnavailable: each of many answers took too long.
        """
        for _ in range(TRIES):
            offset, trip_seconds = await _ask(database, counted, query)
            if trip_seconds <= ROUND_TRIP_SECONDS_MAX:
                return cls(offset + counted(), counted=counted, query=query)
            await pause(PAUSE_SECONDS)
        raise StoreUnavailable(
            f"the database takes more than {ROUND_TRIP_SECONDS_MAX:g} s to say what time it is:"
            " every process goes by its clock, so this one cannot start; look what keeps the"
            " database or the way to it so busy"
        )

    def __call__(self) -> Instant:
        """The instant now, by the database."""
        return self._counted() + self._offset

    async def synchronise(self, database: Database) -> None:
        """Ask the database again what time it is; a slow answer changes nothing."""
        offset, trip_seconds = await _ask(database, self._counted, self._query)
        if trip_seconds > ROUND_TRIP_SECONDS_MAX:
            return
        moved = offset - self._offset
        self._offset = offset
        if abs(moved) > REMARKABLE_SECONDS:
            _log.warning("the database's clock was set", seconds=moved)


async def _ask(
    database: Database, counted: Callable[[], float], query: sa.TextClause
) -> tuple[float, float]:
    """How far the database's clock is before `counted`, and how long it took to say so."""
    async with database.read() as connection:
        await connection.execute(sa.text("SELECT 1"))
        asked = counted()
        told: Instant = (await connection.execute(query)).scalar_one()
        answered = counted()
    return told - (asked + answered) / 2, answered - asked
