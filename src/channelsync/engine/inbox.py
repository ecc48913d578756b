"""The inbox: deliveries committed before they are acknowledged, many in one transaction.

A commit costs the disk the same for one delivery as for a hundred. So those that arrive while a
commit is under way share the next one, with whoever stands at the door when it begins: else 32
senders who wait for their answers meet in commits of 1 and 31 by turns. There is no timer: a lone
delivery is committed at once.
"""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.ext.asyncio import AsyncConnection

from channelsync.domain.vocabulary import Instant
from channelsync.engine.core import Engine
from channelsync.engine.work import WorkKind, mark
from channelsync.sdk.types import Delivery
from channelsync.store import tables
from channelsync.store.errors import is_passing
from channelsync.store.many import AtOnce, Given, Row, inserting
from channelsync.tracing import Cause, caused_by, written_causes

__all__ = ["Inbox", "Received", "lay_in", "note_delivery"]

NOTED_EVERY_SECONDS: Final = 1.0
COMMIT_MAX: Final = 200
"""Deliveries in one transaction."""
LOOKS_AT_THE_DOOR_MAX: Final = 4
_COLUMNS: Final = (
    *("channel", "dedupe_key", "topic", "received_at", "body_sha256", "reduced", "trace"),
)
_KEY: Final = [tables.deliveries.c.channel, tables.deliveries.c.dedupe_key]
_STORE: Final = (
    sqlite.insert(tables.deliveries)
    .on_conflict_do_nothing(index_elements=_KEY)
    .returning(tables.deliveries.c.id, *_KEY)
)
_WAIT: Final = inserting(tables.inbox, "delivery_id", "channel")


def _lay_in(given: Given, place: sa.ColumnElement[int]) -> Any:
    """Both tables in one statement, which answers with the keys of what is new."""
    rows = sa.select(*(given[name] for name in _COLUMNS)).order_by(place)
    stored = (
        postgresql.insert(tables.deliveries)
        .from_select(_COLUMNS, rows)
        .on_conflict_do_nothing(index_elements=_KEY)
        .returning(tables.deliveries.c.id, *_KEY)
        .cte("stored")
    )
    waiting = sa.select(stored.c.id, stored.c.channel)
    laid = sa.insert(tables.inbox).from_select(["delivery_id", "channel"], waiting).cte("laid")
    return sa.select(stored.c.channel, stored.c.dedupe_key).add_cte(laid)


