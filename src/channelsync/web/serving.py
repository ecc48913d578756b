"""The door: a listening socket, and the server behind it."""

from __future__ import annotations

import asyncio
import contextlib
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import uvicorn
from starlette.types import ASGIApp

from channelsync.web.protocol import BoundedHttp

__all__ = ["listen", "serving"]


def listen(host: str, port: int) -> socket.socket:
    """A listening socket. Port 0 takes any free one.

    Raises:
        OSError: the address cannot be had.
    """
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    # Named, for asyncio sends small answers at once (TCP_NODELAY) only on sockets that say TCP.
    door = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    door.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        door.bind((host, port))
    except OSError:
        door.close()
        raise
    return door


@asynccontextmanager
async def serving(app: ASGIApp, door: socket.socket) -> AsyncIterator[None]:
    """Serve the application behind the door until the block ends."""
    config = uvicorn.Config(
        app,
        log_level="warning",
        access_log=False,
        server_header=False,
        # A proxy before us keeps its connections for a minute; who closes first must not be us.
        timeout_keep_alive=75,
        timeout_graceful_shutdown=2,
        http=BoundedHttp,
        ws="none",
        lifespan="on",
    )
    server = uvicorn.Server(config)
    # The signals are ours: uvicorn would catch them and raise them a second time.
    server.capture_signals = contextlib.nullcontext  # type: ignore[method-assign, assignment]
    running = asyncio.create_task(server.serve(sockets=[door]), name="web")
    try:
        # uvicorn says only by a flag that it listens.
        while not server.started and not running.done():  # noqa: ASYNC110
            await asyncio.sleep(0.01)
        if running.done():
            running.result()
        yield
    finally:
        server.should_exit = True
        await running
        door.close()
