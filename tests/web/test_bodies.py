"""Bodies are read once, under a cap that holds for every reader."""

from __future__ import annotations

import pytest
from starlette.requests import Request
from starlette.types import Message

from channelsync.web.bodies import read_body
from channelsync.web.problems import Problem


def request_of(*parts: bytes, encoding: bytes = b"identity") -> Request:
    pending = [
        {"type": "http.request", "body": part, "more_body": place < len(parts)}
        for place, part in enumerate(parts, start=1)
    ]

    async def receive() -> Message:
        return pending.pop(0)

    scope = {"type": "http", "method": "POST", "headers": [(b"content-encoding", encoding)]}
    return Request(scope, receive)


async def test_who_reads_second_is_given_what_was_read() -> None:
    request = request_of(b"one ", b"body")
    assert await read_body(request) == b"one body"
    assert await read_body(Request(request.scope)) == b"one body"


async def test_what_one_reader_may_read_another_may_refuse() -> None:
    request = request_of(b"one ", b"body")
    await read_body(request, bytes_max=8)
    again = request_of(b"one body")
    again.scope.update(request.scope)
    with pytest.raises(Problem, match="above 7 bytes"):
        await read_body(again, bytes_max=7)


async def test_a_body_above_the_cap_or_encoded_is_refused_unread() -> None:
    request = request_of(b"12345", b"6789", b"never asked for")
    with pytest.raises(Problem, match="above 8 bytes"):
        await read_body(request, bytes_max=8)
    with pytest.raises(Problem, match="without Content-Encoding"):
        await read_body(request_of(b"", encoding=b"gzip"))
