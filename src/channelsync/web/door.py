"""The door: the first user's set-up link, signing in, signing out."""

from __future__ import annotations

import hmac
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any, Final
from urllib.parse import parse_qs, urlsplit

from starlette.requests import Request
from starlette.responses import HTMLResponse, RedirectResponse, Response
from starlette.routing import Route

from channelsync.domain.permissions import Role
from channelsync.engine.identity import Identity
from channelsync.engine.identity_errors import UserRefused
from channelsync.engine.users_desk import UsersDesk
from channelsync.security.passwords import CHARACTERS_MIN, PasswordTooWeak
from channelsync.web.bodies import read_body
from channelsync.web.dashboard.words import assets_version, template_environment
from channelsync.web.gate import COOKIE, SECURE_COOKIE, is_own, principal_of, session_of
from channelsync.web.options import WebOptions
from channelsync.web.problems import Problem
from channelsync.web.throttle import Buckets

__all__ = ["Door"]

FORM_BYTES_MAX: Final = 16_384


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
        self._users = UsersDesk(identity.database, identity.now, identity.passwords)
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
            Route("/logout", self.sign_out, methods=["POST"]),
        )

    # -------------------------------------------------------------- the first user

    async def show_setup(self, request: Request) -> Response:
        """The form of the first user, for whoever has the link."""
        token = request.query_params.get("token", "")
        await self._require_link(token)
        return self._page("setup", token=token)

    async def set_up(self, request: Request) -> Response:
        """Make the first user, an admin, and sign him in. The link is dead from then on."""
        form = await _form(request)
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
            return self._page("setup", status, token=form["token"], name=name, error=str(error))
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
            return RedirectResponse("/", HTTPStatus.SEE_OTHER)
        return self._page("login", next=_local(request.query_params.get("next", "/")))

    async def sign_in(self, request: Request) -> Response:
        """A fresh session for whoever knows a user's password."""
        form = await _form(request)
        name, goal = form.get("name", "")[:64].strip().casefold(), _local(form.get("next", "/"))
        address = request.client.host if request.client else ""
        wait = self._limits.wait(address, name)
        if wait:
            error = f"too many tries: wait {wait:.0f} s"
            status = HTTPStatus.TOO_MANY_REQUESTS
            page = self._page("login", status, next=goal, name=name, error=error)
            page.headers["retry-after"] = str(int(wait) + 1)
            return page
        return await self._begin(request, name, form.get("password", ""), goal)

    async def _begin(self, request: Request, name: str, password: str, goal: str) -> Response:
        request_id = request.scope["request_id"]
        token = await self._identity.sign_in(name, password, request=request_id)
        if token is None:
            error = "the name or the password is wrong"
            return self._page("login", HTTPStatus.UNAUTHORIZED, next=goal, name=name, error=error)
        if (old := session_of(request.scope)) is not None:
            await self._identity.sign_out(old, name=name, request=request_id)
        answer = RedirectResponse(goal, HTTPStatus.SEE_OTHER)
        secure = _is_secure(request, self._options.public_url)
        answer.set_cookie(
            SECURE_COOKIE if secure else COOKIE,
            token,
            path="/",
            secure=secure,
            httponly=True,
            samesite="lax",
        )
        return answer

    async def sign_out(self, request: Request) -> Response:
        """End the session, here and in the browser."""
        token = session_of(request.scope)
        if token is not None:
            name = principal_of(request).name
            await self._identity.sign_out(token, name=name, request=request.scope["request_id"])
        answer = RedirectResponse("/login", HTTPStatus.SEE_OTHER)
        answer.delete_cookie(SECURE_COOKIE, path="/", secure=True, httponly=True, samesite="lax")
        answer.delete_cookie(COOKIE, path="/", httponly=True, samesite="lax")
        return answer

    def _page(self, template: str, status: int = HTTPStatus.OK, **values: Any) -> HTMLResponse:
        given = {"error": "", "name": "", "minimum": CHARACTERS_MIN} | values
        html = (
            template_environment()
            .get_template(f"{template}.html")
            .render(given | {"assets": assets_version()})
        )
        return HTMLResponse(html, status)


def _require_same(password: str, again: str) -> None:
    if password != again:
        raise UserRefused("the two passwords differ")


async def _form(request: Request) -> Mapping[str, str]:
    """A form of ours, sent by a page of ours."""
    if not is_own(request.headers):
        raise Problem(HTTPStatus.FORBIDDEN, "a page of another site may not sign anybody in")
    body = await read_body(request, bytes_max=FORM_BYTES_MAX)
    try:
        found = parse_qs(body.decode(), keep_blank_values=True, max_num_fields=16)
    except ValueError:
        raise Problem(HTTPStatus.BAD_REQUEST, "the body is no form") from None
    return {name: values[-1] for name, values in found.items()}


def _local(goal: str) -> str:
    """A page of ours to go on to: nobody is sent elsewhere from here."""
    parts = urlsplit(goal.replace("\\", "/"))
    inside = goal.startswith("/") and not parts.scheme and not parts.netloc
    return goal if inside and goal.isprintable() and not goal.startswith("//") else "/"


def _is_secure(request: Request, public_url: str | None) -> bool:
    """Whether the browser sees https, which a proxy in between may end before us."""
    origin = request.headers.get("origin")
    if origin is not None and "://" in origin:
        return origin.startswith("https://")
    return request.url.scheme == "https" or (public_url or "").startswith("https://")
