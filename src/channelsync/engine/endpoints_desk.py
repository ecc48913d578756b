"""The endpoints desk: where events are sent.

An endpoint's secret is worked out from the program's own key: nothing that signs is in the store.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Any, Final

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection

from channelsync.domain.vocabulary import Instant
from channelsync.engine.emit import EventType, emit
from channelsync.engine.work import WorkKind, mark
from channelsync.ports import Environment
from channelsync.security.outbound import AddressRefused, require_outward
from channelsync.store.database import Database
from channelsync.store.tables import endpoints, event_deliveries, events

__all__ = [
    "OLD_SECRET_SECONDS",
    "Delivery",
    "Endpoint",
    "EndpointRefused",
    "EndpointsDesk",
    "UnknownEndpoint",
    "secret_of",
]

ENDPOINTS_MAX: Final = 50
OLD_SECRET_SECONDS: Final = 24 * 3_600.0
"""After a rotation events are signed with both secrets for so long."""


class UnknownEndpoint(Exception):
    """There is no endpoint of this id."""


class EndpointRefused(Exception):
    """The endpoint cannot be made so; the message says why."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Endpoint:
    """Where events are sent."""

    id: str
    url: str
    description: str
    types: tuple[str, ...] | None
    created_at: Instant
    created_by: str
    rotated_at: Instant | None
    failing_since: Instant | None
    disabled_at: Instant | None
    disabled_why: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Delivery:
    """What became of one event at one endpoint."""

    position: int
    type: str
    at: Instant
    attempts: int
    delivered_at: Instant | None
    next_attempt_at: Instant | None
    """None: it is delivered, or given up."""
    last_status: int | None
    last_error: str | None


def secret_of(key: bytes, endpoint_id: str, version: int) -> bytes:
    """The bytes that sign what is sent to an endpoint."""
    return hmac.new(key, f"endpoint {endpoint_id} {version}".encode(), hashlib.sha256).digest()


