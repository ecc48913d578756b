"""The wire between the connector under test and its simulator: everything is recorded."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import httpx
from typing_extensions import override

from channelsync.sdk.testing.contract.world import Clock
from channelsync.sdk.types import Instant

__all__ = ["Exchange", "Wire"]


@dataclass(slots=True, kw_only=True)
class Exchange:
    """One request, and its answer if one came."""

    method: str
    url: str
    body: bytes
    sent_at: Instant
    served_at: Instant = 0.0
    """When the marketplace acted on it."""
    answer: bytes = b""
    status: int | None = None
    """None: no answer came."""

    @property
    def identity(self) -> tuple[str, str, bytes]:
        """Equal for copies of one request."""
        return self.method, self.url, self.body


class Wire(httpx.AsyncBaseTransport):
    """Records every exchange; a slow one lets time pass on either way."""

    def __init__(self, inner: httpx.AsyncBaseTransport, clock: Clock) -> None:
        self.exchanges: list[Exchange] = []
        self.seconds_each_way = 0.0
        self.cut = False
        """No byte gets through: every request fails to connect."""
        self._inner = inner
        self._clock = clock

    @override
    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        if self.cut:
            raise httpx.ConnectError("simulated: the line is cut", request=request)
        body = await request.aread()
        exchange = Exchange(
            method=request.method, url=str(request.url), body=body, sent_at=self._clock()
        )
        self.exchanges.append(exchange)
        self._clock.passes(self.seconds_each_way)
        exchange.served_at = self._clock()
        response = await self._inner.handle_async_request(request)
        exchange.answer = await response.aread()
        exchange.status = response.status_code
        self._clock.passes(self.seconds_each_way)
        return httpx.Response(
            response.status_code, headers=response.headers, content=exchange.answer
        )

    @override
    async def aclose(self) -> None:
        await self._inner.aclose()

    @contextmanager
    def watched(self) -> Iterator[list[Exchange]]:
        """The exchanges of a block, complete once it has ended."""
        start = len(self.exchanges)
        seen: list[Exchange] = []
        try:
            yield seen
        finally:
            seen += self.exchanges[start:]

    @contextmanager
    def slow(self, seconds_each_way: float) -> Iterator[None]:
        """A wire on which every request and every answer takes so long."""
        self.seconds_each_way = seconds_each_way
        try:
            yield
        finally:
            self.seconds_each_way = 0.0
