"""Looks shared: many that ask the same at once are answered by one look, begun after they asked."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Generic, TypeVar

__all__ = ["SharedLook"]

T = TypeVar("T")


@dataclass(slots=True)
class SharedLook(Generic[T]):
    """Whoever asks while a look is under way waits for the next: no answer is older than asked."""

    look: Callable[[], Awaitable[T]]
    _under_way: asyncio.Task[T] | None = None
    _next: asyncio.Task[T] | None = None

    @property
    def is_idle(self) -> bool:
        """Whether nobody waits for a look, and none is under way."""
        return self._next is None and (self._under_way is None or self._under_way.done())

    async def __call__(self) -> T:
        """What a look tells that began after this call.

        Raises:
            Exception: whatever the look raises.
        """
        if self._next is None:
            self._next = asyncio.create_task(self._after(self._under_way), name="shared look")
        # Who hangs up must not take the others' answer along.
        return await asyncio.shield(self._next)

    async def _after(self, before: asyncio.Task[T] | None) -> T:
        if before is not None and not before.done():
            await asyncio.wait({before})
        self._under_way, self._next = self._next, None
        return await self.look()
