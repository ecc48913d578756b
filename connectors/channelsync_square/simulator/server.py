"""The ASGI application: tokens, versions, rights, idempotency, faults, and the endpoints."""

from __future__ import annotations

import json
import re
from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from email.utils import formatdate
from random import Random
from typing import Any, Final

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from channelsync.sdk.testing.faults import FaultPlan
from channelsync.sdk.testing.network import FAULT_HEADER
from channelsync_square.settings import NEW_SHAPE_FROM, SQUARE_VERSION_DEFAULT
from channelsync_square.simulator.catalog_api import CatalogApi
from channelsync_square.simulator.hooks_api import HooksApi
from channelsync_square.simulator.inventory_api import InventoryApi
from channelsync_square.simulator.orders_api import OrdersApi
from channelsync_square.simulator.refusals import Refusal
from channelsync_square.simulator.state import World

__all__ = ["Account", "Call", "Server"]

VERSION: Final = re.compile(r"\d{4}-\d\d-\d\d")
CHANGE: Final = "/v2/inventory/changes/batch-create"
RETRY_AFTER_SECONDS: Final = "3"
APPLIED_FIRST: Final = frozenset({"server_error_after", "timeout_after"})
THROTTLED: Final = frozenset({"throttled", "throttled_without_hint"})


@dataclass(slots=True)
class Account:
    """Who may call: the seller's token with its rights, and the application's own."""

    access_token: str
    application_token: str
    application_id: str
    scopes: set[str]
    revoked: bool = False
    expired: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Call:
    """One call that was answered, for checks."""

    operation: str
    """Method and path as Square's OpenAPI description has it."""
    version: str
    request: Any
    status: int
    answer: Any


@dataclass(frozen=True, slots=True, kw_only=True)
class _Asked:
    """One call as an endpoint sees it."""

    body: Mapping[str, Any]
    version: str
    path: Mapping[str, str]

    @property
    def two_locations(self) -> bool:
        return self.version >= NEW_SHAPE_FROM


Endpoint = Callable[[_Asked], dict[str, Any]]


@dataclass(slots=True)
class _Doors:
    """What a path needs and who answers it."""

    method: str
    path: str
    scope: str | None
    """None: the application's own token."""
    endpoint: Endpoint


