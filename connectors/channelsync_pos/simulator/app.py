"""The simulated till's own API: `GET /sales` and `PUT /stock` of channelsync-pos/1."""

from __future__ import annotations

import hashlib
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Final, TypeAlias

from pydantic import BaseModel, ConfigDict, Field, ValidationError
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from channelsync_pos.api import PAGE_EVENTS_MAX
from channelsync_pos.times import instant, iso
from channelsync_pos.wire import CountedUnits, Name, When, problems

if TYPE_CHECKING:
    from channelsync_pos.simulator.till import TillSimulator

__all__ = ["till_app"]

Handler: TypeAlias = Callable[[Request], Awaitable[Response]]
FAULT_STATUS: Final = {
    "throttled": 429,
    "server_error_before": 500,
    "server_error_after": 500,
    "timeout_before": 504,
    "timeout_after": 504,
}
"""A real network loses the answer; a gateway's 504 says as little."""


class _Item(BaseModel):
    model_config = ConfigDict(extra="forbid")

    sku: Name
    location: Name
    absolute: CountedUnits


class _Stock(BaseModel):
    model_config = ConfigDict(extra="forbid")

    op_id: str = Field(min_length=1, max_length=100)
    as_of: When
    items: tuple[_Item, ...]


def till_app(till: TillSimulator, *, api_token: str | None) -> Starlette:
    """The API of one till. With a token, it answers nobody else."""
    done: dict[str, tuple[str, dict[str, int]]] = {}

    async def sales(request: Request) -> Response:
        return _sales(till, request)

    async def stock(request: Request) -> Response:
        body = await request.body()
        try:
            told = _Stock.model_validate_json(body)
        except ValidationError as error:
            return _problem(400, problems(error))
        digest = hashlib.sha256(body).hexdigest()
        if told.op_id in done:
            known_digest, answer = done[told.op_id]
            if known_digest != digest:
                return _problem(409, "this op_id was used for other content")
            return JSONResponse(answer)
        for item in told.items:
            till.shown[item.sku] = item.absolute
        answer = {"applied": len(told.items)}
        done[told.op_id] = (digest, answer)
        return JSONResponse(answer)

    return Starlette(
        routes=[
            Route("/sales", _guarded(till, api_token, sales), methods=["GET"]),
            Route("/stock", _guarded(till, api_token, stock), methods=["PUT"]),
        ]
    )


def _sales(till: TillSimulator, request: Request) -> Response:
    query = request.query_params
    if order_ids := query.getlist("order"):
        found = till.log.about(order_ids)
        start, page, more = len(till.log.entries), found, False
    else:
        try:
            limit = min(int(query.get("limit", PAGE_EVENTS_MAX)), PAGE_EVENTS_MAX)
            start = _start(till, query.get("since"), query.get("uploaded_from"))
        except ValueError as error:
            return _problem(400, str(error))
        page = till.log.page(start, limit)
        more = start + len(page) < len(till.log.entries)
        start += len(page)
    return JSONResponse(
        {
            "as_of": iso(till.now()),
            "events": [entry.wire() for entry in page],
            "next": str(start),
            "more": more,
            "registers": till.statuses(),
        }
    )


def _start(till: TillSimulator, since: str | None, uploaded_from: str | None) -> int:
    if since is not None:
        return int(since)
    return till.log.place_of(instant(uploaded_from)) if uploaded_from is not None else 0


def _guarded(till: TillSimulator, api_token: str | None, handler: Handler) -> Handler:
    """Ask for the token, then go wrong as the fault plan says."""

    async def guarded(request: Request) -> Response:
        if till.faults.offline:
            till.faults.count("offline")
            return _problem(503, "the shop's line is down")
        if api_token and request.headers.get("authorization") != f"Bearer {api_token}":
            return _problem(401, "no such token")
        fault = till.faults.answers.draw(till.rng)
        if fault is None:
            return await handler(request)
        till.faults.count(fault)
        if fault.endswith("_after"):
            await handler(request)
        answer = _problem(FAULT_STATUS[fault], fault)
        if fault == "throttled":
            answer.headers["retry-after"] = "1"
        return answer

    return guarded


def _problem(status: int, detail: str) -> Response:
    return JSONResponse({"status": status, "detail": detail}, status_code=status)
