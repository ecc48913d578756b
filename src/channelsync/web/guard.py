"""What stands before every route: the gate, and the headers of every answer."""

from __future__ import annotations

import secrets
from collections.abc import Container
from typing import Final

from starlette.requests import Request
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from channelsync.web.gate import Gate
from channelsync.web.problems import REQUEST_ID, STORE_TROUBLE, on_store_trouble

__all__ = ["Guard"]

HEADERS: Final = {
    "content-security-policy": (
        "default-src 'self'; frame-ancestors 'none'; base-uri 'none'; form-action 'self'"
    ),
    "x-content-type-options": "nosniff",
    "x-frame-options": "DENY",
    "referrer-policy": "no-referrer",
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
    "permissions-policy": "camera=(), geolocation=(), microphone=()",
}


_OURS: Final = (
    *((name.encode(), value.encode()) for name, value in HEADERS.items()),
    (b"cache-control", b"no-store"),
)
_NAMES: Final = frozenset(name for name, _ in _OURS)


def _but(said: Container[bytes]) -> list[tuple[bytes, bytes]]:
    """What of ours an answer does not say itself."""
    return [one for one in _OURS if one[0] not in said]


class Guard:
    """ASGI middleware: what the gate refuses never reaches a route."""

    def __init__(self, app: ASGIApp, *, gate: Gate) -> None:
        self._app = app
        self._gate = gate

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Check the request, then pass it on."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        request_id = secrets.token_hex(16)

        async def send_with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                given = message["headers"]
                said = {name for name, _ in given}
                fresh = _OURS if _NAMES.isdisjoint(said) else _but(said)
                message["headers"] = [*given, *fresh, (b"x-request-id", request_id.encode())]
            await send(message)

        scope["request_id"] = request_id
        REQUEST_ID.set(request_id)
        try:
            refusal, receive = await self._gate.refusal(scope, receive)
        except STORE_TROUBLE as error:
            # Who asks cannot be told, so nobody is let in.
            refusal = await on_store_trouble(Request(scope), error)
        await (refusal or self._app)(scope, receive, send_with_headers)