@dataclass(slots=True)
class Server:
    """Answers HTTP."""

    world: World
    inventory: InventoryApi
    catalog: CatalogApi
    orders: OrdersApi
    hooks: HooksApi
    account: Account
    faults: FaultPlan
    rng: Random
    calls: list[Call] = field(default_factory=list)
    next_faults: deque[str] = field(default_factory=deque)
    """Faults of the coming calls, one each, before the plan is asked."""
    retired_before: str = "2017-01-01"
    """Older API versions are refused."""
    app: Starlette = field(init=False)
    _answered: dict[str, tuple[bytes, dict[str, Any]]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.app = Starlette(
            routes=[
                Route(door.path, self._route(door), methods=[door.method]) for door in self._doors()
            ]
        )

    def _doors(self) -> list[_Doors]:
        stock, goods, orders = self.inventory, self.catalog, self.orders
        return [
            _Doors("POST", CHANGE, "INVENTORY_WRITE", self._change),
            _Doors(
                "POST",
                "/v2/inventory/counts/batch-retrieve",
                "INVENTORY_READ",
                lambda asked: stock.counts(asked.body),
            ),
            _Doors(
                "POST",
                "/v2/inventory/changes/batch-retrieve",
                "INVENTORY_READ",
                lambda asked: stock.changes(asked.body, two_locations=asked.two_locations),
            ),
            _Doors("POST", "/v2/catalog/search", "ITEMS_READ", lambda a: goods.search(a.body)),
            _Doors(
                "POST", "/v2/catalog/batch-retrieve", "ITEMS_READ", lambda a: goods.batch(a.body)
            ),
            _Doors("GET", "/v2/locations", "MERCHANT_PROFILE_READ", lambda _: goods.locations()),
            _Doors("POST", "/v2/orders/search", "ORDERS_READ", lambda a: orders.search(a.body)),
            _Doors(
                "POST", "/v2/orders/batch-retrieve", "ORDERS_READ", lambda a: orders.batch(a.body)
            ),
            _Doors(
                "GET",
                "/v2/payments/{payment_id}",
                "PAYMENTS_READ",
                lambda asked: orders.payment(asked.path["payment_id"]),
            ),
            *self._hook_doors(),
        ]

    def _hook_doors(self) -> list[_Doors]:
        hooks, path = self.hooks, "/v2/webhooks/subscriptions"
        one = path + "/{subscription_id}"
        return [
            _Doors("GET", path, None, lambda _: hooks.list()),
            _Doors("POST", path, None, lambda asked: hooks.create(asked.body)),
            _Doors("DELETE", one, None, lambda asked: hooks.delete(asked.path["subscription_id"])),
            _Doors(
                "POST", one + "/test", None, lambda asked: hooks.test(asked.path["subscription_id"])
            ),
        ]

    # ------------------------------------------------------------ one call

    def _route(self, door: _Doors) -> Callable[[Request], Any]:
        async def handle(request: Request) -> Response:
            return await self._handle(door, request)

        return handle

    async def _handle(self, door: _Doors, request: Request) -> Response:
        fault = self._draw()
        if fault == "offline":
            return _broken(503, "offline")
        if fault in {"server_error_before", "timeout_before"}:
            return _failed(fault)
        raw = await request.body()
        body: Any = None
        headers = {"Date": formatdate(self.world.now(), usegmt=True)}
        version = request.headers.get("square-version", SQUARE_VERSION_DEFAULT)
        try:
            body = _read(raw) if raw else None
            _throttle(fault, headers)
            self._let_in(door, request.headers.get("authorization", ""), version)
            asked = _Asked(body=body or {}, version=version, path=request.path_params)
            answer, status = self._once(door, asked, raw), 200
        except Refusal as refusal:
            answer, status = {"errors": refusal.errors}, refusal.status
        operation = f"{door.method} {door.path}"
        call = Call(
            operation=operation, version=version, request=body, status=status, answer=answer
        )
        self.calls.append(call)
        if fault in APPLIED_FIRST:
            return _failed(fault)
        return JSONResponse(answer, status_code=status, headers=headers)

    def _draw(self) -> str | None:
        if self.faults.offline:
            fault: str | None = "offline"
        elif self.next_faults:
            fault = self.next_faults.popleft()
        else:
            fault = self.faults.answers.draw(self.rng)
        if fault is not None:
            self.faults.count(fault)
        return fault

    def _let_in(self, door: _Doors, authorization: str, version: str) -> None:
        account = self.account
        wanted = account.application_token if door.scope is None else account.access_token
        if authorization != f"Bearer {wanted}":
            raise Refusal(401, "UNAUTHORIZED", detail="This request could not be authorized.")
        if account.revoked or account.expired:
            code = "ACCESS_TOKEN_REVOKED" if account.revoked else "ACCESS_TOKEN_EXPIRED"
            raise Refusal(401, code)
        if door.scope is not None and door.scope not in account.scopes:
            words = f"The merchant has not given your application permission {door.scope}"
            raise Refusal(403, "INSUFFICIENT_SCOPES", detail=words)
        if not VERSION.fullmatch(version):
            raise Refusal(400, "INVALID_SQUARE_VERSION_FORMAT")
        if version < self.retired_before:
            raise Refusal(400, "API_VERSION_INCOMPATIBLE")

    def forget_keys(self) -> None:
        """Break the promise that a key stands for one change: every key may be used again."""
        self._answered.clear()

    def _once(self, door: _Doors, asked: _Asked, raw: bytes) -> dict[str, Any]:
        """A change with a key that succeeded before gives the same answer, and does nothing."""
        if door.path != CHANGE:
            return door.endpoint(asked)
        key = str(asked.body.get("idempotency_key"))
        if key in self._answered:
            first, answer = self._answered[key]
            if first != raw:
                raise Refusal(400, "IDEMPOTENCY_KEY_REUSED", "idempotency_key")
            return answer
        answer = door.endpoint(asked)
        self._answered[key] = (raw, answer)
        return answer

    def _change(self, asked: _Asked) -> dict[str, Any]:
        return self.inventory.change(
            asked.body,
            two_locations=asked.two_locations,
            application_id=self.account.application_id,
        )


def _throttle(fault: str | None, headers: dict[str, str]) -> None:
    if fault == "throttled":
        headers["Retry-After"] = RETRY_AFTER_SECONDS
    if fault in THROTTLED:
        raise Refusal(429, "RATE_LIMITED")


def _read(raw: bytes) -> dict[str, Any]:
    try:
        body = json.loads(raw)
    except ValueError:
        body = None
    if not isinstance(body, dict):
        raise Refusal(400, "EXPECTED_JSON_BODY")
    return body


def _failed(fault: str) -> Response:
    timeout = fault.startswith("timeout")
    return _broken(504 if timeout else 502, "timeout" if timeout else None)


def _broken(status: int, fault: str | None) -> Response:
    headers = {FAULT_HEADER: fault} if fault is not None else None
    errors = [{"category": "API_ERROR", "code": "INTERNAL_SERVER_ERROR"}]
    return JSONResponse({"errors": errors}, status_code=status, headers=headers)
