"""What stands before every route: who may ask, where from, and the headers of every answer."""

from __future__ import annotations

import ipaddress
import uuid
from collections.abc import Sequence
from http import HTTPStatus
from typing import Final
from urllib.parse import urlsplit

from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from channelsync.web.problems import problem_response

__all__ = ["Guard", "is_operator"]

OPEN_PREFIXES: Final = ("/webhooks/", "/pos/v1/")
"""Receivers: marketplaces and tills call them, each request proves itself."""
OPEN_PATHS: Final = ("/livez", "/readyz")
"""Probes; they say nothing but ready or not."""
SAFE: Final = frozenset({"GET", "HEAD", "OPTIONS"})
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


class Guard:
    """ASGI middleware.

    Pages, API and metrics have no users yet, so they answer this machine alone: the caller's
    address must belong to `operators`, and the Host header must name a loopback host, which a page
    elsewhere cannot make a browser send (DNS rebinding). Whatever changes something must come from
    our own pages or from no page at all.
    """

    def __init__(self, app: ASGIApp, *, operators: Sequence[str]) -> None:
        self._app = app
        self._operators = tuple(operators)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Check the request, then pass it on."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        request_id = uuid.uuid4().hex

        async def send_with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                for name, value in HEADERS.items():
                    headers.setdefault(name, value)
                headers["x-request-id"] = request_id
                headers.setdefault("cache-control", "no-store")
            await send(message)

        scope["request_id"] = request_id
        refusal = None if _is_open(scope["path"]) else self._refusal(scope)
        if refusal is None:
            await self._app(scope, receive, send_with_headers)
            return
        response = problem_response(HTTPStatus.FORBIDDEN, refusal)
        await response(scope, receive, send_with_headers)

    def _refusal(self, scope: Scope) -> str | None:
        headers = Headers(scope=scope)
        if not is_operator(scope, self._operators):
            return (
                "pages, API and metrics answer on this machine alone, as http://localhost or"
                " http://127.0.0.1: open them there, or through an SSH tunnel"
            )
        if scope["method"] not in SAFE and not _is_own(headers):
            return "a page of another site may not change anything here"
        return None


def is_operator(scope: Scope, operators: Sequence[str]) -> bool:
    """Whether the caller's address is an operator's, and the Host header names this machine."""
    try:
        address = ipaddress.ip_address((scope.get("client") or ("",))[0])
    except ValueError:
        return False
    inside = any(address in ipaddress.ip_network(network) for network in operators)
    return inside and _is_loopback(_host_of(Headers(scope=scope)))


def _is_open(path: str) -> bool:
    return path in OPEN_PATHS or path.startswith(OPEN_PREFIXES)


def _host_of(headers: Headers) -> str:
    try:
        return urlsplit(f"//{headers.get('host', '')}").hostname or ""
    except ValueError:
        return ""


def _is_loopback(host: str) -> bool:
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def _is_own(headers: Headers) -> bool:
    """Whether a browser says that the request comes from our own page, or no browser sent it."""
    site = headers.get("sec-fetch-site")
    if site is not None:
        return site in {"same-origin", "none"}
    origin = headers.get("origin")
    return origin is None or urlsplit(origin).netloc == headers.get("host")
