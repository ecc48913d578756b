"""Errors as answers: RFC 9457 problem documents, never a stack trace."""

from __future__ import annotations

import json
from collections.abc import Mapping
from contextvars import ContextVar
from http import HTTPStatus
from typing import Any, Final

import sqlalchemy as sa
import structlog
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response

from channelsync.store.errors import StoreUnavailable, is_passing

__all__ = [
    "HANDLERS",
    "MEDIA_TYPE",
    "REQUEST_ID",
    "STORE_TROUBLE",
    "Problem",
    "answer_to",
    "on_crash",
    "on_http_error",
    "on_problem",
    "on_store_trouble",
    "problem_body",
    "problem_response",
]

_log = structlog.get_logger("channelsync.web")

MEDIA_TYPE = "application/problem+json"
STORE_TROUBLE: Final = (StoreUnavailable, sa.exc.DBAPIError, sa.exc.TimeoutError)
"""What the database raises when it cannot do what it is asked to."""
STORE_RETRY_AFTER_SECONDS: Final = 5


REQUEST_ID: Final[ContextVar[str | None]] = ContextVar("request_id", default=None)
"""The id of the request that is answered: problem documents and the audit trail bear it."""


class Problem(Exception):
    """A request that is refused; raised anywhere below a route."""

    def __init__(
        self,
        status: int,
        detail: str = "",
        *,
        headers: Mapping[str, str] | None = None,
        **more: Any,
    ) -> None:
        super().__init__(detail or HTTPStatus(status).phrase)
        self.status = status
        self.headers = headers
        self.detail = detail
        self.more = more


def problem_body(status: int, detail: str = "", **more: Any) -> str:
    """The document, as text."""
    body: dict[str, Any] = {
        "type": "about:blank",
        "title": HTTPStatus(status).phrase,
        "status": status,
    }
    if detail:
        body["detail"] = detail
    if (request_id := REQUEST_ID.get()) is not None:
        body["request_id"] = request_id
    return json.dumps(body | more)


def problem_response(
    status: int, detail: str = "", *, headers: Mapping[str, str] | None = None, **more: Any
) -> Response:
    """The document, as an answer."""
    return Response(
        problem_body(status, detail, **more),
        status_code=status,
        media_type=MEDIA_TYPE,
        headers=dict(headers or {}),
    )


async def on_problem(_request: Request, error: Exception) -> Response:
    """A refusal of ours."""
    if not isinstance(error, Problem):
        raise error
    return problem_response(error.status, error.detail, headers=error.headers, **error.more)


async def on_http_error(_request: Request, error: Exception) -> Response:
    """A refusal of the framework: no such path, no such method."""
    if not isinstance(error, HTTPException):
        raise error
    return problem_response(error.status_code, headers=error.headers)


async def on_store_trouble(_request: Request, error: Exception) -> Response:
    """The database is away, full or busy: nothing was acknowledged, the sender tries again."""
    if not is_passing(error):
        raise error
    _log.warning("the database could not be used", why=str(getattr(error, "orig", error)))
    return problem_response(
        HTTPStatus.SERVICE_UNAVAILABLE,
        "the database cannot be used now; try again",
        headers={"retry-after": str(STORE_RETRY_AFTER_SECONDS)},
    )


async def on_crash(_request: Request, _error: Exception) -> Response:
    """Something of ours broke; the log has it, under the request's id."""
    return problem_response(
        HTTPStatus.INTERNAL_SERVER_ERROR, "something broke here; the log has it by X-Request-Id"
    )


HANDLERS: Final[dict[Any, Any]] = {
    Problem: on_problem,
    HTTPException: on_http_error,
    **dict.fromkeys(STORE_TROUBLE, on_store_trouble),
    Exception: on_crash,
}
"""What becomes of whatever a route raises."""


async def answer_to(request: Request, error: Exception) -> Response:
    """What the handlers make of an error that a route has raised.

    Raises:
        Exception: the error, where it is none of those: something broke.
    """
    for kind in type(error).__mro__:
        if kind is not Exception and kind in HANDLERS:
            found: Response = await HANDLERS[kind](request, error)
            return found
    raise error
