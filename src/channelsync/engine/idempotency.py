"""Answers that are given once: the same key and the same request get the stored answer again.

The key, what the request did and its answer are one transaction. A crash leaves all of it or
nothing, so a repeated request can never find its key without its answer.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.ext.asyncio import AsyncConnection

from channelsync.domain.vocabulary import Instant
from channelsync.engine.core import Engine
from channelsync.store.tables import idempotency

__all__ = [
    "KEEP_SECONDS",
    "Answer",
    "KeyInFlight",
    "KeyReused",
    "Once",
    "Outside",
    "Transact",
    "forget_old_keys",
]

KEEP_SECONDS = 7 * 86_400.0
"""So long a repeated request is known; a till may retry for days."""


class KeyReused(Exception):
    """The key was used for another request."""


class KeyInFlight(Exception):
    """The first request with this key is not answered yet."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What was answered: an HTTP status and a body of JSON."""

    status: int
    body: str


Act = Callable[[AsyncConnection], Awaitable[Answer]]
"""Does the work in the transaction that it is given. A refusal that it answers must leave no
trace: it rolls back to a savepoint of its own."""

Outside = Callable[[], Awaitable[None]]
"""What is done outside of the store beforehand, and would keep a transaction open for too long. It
is done a second time where a process dies behind it, or two of them are asked at once."""

Transact = Callable[[Act], Awaitable[Answer]]
"""Runs an act in a transaction, like `Database.transact`."""


@dataclass(slots=True)
class Once:
    """Idempotency of one process's door."""

    engine: Engine
    _in_flight: set[str] = field(default_factory=set)

    async def answer(
        self,
        key: str | None,
        fingerprint: str,
        act: Act,
        outside: Outside | None = None,
        transact: Transact | None = None,
    ) -> Answer:
        """Act and answer; or, for a key that was answered before, only answer.

        Raises:
            KeyReused: the key stands beside another fingerprint.
            KeyInFlight: this process is just answering that key.
        """
        transact = transact or self.engine.database.transact
        if key is None:
            if outside is not None:
                await outside()
            return await transact(act)
        if key in self._in_flight:
            raise KeyInFlight(key)
        self._in_flight.add(key)
        try:
            if outside is not None and not await self._is_known(key):
                await outside()
            return await transact(lambda tx: self._answer_once(tx, key, fingerprint, act))
        finally:
            self._in_flight.discard(key)

    async def _is_known(self, key: str) -> bool:
        query = sa.select(idempotency.c.key).where(idempotency.c.key == key)
        async with self.engine.database.read() as tx:
            return (await tx.execute(query)).first() is not None

    async def _answer_once(
        self, tx: AsyncConnection, key: str, fingerprint: str, act: Act
    ) -> Answer:
        insert = (sqlite if tx.dialect.name == "sqlite" else postgresql).insert(idempotency)
        values = {"key": key, "fingerprint": fingerprint, "created_at": self.engine.now()}
        # Another process's transaction on the same key is waited for here.
        claimed = await tx.execute(insert.on_conflict_do_nothing().values(values))
        mine = idempotency.c.key == key
        if claimed.rowcount != 1:
            row = (await tx.execute(sa.select(idempotency).where(mine))).one()
            if row.fingerprint != fingerprint:
                raise KeyReused(key)
            return Answer(status=row.status, body=row.body)
        answer = await act(tx)
        stored = {"status": answer.status, "body": answer.body}
        await tx.execute(sa.update(idempotency).where(mine).values(stored))
        return answer


async def forget_old_keys(tx: AsyncConnection, *, now: Instant) -> None:
    """Drop keys that nobody will repeat any more."""
    await tx.execute(sa.delete(idempotency).where(idempotency.c.created_at < now - KEEP_SECONDS))
