"""The door that the daemon listens at."""

from __future__ import annotations

import asyncio
import socket

from channelsync.web.serving import listen


async def test_small_answers_leave_at_once() -> None:
    """Without TCP_NODELAY the second part of an answer waits 40 ms for the first one's receipt."""
    taken: asyncio.Future[int] = asyncio.get_running_loop().create_future()

    def answer(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        connection = writer.get_extra_info("socket")
        taken.set_result(connection.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY))
        writer.close()

    door = listen("127.0.0.1", 0)
    async with await asyncio.start_server(answer, sock=door):
        _, writer = await asyncio.open_connection(*door.getsockname())
        assert await taken != 0
        writer.close()
        await writer.wait_closed()
