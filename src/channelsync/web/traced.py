"""A span for every request that may change something, from which what it leads to goes on."""

from __future__ import annotations

from typing import Final

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from channelsync.tracing import SpanKind, Tracing
from channelsync.web.access import ROUTES

__all__ = ["Traced"]

CHANGING: Final = frozenset({"POST", "PUT", "PATCH", "DELETE"})
SERVER_ERROR: Final = 500


class Traced:
    """ASGI middleware. What a stranger says of traces is not heard."""

    def __init__(self, app: ASGIApp, *, tracing: Tracing) -> None:
        self._app = app
        self._tracing = tracing

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer inside a span, if the request is one that changes something."""
        if scope["type"] != "http" or scope["method"] not in CHANGING:
            await self._app(scope, receive, send)
            return
        method, said = scope["method"], {}
        # As the table of routes writes it: what was asked for may say anything.
        route = ROUTES.route(method, scope["path"])
        if route is not None:
            said["http.route"] = route
        with self._tracing.span(
            f"{method} {route or ''}".rstrip(),
            SpanKind.SERVER,
            causes=(),
            attributes={"http.request.method": method, **said},
        ) as span:

            async def send_and_note(message: Message) -> None:
                if message["type"] == "http.response.start":
                    span.note("http.response.status_code", message["status"])
                    if message["status"] >= SERVER_ERROR:
                        span.fail(str(message["status"]))
                await send(message)

            await self._app(scope, receive, send_and_note)
            if (request_id := scope.get("request_id")) is not None:
                span.note("channelsync.request_id", request_id)
