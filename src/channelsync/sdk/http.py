"""The HTTP client that channels are lent: one attempt is one request, bounded in every way.

It never retries and never follows redirects (a retry of a push is a new attempt that must be
accounted for first; a redirect could carry credentials elsewhere). It asks for uncompressed
answers, refuses compressed ones and caps their size, so that a small answer cannot fill the memory.
"""

from __future__ import annotations

import ssl
from collections.abc import AsyncIterator, Callable
from fnmatch import fnmatchcase
from functools import cache

import httpx
from typing_extensions import override

__all__ = ["BODY_BYTES_MAX", "AnswerRefused", "HostRefused", "host_allowed", "http_client", "trust"]

BODY_BYTES_MAX = 32 * 1024 * 1024
CONNECT_SECONDS = 5.0
ANSWER_SECONDS = 20.0
CONNECTIONS_MAX = 16


class AnswerRefused(httpx.RequestError):
    """The answer is larger than `BODY_BYTES_MAX`, or compressed though we asked for plain."""


class HostRefused(httpx.RequestError):
    """The URL's host is neither the marketplace's own nor allowed by the operator."""


def host_allowed(url: httpx.URL, patterns: tuple[str, ...]) -> bool:
    """Whether credentials may go to `url`: its host, or `host:port`, matches a pattern.

    Plain HTTP is fit only for hosts that the operator names with a port.
    """
    host = url.host.lower()
    names = (host,) if url.scheme == "https" else ()
    if url.port is not None:
        names = (*names, f"{host}:{url.port}")
    return any(fnmatchcase(name, pattern.lower()) for name in names for pattern in patterns)


class _CappedStream(httpx.AsyncByteStream):
    """Passes chunks on until there are too many bytes."""

    def __init__(self, stream: httpx.AsyncByteStream, request: httpx.Request) -> None:
        self._stream = stream
        self._request = request

    @override
    async def __aiter__(self) -> AsyncIterator[bytes]:
        seen = 0
        async for chunk in self._stream:
            seen += len(chunk)
            if seen > BODY_BYTES_MAX:
                message = f"an answer of more than {BODY_BYTES_MAX} bytes"
                raise AnswerRefused(message, request=self._request)
            yield chunk

    @override
    async def aclose(self) -> None:
        await self._stream.aclose()


class _PolicyTransport(httpx.AsyncBaseTransport):
    """Applies the policy around any transport, a test's included."""

    def __init__(self, inner: httpx.AsyncBaseTransport, allowed_hosts: tuple[str, ...]) -> None:
        self._inner = inner
        self._allowed_hosts = allowed_hosts

    @override
    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        if not host_allowed(request.url, self._allowed_hosts):
            message = f"{request.url.host} is not among the hosts that credentials may go to"
            raise HostRefused(message, request=request)
        request.headers["accept-encoding"] = "identity"
        response = await self._inner.handle_async_request(request)
        if response.headers.get("content-encoding", "identity").lower() != "identity":
            await response.aclose()
            raise AnswerRefused("a compressed answer", request=request)
        if isinstance(response.stream, httpx.AsyncByteStream):
            response.stream = _CappedStream(response.stream, request)
        return response

    @override
    async def aclose(self) -> None:
        await self._inner.aclose()


@cache
def trust() -> ssl.SSLContext:
    """The authorities whose certificates every client takes, read once: that takes 35 ms."""
    return httpx.create_ssl_context(trust_env=False)


def http_client(
    *,
    allowed_hosts: tuple[str, ...],
    transport: httpx.AsyncBaseTransport | None = None,
    around: Callable[[httpx.AsyncBaseTransport], httpx.AsyncBaseTransport] = lambda inner: inner,
) -> httpx.AsyncClient:
    """A client under the policy. `transport` replaces the network (ASGI simulators, tests).

    `around` puts something around it that watches, not changes.
    """
    limits = httpx.Limits(max_connections=CONNECTIONS_MAX)
    inner = transport or httpx.AsyncHTTPTransport(
        retries=0, limits=limits, trust_env=False, verify=trust()
    )
    return httpx.AsyncClient(
        transport=_PolicyTransport(around(inner), allowed_hosts),
        timeout=httpx.Timeout(ANSWER_SECONDS, connect=CONNECT_SECONDS),
        follow_redirects=False,
        trust_env=False,
    )
