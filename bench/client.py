"""A load client that costs little: prepared bytes over connections that stay open."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from time import perf_counter
from urllib.parse import urlsplit

__all__ = ["Request", "post_all"]

ACCEPTED = b"HTTP/1.1 200"


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
        RuntimeError: one of them was not answered by 200.
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


async def _send(
    reader: asyncio.StreamReader, writer: asyncio.StreamWriter, waiting: Iterator[bytes]
) -> None:
    for request in waiting:
        writer.write(request)
        head = await reader.readuntil(b"\r\n\r\n")
        await reader.readexactly(_length(head))
        if not head.startswith(ACCEPTED):
            raise RuntimeError(f"a webhook was refused: {head.decode('latin-1')}")


def _length(head: bytes) -> int:
    for line in head.lower().split(b"\r\n"):
        name, _, value = line.partition(b":")
        if name == b"content-length":
            return int(value)
    raise RuntimeError("an answer without a length")
