"""`/change/holds/…`: units that carts keep, given back or kept longer by hand."""

from __future__ import annotations

from collections.abc import Sequence
from http import HTTPStatus
from typing import Any, Final

from pydantic import BaseModel
from sqlalchemy.ext.asyncio import AsyncConnection
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from channelsync.domain.permissions import Reach
from channelsync.engine.core import Engine
from channelsync.engine.hold_rows import UnknownHold
from channelsync.engine.hold_types import Hold, HoldRefused
from channelsync.engine.holds_desk import HoldsDesk
from channelsync.web.api.counter import Deed, Refusal, UseCase
from channelsync.web.desk.desk import Desk, Outcome, Question
from channelsync.web.desk.forms import number, read_form
from channelsync.web.gate import principal_of
from channelsync.web.problems import Problem

__all__ = ["HoldPages"]

MINUTES_MAX: Final = 7 * 24 * 60


class _Held(BaseModel):
    id: str
    state: str
    expires_at: float


class HoldPages:
    """One page a hold."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk

    @property
    def routes(self) -> Sequence[Route]:
        """Where it all is."""
        path = "/change/holds/{hold_id}"
        return (
            Route(path, self.show, methods=["GET"]),
            Route(f"{path}/extend", self.extend, methods=["POST"]),
            Route(f"{path}/release", self.release, methods=["POST"]),
        )

    async def show(self, request: Request) -> Response:
        """A hold, and what may be done to it."""
        return await self._page(request)

    async def _page(
        self, request: Request, outcome: Outcome | None = None, wrong: str = "", minutes: str = "30"
    ) -> Response:
        hold_id = request.path_params["hold_id"]
        reach = principal_of(request).reach
        async with self._desk.engine.database.read() as tx:
            try:
                hold = await _view(HoldsDesk(self._desk.engine), tx, hold_id, reach)
            except UnknownHold:
                raise Problem(HTTPStatus.NOT_FOUND, f"there is no hold {hold_id!r}") from None
        return self._desk.page(
            request,
            "hold",
            active="holds",
            title="A hold",
            outcome=outcome,
            hold=hold,
            errors={"minutes": wrong} if wrong else {},
            minutes=minutes,
        )

    async def extend(self, request: Request) -> Response:
        """Keep the units longer; never shorter."""
        form = await read_form(request)
        minutes = number(form.get("minutes"))
        if not isinstance(minutes, int) or not 1 <= minutes <= MINUTES_MAX:
            wrong = f"whole minutes from 1 to {MINUTES_MAX} are wanted"
            return await self._page(request, wrong=wrong, minutes=form.get("minutes"))
        hold_id = request.path_params["hold_id"]
        act = _ending(hold_id, principal_of(request).reach, 60.0 * minutes)
        outcome = await self._desk.do(request, form, "hold.extend", act)
        if outcome.error is not None:
            return await self._page(request, outcome, minutes=form.get("minutes"))
        return self._desk.go(form, f"/change/holds/{hold_id}", "hold-extended")

    async def release(self, request: Request) -> Response:
        """Give the units back."""
        form, hold_id = await read_form(request), request.path_params["hold_id"]
        if not form.is_sure:
            return self._desk.ask(request, form, _release_question(hold_id))
        act = _ending(hold_id, principal_of(request).reach, None)
        outcome = await self._desk.do(request, form, "hold.release", act)
        if outcome.error is not None:
            return await self._page(request, outcome)
        return self._desk.go(form, f"/change/holds/{hold_id}", "hold-released")


async def _view(desk: HoldsDesk, tx: AsyncConnection, hold_id: str, reach: Reach) -> Hold:
    hold = await desk.view(tx, hold_id)
    if not reach.has_channel(hold.channel or ""):
        raise UnknownHold(hold_id)
    return hold


def _ending(hold_id: str, reach: Reach, extended_by_seconds: float | None) -> UseCase:
    """Keep a hold longer, or (None) give it back."""

    async def act(joined: Engine, tx: AsyncConnection) -> Deed:
        desk = HoldsDesk(joined)
        try:
            before = await _view(desk, tx, hold_id, reach)
            if extended_by_seconds is None:
                after = await desk.release(tx, hold_id)
            else:
                after = await desk.extend(tx, hold_id, extended_by_seconds)
        except UnknownHold:
            raise Refusal(HTTPStatus.NOT_FOUND, f"there is no hold {hold_id!r}") from None
        except HoldRefused as error:
            raise Refusal(HTTPStatus.UNPROCESSABLE_ENTITY, str(error)) from None
        return Deed(
            subject=f"hold:{hold_id}",
            answer=_Held(id=after.id, state=after.state, expires_at=after.expires_at),
            before=_told(before),
            after=_told(after),
        )

    return act


def _told(hold: Hold) -> dict[str, Any]:
    return {
        "owner": hold.owner,
        "state": hold.state,
        "lines": dict(hold.lines),
        "expires_at": hold.expires_at,
    }


def _release_question(hold_id: str) -> Question:
    return Question(
        title="Release the hold?",
        text="Its units can be sold to somebody else at once. Whoever has them in the cart, or has"
        " confirmed them as an order, loses them. This cannot be undone.",
        button="Release it",
        back=f"/change/holds/{hold_id}",
        active="holds",
    )
