"""Dead letters: deliveries that said nothing we understood, kept until a person decides.

Polling finds the orders that they spoke of, so nothing is lost while they wait.

DeadLetterError
├── UnknownDeadLetter  no dead letter has this number
└── DeadLetterEnded    it was replayed or dropped before
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa
import structlog
from sqlalchemy.ext.asyncio import AsyncConnection

from channelsync.domain.vocabulary import Instant
from channelsync.engine.alarms import clear_alarm
from channelsync.engine.core import Engine
from channelsync.engine.work import WorkKind, mark
from channelsync.store.many import among
from channelsync.store.tables import dead_letters, deliveries, inbox

__all__ = [
    "DeadLetter",
    "DeadLetterEnded",
    "DeadLetterError",
    "UnknownDeadLetter",
    "drop_dead_letter",
    "list_dead_letters",
    "replay_dead_letter",
]

_log = structlog.get_logger("channelsync.dead_letters")


class DeadLetterError(Exception):
    """Base of what is refused; nothing was changed."""


class UnknownDeadLetter(DeadLetterError):
    """No dead letter has this number."""

    def __init__(self, number: int) -> None:
        super().__init__(
            f"there is no dead letter {number}; `channelsync deadletters list` shows all"
        )


class DeadLetterEnded(DeadLetterError):
    """It was decided before."""

    def __init__(self, number: int, state: str) -> None:
        super().__init__(f"dead letter {number} was {state} already")


@dataclass(frozen=True, slots=True, kw_only=True)
class DeadLetter:
    """One dead letter that waits for a decision."""

    id: int
    kind: str
    channel: str | None
    reference: str
    """The delivery's number."""
    topic: str | None
    reason: str
    created_at: Instant


async def list_dead_letters(tx: AsyncConnection) -> tuple[DeadLetter, ...]:
    """All that wait, oldest first."""
    query = sa.select(dead_letters).where(dead_letters.c.state == "dead")
    rows = (await tx.execute(query.order_by(dead_letters.c.id))).all()
    topics = await _topics(tx, [row.reference for row in rows])
    return tuple(
        DeadLetter(
            id=row.id,
            kind=row.kind,
            channel=row.channel,
            reference=row.reference,
            topic=topics.get(row.reference),
            reason=row.reason,
            created_at=row.created_at,
        )
        for row in rows
    )


async def _topics(tx: AsyncConnection, references: Sequence[str]) -> Mapping[str, str]:
    """What the deliveries of these numbers were about."""
    numbers = [int(reference) for reference in references if reference.isdecimal()]
    query = sa.select(deliveries.c.id, deliveries.c.topic)
    rows = await tx.execute(query.where(among(tx, deliveries.c.id, numbers)))
    return {str(row.id): row.topic for row in rows}


async def replay_dead_letter(engine: Engine, number: int) -> None:
    """Have the delivery applied once more. What fails again comes back as a new dead letter.

    Raises:
        UnknownDeadLetter, DeadLetterEnded: nothing was changed.
    """
    async with engine.database.write() as tx:
        now = engine.now()
        row = await _end(tx, number, "replayed", now)
        waits = {"channel": row.channel, "delivery_id": int(row.reference)}
        await tx.execute(sa.insert(inbox).values(waits))
        await mark(tx, WorkKind.INTAKE, row.channel, not_before=now)
    _log.info("dead letter replayed", number=number, channel=row.channel)


async def drop_dead_letter(engine: Engine, number: int) -> None:
    """Decide that the delivery is not needed. The row stays, marked as dropped.

    Raises:
        UnknownDeadLetter, DeadLetterEnded: nothing was changed.
    """
    async with engine.database.write() as tx:
        row = await _end(tx, number, "dropped", engine.now())
    _log.info("dead letter dropped", number=number, channel=row.channel)


async def _end(tx: AsyncConnection, number: int, state: str, now: Instant) -> Any:
    mine = dead_letters.c.id == number
    row = (await tx.execute(sa.select(dead_letters).where(mine))).one_or_none()
    if row is None:
        raise UnknownDeadLetter(number)
    if row.state != "dead":
        raise DeadLetterEnded(number, row.state)
    await tx.execute(sa.update(dead_letters).where(mine).values(state=state, ended_at=now))
    await clear_alarm(tx, "dead_letter", f"{row.kind}/{row.reference}", now=now)
    return row
