"""What every page before the first session shares: its form, its frame and its cookies."""

from __future__ import annotations

from collections.abc import Mapping
from http import HTTPStatus
from typing import Any, Final
from urllib.parse import parse_qs, urlsplit

from starlette.requests import Request
from starlette.responses import HTMLResponse, RedirectResponse, Response

from channelsync.security.passwords import CHARACTERS_MIN
from channelsync.web.bodies import read_body
from channelsync.web.dashboard.words import assets_version, template_environment
from channelsync.web.gate import COOKIE, SECURE_COOKIE, is_own
from channelsync.web.problems import Problem

__all__ = [
    "COOKIES_OF_A_SESSION",
    "COOKIES_OF_A_SIGN_IN",
    "door_form",
    "door_page",
    "drop_cookie",
    "local_goal",
    "onward",
    "set_cookie",
]

FORM_BYTES_MAX: Final = 16_384
COOKIES_OF_A_SESSION: Final = (SECURE_COOKIE, COOKIE)
COOKIES_OF_A_SIGN_IN: Final = ("__Host-channelsync-step", "channelsync_step")
"""Over TLS, and without."""


async def door_form(request: Request) -> Mapping[str, str]:
    """A form of ours, sent by a page of ours.

    Raises:
        Problem: another site is behind it (403), or it is no form (400).
    """
    if not is_own(request.scope):
        raise Problem(HTTPStatus.FORBIDDEN, "a page of another site may not sign anybody in")
    body = await read_body(request, bytes_max=FORM_BYTES_MAX)
    try:
        found = parse_qs(body.decode(), keep_blank_values=True, max_num_fields=16)
    except ValueError:
        raise Problem(HTTPStatus.BAD_REQUEST, "the body is no form") from None
    return {name: values[-1] for name, values in found.items()}


def door_page(template: str, status: int = HTTPStatus.OK, **values: Any) -> HTMLResponse:
    """A page that needs no session."""
    given = {"error": "", "name": "", "minimum": CHARACTERS_MIN} | values
    html = (
        template_environment()
        .get_template(f"{template}.html")
        .render(given | {"assets": assets_version()})
    )
    return HTMLResponse(html, status)


def local_goal(goal: str) -> str:
    """A page of ours to go on to: nobody is sent elsewhere from here."""
    parts = urlsplit(goal.replace("\\", "/"))
    inside = goal.startswith("/") and not parts.scheme and not parts.netloc
    return goal if inside and goal.isprintable() and not goal.startswith("//") else "/"


def onward(goal: str) -> RedirectResponse:
    """On to a page of ours."""
    return RedirectResponse(goal, HTTPStatus.SEE_OTHER)


def set_cookie(
    request: Request,
    answer: Response,
    names: tuple[str, str],
    token: str,
    *,
    public_url: str | None,
    seconds: int | None = None,
) -> None:
    """Hand a token to the browser, out of reach of scripts and of other sites."""
    secure = _is_secure(request, public_url)
    answer.set_cookie(
        names[0] if secure else names[1],
        token,
        max_age=seconds,
        path="/",
        secure=secure,
        httponly=True,
        samesite="lax",
    )


def drop_cookie(answer: Response, names: tuple[str, str]) -> None:
    """Have the browser forget it."""
    secure, plain = names
    answer.delete_cookie(secure, path="/", secure=True, httponly=True, samesite="lax")
    answer.delete_cookie(plain, path="/", httponly=True, samesite="lax")


def _is_secure(request: Request, public_url: str | None) -> bool:
    """Whether the browser sees https, which a proxy in between may end before us."""
    origin = request.headers.get("origin")
    if origin is not None and "://" in origin:
        return origin.startswith("https://")
    return request.url.scheme == "https" or (public_url or "").startswith("https://")
