"""Expire: holds whose time is over give their units back, each exactly once."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection

from channelsync.domain.holds import expire as expire_hold
from channelsync.domain.vocabulary import Instant
from channelsync.engine.core import Engine
from channelsync.engine.hold_rows import end_hold, locked_hold
from channelsync.engine.idempotency import forget_old_keys
from channelsync.engine.work import Claim, require_lease
from channelsync.store.locks import lock_items
from channelsync.store.tables import MovementKind, hold_lines, holds

__all__ = ["expire"]

HOLDS_MAX: Final = 200
"""Holds a transaction; more are taken in the next."""


async def expire(engine: Engine, held: Claim) -> Instant | None:
    """End the holds that are due, in one transaction. Returns when the next one is."""
    async with engine.database.write() as tx:
        now = engine.now()
        await require_lease(tx, held, now=now)
        due = (
            sa.select(holds.c.id)
            .where(holds.c.state == "active", holds.c.expires_at <= now)
            .order_by(holds.c.expires_at, holds.c.id)
            .limit(HOLDS_MAX)
            .with_for_update(skip_locked=True)
        )
        ended = (await tx.execute(due)).scalars().all()
        await _lock_items_of(tx, ended)
        for hold_id in ended:
            expired = expire_hold(await locked_hold(tx, hold_id), now=now)
            await end_hold(tx, expired, MovementKind.HOLD_EXPIRY, now=now)
        await forget_old_keys(tx, now=now)
        following = sa.select(sa.func.min(holds.c.expires_at)).where(holds.c.state == "active")
        next_at: Instant | None = (await tx.execute(following)).scalar()
        return next_at


async def _lock_items_of(tx: AsyncConnection, hold_ids: Iterable[str]) -> None:
    """Of all holds at once: one after the other would be another order than everybody's."""
    query = sa.select(hold_lines.c.item_id).where(hold_lines.c.hold_id.in_(sorted(hold_ids)))
    await lock_items(tx, (await tx.execute(query)).scalars())
