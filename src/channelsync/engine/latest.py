"""What takes a while to count, kept for whoever looks at it again and again."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from time import monotonic
from typing import Final, Generic, TypeVar

from sqlalchemy.ext.asyncio import AsyncConnection

from channelsync.store.database import Database

__all__ = ["REST", "Latest"]

REST: Final = 30.0
"""What is kept is counted anew after so many times as long as that took."""

T = TypeVar("T")


class Latest(Generic[T]):
    """The latest of a value. One that is counted in no time is always that of now."""

    def __init__(
        self,
        database: Database,
        count: Callable[[AsyncConnection], Awaitable[T]],
        *,
        is_small: Callable[[T], bool],
    ) -> None:
        """`count` reads it; `is_small`: whether counting it takes no time worth speaking of."""
        self._database = database
        self._count = count
        self._is_small = is_small
        self._latest: T | None = None
        self._took_seconds = 0.0
        self._counted_at = 0.0
        self._counting: asyncio.Task[T] | None = None

    async def view(self) -> T:
        """It as it is now, or the latest while a newer one is being counted.

        It takes a connection of its own: whoever has a transaction open asks `kept`.
        """
        latest = self.kept()
        return latest if latest is not None else await asyncio.shield(self._begin())

    def kept(self) -> T | None:
        """The latest, while a newer one is being counted; None: count what you need of it yourself.

        So it is while the value is small, and where nobody has viewed it yet.
        """
        latest = self._latest
        if latest is None or self._is_small(latest):
            return None
        if monotonic() - self._counted_at > REST * self._took_seconds:
            self._begin()
        return latest

    def _begin(self) -> asyncio.Task[T]:
        if self._counting is None or self._counting.done():
            self._counting = asyncio.create_task(self._count_anew())
            # Whoever waits for it hears what went wrong; with nobody there, the next look does.
            self._counting.add_done_callback(lambda task: task.cancelled() or task.exception())
        return self._counting

    async def _count_anew(self) -> T:
        began = monotonic()
        async with self._database.read() as tx:
            latest = await self._count(tx)
        self._latest, self._counted_at = latest, monotonic()
        self._took_seconds = self._counted_at - began
        return latest
