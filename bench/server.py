"""The receivers as a process of their own: as they are, or the same server without a store.

`python -m bench.server own|bare`; the operator's environment says where everything is.
"""

from __future__ import annotations

import asyncio
import logging
import os
import sys

import structlog
import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route
from starlette.types import ASGIApp

from channelsync.bootstrap import Application, open_application, setup_of
from channelsync.daemon import collect_garbage_of_work
from channelsync.engine.core import Engine
from channelsync.engine.setup import apply_setup
from channelsync.sdk.connector import ReceivesWebhooks
from channelsync.settings import read_settings
from channelsync.web.app import WebOptions, build_app
from channelsync.web.protocol import BoundedHttp
from channelsync.web.receivers import as_webhook
from channelsync.web.serving import listen

__all__ = ["main"]

UNLIMITED = 10**9


def main(kind: str) -> None:
    """Serve until SIGTERM; says on standard error where it listens."""
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.ERROR))
    asyncio.run(_serve(kind))


async def _serve(kind: str) -> None:
    settings = read_settings()
    async with open_application(settings) as application:
        await apply_setup(application.engine, setup_of(application.configuration))
        door = listen("127.0.0.1", 0)
        app = bare_app(application.engine) if kind == "bare" else await _own_app(application)
        config = uvicorn.Config(
            app, log_level="warning", access_log=False, server_header=False, http=BoundedHttp
        )
        server = uvicorn.Server(config)
        collect_garbage_of_work()
        door.listen()
        os.write(2, b'{"url": "http://127.0.0.1:%d"}\n' % door.getsockname()[1])
        await server.serve(sockets=[door])


async def _own_app(application: Application) -> ASGIApp:
    # One caller is measured here, as fast as it can.
    app = build_app(application.engine, WebOptions(requests_burst=UNLIMITED))
    await app.faces.open()
    return app


def bare_app(engine: Engine) -> ASGIApp:
    """Reads the body, proves it and answers; keeps nothing."""

    async def take(request: Request) -> Response:
        body = await request.body()
        running = engine.channels.get(request.path_params["channel"])
        if running is None or not isinstance(running.channel, ReceivesWebhooks):
            raise LookupError("the channel is not open")
        running.channel.verify_webhook(as_webhook(request, body, None, engine.now()))
        return JSONResponse({"status": "accepted"})

    return Starlette(routes=[Route("/webhooks/{channel}", take, methods=["POST"])])


if __name__ == "__main__":
    main(sys.argv[1])
