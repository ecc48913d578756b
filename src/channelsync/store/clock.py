"""One clock for all processes: the database's, carried on by this machine between two looks.

Leases, deadlines and watermarks of several machines are compared with each other; their own clocks
may differ by minutes or be set back. What counts the seconds between two looks does neither.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Final

import sqlalchemy as sa
import structlog

from channelsync.domain.vocabulary import Instant
from channelsync.store.database import Database

__all__ = ["DatabaseClock"]

_log = structlog.get_logger("channelsync.clock")

ROUND_TRIP_SECONDS_MAX: Final = 0.5
"""A slower answer says too little about when it was given."""
REMARKABLE_SECONDS: Final = 5.0
_NOW: Final = sa.text("SELECT CAST(extract(epoch FROM clock_timestamp()) AS double precision)")


def _counted() -> float:
    """Seconds that also pass while the machine sleeps, where it has such a counter."""
    boot = getattr(time, "CLOCK_BOOTTIME", None)
    return time.monotonic() if boot is None else time.clock_gettime(boot)


class DatabaseClock:
    """Call it for the instant now."""

    def __init__(
        self,
        *,
        counted: Callable[[], float] = _counted,
        own: Callable[[], Instant] = time.time,
        query: sa.TextClause = _NOW,
    ) -> None:
        """`own` is this machine's clock, believed until the database has answered `query`."""
        self._counted = counted
        self._query = query
        self._offset = own() - counted()

    def __call__(self) -> Instant:
        """The instant now, by the database."""
        return self._counted() + self._offset

    async def synchronise(self, database: Database) -> None:
        """Ask the database what time it is."""
        async with database.read() as connection:
            await connection.execute(sa.text("SELECT 1"))
            asked = self._counted()
            told: Instant = (await connection.execute(self._query)).scalar_one()
            answered = self._counted()
        if answered - asked > ROUND_TRIP_SECONDS_MAX:
            return
        offset = told - (asked + answered) / 2
        moved = offset - self._offset
        self._offset = offset
        if abs(moved) > REMARKABLE_SECONDS:
            _log.warning("this machine's clock is off; the database's counts", seconds=moved)
