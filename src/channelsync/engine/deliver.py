"""Deliver: send an endpoint its events, as the Standard Webhooks specification has it.

Any 2xx answer is a receipt. Everything else, a redirect too, is tried again on the usual schedule;
410 says that nobody wants events there any more. An endpoint that took nothing for five days is
disabled, and an alarm says so. A receiver may get an event twice: `webhook-id` is then the same.
"""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Any, Final

import httpx
import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection

from channelsync.domain.vocabulary import Instant
from channelsync.engine.alarms import clear_alarm, raise_alarm
from channelsync.engine.core import Engine
from channelsync.engine.endpoints_desk import OLD_SECRET_SECONDS, secret_of
from channelsync.engine.events import Event
from channelsync.engine.work import Claim, require_lease
from channelsync.sdk.signatures import standard_webhook_signature
from channelsync.security.outbound import outbound_client
from channelsync.store.tables import endpoints, event_deliveries, events

__all__ = [
    "DISABLED_ALARM",
    "DISABLE_SECONDS",
    "SCHEDULE_SECONDS",
    "Outgoing",
    "deliver",
    "open_outgoing",
]

SCHEDULE_SECONDS: Final = (5.0, 300.0, 1_800.0, 7_200.0, 18_000.0, 36_000.0, 36_000.0)
"""Pauses between tries: eight tries over a day and a quarter."""
DISABLE_SECONDS: Final = 5 * 86_400.0
AT_ONCE_MAX: Final = 20
"""Events of one endpoint under one lease: each may take the whole of an answer's time."""
DISABLED_ALARM: Final = "endpoint_disabled"


@dataclass(frozen=True, slots=True)
class Outgoing:
    """What sending needs: a client that goes outward only, and the program's own key."""

    http: httpx.AsyncClient
    key: bytes = field(repr=False)


@asynccontextmanager
async def open_outgoing(
    key: bytes, allow_hosts: tuple[str, ...], transport: httpx.AsyncBaseTransport | None = None
) -> AsyncIterator[Outgoing]:
    """What sending needs, closed at the end. `transport` replaces the network in tests."""
    async with outbound_client(allow_hosts, transport=transport) as client:
        yield Outgoing(client, key)


@dataclass(frozen=True, slots=True)
class _Tried:
    """How one try ended."""

    status: int | None = None
    error: str | None = None

    @property
    def ok(self) -> bool:
        return self.status is not None and HTTPStatus(200) <= self.status < HTTPStatus(300)


async def deliver(engine: Engine, held: Claim, outgoing: Outgoing) -> Instant | None:
    """Send one endpoint what is due, in order. Returns when the next try is."""
    for _ in range(AT_ONCE_MAX):
        async with engine.database.read() as tx:
            endpoint, due = await _next(tx, held.key, engine.now())
        if endpoint is None or due is None:
            break
        event = Event(position=due.position, at=due.at, type=due.type, data=json.loads(due.data))
        tried = await _send(outgoing, endpoint, event, now=engine.now())
        async with engine.database.write() as tx:
            now = engine.now()
            await require_lease(tx, held, now=now)
            await _note(tx, endpoint, due, tried, now)
    async with engine.database.read() as tx:
        return await _next_at(tx, held.key)


async def _next(tx: AsyncConnection, endpoint_id: str, now: Instant) -> tuple[Any, Any]:
    mine = sa.select(endpoints).where(endpoints.c.id == endpoint_id, *_ENABLED)
    query = (
        sa.select(event_deliveries, events.c.at, events.c.type, events.c.data)
        .join(events, events.c.position == event_deliveries.c.position)
        .where(event_deliveries.c.endpoint_id == endpoint_id, event_deliveries.c.not_before <= now)
        .order_by(event_deliveries.c.not_before, event_deliveries.c.position)
        .limit(1)
    )
    return (await tx.execute(mine)).one_or_none(), (await tx.execute(query)).one_or_none()


