"""The web half put together: one ASGI application over the engine."""

from __future__ import annotations

import time
from typing import Any

from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.routing import Route
from starlette.types import ASGIApp

from channelsync.engine.core import Engine
from channelsync.engine.idempotency import Once
from channelsync.engine.identity import Identity
from channelsync.tracing import NoTracing
from channelsync.web.access import TABLE, require_listed
from channelsync.web.dashboard.trouble import PagesOfTrouble
from channelsync.web.factors import factors_of
from channelsync.web.gate import Gate
from channelsync.web.guard import Guard
from channelsync.web.later import Later
from channelsync.web.meters import Meters
from channelsync.web.metrics import Metrics
from channelsync.web.options import WebOptions
from channelsync.web.probes import Probes
from channelsync.web.problems import HANDLERS
from channelsync.web.receivers import Receiver
from channelsync.web.shortcuts import Shortcuts, Shortened
from channelsync.web.throttle import Buckets
from channelsync.web.tills import Tills
from channelsync.web.traced import Traced

__all__ = ["Front", "WebOptions", "build_app", "build_probes", "build_receivers"]


class Front(Starlette):
    """Receivers and probes, which answer at once, before the faces, which come a moment later.

    Marketplaces do not wait; whoever looks at a page does. The faces are the greater part of the
    program by weight, so they are put together while work is done already.
    """

    def __init__(self, faces: Later, **given: Any) -> None:
        super().__init__(**given)
        self.faces = faces
        self.router.default = faces


def build_app(engine: Engine, options: WebOptions) -> Front:
    """Receivers, API, probes, metrics and pages of one process."""
    meters, once = Meters(), Once(engine)
    gate = _gate(engine, options)
    tills, probes, shortcuts = Tills(engine, options, once), Probes(engine, gate), Shortcuts()

    def faces() -> ASGIApp:
        from channelsync.web.faces import build_faces

        return build_faces(engine, options, once, gate.identity, shortcuts)

    routes = [
        Route("/webhooks/{channel}", Receiver(engine, options, meters), methods=["POST"]),
        Route("/pos/v1/{channel}/sales", tills.sales, methods=["POST"]),
        Route("/pos/v1/{channel}/stock", tills.stock, methods=["GET"]),
        Route("/livez", probes.live, methods=["GET"]),
        Route("/readyz", probes.ready, methods=["GET"]),
        Route("/metrics", Metrics(engine, meters).show, methods=["GET"]),
    ]
    require_listed(routes, TABLE)
    return Front(
        Later(faces),
        routes=routes,
        middleware=[
            *_tracing(engine),
            Middleware(PagesOfTrouble, now=engine.now),
            Middleware(Guard, gate=gate),
            Middleware(Shortened, shortcuts=shortcuts),
        ],
        exception_handlers=HANDLERS,
    )


def _tracing(engine: Engine) -> list[Middleware]:
    """Nothing, where nobody asked for traces."""
    wanted = not isinstance(engine.tracing, NoTracing)
    return [Middleware(Traced, tracing=engine.tracing)] if wanted else []


def _gate(engine: Engine, options: WebOptions) -> Gate:
    identity = Identity(engine.database, engine.now, factors_of(engine, options))
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
        exception_handlers=HANDLERS,
        routes=[Route("/webhooks/{channel}", receiver, methods=["POST"])],
    )


def build_probes(engine: Engine, options: WebOptions) -> ASGIApp:
    """What a worker answers: whether it lives, whether it can work, and its figures."""
    gate = _gate(engine, options)
    meters, probes = Meters(), Probes(engine, gate)
    return Starlette(
        middleware=[Middleware(Guard, gate=gate)],
        exception_handlers=HANDLERS,
        routes=[
            Route("/livez", probes.live, methods=["GET"]),
            Route("/readyz", probes.ready, methods=["GET"]),
            Route("/metrics", Metrics(engine, meters).show, methods=["GET"]),
        ],
    )
