"""Locks of writers on PostgreSQL, always taken in one order; on SQLite a writer is alone anyway.

1. The orders of a channel (`lock_orders`): whoever applies order facts of it.
2. Items by id (`lock_items`): whoever decides by an item's stock or by an exposure of a listing
   that contains it, and whoever changes either. So what is free is the same from the decision
   until the commit.
3. Everything else, found through these.
4. Dirty keys, last of all, sorted (`channelsync.engine.work`), and the audit trail's end.

Two writers can still meet head on where the second learns of an item only on the way; the database
then ends one of them, and it is tried again (`Database.transact`).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Final, TypeVar

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection

from channelsync.store.database import is_writing
from channelsync.store.many import among
from channelsync.store.stock_tables import items

__all__ = [
    "in_parts",
    "lock_audit",
    "lock_books",
    "lock_items",
    "lock_ledger",
    "lock_orders",
    "lock_setup",
    "lock_users",
]

_PART: Final = 5_000
"""Values in one statement; drivers take some 32,000 parameters."""
T = TypeVar("T")


def in_parts(values: Sequence[T]) -> Iterator[Sequence[T]]:
    """As many values as one statement may name, again and again."""
    for start in range(0, len(values), _PART):
        yield values[start : start + _PART]


def _is_alone(tx: AsyncConnection) -> bool:
    return tx.dialect.name == "sqlite" or not is_writing(tx)


async def lock_items(tx: AsyncConnection, item_ids: Iterable[int]) -> None:
    """Keep other writers away from these items until the transaction ends."""
    wanted = sorted(set(item_ids))
    if _is_alone(tx) or not wanted:
        return
    for part in in_parts(wanted):
        # Rows that only point at an item (FOR KEY SHARE) need not wait for us.
        query = sa.select(items.c.id).where(among(tx, items.c.id, part)).order_by(items.c.id)
        await tx.execute(query.with_for_update(key_share=True))


async def lock_orders(tx: AsyncConnection, channel: str) -> None:
    """Apply order facts of a channel one transaction at a time.

    A webhook, a poll and a fetch may meet on the same order.
    """
    await _lock_name(tx, f"orders:{channel}")


async def lock_setup(tx: AsyncConnection) -> None:
    """Bring the store in line with the configuration one process at a time."""
    await _lock_name(tx, "setup")


async def lock_users(tx: AsyncConnection) -> None:
    """Change who may sign in one transaction at a time: who is the last admin must not change."""
    await _lock_name(tx, "users")


async def lock_audit(tx: AsyncConnection) -> None:
    """Write behind the last entry of the audit trail one transaction at a time."""
    await _lock_name(tx, "audit")


async def lock_ledger(tx: AsyncConnection) -> None:
    """Fold old movements one process at a time."""
    await _lock_name(tx, "ledger")


async def lock_books(tx: AsyncConnection) -> None:
    """Keep every other writer of stock and exposures away: for repairs of all of it."""
    if not _is_alone(tx):
        await tx.exec_driver_sql("LOCK TABLE items IN EXCLUSIVE MODE")


async def _lock_name(tx: AsyncConnection, name: str) -> None:
    if not _is_alone(tx):
        key = sa.func.hashtextextended(f"channelsync:{name}", 0)
        await tx.execute(sa.select(sa.func.pg_advisory_xact_lock(key)))
