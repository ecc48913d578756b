"""A load client that costs little: prepared bytes over connections that stay open."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from time import perf_counter
from urllib.parse import urlsplit

__all__ = ["Post", "Request", "converse", "post_all", "post_paced"]

ACCEPTED = (b"HTTP/1.1 200", b"HTTP/1.1 201")

_Connection = tuple[asyncio.StreamReader, asyncio.StreamWriter]


@dataclass(frozen=True, slots=True)
class Request:
    """One POST."""

    path: str
    headers: Mapping[str, str]
    body: bytes

    def as_bytes(self, host: str) -> bytes:
        """The request as it is sent."""
        head = [f"POST {self.path} HTTP/1.1", f"Host: {host}"]
        head += [f"{name}: {value}" for name, value in self.headers.items()]
        head.append(f"Content-Length: {len(self.body)}")
        return "\r\n".join([*head, "", ""]).encode("latin-1") + self.body


async def post_all(url: str, requests: Sequence[Request], *, connections: int) -> float:
    """Send all requests over so many connections, one at a time each. Returns seconds.

    Raises:
        RuntimeError: one of them was refused.
    """
    parts = urlsplit(url)
    host, port = parts.hostname or "", parts.port or 80
    waiting = iter([request.as_bytes(f"{host}:{port}") for request in requests])
    opened = [await asyncio.open_connection(host, port) for _ in range(connections)]
    try:
        began = perf_counter()
        await asyncio.gather(*(_send(reader, writer, waiting) for reader, writer in opened))
        return perf_counter() - began
    finally:
        for _, writer in opened:
            writer.close()


async def post_paced(
    url: str, requests: Sequence[Request], *, connections: int, per_second: float
) -> list[float]:
    """Send requests at a steady pace, whether or not the server keeps up.

    Returns the seconds from the instant a request was due until its answer, in no order: waiting
    for a free connection counts.

    Raises:
        RuntimeError: one of them was refused.
    """
    parts = urlsplit(url)
    host, port = parts.hostname or "", parts.port or 80
    took: list[float] = []
    free: asyncio.Queue[_Connection] = asyncio.Queue()
    opened = [await asyncio.open_connection(host, port) for _ in range(connections)]
    for connection in opened:
        free.put_nowait(connection)

    async def send(request: bytes, due: float) -> None:
        connection = await free.get()
        await _send(*connection, iter((request,)))
        free.put_nowait(connection)
        took.append(perf_counter() - due)

    try:
        began = perf_counter()
        async with asyncio.TaskGroup() as sending:
            for number, request in enumerate(requests):
                due = began + number / per_second
                await asyncio.sleep(due - perf_counter())
                sending.create_task(send(request.as_bytes(f"{host}:{port}"), due))
    finally:
        for _, writer in opened:
            writer.close()
    return took


Post = Callable[[Request], Awaitable[bytes]]
"""Sends a request over a connection of its own and returns the body of the answer."""


async def converse(
    url: str, say: Callable[[int, Post], Awaitable[None]], *, connections: int
) -> float:
    """Let so many clients talk at once, each over one connection; `say` is told which. Seconds.

    Raises:
        RuntimeError: one request was refused.
    """
    parts = urlsplit(url)
    host, port = parts.hostname or "", parts.port or 80
    opened = [await asyncio.open_connection(host, port) for _ in range(connections)]

    async def talk(number: int, connection: _Connection) -> None:
        async def post(request: Request) -> bytes:
            return await _ask(*connection, request.as_bytes(f"{host}:{port}"))

        await say(number, post)

    try:
        began = perf_counter()
        await asyncio.gather(*(talk(number, one) for number, one in enumerate(opened)))
        return perf_counter() - began
    finally:
        for _, writer in opened:
            writer.close()


async def _send(
    reader: asyncio.StreamReader, writer: asyncio.StreamWriter, waiting: Iterator[bytes]
) -> None:
    for request in waiting:
        await _ask(reader, writer, request)


async def _ask(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, request: bytes) -> bytes:
    writer.write(request)
    head = await reader.readuntil(b"\r\n\r\n")
    body = await reader.readexactly(_length(head))
    if not head.startswith(ACCEPTED):
        raise RuntimeError(f"a request was refused: {head.decode('latin-1')}{body.decode()}")
    return body


def _length(head: bytes) -> int:
    for line in head.lower().split(b"\r\n"):
        name, _, value = line.partition(b":")
        if name == b"content-length":
            return int(value)
    raise RuntimeError("an answer without a length")
