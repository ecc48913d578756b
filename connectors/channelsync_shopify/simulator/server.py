"""The ASGI application: token endpoint and GraphQL endpoint, with budgets, rights and faults."""

from __future__ import annotations

import json
from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass, field
from email.utils import formatdate
from functools import lru_cache
from random import Random
from typing import Any, Final
from urllib.parse import parse_qsl

from graphql import (
    DocumentNode,
    ExecutionResult,
    GraphQLError,
    OperationDefinitionNode,
    parse,
    validate,
)
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from channelsync.sdk.testing.faults import FaultPlan
from channelsync.sdk.testing.network import FAULT_HEADER
from channelsync_shopify.simulator.costs import COST_MAX, Bucket, actual_cost, requested_cost
from channelsync_shopify.simulator.execution import SCHEMA, Call, Execution, preflight
from channelsync_shopify.simulator.state import World

__all__ = ["Account", "Server"]

TOKEN_SECONDS: Final = 86_399
APPLIED_FIRST: Final = frozenset({"server_error_after", "timeout_after"})


@dataclass(slots=True)
class Account:
    """The app's credentials in the shop."""

    access_token: str | None
    client_id: str
    client_secret: str
    tokens: dict[str, float] = field(default_factory=dict)
    """Fetched tokens, with the end of each."""
    tokens_made: int = 0

    def accepts(self, token: str, now: float) -> bool:
        """Whether a token is good."""
        return token == self.access_token or self.tokens.get(token, 0.0) > now

    def issue(self, now: float) -> str:
        """A fresh token."""
        self.tokens_made += 1
        token = f"shpat_{self.tokens_made:032x}"
        self.tokens[token] = now + TOKEN_SECONDS
        return token

    def expire_tokens(self) -> None:
        """Every token ends now, the permanent one included."""
        self.tokens.clear()
        self.access_token = None


