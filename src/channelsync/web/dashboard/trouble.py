"""Refusals as pages: whoever asks with a browser is told in words, not in JSON.

Stands before everything, so that it words what any part says. Programs and the API keep their
problem documents.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from http import HTTPStatus
from typing import Any, Final

from starlette.datastructures import Headers, MutableHeaders
from starlette.requests import Request
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from channelsync.domain.vocabulary import Instant
from channelsync.web.head import header
from channelsync.web.problems import MEDIA_TYPE

__all__ = ["PagesOfTrouble"]

NOT_PAGES: Final = ("/api/", "/webhooks/", "/pos/", "/static/", "/livez", "/readyz", "/metrics")
NEXT_STEPS: Final = {
    HTTPStatus.FORBIDDEN: "Somebody whose role or reach allows it can do it, or change yours.",
    HTTPStatus.NOT_FOUND: "It may have another name, or lie outside your reach.",
    HTTPStatus.METHOD_NOT_ALLOWED: "Go back and press the button on its page again.",
    HTTPStatus.SERVICE_UNAVAILABLE: "Nothing was changed. Try again in a moment.",
    HTTPStatus.INTERNAL_SERVER_ERROR: "Something broke here. The log tells more under this number.",
}


class PagesOfTrouble:
    """ASGI middleware: problem documents become pages where a page was asked for."""

    def __init__(self, app: ASGIApp, *, now: Callable[[], Instant]) -> None:
        self._app = app
        self._now = now

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass everything on; word refusals."""
        if scope["type"] != "http" or not _asks_for_a_page(scope):
            await self._app(scope, receive, send)
            return
        held: list[Message] = []

        async def worded(message: Message) -> None:
            if message["type"] == "http.response.start" and _is_problem(message):
                held.append(message)
            elif held:
                held.append(message)
                if not message.get("more_body", False):
                    await self._say(scope, held, receive, send)
            else:
                await send(message)

        await self._app(scope, receive, worded)

    async def _say(self, scope: Scope, held: list[Message], receive: Receive, send: Send) -> None:
        start, *parts = held
        problem = json.loads(b"".join(part.get("body", b"") for part in parts))
        html = self._page(Request(scope, receive), problem)
        headers = MutableHeaders(scope=start)
        headers["content-type"] = "text/html; charset=utf-8"
        headers["content-length"] = str(len(html))
        await send(start)
        await send({"type": "http.response.body", "body": html})

    def _page(self, request: Request, problem: dict[str, Any]) -> bytes:
        # This stands before receivers too, which do not wait for what pages are made with.
        from channelsync.web.dashboard.frame import Frame
        from channelsync.web.dashboard.words import assets_version, template_environment

        status = int(problem["status"])
        given: dict[str, Any] = {
            "problem": problem,
            "next_step": NEXT_STEPS.get(HTTPStatus(status), ""),
        }
        if "principal" in request.scope:
            title = str(problem["title"])
            page = Frame(self._now).page(request, "trouble.html", active="", title=title, **given)
            return bytes(page.body)
        template = template_environment().get_template("stranger.html")
        return template.render(given | {"assets": assets_version()}).encode()


def _asks_for_a_page(scope: Scope) -> bool:
    if str(scope["path"]).startswith(NOT_PAGES):
        return False
    return "text/html" in (header(scope, b"accept") or "")


def _is_problem(message: Message) -> bool:
    return Headers(raw=message["headers"]).get("content-type", "").startswith(MEDIA_TYPE)
