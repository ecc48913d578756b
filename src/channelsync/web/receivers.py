"""Receivers of webhooks: prove the raw bytes, commit the delivery, answer. They decide nothing."""

from __future__ import annotations

import asyncio
from functools import lru_cache
from http import HTTPStatus
from typing import TypeGuard

import sqlalchemy as sa
import structlog
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from channelsync.engine.alarms import raise_alarm
from channelsync.engine.core import Engine
from channelsync.engine.holdable import require_storable
from channelsync.engine.inbox import Inbox, Received
from channelsync.ports import RunningChannel
from channelsync.sdk.connector import Channel, ReceivesWebhooks
from channelsync.sdk.errors import BadDelivery, Unauthentic
from channelsync.sdk.types import WebhookRequest
from channelsync.store import tables
from channelsync.tracing import causes_here
from channelsync.web.bodies import read_body
from channelsync.web.meters import Meters
from channelsync.web.options import WebOptions
from channelsync.web.problems import Problem, problem_response

__all__ = ["Receiver", "as_webhook", "open_channel"]

_log = structlog.get_logger("channelsync.web")

RETRY_AFTER_SECONDS = 30
CHANNELS_KNOWN_MAX = 256


class Receiver:
    """`POST /webhooks/{channel}`; an ASGI application, for the framework's own way is longer."""

    def __init__(self, engine: Engine, options: WebOptions, meters: Meters) -> None:
        self._engine = engine
        self._inbox = Inbox(engine)
        self._options = options
        self._meters = meters

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request. What is raised becomes an answer in front of the routes."""
        answer = await self.receive(Request(scope, receive, send))
        await answer(scope, receive, send)

    async def receive(self, request: Request) -> Response:
        """Take one webhook in: 200 once it is committed, first or again; 503 if that takes long."""
        running = await open_channel(self._engine, request.path_params["channel"])
        if not _receives_webhooks(running.channel):
            raise Problem(HTTPStatus.NOT_FOUND, "this channel sends no webhooks")
        with self._meters.webhook_seconds.time():
            body = await read_body(request)
            response, *result = await self._take(running, running.channel, request, body)
        self._meters.webhook(running.name, *result)
        return response

    async def _take(
        self, running: RunningChannel, door: ReceivesWebhooks, request: Request, body: bytes
    ) -> tuple[Response, str, str]:
        engine = self._engine
        now = engine.now()
        webhook = as_webhook(request, body, self._options.public_url, now)
        try:
            delivery = door.verify_webhook(webhook)
            require_storable(delivery)
        except Unauthentic as error:
            # Why goes to the operator's log; who cannot sign is told nothing.
            _log.warning("webhook refused", channel=running.name, why=str(error))
            return problem_response(HTTPStatus.UNAUTHORIZED), "unauthentic", ""
        except BadDelivery as error:
            await _note_malformed(engine, running.name, str(error))
            return problem_response(HTTPStatus.BAD_REQUEST, str(error)), "malformed", ""
        except Exception:  # noqa: BLE001 - what cannot be proven is never accepted
            _log.exception("webhook could not be verified", channel=running.name)
            return _later("the webhook could not be verified"), "error", ""
        received = Received(
            channel=running.name, delivery=delivery, body=body, at=now, causes=causes_here()
        )
        try:
            async with asyncio.timeout(self._options.store_seconds_max):
                fresh = await self._inbox.store(received)
        except TimeoutError:
            # It may be committed yet: then what the sender repeats is a duplicate.
            return _later("the webhook could not be stored in time"), "late", delivery.topic
        status = "accepted" if fresh else "duplicate"
        answer = Response(f'{{"status":"{status}"}}', media_type="application/json")
        return answer, status, delivery.topic


def _receives_webhooks(channel: Channel) -> TypeGuard[ReceivesWebhooks]:
    return _can_receive(type(channel))


@lru_cache(maxsize=CHANNELS_KNOWN_MAX)
def _can_receive(kind: type[Channel]) -> bool:
    # Remembered: to look for a protocol's methods takes as long as to prove a webhook.
    return issubclass(kind, ReceivesWebhooks)


async def open_channel(engine: Engine, name: str) -> RunningChannel:
    """The open channel of that name.

    Raises:
        Problem: there is none (404), or it is configured and not open now (503, to be repeated).
    """
    running = engine.channels.get(name)
    if running is not None:
        return running
    query = sa.select(tables.channels.c.name).where(tables.channels.c.name == name)
    async with engine.database.read() as connection:
        known = (await connection.execute(query)).first() is not None
    if known:
        raise Problem(HTTPStatus.SERVICE_UNAVAILABLE, "the channel is not open now")
    raise Problem(HTTPStatus.NOT_FOUND)


def as_webhook(request: Request, body: bytes, public_url: str | None, now: float) -> WebhookRequest:
    """The request as connectors see it. A header that stands twice is joined, as HTTP says."""
    headers: dict[str, str] = {}
    for name, value in request.headers.items():
        key = name.lower()
        headers[key] = f"{headers[key]}, {value}" if key in headers else value
    url = f"{public_url.rstrip('/')}{request.url.path}" if public_url else str(request.url)
    return WebhookRequest(url=url, headers=headers, body=body, received_at=now)


async def _note_malformed(engine: Engine, channel: str, reason: str) -> None:
    """An authentic sender says what we do not understand: a person must know, once."""
    async with engine.database.write() as tx:
        await raise_alarm(
            tx, "malformed_delivery", channel, reason, now=engine.now(), channel=channel
        )


def _later(detail: str) -> Response:
    return problem_response(
        HTTPStatus.SERVICE_UNAVAILABLE, detail, headers={"retry-after": str(RETRY_AFTER_SECONDS)}
    )
