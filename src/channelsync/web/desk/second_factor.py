"""`/account/second-factor`: one's own second factor, switched on, changed and switched off."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from http import HTTPStatus
from typing import Final, TypeAlias

from pydantic import BaseModel
from sqlalchemy.ext.asyncio import AsyncConnection
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from channelsync.engine.core import Engine
from channelsync.engine.second_factors import SecondFactors
from channelsync.web.api.counter import Deed
from channelsync.web.dashboard.frame import Crumb
from channelsync.web.desk.desk import Desk, Outcome
from channelsync.web.desk.forms import Form, read_form
from channelsync.web.factors import factors_of
from channelsync.web.gate import principal_of
from channelsync.web.problems import Problem
from channelsync.web.shown_secret import shown_secret
from channelsync.web.throttle import Buckets

__all__ = ["SecondFactorPages", "own_name"]

PATH: Final = "/account/second-factor"
Codes: TypeAlias = tuple[str, ...]
_Act: TypeAlias = Callable[[SecondFactors, Form, str, str], Awaitable[Codes]]
"""What a form asks for: with the form, the user's name and the request's."""


class _Own(BaseModel):
    name: str


def own_name(request: Request) -> str:
    """The user who has signed in.

    Raises:
        Problem: nobody has; a program or this machine's operator asks (409).
    """
    kind, _, name = principal_of(request).name.partition(":")
    if kind != "user":
        raise Problem(HTTPStatus.CONFLICT, "you have no password here: no user has signed in")
    return name


class SecondFactorPages:
    """The page about one's own second factor."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk
        # Who guesses at a code has a session already; still he shall not guess for long.
        self._guesses = Buckets(desk.engine.now, burst=5, per_second=1 / 30)

    @property
    def routes(self) -> Sequence[Route]:
        """Where it all is."""
        return (
            Route(PATH, self.show, methods=["GET"]),
            Route(f"{PATH}/prepare", self.prepare, methods=["POST"]),
            Route(f"{PATH}/confirm", self.confirm, methods=["POST"]),
            Route(f"{PATH}/codes", self.renew_codes, methods=["POST"]),
            Route(f"{PATH}/off", self.switch_off, methods=["POST"]),
        )

    async def show(self, request: Request) -> Response:
        """How it stands, and what may be done."""
        return await self._page(request)

    async def _page(
        self,
        request: Request,
        outcome: Outcome | None = None,
        codes: Sequence[str] | None = None,
        errors: Mapping[str, str] | None = None,
        status: int = HTTPStatus.OK,
    ) -> Response:
        name, options = own_name(request), self._desk.options
        async with self._desk.engine.database.read() as tx:
            factor = await factors_of(self._desk.engine, options).state(tx, name)
        shown = None
        if factor.prepared is not None:
            shown = shown_secret(factor.prepared, name, options.public_url)
        return self._desk.page(
            request,
            "second_factor",
            active="account",
            title="Second factor",
            crumbs=(Crumb("Account", "/account"),),
            outcome=outcome,
            errors=errors,
            status=status,
            factor=factor,
            shown=shown,
            codes=codes,
        )

    async def prepare(self, request: Request) -> Response:
        """Make a secret for an app; it counts once its first code came."""

        async def act(factors: SecondFactors, form: Form, name: str, request_id: str) -> Codes:
            present, code = form.raw("present"), form.get("code")
            await factors.prepare(name, present=present, code=code, request=request_id)
            return ()

        return await self._and_go(request, "prepare", act, PATH, "second-factor-prepared")

    async def confirm(self, request: Request) -> Response:
        """Switch it on by its first code; the recovery codes are on the page that answers."""
        session = request.scope.get("session")

        async def act(factors: SecondFactors, form: Form, name: str, request_id: str) -> Codes:
            code = form.get("code")
            return await factors.confirm(name, code, session=session, request=request_id)

        return await self._with_codes(request, "on", act)

    async def renew_codes(self, request: Request) -> Response:
        """Other recovery codes."""

        async def act(factors: SecondFactors, form: Form, name: str, request_id: str) -> Codes:
            present, code = form.raw("present"), form.get("code")
            return await factors.renew_codes(name, present=present, code=code, request=request_id)

        return await self._with_codes(request, "codes", act)

    async def switch_off(self, request: Request) -> Response:
        """The password alone again."""

        async def act(factors: SecondFactors, form: Form, name: str, request_id: str) -> Codes:
            present, code = form.raw("present"), form.get("code")
            await factors.switch_off(name, present=present, code=code, request=request_id)
            return ()

        return await self._and_go(request, "off", act, "/account", "second-factor-off")

    async def _and_go(
        self, request: Request, verb: str, act: _Act, goal: str, done: str
    ) -> Response:
        form = await read_form(request)
        outcome = await self._do(request, form, verb, act)
        if outcome.error is not None:
            return await self._page(request, outcome)
        return self._desk.go(form, goal, done)

    async def _with_codes(self, request: Request, verb: str, act: _Act) -> Response:
        outcome = await self._do(request, await read_form(request), verb, act)
        if outcome.error is not None:
            return await self._page(request, outcome)
        return await self._page(request, outcome, outcome.revealed.get("codes", "").split())

    async def _do(self, request: Request, form: Form, verb: str, act: _Act) -> Outcome:
        name = own_name(request)
        if wait := self._guesses.take(name):
            error = f"too many tries: go on in {int(wait) + 1} s"
            return Outcome(status=HTTPStatus.TOO_MANY_REQUESTS, answer={}, error=error)

        async def joined_act(joined: Engine, _tx: AsyncConnection) -> Deed:
            factors = factors_of(joined, self._desk.options)
            codes = await act(factors, form, name, request.scope["request_id"])
            return Deed(answer=_Own(name=name), revealed={"codes": " ".join(codes)})

        outcome = await self._desk.do(request, form, f"second_factor.{verb}", joined_act)
        if outcome.error is None:
            self._guesses.forget(name)
        return outcome