class Server:
    """Answers HTTP."""

    def __init__(
        self,
        world: World,
        execution: Execution,
        account: Account,
        *,
        versions: tuple[str, ...],
        faults: FaultPlan,
        rng: Random,
    ) -> None:
        self.bucket = Bucket(world.now)
        self.next_faults: deque[str] = deque()
        """Faults of the coming calls, one each, before the plan is asked."""
        self.calls: list[tuple[str, Mapping[str, Any], Mapping[str, Any]]] = []
        """Name, request and answer of every GraphQL call that ran, for checks."""
        self._world = world
        self._execution = execution
        self._account = account
        self.versions = versions
        """Supported API versions, the oldest first."""
        self._faults = faults
        self._rng = rng
        self.app = Starlette(
            routes=[
                Route("/admin/oauth/access_token", self._token, methods=["POST"]),
                Route("/admin/api/{version}/graphql.json", self._graphql, methods=["POST"]),
            ]
        )

    async def _token(self, request: Request) -> Response:
        if self._faults.offline:
            return _broken(503, "offline")
        form = dict(parse_qsl((await request.body()).decode("utf-8", "replace")))
        account = self._account
        given = (form.get("grant_type"), form.get("client_id"), form.get("client_secret"))
        if given != ("client_credentials", account.client_id, account.client_secret):
            return JSONResponse({"error": "invalid_client"}, status_code=400)
        token = account.issue(self._world.now())
        answer = {"access_token": token, "scope": "", "expires_in": TOKEN_SECONDS}
        return JSONResponse(answer)

    async def _graphql(self, request: Request) -> Response:
        fault = self._draw()
        if fault == "offline":
            return _broken(503, "offline")
        if fault in {"server_error_before", "timeout_before"}:
            return _failed(fault)
        refused = self._door(request)
        if refused is not None:
            return refused
        answer = self._answer(await request.body(), throttled=fault == "throttled")
        if fault in APPLIED_FIRST:
            return _failed(fault)
        version = request.path_params["version"]
        served = version if version in self.versions else self.versions[0]
        headers = {
            "X-Shopify-API-Version": served,
            "Date": formatdate(self._world.now(), usegmt=True),
        }
        return JSONResponse(answer, headers=headers)

    def _draw(self) -> str | None:
        if self._faults.offline:
            fault: str | None = "offline"
        elif self.next_faults:
            fault = self.next_faults.popleft()
        else:
            fault = self._faults.answers.draw(self._rng)
        if fault is not None:
            self._faults.count(fault)
        return fault

    def _door(self, request: Request) -> Response | None:
        token = request.headers.get("x-shopify-access-token", "")
        if not self._account.accepts(token, self._world.now()):
            words = "[API] Invalid API key or access token (unrecognized login or wrong password)"
            return JSONResponse({"errors": words}, status_code=401)
        if request.path_params["version"] > self.versions[-1]:
            return JSONResponse({"errors": "Not Found"}, status_code=404)
        return None

    def _answer(self, body: bytes, *, throttled: bool) -> Mapping[str, Any]:
        call = _read(body)
        if isinstance(call, GraphQLError):
            return {"errors": [_formatted(call)]}
        cost = requested_cost(SCHEMA, call.operation, call.variables)
        if cost > COST_MAX:
            words = f"Query cost is {cost}, which exceeds the single query max cost limit"
            error = GraphQLError(words, extensions={"code": "MAX_COST_EXCEEDED", "cost": cost})
            return {"errors": [_formatted(error)]}
        if throttled or self.bucket.left() < cost:
            error = GraphQLError("Throttled", extensions={"code": "THROTTLED"})
            report = {"cost": self.bucket.report(cost, None)}
            return {"errors": [_formatted(error)], "extensions": report}
        complaint = preflight(call)
        if complaint is not None:
            return {"errors": [_formatted(complaint)]}
        return self._executed(call, cost)

    def _executed(self, call: Call, cost: int) -> Mapping[str, Any]:
        result: ExecutionResult = self._execution.run(call)
        actual = min(cost, actual_cost(result.data))
        self.bucket.take(actual)
        answer: dict[str, Any] = {"data": result.data}
        if result.errors:
            answer["errors"] = [_formatted(error) for error in result.errors]
        answer["extensions"] = {"cost": self.bucket.report(cost, actual)}
        name = call.operation.name.value if call.operation.name is not None else ""
        self.calls.append((name, json.loads(call.body), answer))
        return answer


def _read(body: bytes) -> Call | GraphQLError:
    """The request, valid against the schema, or what is wrong with it."""
    try:
        given = json.loads(body)
        document, errors = _understood(given["query"])
    except (ValueError, KeyError, TypeError):
        return GraphQLError("Invalid JSON or query", extensions={"code": "BAD_REQUEST"})
    except GraphQLError as error:
        return error
    if errors:
        return GraphQLError(errors[0].message, extensions={"code": "undefinedField"})
    operation = next(
        one for one in document.definitions if isinstance(one, OperationDefinitionNode)
    )
    return Call(document, operation, given.get("variables") or {}, body)


@lru_cache(maxsize=256)
def _understood(query: str) -> tuple[DocumentNode, tuple[GraphQLError, ...]]:
    """A document and what the schema says against it; a client sends the same few all day.

    Raises:
        GraphQLError: it is no GraphQL.
    """
    document = parse(query)
    return document, tuple(validate(SCHEMA, document))


def _formatted(error: GraphQLError) -> Mapping[str, Any]:
    return error.formatted


def _failed(fault: str) -> Response:
    timeout = fault.startswith("timeout")
    return _broken(504 if timeout else 502, "timeout" if timeout else None)


def _broken(status: int, fault: str | None) -> Response:
    headers = {FAULT_HEADER: fault} if fault is not None else None
    return JSONResponse({"errors": "Something went wrong"}, status_code=status, headers=headers)
