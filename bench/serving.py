"""Simulated marketplaces on loopback, within the measuring process."""

from __future__ import annotations

import asyncio
import contextlib
import socket
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from time import perf_counter

import uvicorn
from starlette.types import ASGIApp, Message, Receive, Scope, Send

__all__ = ["Watched", "served"]


@dataclass(slots=True)
class Watched:
    """An application, and when each request to it was complete: what was asked, and the instant."""

    app: ASGIApp
    wanted: bytes
    """Only requests that contain these bytes are kept."""
    seen: list[tuple[float, bytes]] = field(default_factory=list)
    on_seen: Callable[[bytes], None] = lambda _body: None

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass everything on."""
        parts: list[bytes] = []

        async def listening() -> Message:
            message = await receive()
            if message["type"] == "http.request":
                parts.append(message.get("body", b""))
                if not message.get("more_body", False):
                    self._note(b"".join(parts))
            return message

        await self.app(scope, listening, send)

    def _note(self, body: bytes) -> None:
        if self.wanted in body:
            self.seen.append((perf_counter(), body))
            self.on_seen(body)


@asynccontextmanager
async def served(app: ASGIApp) -> AsyncIterator[str]:
    """Serve on a free loopback port. Yields host and port."""
    door = socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    door.bind(("127.0.0.1", 0))
    config = uvicorn.Config(
        app, log_level="error", access_log=False, lifespan="off", timeout_graceful_shutdown=1
    )
    server = uvicorn.Server(config)
    # Signals belong to the measurement.
    server.capture_signals = contextlib.nullcontext  # type: ignore[method-assign, assignment]
    serving = asyncio.create_task(server.serve(sockets=[door]))
    try:
        # uvicorn says only by a flag that it listens.
        while not server.started and not serving.done():  # noqa: ASYNC110
            await asyncio.sleep(0.005)
        yield f"127.0.0.1:{door.getsockname()[1]}"
    finally:
        server.should_exit = True
        await serving
        door.close()
