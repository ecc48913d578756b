"""`/api/v1/notifications`: what people were told, and whether a message arrives."""

from __future__ import annotations

import math
from http import HTTPStatus
from typing import Annotated, Any, Final

from fastapi import APIRouter, Query, Request
from pydantic import Field
from sqlalchemy.ext.asyncio import AsyncConnection
from starlette.responses import Response

from channelsync.engine.core import Engine
from channelsync.engine.idempotency import Outside
from channelsync.engine.notify import Notifying, recent_notices
from channelsync.engine.try_targets import ACTION, Tried, UnknownTarget, told, try_targets
from channelsync.web.api.counter import Counter, Deed, UseCase
from channelsync.web.api.shapes import ERRORS, Body, Moment, Shown
from channelsync.web.problems import Problem
from channelsync.web.throttle import Buckets

__all__ = ["NoticeTests", "notifications_router"]

TESTS_AT_ONCE: Final = 5
TESTS_PER_SECOND: Final = 1 / 30
"""For the whole house, whoever asks: the services behind the targets count messages too."""


class NoticeShown(Shown):
    """One notification."""

    happened_at: Moment
    rule: str
    target: str = Field(examples=["owner"])
    kind: str = Field(examples=["feed_quiet"])
    message: str
    state: str = Field(examples=["sent"], description="waiting, sending, sent or given_up")
    attempts: int
    ended_at: Moment | None
    error: str | None = Field(description="What the target answered last, where it refused.")


class Notices(Shown):
    """The latest, newest first."""

    items: list[NoticeShown]
    targets: list[str] = Field(description="Whom the configuration names.", examples=[["owner"]])


class NoticeTest(Body):
    """Whom to send a test message."""

    target: Annotated[str, Field(min_length=1, max_length=128)] | None = Field(
        default=None, description="Left out: everybody."
    )


class TriedShown(Shown):
    """What one target answered."""

    target: str = Field(examples=["owner"])
    ok: bool
    message: str = Field(examples=["Ntfy did not take it (403)"])


class NoticeTestResult(Shown):
    """What every target answered."""

    ok: bool
    targets: list[TriedShown]


class NoticeTests:
    """Test messages, however they are asked for: they share one limit."""

    def __init__(self, engine: Engine, notifying: Notifying) -> None:
        self.notifying = notifying
        self._limits = Buckets(engine.now, burst=TESTS_AT_ONCE, per_second=TESTS_PER_SECOND)

    def testing(self, target: str | None) -> tuple[Outside, UseCase]:
        """What is sent, and what is told of it then."""
        tried: list[Tried] = []

        async def send() -> None:
            if wait := self._limits.take("tests"):
                headers = {"retry-after": str(math.ceil(wait))}
                raise Problem(
                    HTTPStatus.TOO_MANY_REQUESTS,
                    "too many test messages: go on after the time in Retry-After",
                    headers=headers,
                )
            try:
                tried.extend(await try_targets(self.notifying.notifier, target))
            except UnknownTarget as error:
                raise Problem(HTTPStatus.NOT_FOUND, str(error)) from None

        async def act(_joined: Engine, _tx: AsyncConnection) -> Deed:
            shown = [TriedShown.model_validate(one) for one in tried]
            answer = NoticeTestResult(ok=all(one.ok for one in tried), targets=shown)
            return Deed(answer=answer, **told(tried))

        return send, act


def notifications_router(counter: Counter, tests: NoticeTests) -> APIRouter:
    """The routes."""
    router = APIRouter(prefix="/api/v1/notifications", tags=["notifications"], responses=ERRORS)
    engine = counter.engine

    @router.get("", response_model=Notices)
    async def list_notices(limit: Annotated[int, Query(ge=1, le=1_000)] = 100) -> Any:
        """What people were told, or will be."""
        async with engine.database.read() as tx:
            found = await recent_notices(tx, limit)
        return {"items": found, "targets": tests.notifying.notifier.names()}

    @router.post("/test", responses={200: {"model": NoticeTestResult}})
    async def test(request: Request, body: NoticeTest) -> Response:
        """Send a test message now, and tell what each target answered."""
        send, act = tests.testing(body.target)
        return await counter.serve(request, ACTION, act, body=body, outside=send)

    return router