_ENABLED: Final = (endpoints.c.removed_at.is_(None), endpoints.c.disabled_at.is_(None))


async def _next_at(tx: AsyncConnection, endpoint_id: str) -> Instant | None:
    query = (
        sa.select(sa.func.min(event_deliveries.c.not_before))
        .join(endpoints, endpoints.c.id == event_deliveries.c.endpoint_id)
        .where(event_deliveries.c.endpoint_id == endpoint_id, *_ENABLED)
    )
    at: Instant | None = (await tx.execute(query)).scalar()
    return at


async def _send(outgoing: Outgoing, endpoint: Any, event: Event, *, now: Instant) -> _Tried:
    body = json.dumps(event.payload(), separators=(",", ":")).encode()
    message_id, at = f"evt_{endpoint.id}_{event.position}", int(now)
    signatures = [
        standard_webhook_signature(secret, message_id, at, body)
        for secret in _secrets(outgoing.key, endpoint, now)
    ]
    headers = {
        "content-type": "application/json",
        "webhook-id": message_id,
        "webhook-timestamp": str(at),
        "webhook-signature": " ".join(signatures),
    }
    try:
        # Only the status is looked at: whatever the body is, nobody reads it.
        async with outgoing.http.stream(
            "POST", endpoint.url, content=body, headers=headers
        ) as answer:
            return _Tried(status=answer.status_code)
    except httpx.HTTPError as error:
        return _Tried(error=f"{type(error).__name__}: {error}"[:500])


def _secrets(key: bytes, endpoint: Any, now: Instant) -> Sequence[bytes]:
    versions = [endpoint.secret_version]
    if endpoint.rotated_at is not None and endpoint.rotated_at > now - OLD_SECRET_SECONDS:
        versions.append(endpoint.secret_version - 1)
    return [secret_of(key, endpoint.id, version) for version in versions]


async def _note(tx: AsyncConnection, endpoint: Any, due: Any, tried: _Tried, now: Instant) -> None:
    attempts = due.attempts + 1
    left = attempts <= len(SCHEDULE_SECONDS)
    again = None if tried.ok or not left else now + SCHEDULE_SECONDS[attempts - 1]
    values = {
        "attempts": attempts,
        "not_before": again,
        "delivered_at": now if tried.ok else None,
        "last_status": tried.status,
        "last_error": tried.error,
    }
    mine = sa.and_(
        event_deliveries.c.endpoint_id == endpoint.id, event_deliveries.c.position == due.position
    )
    await tx.execute(sa.update(event_deliveries).where(mine).values(values))
    if tried.ok:
        await _recovered(tx, endpoint, now)
    else:
        await _failed(tx, endpoint, tried, now)


async def _recovered(tx: AsyncConnection, endpoint: Any, now: Instant) -> None:
    if endpoint.failing_since is not None:
        await _change(tx, endpoint.id, failing_since=None)
    await clear_alarm(tx, DISABLED_ALARM, endpoint.id, now=now)


async def _failed(tx: AsyncConnection, endpoint: Any, tried: _Tried, now: Instant) -> None:
    since = now if endpoint.failing_since is None else endpoint.failing_since
    gone = tried.status == HTTPStatus.GONE
    if not gone and since > now - DISABLE_SECONDS:
        if endpoint.failing_since is None:
            await _change(tx, endpoint.id, failing_since=now)
        return
    why = "it answered 410 Gone" if gone else "it took nothing for five days"
    await _change(tx, endpoint.id, failing_since=since, disabled_at=now, disabled_why=why)
    message = f"no more events are sent to {endpoint.url}: {why}; enable it when it listens again"
    await raise_alarm(tx, DISABLED_ALARM, endpoint.id, message, now=now)


async def _change(tx: AsyncConnection, endpoint_id: str, **values: Any) -> None:
    await tx.execute(sa.update(endpoints).where(endpoints.c.id == endpoint_id).values(values))
