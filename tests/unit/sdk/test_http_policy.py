"""The client that channels are lent: credentials go only where they may, one request an attempt."""

from __future__ import annotations

import gzip
from collections.abc import AsyncIterator

import httpx
import pytest
from typing_extensions import override

from channelsync.sdk.http import (
    BODY_BYTES_MAX,
    AnswerRefused,
    HostRefused,
    host_allowed,
    http_client,
)


@pytest.mark.parametrize(
    ("url", "patterns", "allowed"),
    [
        ("https://shop.example/", ("shop.example",), True),
        ("https://SHOP.Example/", ("shop.example",), True),
        ("https://shop.example/", ("SHOP.example",), True),
        ("https://a.shop.example/", ("*.shop.example",), True),
        ("https://shop.example/", ("*.shop.example",), False),
        ("https://evilshop.example/", ("*.shop.example",), False),
        ("https://shop.example.evil.test/", ("shop.example",), False),
        ("https://shop.example@evil.test/", ("shop.example",), False),
        ("https://evil.test/shop.example", ("shop.example",), False),
        ("https://shop.example/", (), False),
        ("http://shop.example/", ("shop.example",), False),
        ("http://127.0.0.1:8480/", ("127.0.0.1:8480",), True),
        ("http://127.0.0.1:8481/", ("127.0.0.1:8480",), False),
        ("https://shop.example:8443/", ("shop.example:8443",), True),
    ],
)
def test_a_host_is_allowed_by_name_over_https_or_by_name_and_port(
    url: str, patterns: tuple[str, ...], *, allowed: bool
) -> None:
    assert host_allowed(httpx.URL(url), patterns) is allowed


def client(handler: httpx.MockTransport) -> httpx.AsyncClient:
    return http_client(allowed_hosts=("shop.example",), transport=handler)


async def test_another_host_is_refused_before_anything_leaves() -> None:
    seen: list[httpx.Request] = []

    def answer(request: httpx.Request) -> httpx.Response:
        seen.append(request)
        return httpx.Response(200)

    async with client(httpx.MockTransport(answer)) as http:
        with pytest.raises(HostRefused, match=r"evil\.test"):
            await http.get("https://evil.test/", headers={"authorization": "Bearer canary"})
        assert seen == []
        await http.get("https://shop.example/")
    assert len(seen) == 1


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
async def test_a_redirect_is_an_answer_and_is_not_followed(status: int) -> None:
    seen: list[str] = []

    def answer(request: httpx.Request) -> httpx.Response:
        seen.append(str(request.url))
        return httpx.Response(status, headers={"location": "https://shop.example/other"})

    async with client(httpx.MockTransport(answer)) as http:
        response = await http.post("https://shop.example/", content=b"x")
    assert response.status_code == status
    assert seen == ["https://shop.example/"]


async def test_a_redirect_followed_on_purpose_still_stays_with_allowed_hosts() -> None:
    def answer(request: httpx.Request) -> httpx.Response:
        return httpx.Response(302, headers={"location": "https://evil.test/"})

    async with client(httpx.MockTransport(answer)) as http:
        with pytest.raises(HostRefused):
            await http.get("https://shop.example/", follow_redirects=True)


async def test_a_failed_request_is_not_repeated() -> None:
    seen: list[httpx.Request] = []

    def fail(request: httpx.Request) -> httpx.Response:
        seen.append(request)
        raise httpx.ConnectError("nobody there", request=request)

    async with client(httpx.MockTransport(fail)) as http:
        with pytest.raises(httpx.ConnectError):
            await http.get("https://shop.example/")
    assert len(seen) == 1


async def test_plain_answers_are_asked_for_whatever_the_caller_says() -> None:
    seen: list[httpx.Request] = []

    def answer(request: httpx.Request) -> httpx.Response:
        seen.append(request)
        return httpx.Response(200)

    async with client(httpx.MockTransport(answer)) as http:
        await http.get("https://shop.example/", headers={"accept-encoding": "gzip"})
    assert seen[0].headers["accept-encoding"] == "identity"


async def test_a_compressed_answer_is_refused_unread() -> None:
    bomb = gzip.compress(b"0" * 1_000_000)

    def answer(_: httpx.Request) -> httpx.Response:
        return httpx.Response(
            200, headers={"content-encoding": "gzip"}, stream=httpx.ByteStream(bomb)
        )

    async with client(httpx.MockTransport(answer)) as http:
        with pytest.raises(AnswerRefused, match="compressed"):
            await http.get("https://shop.example/")


class _Endless(httpx.AsyncByteStream):
    """Chunks for as long as somebody reads."""

    def __init__(self, chunks: int) -> None:
        self.chunks = chunks
        self.sent = 0
        self.closed = False

    @override
    async def __aiter__(self) -> AsyncIterator[bytes]:
        for _ in range(self.chunks):
            self.sent += 1
            yield b"0" * 1024 * 1024

    @override
    async def aclose(self) -> None:
        self.closed = True


async def test_an_answer_beyond_the_cap_is_cut_off_and_closed() -> None:
    stream = _Endless(chunks=10_000)
    transport = httpx.MockTransport(lambda _: httpx.Response(200, stream=stream))
    async with client(transport) as http:
        with pytest.raises(AnswerRefused, match=str(BODY_BYTES_MAX)):
            await http.get("https://shop.example/")
    assert stream.sent == BODY_BYTES_MAX // (1024 * 1024) + 1
    assert stream.closed


async def test_an_answer_at_the_cap_is_read() -> None:
    stream = _Endless(chunks=BODY_BYTES_MAX // (1024 * 1024))
    transport = httpx.MockTransport(lambda _: httpx.Response(200, stream=stream))
    async with client(transport) as http:
        response = await http.get("https://shop.example/")
    assert len(response.content) == BODY_BYTES_MAX


async def test_every_wait_is_bounded_and_the_environment_is_ignored() -> None:
    async with http_client(allowed_hosts=()) as http:
        timeout = http.timeout
        assert None not in (timeout.connect, timeout.read, timeout.write, timeout.pool)
        assert not http.follow_redirects
        assert not http.trust_env
