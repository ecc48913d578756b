"""How a run of a key ends: finished in its own transaction, failed, or given back unworked."""

from __future__ import annotations

from enum import Enum
from typing import Final

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection

from channelsync.domain.vocabulary import Instant
from channelsync.engine.work import Claim, finish_together
from channelsync.store.tables import work

__all__ = ["FINISHED", "Finished", "fail", "finish_here", "give_back"]

BACKOFF_SECONDS_FIRST = 1.0
BACKOFF_SECONDS_MAX = 300.0


class Finished(Enum):
    """What a handler returns whose own transaction has written the key as done."""

    FINISHED = "finished"


FINISHED: Final = Finished.FINISHED


async def finish_here(
    tx: AsyncConnection, held: Claim, *, again_at: Instant | None = None
) -> Finished | Instant | None:
    """`finish` with the work itself; returns what the handler is to return.

    A key that failed before is left to whoever called the handler, who also clears its alarms.
    """
    if held.attempts:
        return again_at
    await finish_together(tx, ((held, again_at),))
    return FINISHED


async def fail(tx: AsyncConnection, held: Claim, *, now: Instant, error: str) -> Instant:
    """Give the key back after a failure, due again after a growing pause. Returns that time."""
    pause = min(BACKOFF_SECONDS_FIRST * 2.0**held.attempts, BACKOFF_SECONDS_MAX)
    failed = {"attempts": held.attempts + 1, "last_error": error[:500]}
    await _let_go(tx, held, not_before=now + pause, **failed)
    return now + pause


async def give_back(tx: AsyncConnection, held: Claim, *, not_before: Instant) -> None:
    """Give the key back unworked, through no fault of its own; due again then."""
    await _let_go(tx, held, not_before=not_before)


async def _let_go(tx: AsyncConnection, held: Claim, **values: object) -> None:
    statement = (
        sa.update(work)
        .where(work.c.kind == held.kind, work.c.key == held.key, work.c.lease_token == held.token)
        .values(lease_until=None, lease_token=None, **values)
    )
    await tx.execute(statement)
