"""Spans of what is asked of marketplaces. They themselves are told nothing of traces."""

from __future__ import annotations

import httpx
from typing_extensions import override

from channelsync.tracing import SpanKind, Tracing

__all__ = ["TracedTransport"]


class TracedTransport(httpx.AsyncBaseTransport):
    """Around any transport. Paths and queries are not noted: they may name orders and people."""

    def __init__(self, inner: httpx.AsyncBaseTransport, tracing: Tracing) -> None:
        self._inner = inner
        self._tracing = tracing

    @override
    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        said: dict[str, str | int] = {
            "http.request.method": request.method,
            "server.address": request.url.host,
        }
        with self._tracing.span(request.method, SpanKind.CLIENT, attributes=said) as span:
            response = await self._inner.handle_async_request(request)
            span.note("http.response.status_code", response.status_code)
            if response.is_error:
                span.fail(str(response.status_code))
            return response

    @override
    async def aclose(self) -> None:
        await self._inner.aclose()
