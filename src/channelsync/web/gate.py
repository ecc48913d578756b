"""The gate: who asks, and whether that is enough for what is asked.

A program shows its key (`Authorization: Bearer csk_…`), a person's browser its session's cookie.
Until a user exists, whoever sits at this machine is let in as its operator: the caller's address
must belong to `operators`, and the Host header must name a loopback host, which a page elsewhere
cannot make a browser send (DNS rebinding).

What a browser may be tricked into is defended twice: an unsafe request must come from our own
pages, and with a session it must bear the session's second token (`X-CSRF-Token`, or the form
field `csrf_token`).
"""

from __future__ import annotations

import hmac
import ipaddress
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from http import HTTPStatus
from http.cookies import CookieError, SimpleCookie
from typing import Final
from urllib.parse import parse_qs, quote, urlsplit

from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.types import Message, Receive, Scope

from channelsync.domain.permissions import Permission, Principal, Role, permissions_of
from channelsync.engine.identity import Identity
from channelsync.security.tokens import csrf_token
from channelsync.web.access import OPEN, SELF, Asked, Table
from channelsync.web.bodies import read_body
from channelsync.web.head import header
from channelsync.web.problems import Problem, problem_response
from channelsync.web.throttle import Buckets

__all__ = [
    "COOKIE",
    "LOCAL",
    "SECURE_COOKIE",
    "Gate",
    "cookie_of",
    "csrf_token_of",
    "is_operator",
    "is_own",
    "principal_of",
    "session_of",
]

API: Final = "/api/"
SAFE: Final = frozenset({"GET", "HEAD", "OPTIONS"})
SECURE_COOKIE: Final = "__Host-channelsync"
COOKIE: Final = "channelsync_session"
FORM: Final = "application/x-www-form-urlencoded"
LOCAL: Final = Principal(name="local", permissions=permissions_of(Role.ADMIN), role=Role.ADMIN)
"""Whoever sits at this machine while nobody can sign in."""


def principal_of(request: Request) -> Principal:
    """Who asks. Every route but the open ones has somebody.

    Raises:
        Problem: nobody that is known (401).
    """
    found = request.scope.get("principal")
    if not isinstance(found, Principal):
        raise Problem(HTTPStatus.UNAUTHORIZED)
    return found


def csrf_token_of(request: Request) -> str:
    """What the page's forms must bear as `csrf_token`; empty where no session is."""
    token = request.scope.get("session")
    return csrf_token(token) if isinstance(token, str) else ""


@dataclass(slots=True)
class Gate:
    """Decides about every request before its route sees it."""

    identity: Identity
    operators: Sequence[str]
    limits: Buckets
    """How often somebody may ask the API."""
    table: Table = field(default_factory=Table)

    async def refusal(self, scope: Scope, receive: Receive) -> tuple[Response | None, Receive]:
        """The answer to a request that may not pass, or None; and what to receive from then on.

        Notes the principal in the scope.
        """
        if "\0" in scope["path"] or b"%00" in scope.get("query_string", b""):
            # No name of anything holds it, and databases differ in what they make of it.
            return problem_response(HTTPStatus.BAD_REQUEST, "a NUL in the address"), receive
        asked = self.table.asked(scope["method"], scope["path"])
        if asked is OPEN:
            return None, receive
        principal = await self.identify(scope)
        if principal is None:
            return await self._stranger(scope), receive
        scope["principal"] = principal
        if not _is_enough(principal, asked):
            return _forbidden(asked), receive
        if scope["path"].startswith(API) and (wait := self.limits.take(principal.name)):
            return _too_many(wait), receive
        return (None, receive) if scope["method"] in SAFE else await _unsafe(scope, receive)

    async def identify(self, scope: Scope) -> Principal | None:
        """Who asks, if that is proven. A key that is wrong is never overlooked for a cookie."""
        authorization = header(scope, b"authorization")
        if authorization is not None:
            kind, _, text = authorization.partition(" ")
            return await self.identity.of_key(text.strip()) if kind.lower() == "bearer" else None
        token = session_of(scope)
        if token and (person := await self.identity.of_session(token)) is not None:
            scope["session"] = token
            return person
        if is_operator(scope, self.operators) and not await self.identity.is_inhabited():
            return LOCAL
        return None

    async def may(self, scope: Scope, permission: Permission) -> bool:
        """Whether whoever asks carries a permission; for open routes that tell some more."""
        principal = await self.identify(scope)
        return principal is not None and principal.may(permission)

    async def _stranger(self, scope: Scope) -> Response:
        shown = header(scope, b"authorization") is not None
        if not shown and not await self.identity.is_inhabited():
            return problem_response(
                HTTPStatus.FORBIDDEN,
                "until a user exists, pages, API and metrics answer on this machine alone, as"
                " http://localhost or http://127.0.0.1: open them there, through an SSH tunnel, or"
                " open the set-up link that the daemon has printed",
            )
        asks_for_a_page = "text/html" in (header(scope, b"accept") or "")
        if not shown and scope["method"] in SAFE and asks_for_a_page:
            return RedirectResponse(f"/login?next={_here(scope)}", HTTPStatus.SEE_OTHER)
        said = "the key is wrong, revoked or past its time" if shown else "sign in, or send a key"
        return problem_response(
            HTTPStatus.UNAUTHORIZED,
            said,
            headers={"www-authenticate": 'Bearer realm="channelsync"'},
        )


