"""The page of one push: what was to change, why, every attempt, and what came of it."""

from __future__ import annotations

from http import HTTPStatus

from starlette.requests import Request
from starlette.responses import Response

from channelsync.engine.core import Engine
from channelsync.engine.pushes_view import UnknownPush, view_push
from channelsync.web.dashboard.frame import Crumb, Frame
from channelsync.web.dashboard.marks import change_of, of_push
from channelsync.web.gate import principal_of
from channelsync.web.problems import Problem

__all__ = ["show_push"]


async def show_push(engine: Engine, frame: Frame, request: Request) -> Response:
    """The page.

    Raises:
        Problem: there is none, or it is out of reach (404).
    """
    async with engine.database.read() as tx:
        try:
            found = await view_push(tx, request.path_params["push"], principal_of(request).reach)
        except UnknownPush as error:
            raise Problem(HTTPStatus.NOT_FOUND, str(error)) from None
    push = {**found.push, "standing": of_push(found.push), "change": change_of(found.push)}
    return frame.page(
        request,
        "push.html",
        active="pushes",
        title=f"{push['change']} on {push['channel']}",
        crumbs=[Crumb("Pushes", "/pushes")],
        push=push,
        attempts=found.attempts,
    )
