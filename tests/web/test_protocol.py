"""What the server reads off a socket, and what it does not wait for."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.types import Receive, Scope, Send

from channelsync.web.protocol import HEAD_BYTES_MAX
from channelsync.web.serving import listen, serving

Connection = tuple[asyncio.StreamReader, asyncio.StreamWriter]
HEAD = b"POST /echo HTTP/1.1\r\nHost: localhost\r\n"
CHUNKED = HEAD + b"Transfer-Encoding: chunked\r\n\r\n2\r\nhi\r\n"


async def echo(scope: Scope, receive: Receive, send: Send) -> None:
    """How long the body was, and what headers there are once it was read."""
    if scope["type"] == "lifespan":
        return
    request = Request(scope, receive)
    length = len(await request.body())
    names = sorted(name.decode() for name, _ in scope["headers"])
    await JSONResponse({"length": length, "names": names})(scope, receive, send)


@asynccontextmanager
async def connected() -> AsyncIterator[Connection]:
    door = listen("127.0.0.1", 0)
    async with serving(echo, door):
        reader, writer = await asyncio.open_connection(*door.getsockname())
        try:
            yield reader, writer
        finally:
            writer.close()


async def answer_to(connection: Connection, request: bytes) -> tuple[bytes, bytes]:
    """The first line and the body of what is answered."""
    reader, writer = connection
    writer.write(request)
    head = await reader.readuntil(b"\r\n\r\n")
    length = next(
        int(line.partition(b":")[2])
        for line in head.lower().split(b"\r\n")
        if line.startswith(b"content-length:")
    )
    return head.partition(b"\r\n")[0], await reader.readexactly(length)


@pytest.mark.parametrize(
    "beginning",
    [
        pytest.param(b"GET /", id="address"),
        pytest.param(HEAD + b"X-Long: ", id="one header"),
        pytest.param(CHUNKED + b"0\r\nX-Long: ", id="trailer"),
        pytest.param(HEAD + b"Transfer-Encoding: chunked\r\n\r\n2;name=", id="chunk"),
    ],
)
async def test_what_has_no_end_is_refused_before_it_fills_the_memory(beginning: bytes) -> None:
    async with connected() as (reader, writer):
        writer.write(beginning + b"a" * (64 * HEAD_BYTES_MAX))
        async with asyncio.timeout(30):
            # What it left unread may take its answer back, as the system does it.
            with contextlib.suppress(ConnectionError):
                await reader.read()


async def test_a_head_above_the_limit_is_told_so() -> None:
    async with connected() as connection:
        line, _ = await answer_to(connection, b"GET /".ljust(HEAD_BYTES_MAX + 1, b"a"))
        assert line == b"HTTP/1.1 400 Bad Request"
        assert await connection[0].read() == b""


async def test_bodies_may_be_longer_and_connections_serve_on() -> None:
    body = b"b" * (2 * HEAD_BYTES_MAX)
    request = HEAD + b"Content-Length: %d\r\n\r\n" % len(body) + body
    async with connected() as connection:
        for _ in range(3):
            line, said = await answer_to(connection, request)
            assert line == b"HTTP/1.1 200 OK"
            assert b'"length":131072' in said
        small = HEAD + b"X-Padding: " + b"p" * 30_000 + b"\r\nContent-Length: 0\r\n\r\n"
        for _ in range(5):
            line, said = await answer_to(connection, small)
            assert line == b"HTTP/1.1 200 OK"


async def test_a_trailer_adds_no_header() -> None:
    trailer = b"0\r\nAuthorization: Bearer csk_late\r\n\r\n"
    async with connected() as connection:
        line, said = await answer_to(connection, CHUNKED + trailer)
        assert line == b"HTTP/1.1 200 OK"
        assert said == b'{"length":2,"names":["host","transfer-encoding"]}'


@pytest.mark.parametrize(
    "request_bytes",
    [
        pytest.param(
            HEAD + b"Content-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", id="both"
        ),
        pytest.param(HEAD + b"Content-Length: 2\r\nContent-Length: 3\r\n\r\nhi", id="twice"),
        pytest.param(HEAD + b"Transfer-Encoding: chunked, x\r\n\r\n0\r\n\r\n", id="unknown"),
        pytest.param(HEAD + b" folded: 1\r\n\r\n", id="folded"),
        pytest.param(b"CONNECT elsewhere:443 HTTP/1.1\r\nHost: elsewhere\r\n\r\n", id="tunnel"),
    ],
)
async def test_a_request_that_two_readers_could_read_differently_is_refused(
    request_bytes: bytes,
) -> None:
    async with connected() as connection:
        line, _ = await answer_to(connection, request_bytes)
        assert line == b"HTTP/1.1 400 Bad Request"
