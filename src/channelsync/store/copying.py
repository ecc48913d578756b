"""Move a store from SQLite to PostgreSQL: every row of every table, in one transaction.

The source is read in one snapshot and left as it is. The target has this program's schema and not a
single row; should anything go wrong, it stays so.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection

from channelsync.store.audit_chain import Change, append_changes
from channelsync.store.database import Database
from channelsync.store.tables import metadata
from channelsync.store.verify import verify

__all__ = ["Copied", "CopyRefused", "copy_store", "restart_numbers"]

ROWS_AT_ONCE: Final = 500


class CopyRefused(Exception):
    """Nothing was copied; the message says why and what to do."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Copied:
    """What was copied."""

    rows: Mapping[str, int]
    """Rows by table."""


async def copy_store(source: Database, target: Database, change: Change) -> Copied:
    """Copy everything from `source` to `target`, which is empty; both have this schema.

    `change` is what the copied audit trail goes on with.

    Raises:
        CopyRefused: the target is no PostgreSQL or not empty, or the books of the source or of the
            copy do not add up.
    """
    if target.is_sqlite:
        raise CopyRefused("the target must be PostgreSQL: set CHANNELSYNC_DATABASE_URL to it")
    async with source.read() as old, target.write() as new:
        await _require_empty(new)
        await _require_sound(old, "the database to copy", "run `channelsync verify --repair` first")
        rows = {table.name: await _copy(old, new, table) for table in metadata.sorted_tables}
        await restart_numbers(new)
        await append_changes(new, (change,))
        await _require_sound(new, "the copy", "nothing was kept of it; report this")
    return Copied(rows=rows)


async def _require_empty(new: AsyncConnection) -> None:
    for table in metadata.sorted_tables:
        if (await new.execute(sa.select(sa.literal(1)).select_from(table).limit(1))).first():
            raise CopyRefused(
                f"the target is not empty ({table.name} has rows): copy into a new database"
            )


async def _require_sound(tx: AsyncConnection, what: str, then: str) -> None:
    report = await verify(tx)
    if not report.ok:
        messages = [one.message for one in report.findings]
        messages += [one.message for one in report.chain.breaks]
        messages += [one.message for one in report.audit.breaks]
        first = messages[0] if messages else "see `channelsync verify`"
        raise CopyRefused(f"the books of {what} do not add up ({first}): {then}")


async def _copy(old: AsyncConnection, new: AsyncConnection, table: sa.Table) -> int:
    copied = 0
    kept = [column for column in table.c if column.computed is None]
    rows = await old.stream(sa.select(*kept).order_by(*table.primary_key))
    async for part in rows.mappings().partitions(ROWS_AT_ONCE):
        await new.execute(sa.insert(table), [dict(row) for row in part])
        copied += len(part)
    return copied


async def restart_numbers(tx: AsyncConnection) -> None:
    """After rows that brought their numbers along: PostgreSQL goes on counting behind them."""
    if tx.dialect.name == "sqlite":
        return
    for table in metadata.sorted_tables:
        column = table.autoincrement_column
        if column is None:
            continue
        sequence = sa.func.pg_get_serial_sequence(table.name, column.name)
        if (await tx.execute(sa.select(sequence))).scalar() is None:
            continue
        highest = sa.select(sa.func.coalesce(sa.func.max(column), 0) + 1).scalar_subquery()
        await tx.execute(sa.select(sa.func.setval(sequence, highest, sa.false())))
