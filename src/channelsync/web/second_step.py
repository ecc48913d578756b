"""The second step of a sign-in: a code of the second factor, or switching one on.

Between the steps the browser holds the token of a sign-in that waits, which opens these two pages
and nothing else.
"""

from __future__ import annotations

from collections.abc import Sequence
from http import HTTPStatus
from typing import Final
from urllib.parse import quote

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from channelsync.engine.identity import Identity
from channelsync.engine.identity_errors import FactorRefused
from channelsync.engine.sign_ins import SIGN_IN_SECONDS, Begun, Pending, SignIns, Step
from channelsync.security.tokens import digest
from channelsync.web.gate import cookie_of
from channelsync.web.options import WebOptions
from channelsync.web.reveals import Reveals
from channelsync.web.shown_secret import shown_secret
from channelsync.web.threshold import (
    COOKIES_OF_A_SESSION,
    COOKIES_OF_A_SIGN_IN,
    door_form,
    door_page,
    drop_cookie,
    local_goal,
    onward,
    set_cookie,
)
from channelsync.web.throttle import Buckets

__all__ = ["SecondStep"]

OVER: Final = "that took too long, or too many codes were wrong: sign in again"
PATHS: Final = {Step.CODE: "/login/code", Step.SET_UP: "/login/second-factor"}


class SecondStep:
    """`/login/code` and `/login/second-factor`."""

    def __init__(self, identity: Identity, options: WebOptions) -> None:
        self._now = identity.now
        self._public_url = options.public_url
        self._sign_ins = SignIns(identity.factors)
        # Who guesses here knows the password: a few tries, then one in two minutes.
        self._guesses = Buckets(identity.now, burst=5, per_second=1 / 120)
        self._reveals = Reveals()

    @property
    def routes(self) -> Sequence[Route]:
        """Where it all is."""
        return (
            Route("/login/code", self.show_code, methods=["GET"]),
            Route("/login/code", self.take_code, methods=["POST"]),
            Route("/login/second-factor", self.show_set_up, methods=["GET"]),
            Route("/login/second-factor", self.set_up, methods=["POST"]),
        )

    def begun(self, request: Request, begun: Begun, goal: str) -> Response:
        """On from a right password: into the house, or to the second step."""
        if begun.step is Step.NOTHING:
            return self._enter(request, begun.token, onward(goal))
        answer = onward(f"{PATHS[begun.step]}?next={quote(goal, safe='/')}")
        set_cookie(
            request,
            answer,
            COOKIES_OF_A_SIGN_IN,
            begun.token,
            public_url=self._public_url,
            seconds=int(SIGN_IN_SECONDS),
        )
        return answer

    # -------------------------------------------------------------- a code

    async def show_code(self, request: Request) -> Response:
        """The form for the code."""
        if await self._pending(request, Step.CODE) is None:
            return onward("/login")
        return door_page("login_code", next=_goal(request.query_params.get("next")))

    async def take_code(self, request: Request) -> Response:
        """A session for a right code."""
        form = await door_form(request)
        goal, token = _goal(form.get("next")), _token(request)
        pending = await self._pending(request, Step.CODE)
        if pending is None or token is None:
            return self._over(goal)
        if wait := self._guesses.take(pending.name):
            status, error = HTTPStatus.TOO_MANY_REQUESTS, f"too many tries: wait {wait:.0f} s"
            page = door_page("login_code", status, next=goal, error=error)
            page.headers["retry-after"] = str(int(wait) + 1)
            return page
        request_id = request.scope["request_id"]
        session = await self._sign_ins.prove(token, form.get("code", ""), request=request_id)
        if session is not None:
            self._guesses.forget(pending.name)
            return self._enter(request, session, onward(goal))
        if await self._pending(request, Step.CODE) is None:
            return self._over(goal)
        error = "that is not a code of now, or it was used already"
        return door_page("login_code", HTTPStatus.UNAUTHORIZED, next=goal, error=error)

    # -------------------------------------------------------------- switching it on

    async def show_set_up(self, request: Request) -> Response:
        """The secret, and the form for its first code."""
        pending = await self._pending(request, Step.SET_UP)
        if pending is None:
            return onward("/login")
        return await self._set_up_page(pending, _goal(request.query_params.get("next")))

    async def set_up(self, request: Request) -> Response:
        """Switch it on by its first code: a session, and the recovery codes."""
        form = await door_form(request)
        goal, token = _goal(form.get("next")), _token(request)
        if token is None:
            return self._over(goal)
        if shown := self._reveals.get(digest(token), self._now()):
            return self._codes_page(request, shown["session"], shown["codes"], goal)
        pending = await self._pending(request, Step.SET_UP)
        if pending is None:
            return self._over(goal)
        request_id = request.scope["request_id"]
        try:
            done = await self._sign_ins.set_up(token, form.get("code", ""), request=request_id)
        except FactorRefused as error:
            return await self._set_up_page(pending, goal, str(error))
        if done is None:
            return self._over(goal)
        session, codes = done
        shown = {"session": session, "codes": " ".join(codes)}
        self._reveals.put(digest(token), shown, self._now())
        return self._codes_page(request, session, shown["codes"], goal)

    async def _set_up_page(self, pending: Pending, goal: str, error: str = "") -> Response:
        secret = await self._sign_ins.prepared(pending)
        if secret is None:
            return self._over(goal)
        status = HTTPStatus.UNPROCESSABLE_ENTITY if error else HTTPStatus.OK
        shown = shown_secret(secret, pending.name, self._public_url)
        return door_page("login_factor", status, next=goal, error=error, shown=shown)

    def _codes_page(self, request: Request, session: str, codes: str, goal: str) -> Response:
        page = door_page("login_codes", next=goal, codes=codes.split())
        return self._enter(request, session, page)

    # -------------------------------------------------------------- between

    async def _pending(self, request: Request, step: Step) -> Pending | None:
        token = _token(request)
        found = None if token is None else await self._sign_ins.pending(token)
        return found if found is not None and found.step is step else None

    def _enter(self, request: Request, session: str, answer: Response) -> Response:
        if _token(request) is not None:
            drop_cookie(answer, COOKIES_OF_A_SIGN_IN)
        set_cookie(request, answer, COOKIES_OF_A_SESSION, session, public_url=self._public_url)
        return answer

    def _over(self, goal: str) -> Response:
        answer = door_page("login", HTTPStatus.UNAUTHORIZED, next=goal, error=OVER)
        drop_cookie(answer, COOKIES_OF_A_SIGN_IN)
        return answer


def _token(request: Request) -> str | None:
    return cookie_of(request.scope, *COOKIES_OF_A_SIGN_IN)


def _goal(given: str | None) -> str:
    return local_goal(given or "/")
