"""`/notifications`: what people were told, and whether a message arrives."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from channelsync.engine.notify import recent_notices
from channelsync.engine.try_targets import ACTION
from channelsync.web.api.notifications import NoticeTests
from channelsync.web.desk.desk import Desk, Outcome
from channelsync.web.desk.forms import read_form

__all__ = ["NoticePages"]

NOTICES_MAX: Final = 100


class NoticePages:
    """One page."""

    def __init__(self, desk: Desk, tests: NoticeTests) -> None:
        self._desk = desk
        self._tests = tests

    @property
    def routes(self) -> Sequence[Route]:
        """Where it all is."""
        return (
            Route("/notifications", self.show, methods=["GET"]),
            Route("/notifications/test", self.test, methods=["POST"]),
        )

    async def show(self, request: Request) -> Response:
        """Targets with a button each, and what was told last."""
        return await self._page(request)

    async def _page(self, request: Request, outcome: Outcome | None = None) -> Response:
        async with self._desk.engine.database.read() as tx:
            found = await recent_notices(tx, NOTICES_MAX)
        tried = outcome.answer.get("targets", ()) if outcome is not None else ()
        return self._desk.page(
            request,
            "notifications",
            active="notifications",
            title="Notifications",
            outcome=outcome,
            targets=self._tests.notifying.notifier.names(),
            tried={one["target"]: one for one in tried},
            notices=found,
        )

    async def test(self, request: Request) -> Response:
        """Send a test message now, and show what the target answered."""
        form = await read_form(request)
        send, act = self._tests.testing(form.get("target") or None)
        outcome = await self._desk.do(request, form, ACTION, act, outside=send)
        return await self._page(request, outcome)
