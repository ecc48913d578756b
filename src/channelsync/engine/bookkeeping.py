"""Verify and repair the books: the use cases around `channelsync.store.verify` and `repair`."""

from __future__ import annotations

from collections.abc import Iterable

import structlog

from channelsync.engine.work import WorkKind, mark_items, mark_many
from channelsync.ports import Environment
from channelsync.store.chain_check import Anchor
from channelsync.store.database import Database
from channelsync.store.repair import Repaired, repair
from channelsync.store.verify import Report, verify

__all__ = ["repair_books", "verify_books"]

_log = structlog.get_logger("channelsync.books")


async def verify_books(database: Database, anchors: Iterable[Anchor] = ()) -> Report:
    """Rebuild every balance, prove the ledger, and say what differs. Changes nothing.

    May run at any time. `anchors` are heads of the sealed ledger that were told outside.
    """
    async with database.read() as tx:
        return await verify(tx, anchors)


async def repair_books(database: Database, environment: Environment, *, actor: str) -> Repaired:
    """Repair what `verify_books` finds, and have the items and listings concerned looked at.

    Raises:
        InvariantViolated: something is left that only a person can decide; nothing was changed.
    """
    now = environment.now()
    async with database.write() as tx:
        repaired = await repair(tx, actor=actor, at=now)
        await mark_items(tx, repaired.item_ids, now)
        await mark_many(tx, WorkKind.SETTLE, sorted(repaired.channels), not_before=now)
    for finding in repaired.findings:
        _log.warning("books repaired", table=finding.table, what=finding.message, actor=actor)
    return repaired
