"""The ASGI application: Login with Amazon and the Selling Partner API, with quotas and faults."""

from __future__ import annotations

import json
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from email.utils import formatdate
from random import Random
from typing import Any, Final
from urllib.parse import parse_qsl, unquote

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from channelsync.sdk.testing.faults import FaultPlan
from channelsync.sdk.testing.network import FAULT_HEADER
from channelsync_amazon.simulator.account import TOKEN_SECONDS, Account, Quota
from channelsync_amazon.simulator.state import World
from channelsync_amazon.simulator.wire import Asked, Called, Reply, error

__all__ = ["Operation", "Server"]

APPLIED_FIRST: Final = frozenset({"server_error_after", "timeout_after"})
AGENT_LENGTH_MAX: Final = 500
TELLS_RATE: Final = frozenset({200, 201, 202, 204, 400, 404})
DENIED: Final = "Access to requested resource is denied."


@dataclass(frozen=True, slots=True, kw_only=True)
class Operation:
    """One operation of Amazon's models."""

    name: str
    method: str
    path: str
    answer: Callable[[Asked], Reply]
    role: str = ""
    grantless: bool = False


class Server:
    """Answers HTTP."""

    def __init__(
        self,
        world: World,
        account: Account,
        quota: Quota,
        operations: list[Operation],
        *,
        faults: FaultPlan,
        rng: Random,
        routes: list[Route],
    ) -> None:
        self.next_faults: deque[str] = deque()
        """Faults of the coming calls, one each, before the plan is asked."""
        self.faults_of: dict[str, str] = {}
        """The fault of the next call of an operation, by its name."""
        self.calls: list[Called] = []
        """Every call that got as far as its operation, for checks."""
        self._world = world
        self._account = account
        self._quota = quota
        self._faults = faults
        self._rng = rng
        table = [Route(one.path, self._endpoint(one), methods=[one.method]) for one in operations]
        token = Route("/auth/o2/token", self._token, methods=["POST"])
        self.app = Starlette(routes=[token, *routes, *table])

    async def _token(self, request: Request) -> Response:
        if self._faults.offline:
            return _broken(503, "offline")
        form = dict(parse_qsl((await request.body()).decode("utf-8", "replace")))
        account = self._account
        if (form.get("client_id"), form.get("client_secret")) != (
            account.client_id,
            account.client_secret,
        ):
            return _oauth(401, "invalid_client", "Client authentication failed")
        kind = form.get("grant_type")
        if kind == "client_credentials":
            if form.get("scope") != "sellingpartnerapi::notifications":
                return _oauth(400, "invalid_scope", "The request has an invalid scope")
        elif kind != "refresh_token":
            return _oauth(400, "unsupported_grant_type", "The grant type is not supported")
        elif form.get("refresh_token") != account.refresh_token or account.revoked:
            return _oauth(400, "invalid_grant", "The request has an invalid grant parameter")
        self._world.catch_up()
        token = account.issue(self._world.now(), grantless=kind == "client_credentials")
        answer = {"access_token": token, "token_type": "bearer", "expires_in": TOKEN_SECONDS}
        if kind == "refresh_token":
            answer["refresh_token"] = account.refresh_token
        return JSONResponse(answer)

    def _endpoint(self, operation: Operation) -> Callable[[Request], Any]:
        async def endpoint(request: Request) -> Response:
            self._world.catch_up()
            fault = self._draw(operation.name)
            if fault == "offline":
                return _broken(503, "offline")
            if fault in {"server_error_before", "timeout_before"}:
                return _failed(fault)
            raw = await request.body()
            reply = self._door(operation, request, throttled=fault == "throttled")
            asked = self._asked(operation, request, raw)
            if reply is None:
                reply = asked if isinstance(asked, Reply) else operation.answer(asked)
            response = self._response(operation, request, raw, reply)
            return _failed(fault) if fault in APPLIED_FIRST else response

        return endpoint

    def _door(self, operation: Operation, request: Request, *, throttled: bool) -> Reply | None:
        agent = request.headers.get("user-agent", "")
        if not agent or len(agent) > AGENT_LENGTH_MAX:
            return error(400, "InvalidInput", "The user-agent header is missing or too long.")
        token = request.headers.get("x-amz-access-token", "")
        standing = self._account.standing(token, self._world.now())
        if standing == "expired":
            words = "The access token you provided has expired."
            return error(403, "Unauthorized", DENIED, words)
        wanted = "grantless" if operation.grantless else "good"
        if standing != wanted or (operation.role and operation.role not in self._account.roles):
            return error(403, "Unauthorized", DENIED)
        if throttled or not self._quota.take(operation.name):
            words = "You exceeded your quota for the requested resource."
            return error(429, "QuotaExceeded", words)
        return None

    def _asked(self, operation: Operation, request: Request, raw: bytes) -> Asked | Reply:
        body: Any = None
        if raw:
            if "json" not in request.headers.get("content-type", ""):
                return error(415, "InvalidInput", "The content type is not supported.")
            try:
                body = json.loads(raw)
            except ValueError:
                return error(400, "InvalidInput", "The body is not JSON.")
        return Asked(
            path=_path_of(operation.path, request),
            query=dict(request.query_params),
            body=body,
            now=self._world.now(),
            origin=f"{request.url.scheme}://{request.headers.get('host', '')}",
        )

    def _response(
        self, operation: Operation, request: Request, raw: bytes, reply: Reply
    ) -> Response:
        headers = {
            "x-amzn-requestid": f"{self._world.number():08x}",
            "date": formatdate(self._world.now(), usegmt=True),
            **reply.headers,
        }
        if reply.status in TELLS_RATE:
            headers["x-amzn-ratelimit-limit"] = self._quota.rate(operation.name)
        try:
            body = json.loads(raw) if raw else None
        except ValueError:
            body = None
        self.calls.append(
            Called(
                operation=operation.name,
                method=operation.method,
                path=request.scope["raw_path"].decode("ascii"),
                query=request.url.query,
                headers=dict(request.headers),
                body=body,
                status=reply.status,
                answer=reply.body,
                answer_headers=headers,
            )
        )
        if reply.body is None:
            return Response(status_code=reply.status, headers=headers)
        return JSONResponse(reply.body, status_code=reply.status, headers=headers)

    def _draw(self, operation: str) -> str | None:
        if self._faults.offline:
            fault: str | None = "offline"
        elif operation in self.faults_of:
            fault = self.faults_of.pop(operation)
        elif self.next_faults:
            fault = self.next_faults.popleft()
        else:
            fault = self._faults.answers.draw(self._rng)
        if fault is not None:
            self._faults.count(fault)
        return fault


def _path_of(template: str, request: Request) -> dict[str, str]:
    """The parameters of a path, decoded once: an encoded slash is part of its segment."""
    raw = request.scope["raw_path"].decode("ascii").split("?")[0].split("/")
    return {
        name[1:-1].split(":")[0]: unquote(value)
        for name, value in zip(template.split("/"), raw, strict=False)
        if name.startswith("{")
    }


def _oauth(status: int, code: str, words: str) -> Response:
    return JSONResponse({"error": code, "error_description": words}, status_code=status)


def _failed(fault: str) -> Response:
    timeout = fault.startswith("timeout")
    return _broken(504 if timeout else 500, "timeout" if timeout else None)


def _broken(status: int, fault: str | None) -> Response:
    headers = {FAULT_HEADER: fault} if fault is not None else None
    words = "We encountered an internal error. Please try again."
    body = {"errors": [{"code": "InternalFailure", "message": words, "details": ""}]}
    return JSONResponse(body, status_code=status, headers=headers)