def _is_enough(principal: Principal, asked: Asked) -> bool:
    return asked is SELF or (isinstance(asked, Permission) and principal.may(asked))


def _forbidden(asked: Asked) -> Response:
    named = asked.value if isinstance(asked, Permission) else "more"
    detail = f"this asks for the permission {named}, which you do not have"
    return problem_response(HTTPStatus.FORBIDDEN, detail, permission=named)


def _too_many(wait: float) -> Response:
    headers = {"retry-after": str(math.ceil(wait))}
    detail = "too many requests: slow down, and go on after the time in Retry-After"
    return problem_response(HTTPStatus.TOO_MANY_REQUESTS, detail, headers=headers)


def _here(scope: Scope) -> str:
    query = scope.get("query_string", b"").decode("latin-1")
    return quote(f"{scope['path']}?{query}" if query else scope["path"], safe="/")


async def _unsafe(scope: Scope, receive: Receive) -> tuple[Response | None, Receive]:
    """A refusal of a request that would change something."""
    if scope["path"].startswith(API):
        refusal, receive = await _capped(scope, receive)
        if refusal is not None:
            return refusal, receive
    if header(scope, b"authorization") is not None:
        return None, receive
    return await _forged(scope, receive)


async def _forged(scope: Scope, receive: Receive) -> tuple[Response | None, Receive]:
    """A refusal where another site may be behind it."""
    if not is_own(scope):
        detail = "a page of another site may not change anything here"
        return problem_response(HTTPStatus.FORBIDDEN, detail), receive
    session = scope.get("session")
    if session is None:
        return None, receive
    given = header(scope, b"x-csrf-token")
    kind = header(scope, b"content-type") or ""
    if given is None and kind.split(";")[0].strip() == FORM:
        try:
            body = await read_body(Request(scope, receive))
        except Problem as problem:
            return problem_response(problem.status, problem.detail), receive
        receive = _again(body, receive)
        given = parse_qs(body.decode("utf-8", "replace")).get("csrf_token", [""])[-1]
    if hmac.compare_digest((given or "").encode(), csrf_token(session).encode()):
        return None, receive
    detail = "the page was open for too long, or the request is not from a page: reload and repeat"
    return problem_response(HTTPStatus.FORBIDDEN, detail), receive


async def _capped(scope: Scope, receive: Receive) -> tuple[Response | None, Receive]:
    """The body of a request of the API, read under its cap: the framework has none."""
    try:
        body = await read_body(Request(scope, receive))
    except Problem as problem:
        return problem_response(problem.status, problem.detail), receive
    return None, _again(body, receive)


def _again(body: bytes, receive: Receive) -> Receive:
    """Hand a body that was read to whoever reads it next."""
    pending: list[Message] = [{"type": "http.request", "body": body, "more_body": False}]

    async def replay() -> Message:
        return pending.pop() if pending else await receive()

    return replay


def session_of(scope: Scope) -> str | None:
    """The session's token, as the browser sends it."""
    return cookie_of(scope, SECURE_COOKIE, COOKIE)


def cookie_of(scope: Scope, secure: str, plain: str) -> str | None:
    """What a cookie of ours holds.

    The plain one, which a neighbouring host could set, counts only without TLS.
    """
    cookies = _cookies(header(scope, b"cookie"))
    found = cookies.get(secure)
    if found is None and scope.get("scheme") != "https":
        return cookies.get(plain)
    return found


def _cookies(sent: str | None) -> Mapping[str, str]:
    if sent is None:
        return {}
    try:
        jar = SimpleCookie(sent)
    except CookieError:
        return {}
    return {name: morsel.value for name, morsel in jar.items()}


def is_operator(scope: Scope, operators: Sequence[str]) -> bool:
    """Whether the caller's address is an operator's, and the Host header names this machine."""
    inside = _is_inside((scope.get("client") or ("",))[0], tuple(operators))
    return inside and _names_loopback(header(scope, b"host") or "")


@lru_cache(maxsize=1_024)
def _is_inside(text: str, networks: tuple[str, ...]) -> bool:
    try:
        address = ipaddress.ip_address(text)
    except ValueError:
        return False
    return any(address in ipaddress.ip_network(network) for network in networks)


@lru_cache(maxsize=1_024)
def _names_loopback(sent: str) -> bool:
    try:
        host = urlsplit(f"//{sent}").hostname or ""
    except ValueError:
        return False
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def is_own(scope: Scope) -> bool:
    """Whether a browser says that the request comes from our own page, or no browser sent it."""
    site = header(scope, b"sec-fetch-site")
    if site is not None:
        return site in {"same-origin", "none"}
    origin = header(scope, b"origin")
    return origin is None or urlsplit(origin).netloc == header(scope, b"host")
