"""Wake-ups inside one process."""

from __future__ import annotations

import asyncio
from collections import defaultdict

__all__ = ["InProcessBus"]


class InProcessBus:
    """An event per kind of work; setting it twice wakes once."""

    def __init__(self) -> None:
        self._events: defaultdict[str, asyncio.Event] = defaultdict(asyncio.Event)

    def wake(self, kind: str) -> None:
        """Some work of this kind was just committed."""
        self._events[kind].set()

    async def wait(self, kind: str, timeout_seconds: float) -> bool:
        """Return after a wake-up of this kind, or after the time; whether it was a wake-up."""
        event = self._events[kind]
        try:
            async with asyncio.timeout(timeout_seconds):
                await event.wait()
        except TimeoutError:
            return False
        event.clear()
        return True
