"""The door: the first user's set-up link, signing in, signing out."""

from __future__ import annotations

import hmac
from collections.abc import Sequence
from dataclasses import dataclass
from http import HTTPStatus

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from channelsync.domain.permissions import Role
from channelsync.engine.identity import Identity
from channelsync.engine.identity_errors import UserRefused
from channelsync.engine.users_desk import UsersDesk
from channelsync.security.passwords import PasswordTooWeak
from channelsync.web.gate import principal_of, session_of
from channelsync.web.options import WebOptions
from channelsync.web.problems import Problem
from channelsync.web.second_step import SecondStep
from channelsync.web.threshold import (
    COOKIES_OF_A_SESSION,
    door_form,
    door_page,
    drop_cookie,
    local_goal,
    onward,
)
from channelsync.web.throttle import Buckets

__all__ = ["Door"]


@dataclass(frozen=True, slots=True)
class _Limits:
    """How often a sign-in may be tried."""

    by_address: Buckets
    by_both: Buckets
    """A name from one address: guessing ends here, without locking the user out elsewhere."""
    by_name: Buckets
    """A name from wherever: a thousand addresses do not help."""

    def wait(self, address: str, name: str) -> float:
        """Seconds to wait; 0: go on."""
        return max(
            self.by_address.take(address),
            self.by_both.take(f"{address} {name}"),
            self.by_name.take(name),
        )


class Door:
    """`/setup`, `/login` and `/logout`."""

    def __init__(self, identity: Identity, options: WebOptions) -> None:
        self._identity = identity
        self._options = options
        self._users = UsersDesk(identity.database, identity.now, identity.factors.passwords)
        self._second_step = SecondStep(identity, options)
        now = identity.now
        self._limits = _Limits(
            by_address=Buckets(now, burst=30, per_second=1 / 3),
            by_both=Buckets(now, burst=5, per_second=1 / 30),
            by_name=Buckets(now, burst=100, per_second=1 / 10),
        )

    @property
    def routes(self) -> Sequence[Route]:
        """Where it all is."""
        return (
            Route("/setup", self.show_setup, methods=["GET"]),
            Route("/setup", self.set_up, methods=["POST"]),
            Route("/login", self.show_login, methods=["GET"]),
            Route("/login", self.sign_in, methods=["POST"]),
            *self._second_step.routes,
            Route("/logout", self.sign_out, methods=["POST"]),
        )

    # -------------------------------------------------------------- the first user

    async def show_setup(self, request: Request) -> Response:
        """The form of the first user, for whoever has the link."""
        token = request.query_params.get("token", "")
        await self._require_link(token)
        return door_page("setup", token=token)

    async def set_up(self, request: Request) -> Response:
        """Make the first user, an admin, and sign him in. The link is dead from then on."""
        form = await door_form(request)
        await self._require_link(form.get("token", ""))
        name, password = form.get("name", ""), form.get("password", "")
        try:
            _require_same(password, form.get("again", ""))
            made = await self._users.add(
                name,
                password,
                Role.ADMIN,
                actor="set-up link",
                request=request.scope["request_id"],
                only_as_first=True,
            )
        except (UserRefused, PasswordTooWeak) as error:
            status = HTTPStatus.UNPROCESSABLE_ENTITY
            return door_page("setup", status, token=form["token"], name=name, error=str(error))
        return await self._begin(request, made.name, password, "/")

    async def _require_link(self, token: str) -> None:
        wanted = self._options.setup_token
        right = wanted is not None and hmac.compare_digest(token.encode(), wanted.encode())
        if not right or await self._identity.is_inhabited():
            raise Problem(HTTPStatus.NOT_FOUND, "this link is not good, or not good any more")

    # -------------------------------------------------------------- in and out

    async def show_login(self, request: Request) -> Response:
        """The form."""
        if not await self._identity.is_inhabited():
            return onward("/")
        return door_page("login", next=local_goal(request.query_params.get("next", "/")))

    async def sign_in(self, request: Request) -> Response:
        """A fresh session for whoever knows a user's password."""
        form = await door_form(request)
        name, goal = form.get("name", "")[:64].strip().casefold(), local_goal(form.get("next", "/"))
        address = request.client.host if request.client else ""
        wait = self._limits.wait(address, name)
        if wait:
            error = f"too many tries: wait {wait:.0f} s"
            status = HTTPStatus.TOO_MANY_REQUESTS
            page = door_page("login", status, next=goal, name=name, error=error)
            page.headers["retry-after"] = str(int(wait) + 1)
            return page
        return await self._begin(request, name, form.get("password", ""), goal)

    async def _begin(self, request: Request, name: str, password: str, goal: str) -> Response:
        request_id = request.scope["request_id"]
        begun = await self._identity.sign_in(name, password, request=request_id)
        if begun is None:
            error = "the name or the password is wrong"
            return door_page("login", HTTPStatus.UNAUTHORIZED, next=goal, name=name, error=error)
        if (old := session_of(request.scope)) is not None:
            await self._identity.sign_out(old, name=name, request=request_id)
        return self._second_step.begun(request, begun, goal)

    async def sign_out(self, request: Request) -> Response:
        """End the session, here and in the browser."""
        token = session_of(request.scope)
        if token is not None:
            name = principal_of(request).name
            await self._identity.sign_out(token, name=name, request=request.scope["request_id"])
        answer = onward("/login")
        drop_cookie(answer, COOKIES_OF_A_SESSION)
        return answer


def _require_same(password: str, again: str) -> None:
    if password != again:
        raise UserRefused("the two passwords differ")
