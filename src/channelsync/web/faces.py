"""The faces of one process: pages for people and the API for programs, in one application."""

from __future__ import annotations

from http import HTTPStatus
from typing import Any, Final

from fastapi import APIRouter, Depends, FastAPI
from fastapi.exceptions import RequestValidationError
from fastapi.security import HTTPBearer
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from typing_extensions import override

import channelsync
from channelsync.engine.core import Engine
from channelsync.engine.idempotency import Once
from channelsync.engine.identity import Identity
from channelsync.web.access import ROUTES, TABLE, require_listed
from channelsync.web.api.allocations import allocations_router
from channelsync.web.api.books import books_router
from channelsync.web.api.channels import channels_router
from channelsync.web.api.counter import Counter
from channelsync.web.api.endpoints import endpoints_router
from channelsync.web.api.items import items_router
from channelsync.web.api.notifications import NoticeTests, notifications_router
from channelsync.web.api.people import people_router
from channelsync.web.api.proposals import proposals_router
from channelsync.web.api.repairs import repairs_router
from channelsync.web.api.shapes import ProblemDocument
from channelsync.web.api.stock import stock_router
from channelsync.web.api.stream import EventTail, stream_router
from channelsync.web.api.transfers import transfers_router
from channelsync.web.approvals import proposing
from channelsync.web.dashboard.dashboard import Dashboard
from channelsync.web.desk.pages import desk_routes
from channelsync.web.door import Door
from channelsync.web.holds_api import HoldsApi
from channelsync.web.options import WebOptions
from channelsync.web.pages import Pages
from channelsync.web.problems import (
    HANDLERS,
    on_http_error,
    problem_response,
)
from channelsync.web.shortcuts import Shortcuts

__all__ = ["build_faces"]

COMPLAINTS_MAX: Final = 10


def build_faces(
    engine: Engine, options: WebOptions, once: Once, identity: Identity, shortcuts: Shortcuts
) -> FastAPI:
    """API and pages; those routes that have no time for the framework are opened besides.

    What stands before all of them is the caller's.

    Raises:
        UnlistedRoute: a route has no line in the table of who may use it.
    """
    faces = _Faces(
        title="channelsync",
        version=channelsync.__version__,
        openapi_url="/api/v1/openapi.json",
        # Their pages load scripts from elsewhere, which our content policy refuses.
        docs_url=None,
        redoc_url=None,
        # Spans are ours, and figures too; the framework would look at every request for a reader.
        telemetry={"tracing": False, "metrics": False, "logs": False},
        exception_handlers={
            **HANDLERS,
            HTTPException: _on_http_error,
            RequestValidationError: _on_invalid,
        },
    )
    counter = Counter(engine, once, proposing(options))
    tests = NoticeTests(engine, options.notifying)
    # A request is held against one route after the other: those of programs come first.
    holds = HoldsApi(engine, once)
    for router in (holds.router(), *_api(counter, options, tests)):
        faces.include_router(router, dependencies=[Depends(_BEARER)])
    faces.router.routes += [
        *Door(identity, options).routes,
        *Pages(engine, options).routes,
        *Dashboard(engine).routes,
        *desk_routes(counter, options, tests),
    ]
    short = holds.shortcuts()
    require_listed([*short, *faces.router.routes], TABLE)
    shortcuts.open(short)
    return faces


async def _on_http_error(request: Request, error: Exception) -> Response:
    """The framework's refusal; of a method, with all those that the path has."""
    answer = await on_http_error(request, error)
    methods = ROUTES.methods(request.scope["path"])
    if answer.status_code == HTTPStatus.METHOD_NOT_ALLOWED and methods:
        answer.headers["allow"] = ", ".join(methods)
    return answer


async def _on_invalid(_request: Request, error: Exception) -> Response:
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


class _Faces(FastAPI):
    """The application with the shape of its errors in the OpenAPI document."""

    @override
    def openapi(self) -> dict[str, Any]:
        """The document, made once."""
        made = super().openapi()
        schemas = made["components"]["schemas"]
        if "ProblemDocument" not in schemas:
            shape = ProblemDocument.model_json_schema(ref_template="#/components/schemas/{model}")
            schemas |= shape.pop("$defs", {})
            schemas["ProblemDocument"] = shape
        return made


_BEARER: Final = HTTPBearer(scheme_name="key", description="An API key: `csk_…`.", auto_error=False)
"""For the OpenAPI document: the gate has looked at the key before any route is asked."""


def _api(counter: Counter, options: WebOptions, tests: NoticeTests) -> tuple[APIRouter, ...]:
    engine = counter.engine
    return (
        items_router(counter),
        stock_router(counter),
        transfers_router(counter),
        channels_router(counter),
        books_router(engine),
        repairs_router(counter),
        proposals_router(engine),
        allocations_router(engine, options),
        people_router(counter, options.passwords),
        endpoints_router(counter, options),
        notifications_router(counter, tests),
        stream_router(EventTail(engine, options.stopping, streams_max=options.streams_max)),
    )
