"""What waits to be sent on a channel, in which order, and how much of it goes with one request."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection

from channelsync.domain.vocabulary import Instant, PushKind
from channelsync.engine.follow import next_look
from channelsync.ports import RunningChannel
from channelsync.sdk.connector import SizesRequests
from channelsync.store import tables
from channelsync.store.tables import PushState

__all__ = ["due_requests", "planned", "size_of_next", "what_waits"]

_PUSHES: Final = tables.pushes.c
_IS_PLANNED: Final = sa.and_(
    _PUSHES.channel == sa.bindparam("channel"),
    # What is planned is open; said here, for the index knows open ones alone.
    _PUSHES.closed_at.is_(None),
    _PUSHES.state == PushState.PLANNED,
    _PUSHES.request_id.is_(None),
)
# Zeros first, then cuts, then whatever puts units on sale.
_URGENCY: Final = sa.case(
    (_PUSHES.kind == PushKind.ZERO, 0), (_PUSHES.kind == PushKind.CUT, 1), else_=2
)
_KINDS: Final = (
    sa.select(_PUSHES.kind, sa.func.count())
    .where(_IS_PLANNED)
    .group_by(_PUSHES.kind)
    .order_by(_URGENCY, _PUSHES.kind)
)
_PLANNED: Final = (
    sa.select(tables.pushes)
    .where(_IS_PLANNED)
    .order_by(_URGENCY, _PUSHES.opened_at, _PUSHES.id)
    .limit(sa.bindparam("most"))
)
_IS_OPEN: Final = sa.and_(
    tables.requests.c.channel == sa.bindparam("channel"), sa.not_(tables.requests.c.done)
)
_DUE: Final = (
    sa.select(tables.requests)
    .where(_IS_OPEN, tables.requests.c.not_before <= sa.bindparam("now"))
    .order_by(tables.requests.c.created_at)
)
_WAITS: Final = sa.select(
    sa.exists().where(_IS_PLANNED),
    sa.select(sa.func.min(tables.requests.c.not_before)).where(_IS_OPEN).scalar_subquery(),
)


async def due_requests(
    tx: AsyncConnection, running: RunningChannel, *, now: Instant
) -> Sequence[Any]:
    """Requests of a channel that another copy may leave of, oldest first."""
    return (await tx.execute(_DUE, {"channel": running.name, "now": now})).all()


async def what_waits(tx: AsyncConnection, running: RunningChannel) -> tuple[bool, Instant | None]:
    """Whether a push is planned, and when to look again though none were."""
    is_planned, waits_until = (await tx.execute(_WAITS, {"channel": running.name})).one()
    times = (waits_until, await next_look(tx, running))
    return is_planned, min((at for at in times if at is not None), default=None)


async def planned(tx: AsyncConnection, running: RunningChannel) -> Sequence[Any]:
    """What waits for the next request of a channel, as far as it goes with that."""
    wanted = {"channel": running.name, "most": await size_of_next(tx, running)}
    return (await tx.execute(_PLANNED, wanted)).all()


async def size_of_next(tx: AsyncConnection, running: RunningChannel) -> int:
    """How many changes the next request carries at most; 0: it waits for the end of another.

    A channel that decides it is told what waits, and not all of it is read to send a single one.
    """
    most = running.manifest.batch_size
    if not isinstance(running.channel, SizesRequests):
        return most
    kinds: list[PushKind] = []
    for name, count in (await tx.execute(_KINDS, {"channel": running.name})).all():
        kinds += [PushKind(name)] * min(count, most - len(kinds))
    size = running.channel.request_size(kinds) if kinds else 0
    if size > 0 or await next_look(tx, running) is not None:
        return max(size, 0)
    return 1
