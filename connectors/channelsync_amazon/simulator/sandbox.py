"""Amazon's static sandbox: a fixed answer for each request that Amazon has published.

The cases are Amazon's (`x-amzn-api-sandbox` of its API models), and whoever has them brings them.
Nothing is kept: the same request gets the same answer. Of the cases whose stated parameters all
match, the one that states the most answers; parameters that no case states are not looked at.

Source: developer-docs.amazon.com/sp-api, "The Selling Partner API sandbox", static sandboxes.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final
from urllib.parse import unquote

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from channelsync_amazon.simulator.wire import error

__all__ = ["Case", "StaticSandbox"]

METHODS: Final = ["GET", "POST", "PUT", "PATCH", "DELETE"]
BODY: Final = frozenset({"body", "payload"})
TOKEN_SECONDS: Final = 3_600


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """A published request and its answer."""

    operation: str
    method: str
    path: str
    """With its parameters in braces."""
    stated: Mapping[str, Any]
    """By name what a request must bear to be this case."""
    status: int
    answer: Any

    @classmethod
    def published(cls, case: Mapping[str, Any]) -> Case:
        """A case as it was taken out of the models.

        Empty parameters state nothing.
        """
        stated = {name: value for name, value in case["request"].items() if value not in ({}, None)}
        return cls(
            operation=case["operationId"],
            method=case["method"],
            path=case["path"],
            stated=stated,
            status=case["status"],
            answer=case["response"],
        )

    def matches(self, given: Mapping[str, Any]) -> bool:
        """Whether a request bears everything that is stated."""
        return all(
            _is_borne(value, given.get("body" if name in BODY else name))
            for name, value in self.stated.items()
        )


class StaticSandbox:
    """Answers as published. `app` is the ASGI application."""

    def __init__(self, cases: Sequence[Case]) -> None:
        # Sorting is stable: of equals the first published one answers.
        most_first = sorted(cases, key=lambda case: -len(case.stated))
        self._cases = [(_pattern(case.path), case) for case in most_first]
        self.app = Starlette(
            routes=[
                Route("/auth/o2/token", self._token, methods=["POST"]),
                Route("/{path:path}", self._answer, methods=METHODS),
            ]
        )

    async def _token(self, _request: Request) -> Response:
        token = {"access_token": "Atza|sandbox", "token_type": "bearer"}
        return JSONResponse(token | {"expires_in": TOKEN_SECONDS})

    async def _answer(self, request: Request) -> Response:
        raw = await request.body()
        body = json.loads(raw) if raw else None
        query = {name: request.query_params.getlist(name) for name in request.query_params}
        for pattern, case in self._cases:
            found = pattern.fullmatch(request.url.path)
            if found is None or case.method != request.method:
                continue
            named = {name: unquote(value) for name, value in found.groupdict().items()}
            if case.matches({**query, **named, "body": body}):
                return JSONResponse(case.answer, case.status)
        reply = error(400, "InvalidInput", "Could not match input arguments")
        return JSONResponse(reply.body, reply.status)


def _pattern(path: str) -> re.Pattern[str]:
    return re.compile(re.sub(r"\{(\w+)\}", r"(?P<\1>[^/]+)", path))


def _is_borne(stated: Any, given: Any) -> bool:
    if isinstance(stated, Mapping):
        return isinstance(given, Mapping) and all(
            name in given and _is_borne(value, given[name]) for name, value in stated.items()
        )
    if isinstance(stated, list):
        return _spread(given) == [_plain(one) for one in stated]
    return _spread(given) == [_plain(stated)]


def _spread(given: Any) -> list[Any]:
    """A parameter's values: repeated, or with commas between them."""
    values = given if isinstance(given, list) else [] if given is None else [given]
    spread: list[Any] = []
    for value in values:
        spread += value.split(",") if isinstance(value, str) else [_plain(value)]
    return spread


def _plain(value: Any) -> Any:
    if isinstance(value, bool):
        return str(value).lower()
    return value if isinstance(value, Mapping | list) else str(value)
