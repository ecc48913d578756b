"""Answers that are given once: the same key and the same request get the stored answer again.

The key, what the request did and its answer are one transaction. A crash leaves all of it or
nothing, so a repeated request can never find its key without its answer.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Final

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.ext.asyncio import AsyncConnection

from channelsync.domain.vocabulary import Instant
from channelsync.engine.core import Engine
from channelsync.store.many import among, inserting, updating
from channelsync.store.tables import idempotency

__all__ = [
    "KEEP_SECONDS",
    "Answer",
    "Asked",
    "KeyInFlight",
    "KeyReused",
    "Once",
    "Outside",
    "Transact",
    "forget_old_keys",
]

KEEP_SECONDS = 7 * 86_400.0
"""So long a repeated request is known; a till may retry for days."""
_CLAIM: Final = inserting(
    idempotency,
    *("key", "fingerprint", "created_at"),
    conflict=lambda insert: insert.on_conflict_do_nothing(),
)
_KEEP: Final = updating(idempotency, "status", "body", by=("key",))


class KeyReused(Exception):
    """The key was used for another request."""


class KeyInFlight(Exception):
    """The first request with this key is not answered yet."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What was answered: an HTTP status and a body of JSON."""

    status: int
    body: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """A request as far as its repetition goes; None: it has no key."""

    key: str | None
    fingerprint: str


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
        with self.flight(key):
            if outside is not None and not await self._is_known(key):
                await outside()
            return await transact(lambda tx: self._answer_once(tx, key, fingerprint, act))

    @contextmanager
    def flight(self, key: str | None) -> Iterator[None]:
        """The time in which this process answers a key.

        Raises:
            KeyInFlight: it does so already.
        """
        if key is None:
            yield
            return
        if key in self._in_flight:
            raise KeyInFlight(key)
        self._in_flight.add(key)
        try:
            yield
        finally:
            self._in_flight.discard(key)

    async def answer_all(
        self,
        tx: AsyncConnection,
        asked: Sequence[Asked],
        act: Callable[[Sequence[int]], Awaitable[Sequence[Answer]]],
    ) -> list[Answer | KeyReused]:
        """The same for many requests in one transaction; no two of them have the same key.

        `act` does those that were not answered before, by their places in `asked`.
        """
        now = self.engine.now()
        # In one order, lest two processes wait for each other's keys.
        keyed = sorted((one.key, one.fingerprint) for one in asked if one.key is not None)
        rows = [
            {"key": key, "fingerprint": fingerprint, "created_at": now}
            for key, fingerprint in keyed
        ]
        await _CLAIM.run(tx, rows)
        stored = {}
        if keyed:
            query = sa.select(idempotency).where(
                among(tx, idempotency.c.key, [key for key, _ in keyed])
            )
            stored = {row.key: row for row in await tx.execute(query)}
        answers: dict[int, Answer | KeyReused] = {}
        for place, one in enumerate(asked):
            row = stored.get(one.key)
            if row is not None and row.status is not None:
                same = row.fingerprint == one.fingerprint
                known = Answer(status=row.status, body=row.body)
                answers[place] = known if same else KeyReused(one.key)
        fresh = [place for place in range(len(asked)) if place not in answers]
        made = dict(zip(fresh, await act(fresh), strict=True))
        kept = [
            {"key": asked[place].key, "status": answer.status, "body": answer.body}
            for place, answer in made.items()
            if asked[place].key is not None
        ]
        await _KEEP.run(tx, kept)
        return [answers[place] if place in answers else made[place] for place in range(len(asked))]

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