_LAY_IN: Final = AtOnce(
    {name: tables.deliveries.c[name].type for name in _COLUMNS}, _lay_in, whole=("dedupe_key",)
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Received:
    """An authentic delivery as it came in."""

    channel: str
    delivery: Delivery
    body: bytes
    at: Instant
    causes: tuple[Cause, ...] = ()
    """What its intake comes of."""


@dataclass(slots=True)
class Inbox:
    """Stores the deliveries of one process."""

    engine: Engine
    _waiting: list[tuple[Received, asyncio.Future[bool]]] = field(default_factory=list)
    _committing: asyncio.Task[None] | None = None
    _noted: dict[str, Instant] = field(default_factory=dict)
    """By channel: the last sign of life that this process has written down."""

    async def store(self, received: Received) -> bool:
        """Commit a delivery. Returns False for one that was stored before.

        Raises:
            Exception: the store refused this very delivery; nothing of it is kept.
        """
        stored: asyncio.Future[bool] = asyncio.get_running_loop().create_future()
        self._waiting.append((received, stored))
        if self._committing is None:
            self._committing = asyncio.create_task(self._commit_all(), name="inbox")
        return await stored

    async def _commit_all(self) -> None:
        try:
            while self._waiting:
                await self._let_in()
                batch = self._waiting[:COMMIT_MAX]
                del self._waiting[:COMMIT_MAX]
                await self._commit(batch)
        finally:
            self._committing = None
            for _, stored in self._waiting:  # the process is being stopped
                stored.cancel()

    async def _let_in(self) -> None:
        """Whoever is at the door already comes along.

        No time passes over it but what others use: a request is read in one turn of the event
        loop and stands here in the next.
        """
        for _ in range(LOOKS_AT_THE_DOOR_MAX):
            known = len(self._waiting)
            await asyncio.sleep(0)
            await asyncio.sleep(0)
            if len(self._waiting) == known:
                return

    async def _commit(self, batch: Sequence[tuple[Received, asyncio.Future[bool]]]) -> None:
        try:
            received = [one for one, _ in batch]
            heard = self._unnoted(received)
            fresh = await self.engine.database.transact(lambda tx: _write(tx, received, heard))
        except Exception as error:  # noqa: BLE001 - whoever sent it must hear of it
            await self._commit_apart(batch, error)
            return
        self._noted |= heard
        for (_, stored), is_fresh in zip(batch, fresh, strict=True):
            if not stored.done():  # the sender may have hung up
                stored.set_result(is_fresh)

    def _unnoted(self, batch: Sequence[Received]) -> dict[str, Instant]:
        """Signs of life worth writing down: no newer ones than a second apart."""
        heard = {received.channel: received.at for received in batch}
        return {
            channel: at
            for channel, at in sorted(heard.items())
            if channel not in self._noted or abs(at - self._noted[channel]) > NOTED_EVERY_SECONDS
        }

    async def _commit_apart(
        self, batch: Sequence[tuple[Received, asyncio.Future[bool]]], error: Exception
    ) -> None:
        """One delivery that the store refuses must not keep its neighbours out."""
        if len(batch) > 1 and not is_passing(error):
            for one in batch:
                await self._commit([one])
            return
        for _, stored in batch:
            if not stored.done():
                stored.set_exception(error)


async def _write(
    tx: AsyncConnection, batch: Sequence[Received], heard: Mapping[str, Instant]
) -> list[bool]:
    """Store what is new of a batch and ask for its intake. Returns which of it was new.

    `heard`: by channel, the sign of life to write down.
    """
    rows = [
        {
            "channel": received.channel,
            "dedupe_key": received.delivery.dedupe_key,
            "topic": received.delivery.topic,
            "received_at": received.at,
            "body_sha256": hashlib.sha256(received.body).hexdigest(),
            "reduced": dict(received.delivery.reduced),
            "trace": written_causes(received.causes),
        }
        # In one order, lest two processes wait for each other's deliveries.
        for received in sorted(batch, key=lambda one: (one.channel, one.delivery.dedupe_key))
    ]
    inserted = await lay_in(tx, rows)
    fresh = []
    for received in batch:
        key = (received.channel, received.delivery.dedupe_key)
        fresh.append(key in inserted)
        inserted.discard(key)  # the second of two alike is a repetition
    for channel, at in heard.items():
        await note_delivery(tx, channel, at)
    await _ask_for_intake(tx, batch, fresh)
    return fresh


async def lay_in(tx: AsyncConnection, rows: Sequence[Row]) -> set[tuple[str, str]]:
    """Store deliveries, given by their columns; those that are new wait for their intake.

    Returns channel and key of the new ones.
    """
    if tx.dialect.name != "sqlite":
        return {(new.channel, new.dedupe_key) for new in await _LAY_IN.run(tx, rows)}
    new = (await tx.execute(_STORE, rows)).all()
    await _WAIT.run(tx, [{"delivery_id": key, "channel": channel} for key, channel, _ in new])
    return {(channel, dedupe_key) for _, channel, dedupe_key in new}


async def note_delivery(tx: AsyncConnection, channel: str, at: Instant) -> None:
    """Remember a channel's sign of life; to the second, for many writers meet at its row."""
    channels = tables.channels
    older = sa.or_(
        channels.c.last_delivery_at.is_(None),
        channels.c.last_delivery_at < at - NOTED_EVERY_SECONDS,
    )
    statement = sa.update(channels).where(channels.c.name == channel, older)
    await tx.execute(statement.values(last_delivery_at=at))


async def _ask_for_intake(
    tx: AsyncConnection, batch: Sequence[Received], fresh: Sequence[bool]
) -> None:
    heard = {received.channel: received.at for received in batch}
    told: dict[str, list[Cause]] = {}
    for received, new in zip(batch, fresh, strict=True):
        if new:
            told.setdefault(received.channel, []).extend(received.causes)
    for channel, causes in sorted(told.items()):
        # Not of whichever request happened to begin this commit.
        with caused_by(causes):
            await mark(tx, WorkKind.INTAKE, channel, not_before=heard[channel])
