"""Whatever goes over the wire between channels and marketplaces, as it went."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import httpx
from typing_extensions import override

__all__ = ["Exchange", "Recorder"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Exchange:
    """One request with its answer; both as bytes."""

    way: str
    """The marketplace that was asked, or `webhooks` where a marketplace asked us."""
    at: float
    method: str
    url: httpx.URL
    headers: dict[str, str]
    content: bytes
    status: int | None
    """None: there was no answer."""
    answer_headers: dict[str, str] = field(default_factory=dict)
    answer: bytes = b""

    def sent_json(self) -> Any:
        """The request's body; None where it has none."""
        return json.loads(self.content) if self.content else None

    def answered_json(self) -> Any:
        """The answer's body; None where it has none."""
        return json.loads(self.answer) if self.answer else None


@dataclass(slots=True)
class Recorder:
    """Keeps every exchange that passes one of its ways."""

    now: Callable[[], float]
    exchanges: list[Exchange] = field(default_factory=list)

    def around(self, way: str, inner: httpx.AsyncBaseTransport) -> httpx.AsyncBaseTransport:
        """The same way, recorded."""
        return _Recorded(self, way, inner)


class _Recorded(httpx.AsyncBaseTransport):
    def __init__(self, recorder: Recorder, way: str, inner: httpx.AsyncBaseTransport) -> None:
        self._recorder = recorder
        self._way = way
        self._inner = inner

    @override
    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        content = await request.aread()
        asked: dict[str, Any] = {
            "way": self._way,
            "at": self._recorder.now(),
            "method": request.method,
            "url": request.url,
            "headers": dict(request.headers),
            "content": content,
        }
        try:
            response = await self._inner.handle_async_request(request)
        except httpx.TransportError:
            self._recorder.exchanges.append(Exchange(**asked, status=None))
            raise
        assert isinstance(response.stream, httpx.AsyncByteStream)
        raw = b"".join([part async for part in response.stream])
        again = httpx.Response(response.status_code, headers=response.headers, content=raw)
        self._recorder.exchanges.append(
            Exchange(
                **asked,
                status=response.status_code,
                answer_headers=dict(response.headers),
                answer=again.content,
            )
        )
        return httpx.Response(
            response.status_code,
            headers=response.headers,
            stream=httpx.ByteStream(raw),
            request=request,
            extensions=response.extensions,
        )
