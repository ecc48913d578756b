"""Follow: pushes that a channel took in under a ticket, until it tells what became of them.

Such an attempt has not ended: nothing of its listings can be settled, pushed or given back before.
However long the channel's own batch hangs, the books hold what it may still put on sale.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

import sqlalchemy as sa
import structlog
from sqlalchemy.ext.asyncio import AsyncConnection

from channelsync.domain.vocabulary import Instant
from channelsync.engine.alarms import clear_alarm, raise_alarm
from channelsync.engine.attempts import Sending, finish_request, push_as_sent, record
from channelsync.engine.core import Engine, limits_of
from channelsync.engine.work import Claim, WorkKind, mark, require_lease
from channelsync.ports import RunningChannel
from channelsync.sdk.connector import FollowsPushes
from channelsync.sdk.errors import ConnectorError
from channelsync.sdk.types import ChangeResult, PushRequest
from channelsync.store import tables

__all__ = ["follow", "hand_over", "hasten", "next_look", "ticket_of"]

_log = structlog.get_logger("channelsync.publish")

LOOK_SECONDS_FIRST = 15.0
LOOK_SECONDS_MAX = 300.0
AGE_SHARE = 0.25
"""A batch that has been under way for long is asked for less often."""

# From the few open attempts to their requests, never from all requests of the channel: the channel
# is compared in a way that no index answers.
_OPEN: Final = (
    sa.select(
        tables.attempts,
        tables.requests.c.key,
        tables.requests.c.body,
        tables.requests.c.operation,
    )
    .join(tables.requests, tables.requests.c.id == tables.attempts.c.request_id)
    .where(
        sa.func.coalesce(tables.requests.c.channel, "") == sa.bindparam("channel"),
        tables.attempts.c.ended_at.is_(None),
        tables.attempts.c.ticket.is_not(None),
    )
)
_NEXT: Final = _OPEN.with_only_columns(sa.func.min(tables.attempts.c.look_at))
_DUE: Final = _OPEN.where(tables.attempts.c.look_at <= sa.bindparam("now")).order_by(
    tables.attempts.c.id
)


def ticket_of(results: Sequence[ChangeResult]) -> str | None:
    """The one ticket of a request's changes; None where any of them has another end."""
    tickets = {result.ticket for result in results}
    return tickets.pop() if len(tickets) == 1 else None


async def hand_over(tx: AsyncConnection, sending: Sending, ticket: str, *, now: Instant) -> None:
    """Leave an attempt open until the channel tells its end. No copy of it will leave meanwhile."""
    await tx.execute(
        sa.update(tables.attempts)
        .where(tables.attempts.c.id == sending.attempt_id)
        .values(ticket=ticket, look_at=now + LOOK_SECONDS_FIRST)
    )
    await finish_request(tx, sending.request_id)
    _log.info("push taken in", ticket=ticket, changes=len(sending.pushes))


async def hasten(
    tx: AsyncConnection, channel: str, tickets: Sequence[str], *, now: Instant
) -> None:
    """The channel says that it is done with these: ask at once."""
    if not tickets:
        return
    attempts, requests = tables.attempts, tables.requests
    mine = sa.exists().where(requests.c.id == attempts.c.request_id, requests.c.channel == channel)
    await tx.execute(
        sa.update(attempts)
        .where(
            attempts.c.ended_at.is_(None),
            attempts.c.ticket.in_(sorted(set(tickets))),
            mine,
        )
        .values(look_at=now)
    )
    await mark(tx, WorkKind.PUBLISH, channel, not_before=now)


async def next_look(tx: AsyncConnection, running: RunningChannel) -> Instant | None:
    """When to ask next; None where nothing is under a ticket."""
    if not isinstance(running.channel, FollowsPushes):
        return None
    at: Instant | None = (await tx.execute(_NEXT, {"channel": running.name})).scalar()
    return at


async def follow(engine: Engine, held: Claim, running: RunningChannel) -> None:
    """Ask for every ticket whose time has come, and take the ends into the books."""
    channel = running.channel
    if not isinstance(channel, FollowsPushes):
        return
    async with engine.database.read() as connection:
        wanted = {"channel": running.name, "now": engine.now()}
        due = (await connection.execute(_DUE, wanted)).all()
        sendings = [await _sending(connection, row) for row in due]
    for row, sending in zip(due, sendings, strict=True):
        results = await _asked(channel, sending.request, row.ticket)
        async with engine.database.write() as tx:
            now = engine.now()
            await require_lease(tx, held, now=now)
            subject = f"{running.name}/{row.ticket}"
            if results is None:
                await _not_done(tx, running, row, subject, now)
            else:
                await record(engine, tx, running, sending, results)
                await clear_alarm(tx, "push_hangs", subject, now=now)


async def _asked(
    channel: FollowsPushes, request: PushRequest, ticket: str
) -> Sequence[ChangeResult] | None:
    """What became of a batch. Where that cannot be learnt now, pushes need not wait for it."""
    try:
        return await channel.follow(request, ticket)
    except ConnectorError as error:
        _log.warning("a batch could not be asked for", ticket=ticket, why=str(error))
        return None


async def _not_done(
    tx: AsyncConnection, running: RunningChannel, row: Any, subject: str, now: Instant
) -> None:
    age = now - row.started_at
    pause = min(max(LOOK_SECONDS_FIRST, age * AGE_SHARE), LOOK_SECONDS_MAX)
    await tx.execute(
        sa.update(tables.attempts).where(tables.attempts.c.id == row.id).values(look_at=now + pause)
    )
    if age > limits_of(running).apply_limit_seconds:
        message = (
            f"the channel has not finished batch {row.ticket} for {age:.0f} s; what it carries"
            " stays set aside, and its listings stand still"
        )
        await raise_alarm(tx, "push_hangs", subject, message, now=now, channel=running.name)


async def _sending(connection: AsyncConnection, row: Any) -> Sending:
    """The attempt as it left."""
    pushes = tables.pushes
    query = sa.select(pushes).where(pushes.c.request_id == row.request_id).order_by(pushes.c.id)
    carried = (await connection.execute(query)).all()
    return Sending(
        attempt_id=row.id,
        request_id=row.request_id,
        request=PushRequest(
            key=row.key,
            body=row.body,
            push_ids=tuple(push.id for push in carried),
            operation=row.operation,
        ),
        deadline=row.deadline,
        pushes={push.id: (push.listing_id, push_as_sent(push)) for push in carried},
    )
