"""The same policy over a real connection, where nothing of a mock can help."""

from __future__ import annotations

import asyncio
import gzip
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import httpx
import pytest

from channelsync.sdk.http import AnswerRefused, http_client


@asynccontextmanager
async def server(answer: bytes) -> AsyncIterator[tuple[str, list[bytes]]]:
    """Answers every connection with `answer`. Yields its host and port, and what it was asked."""
    asked: list[bytes] = []

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        asked.append(await reader.readuntil(b"\r\n\r\n"))
        writer.write(answer)
        await writer.drain()
        writer.close()
        await writer.wait_closed()

    listening = await asyncio.start_server(serve, "127.0.0.1", 0)
    async with listening:
        host, port = listening.sockets[0].getsockname()
        yield f"{host}:{port}", asked


def http_answer(status: str, *headers: str, body: bytes = b"") -> bytes:
    lines = [f"HTTP/1.1 {status}", f"content-length: {len(body)}", "connection: close", *headers]
    return "\r\n".join([*lines, "", ""]).encode() + body


async def test_a_plain_answer_arrives() -> None:
    async with (
        server(http_answer("200 OK", body=b'{"ok":true}')) as (place, asked),
        http_client(allowed_hosts=(place,)) as http,
    ):
        response = await http.get(f"http://{place}/x")
    assert response.json() == {"ok": True}
    assert b"accept-encoding: identity" in asked[0].lower()


async def test_a_redirect_to_another_place_sends_nothing_there() -> None:
    async with server(http_answer("200 OK", body=b"caught")) as (other, asked_there):
        redirect = http_answer("307 Temporary Redirect", f"location: http://{other}/")
        async with (
            server(redirect) as (place, asked),
            http_client(allowed_hosts=(place, other)) as http,
        ):
            response = await http.post(f"http://{place}/", content=b"secret")
    assert response.status_code == 307
    assert len(asked) == 1
    assert asked_there == []


async def test_a_compressed_answer_is_refused() -> None:
    body = gzip.compress(b"0" * 100_000)
    async with (
        server(http_answer("200 OK", "content-encoding: gzip", body=body)) as (place, _),
        http_client(allowed_hosts=(place,)) as http,
    ):
        with pytest.raises(AnswerRefused):
            await http.get(f"http://{place}/")


async def test_a_dropped_connection_is_one_failed_attempt() -> None:
    async with (
        server(b"HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\n") as (place, asked),
        http_client(allowed_hosts=(place,)) as http,
    ):
        with pytest.raises(httpx.RemoteProtocolError):
            await http.get(f"http://{place}/")
    assert len(asked) == 1
