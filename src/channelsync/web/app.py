"""The web half put together: one ASGI application over the engine."""

from __future__ import annotations

import time
from http import HTTPStatus
from typing import Any, Final

from fastapi import APIRouter, Depends, FastAPI
from fastapi.exceptions import RequestValidationError
from fastapi.security import HTTPBearer
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route
from starlette.types import ASGIApp
from typing_extensions import override

import channelsync
from channelsync.engine.core import Engine
from channelsync.engine.idempotency import Once
from channelsync.engine.identity import Identity
from channelsync.tracing import NoTracing
from channelsync.web.access import ROUTES, TABLE, require_listed
from channelsync.web.api.allocations import allocations_router
from channelsync.web.api.books import books_router
from channelsync.web.api.channels import channels_router
from channelsync.web.api.counter import Counter
from channelsync.web.api.endpoints import endpoints_router
from channelsync.web.api.items import items_router
from channelsync.web.api.notifications import NoticeTests, notifications_router
from channelsync.web.api.people import people_router
from channelsync.web.api.repairs import repairs_router
from channelsync.web.api.shapes import ProblemDocument
from channelsync.web.api.stock import stock_router
from channelsync.web.api.stream import EventTail, stream_router
from channelsync.web.api.transfers import transfers_router
from channelsync.web.dashboard.dashboard import Dashboard
from channelsync.web.dashboard.trouble import PagesOfTrouble
from channelsync.web.desk.pages import desk_routes
from channelsync.web.door import Door
from channelsync.web.gate import Gate
from channelsync.web.guard import Guard
from channelsync.web.holds_api import holds_router
from channelsync.web.meters import Meters
from channelsync.web.metrics import Metrics
from channelsync.web.options import WebOptions
from channelsync.web.pages import Pages
from channelsync.web.probes import Probes
from channelsync.web.problems import (
    STORE_TROUBLE,
    Problem,
    on_crash,
    on_http_error,
    on_invalid,
    on_problem,
    on_store_trouble,
)
from channelsync.web.receivers import Receiver
from channelsync.web.throttle import Buckets
from channelsync.web.tills import Tills
from channelsync.web.traced import Traced

__all__ = ["WebOptions", "build_app", "build_probes", "build_receivers"]


def build_app(engine: Engine, options: WebOptions) -> ASGIApp:
    """Receivers, API, probes, metrics and pages of one process."""
    meters, once = Meters(), Once(engine)
    gate = _gate(engine, options)
    tills, probes = Tills(engine, options, once), Probes(engine, gate)
    app = _Application(
        title="channelsync",
        version=channelsync.__version__,
        openapi_url="/api/v1/openapi.json",
        # Their pages load scripts from elsewhere, which our content policy refuses.
        docs_url=None,
        redoc_url=None,
        # Spans are ours, and figures too; the framework would look at every request for a reader.
        telemetry={"tracing": False, "metrics": False, "logs": False},
        middleware=[
            *_tracing(engine),
            Middleware(PagesOfTrouble, now=engine.now),
            Middleware(Guard, gate=gate),
        ],
        exception_handlers={
            Problem: on_problem,
            HTTPException: _on_http_error,
            RequestValidationError: on_invalid,
            **dict.fromkeys(STORE_TROUBLE, on_store_trouble),
            Exception: on_crash,
        },
    )
    counter = Counter(engine, once)
    tests = NoticeTests(engine, options.notifying)
    # A request is held against one route after the other: those of programs come first.
    app.router.routes += [
        Route("/webhooks/{channel}", Receiver(engine, options, meters).receive, methods=["POST"]),
        Route("/pos/v1/{channel}/sales", tills.sales, methods=["POST"]),
        Route("/pos/v1/{channel}/stock", tills.stock, methods=["GET"]),
        Route("/livez", probes.live, methods=["GET"]),
        Route("/readyz", probes.ready, methods=["GET"]),
        Route("/metrics", Metrics(engine, meters).show, methods=["GET"]),
    ]
    for router in _api(counter, options, tests):
        app.include_router(router, dependencies=[Depends(_BEARER)])
    app.router.routes += [
        *Door(gate.identity, options).routes,
        *Pages(engine, options).routes,
        *Dashboard(engine).routes,
        *desk_routes(counter, options, tests),
    ]
    require_listed(app.router.routes, TABLE)
    return app


async def _on_http_error(request: Request, error: Exception) -> Response:
    """The framework's refusal; of a method, with all those that the path has."""
    answer = await on_http_error(request, error)
    methods = ROUTES.methods(request.scope["path"])
    if answer.status_code == HTTPStatus.METHOD_NOT_ALLOWED and methods:
        answer.headers["allow"] = ", ".join(methods)
    return answer


class _Application(FastAPI):
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
    engine, once = counter.engine, counter.once
    return (
        holds_router(engine, once),
        items_router(counter),
        stock_router(counter),
        transfers_router(counter),
        channels_router(counter),
        books_router(engine),
        repairs_router(counter),
        allocations_router(engine, options),
        people_router(counter, options.passwords),
        endpoints_router(counter, options),
        notifications_router(counter, tests),
        stream_router(EventTail(engine, options.stopping, streams_max=options.streams_max)),
    )


def _tracing(engine: Engine) -> list[Middleware]:
    """Nothing, where nobody asked for traces."""
    wanted = not isinstance(engine.tracing, NoTracing)
    return [Middleware(Traced, tracing=engine.tracing)] if wanted else []


def _gate(engine: Engine, options: WebOptions) -> Gate:
    identity = Identity(engine.database, engine.now, options.passwords)
    limits = Buckets(
        time.monotonic, burst=options.requests_burst, per_second=options.requests_burst / 6
    )
    return Gate(identity, options.operators, limits)


def build_receivers(engine: Engine, options: WebOptions) -> ASGIApp:
    """The doors that marketplaces knock at, without anything for people."""
    receiver = Receiver(engine, options, Meters())
    return Starlette(
        middleware=[
            *_tracing(engine),
            Middleware(Guard, gate=_gate(engine, options)),
        ],
        exception_handlers={
            Problem: on_problem,
            HTTPException: on_http_error,
            **dict.fromkeys(STORE_TROUBLE, on_store_trouble),
            Exception: on_crash,
        },
        routes=[Route("/webhooks/{channel}", receiver.receive, methods=["POST"])],
    )


def build_probes(engine: Engine, options: WebOptions) -> ASGIApp:
    """What a worker answers: whether it lives, whether it can work, and its figures."""
    gate = _gate(engine, options)
    meters, probes = Meters(), Probes(engine, gate)
    return Starlette(
        middleware=[Middleware(Guard, gate=gate)],
        exception_handlers={
            **dict.fromkeys(STORE_TROUBLE, on_store_trouble),
            HTTPException: on_http_error,
            Exception: on_crash,
        },
        routes=[
            Route("/livez", probes.live, methods=["GET"]),
            Route("/readyz", probes.ready, methods=["GET"]),
            Route("/metrics", Metrics(engine, meters).show, methods=["GET"]),
        ],
    )
