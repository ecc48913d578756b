"""Outlook: when the next key of each kind is due, asked for all kinds at once.

A loop that was woken looks for itself. One whose pause is over, because nobody told it anything,
uses what was last seen of all kinds; so an idle daemon asks once a sweep and not once a loop.
"""

from __future__ import annotations

import asyncio
from collections.abc import Collection
from dataclasses import dataclass, field

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection

from channelsync.domain.vocabulary import Instant
from channelsync.engine.work import WorkKind, next_due
from channelsync.store.database import Database
from channelsync.store.tables import work

__all__ = ["Outlook"]

_NOW = sa.bindparam("_now", type_=work.c.not_before.type)


@dataclass(slots=True)
class Outlook:
    """When keys are due, as far as this process knows; never older than `seconds_max`."""

    database: Database
    kinds: Collection[WorkKind]
    seconds_max: float
    _query: sa.CompoundSelect[tuple[str, Instant | None, Instant | None]] = field(init=False)
    _due: dict[WorkKind, Instant | None] = field(default_factory=dict)
    _doubted: set[WorkKind] = field(default_factory=set)
    _looked_at: Instant | None = None
    _turn: asyncio.Lock = field(default_factory=asyncio.Lock)

    def __post_init__(self) -> None:
        self._query = sa.union_all(*(_next_of(kind) for kind in sorted(self.kinds)))

    async def next_due(self, kind: WorkKind, *, now: Instant, told: bool) -> Instant | None:
        """When the next key of a kind is due; leased keys count from the end of their lease.

        `told`: something of this kind was just marked or finished, so nothing older will do.
        """
        if told or kind in self._doubted:
            async with self.database.read() as connection:
                self._due[kind] = await next_due(connection, kind, now=now)
            self._doubted.discard(kind)
            return self._due[kind]
        async with self._turn:
            if self.pause(now) <= 0.0:
                async with self.database.read() as connection:
                    self._due = await self._look(connection, now)
                self._looked_at = now
        return self._due.get(kind)

    def doubt(self, kind: WorkKind) -> None:
        """What was seen of a kind is not so any more: the next one who asks looks."""
        self._doubted.add(kind)

    def pause(self, now: Instant) -> float:
        """Seconds until all kinds have to be looked at again; a clock set back makes it none."""
        since = -1.0 if self._looked_at is None else now - self._looked_at
        return self.seconds_max - since if since >= 0.0 else 0.0

    async def _look(
        self, connection: AsyncConnection, now: Instant
    ) -> dict[WorkKind, Instant | None]:
        return {
            WorkKind(row.kind): min(
                (at for at in (row.free, row.leased) if at is not None), default=None
            )
            for row in await connection.execute(self._query, {"_now": now})
        }


def _next_of(kind: WorkKind) -> sa.Select[tuple[str, Instant | None, Instant | None]]:
    """The first free key by the index; of those that are leased there are few."""
    mine = sa.and_(work.c.kind == kind, work.c.done_version < work.c.want_version)
    free = sa.or_(work.c.lease_until.is_(None), work.c.lease_until <= _NOW)
    free_at = sa.case(
        (work.c.lease_until > work.c.not_before, work.c.lease_until), else_=work.c.not_before
    )
    return sa.select(
        sa.literal(kind, sa.String).label("kind"),
        sa.select(work.c.not_before)
        .where(mine, free)
        .order_by(work.c.not_before)
        .limit(1)
        .scalar_subquery()
        .label("free"),
        sa.select(sa.func.min(free_at))
        .where(mine, work.c.lease_until > _NOW)
        .scalar_subquery()
        .label("leased"),
    )