@dataclass(slots=True)
class EndpointsDesk:
    """Every use case is one transaction."""

    database: Database
    environment: Environment
    key: bytes
    allow_hosts: tuple[str, ...] = ()

    async def list(self, tx: AsyncConnection) -> Sequence[Endpoint]:
        """All there are, the oldest first."""
        query = sa.select(endpoints).where(endpoints.c.removed_at.is_(None))
        rows = await tx.execute(query.order_by(endpoints.c.created_at, endpoints.c.id))
        return tuple(_endpoint(row) for row in rows)

    async def add(
        self, url: str, *, types: Collection[str] | None, description: str, actor: str
    ) -> tuple[Endpoint, str]:
        """Send events there from now on. Returns the endpoint and its secret, `whsec_…`.

        Raises:
            EndpointRefused: no public https address, or too many endpoints.
        """
        try:
            require_outward(url, self.allow_hosts)
        except AddressRefused as error:
            raise EndpointRefused(str(error)) from None
        values = {
            "id": self.environment.new_id(),
            "url": url,
            "description": description,
            "types": None if types is None else sorted(types),
            "created_at": self.environment.now(),
            "created_by": actor,
        }
        async with self.database.write() as tx:
            if len(await self.list(tx)) >= ENDPOINTS_MAX:
                raise EndpointRefused(f"there are {ENDPOINTS_MAX} endpoints already")
            await tx.execute(sa.insert(endpoints).values(values))
            row = await _require(tx, str(values["id"]))
        return _endpoint(row), self._spoken(row)

    async def rotate(self, endpoint_id: str) -> tuple[Endpoint, str]:
        """A new secret; the old one signs beside it for a day.

        Raises:
            UnknownEndpoint: there is none of this id.
        """
        async with self.database.write() as tx:
            row = await _require(tx, endpoint_id)
            version = row.secret_version + 1
            values = {"secret_version": version, "rotated_at": self.environment.now()}
            await _write(tx, endpoint_id, **values)
            row = await _require(tx, endpoint_id)
        return _endpoint(row), self._spoken(row)

    async def enable(self, endpoint_id: str) -> Endpoint:
        """Send again; what was given up stays so.

        Raises:
            UnknownEndpoint: there is none of this id.
        """
        async with self.database.write() as tx:
            await _require(tx, endpoint_id)
            nothing = {"disabled_at": None, "disabled_why": None, "failing_since": None}
            await _write(tx, endpoint_id, **nothing)
            now = self.environment.now()
            await mark(tx, WorkKind.DELIVER, endpoint_id, not_before=now)
            return _endpoint(await _require(tx, endpoint_id))

    async def remove(self, endpoint_id: str) -> Endpoint:
        """Send nothing there any more.

        Raises:
            UnknownEndpoint: there is none of this id.
        """
        async with self.database.write() as tx:
            row = await _require(tx, endpoint_id)
            await _write(tx, endpoint_id, removed_at=self.environment.now())
            mine = event_deliveries.c.endpoint_id == endpoint_id
            await tx.execute(sa.delete(event_deliveries).where(mine))
        return _endpoint(row)

    async def test(self, endpoint_id: str) -> Endpoint:
        """Send it an event of its own.

        Raises:
            UnknownEndpoint: there is none of this id.
            EndpointRefused: it is disabled.
        """
        async with self.database.write() as tx:
            row = await _require(tx, endpoint_id)
            if row.disabled_at is not None:
                raise EndpointRefused(f"it is disabled ({row.disabled_why}): enable it first")
            now = self.environment.now()
            data = {"endpoint": endpoint_id}
            kind = EventType.ENDPOINT_TESTED
            await emit(tx, kind, data, now=now, endpoint_id=endpoint_id)
        return _endpoint(row)

    async def deliveries(
        self, tx: AsyncConnection, endpoint_id: str, *, before: int | None, limit: int
    ) -> Sequence[Delivery]:
        """What became of the events for an endpoint, the newest first.

        Raises:
            UnknownEndpoint: there is none of this id.
        """
        await _require(tx, endpoint_id)
        query = (
            sa.select(event_deliveries, events.c.type, events.c.at)
            .join(events, events.c.position == event_deliveries.c.position)
            .where(event_deliveries.c.endpoint_id == endpoint_id)
            .order_by(event_deliveries.c.position.desc())
            .limit(limit)
        )
        if before is not None:
            query = query.where(event_deliveries.c.position < before)
        return tuple(
            Delivery(
                position=row.position,
                type=row.type,
                at=row.at,
                attempts=row.attempts,
                delivered_at=row.delivered_at,
                next_attempt_at=row.not_before,
                last_status=row.last_status,
                last_error=row.last_error,
            )
            for row in await tx.execute(query)
        )

    def _spoken(self, row: Any) -> str:
        secret = secret_of(self.key, row.id, row.secret_version)
        return f"whsec_{base64.b64encode(secret).decode('ascii')}"


async def _require(tx: AsyncConnection, endpoint_id: str) -> Any:
    mine = sa.select(endpoints).where(
        endpoints.c.id == endpoint_id, endpoints.c.removed_at.is_(None)
    )
    row = (await tx.execute(mine)).one_or_none()
    if row is None:
        raise UnknownEndpoint(f"there is no endpoint {endpoint_id!r}")
    return row


async def _write(tx: AsyncConnection, endpoint_id: str, **values: Any) -> None:
    await tx.execute(sa.update(endpoints).where(endpoints.c.id == endpoint_id).values(values))


def _endpoint(row: Any) -> Endpoint:
    return Endpoint(
        id=row.id,
        url=row.url,
        description=row.description,
        types=None if row.types is None else tuple(row.types),
        created_at=row.created_at,
        created_by=row.created_by,
        rotated_at=row.rotated_at,
        failing_since=row.failing_since,
        disabled_at=row.disabled_at,
        disabled_why=row.disabled_why,
    )
