"""A way to a server that can break silently: connections stay open and carry nothing any more."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

__all__ = ["Halfway", "halfway"]

PIECE_BYTES = 65_536


class Halfway:
    """Connections from one Unix socket to another."""

    def __init__(self, server: Path) -> None:
        self._server = server
        self._silent: set[asyncio.Task[None]] = set()
        self._pipes: set[asyncio.Task[None]] = set()
        self._ends: list[asyncio.StreamWriter] = []
        self.swallowed = 0
        """Pieces that were sent over connections that carry nothing."""

    def break_silently(self) -> None:
        """Whatever is open now carries nothing from here on; new connections do."""
        self._silent |= self._pipes

    async def take(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Carry one connection."""
        far_reader, far_writer = await asyncio.open_unix_connection(self._server)
        self._ends += [writer, far_writer]
        for source, sink in ((reader, far_writer), (far_reader, writer)):
            pipe = asyncio.create_task(self._carry(source, sink))
            self._pipes.add(pipe)

    async def _carry(self, source: asyncio.StreamReader, sink: asyncio.StreamWriter) -> None:
        this = asyncio.current_task()
        with contextlib.suppress(ConnectionError):
            while piece := await source.read(PIECE_BYTES):
                if this in self._silent:
                    self.swallowed += 1
                    continue
                sink.write(piece)
                await sink.drain()
            if this not in self._silent:
                sink.close()

    async def end(self) -> None:
        """Close everything."""
        for pipe in self._pipes:
            pipe.cancel()
        await asyncio.gather(*self._pipes, return_exceptions=True)
        for end in self._ends:
            end.transport.abort()
        # An aborted connection is closed in the loop's next turn.
        await asyncio.sleep(0)


@asynccontextmanager
async def halfway(door: Path, server: Path) -> AsyncIterator[Halfway]:
    """Listen at `door` and carry everything to `server`."""
    way = Halfway(server)
    listening = await asyncio.start_unix_server(way.take, door)
    try:
        yield way
    finally:
        listening.close()
        await way.end()
