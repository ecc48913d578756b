"""Errors as answers: RFC 9457 problem documents, never a stack trace."""

from __future__ import annotations

import json
from collections.abc import Mapping
from http import HTTPStatus
from typing import Any

from fastapi import HTTPException
from fastapi.exceptions import RequestValidationError
from starlette.requests import Request
from starlette.responses import Response

__all__ = [
    "MEDIA_TYPE",
    "Problem",
    "on_crash",
    "on_http_error",
    "on_invalid",
    "on_problem",
    "problem_body",
    "problem_response",
]

MEDIA_TYPE = "application/problem+json"
COMPLAINTS_MAX = 10


class Problem(Exception):
    """A request that is refused; raised anywhere below a route."""

    def __init__(self, status: int, detail: str = "", **more: Any) -> None:
        super().__init__(detail or HTTPStatus(status).phrase)
        self.status = status
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
    return problem_response(error.status, error.detail, **error.more)


async def on_http_error(_request: Request, error: Exception) -> Response:
    """A refusal of the framework: no such path, no such method."""
    if not isinstance(error, HTTPException):
        status = getattr(error, "status_code", HTTPStatus.INTERNAL_SERVER_ERROR)
        return problem_response(status, headers=getattr(error, "headers", None))
    return problem_response(error.status_code, headers=error.headers)


async def on_invalid(_request: Request, error: Exception) -> Response:
    """A body or query of the wrong shape: where and what, without repeating the values."""
    if not isinstance(error, RequestValidationError):
        raise error
    complaints = [
        {
            "where": ".".join(str(part) for part in one["loc"]),
            "what": str(one["msg"]).removeprefix("Value error, "),
        }
        for one in error.errors()[:COMPLAINTS_MAX]
    ]
    words = "; ".join(f"{one['where']}: {one['what']}" for one in complaints)
    return problem_response(HTTPStatus.UNPROCESSABLE_ENTITY, words, errors=complaints)


async def on_crash(_request: Request, _error: Exception) -> Response:
    """Something of ours broke; the log has it, under the request's id."""
    return problem_response(
        HTTPStatus.INTERNAL_SERVER_ERROR, "something broke here; the log has it by X-Request-Id"
    )
