"""Audit: every change by a person, a program with a key, or the daemon itself, once committed."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection

from channelsync.domain.vocabulary import Instant
from channelsync.store.audit_chain import Change, append_changes
from channelsync.store.database import at_end
from channelsync.store.tables import audit

__all__ = ["AuditEntry", "AuditFilter", "note_change", "view_audit"]


@dataclass(slots=True)
class _Notes:
    """Changes of one transaction, written as the last thing before its commit."""

    changes: list[Change] = field(default_factory=list)

    async def __call__(self, tx: AsyncConnection) -> None:
        await append_changes(tx, self.changes)


async def note_change(tx: AsyncConnection, change: Change) -> None:
    """Have the trail tell of a change, if and when its transaction commits."""
    notes = at_end(tx, "audit", _Notes)
    if isinstance(notes, _Notes):
        notes.changes.append(change)
    else:
        await append_changes(tx, (change,))


@dataclass(frozen=True, slots=True, kw_only=True)
class AuditEntry:
    """One entry of the trail."""

    position: int
    at: Instant
    actor: str
    action: str
    subject: str
    before: Any
    after: Any
    request: str | None
    digest: str


@dataclass(frozen=True, slots=True, kw_only=True)
class AuditFilter:
    """What to show; None: whatever it is."""

    actor: str | None = None
    action: str | None = None
    subject: str | None = None


async def view_audit(
    tx: AsyncConnection,
    wanted: AuditFilter,
    *,
    before: int | None = None,
    limit: int,
) -> Sequence[AuditEntry]:
    """Entries before a position, the newest first."""
    query = sa.select(audit).order_by(audit.c.position.desc()).limit(limit)
    if before is not None:
        query = query.where(audit.c.position < before)
    for column in ("actor", "action", "subject"):
        if (value := getattr(wanted, column)) is not None:
            query = query.where(audit.c[column] == value)
    return tuple(_entry(row) for row in (await tx.execute(query)).mappings())


def _entry(row: Mapping[Any, Any]) -> AuditEntry:
    values = {str(name): value for name, value in row.items()}
    for side in ("before", "after"):
        values[side] = None if values[side] is None else json.loads(values[side])
    return AuditEntry(**values)
