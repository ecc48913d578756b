"""An ASGI application that is put together later, and beside the work of the event loop."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass

from starlette.types import ASGIApp, Receive, Scope, Send

__all__ = ["Later"]


@dataclass(slots=True)
class Later:
    """ASGI application: what `build` makes, once; in a thread, for it takes a while."""

    build: Callable[[], ASGIApp]
    _opening: asyncio.Task[ASGIApp] | None = None
    _opened: ASGIApp | None = None

    @property
    def is_open(self) -> bool:
        """Whether it answers at once."""
        return self._opened is not None

    async def open(self) -> ASGIApp:
        """What was built; built now, unless that is done or under way.

        Raises:
            Exception: whatever `build` raised.
        """
        if self._opening is None:
            self._opening = asyncio.create_task(asyncio.to_thread(self.build), name="later")
        # Who asks may hang up; the others wait on.
        self._opened = await asyncio.shield(self._opening)
        return self._opened

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer, once there is what answers."""
        app = self._opened or await self.open()
        await app(scope, receive, send)
