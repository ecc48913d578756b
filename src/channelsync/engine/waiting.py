"""What waits to be sent on a channel, in which order, and how much of it goes with one request."""

from __future__ import annotations

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection

from channelsync.domain.vocabulary import PushKind
from channelsync.engine.follow import next_look
from channelsync.ports import RunningChannel
from channelsync.sdk.connector import SizesRequests
from channelsync.store import tables
from channelsync.store.tables import PushState

__all__ = ["planned_of", "size_of_next", "urgency"]


def planned_of(channel: str) -> sa.ColumnElement[bool]:
    """What waits for a request of its channel."""
    pushes = tables.pushes
    return sa.and_(
        pushes.c.channel == channel,
        # What is planned is open; said here, for the index knows open ones alone.
        pushes.c.closed_at.is_(None),
        pushes.c.state == PushState.PLANNED,
        pushes.c.request_id.is_(None),
    )


async def size_of_next(tx: AsyncConnection, running: RunningChannel) -> int:
    """How many changes the next request carries at most; 0: it waits for the end of another.

    A channel that decides it is told what waits, and not all of it is read to send a single one.
    """
    most = running.manifest.batch_size
    if not isinstance(running.channel, SizesRequests):
        return most
    kind = tables.pushes.c.kind
    query = sa.select(kind, sa.func.count()).where(planned_of(running.name)).group_by(kind)
    kinds: list[PushKind] = []
    for name, count in (await tx.execute(query.order_by(urgency(), kind))).all():
        kinds += [PushKind(name)] * min(count, most - len(kinds))
    size = running.channel.request_size(kinds) if kinds else 0
    if size > 0 or await next_look(tx, running.name) is not None:
        return max(size, 0)
    return 1


def urgency() -> sa.ColumnElement[int]:
    """Zeros first, then cuts, then whatever puts units on sale."""
    kind = tables.pushes.c.kind
    return sa.case((kind == PushKind.ZERO, 0), (kind == PushKind.CUT, 1), else_=2)
