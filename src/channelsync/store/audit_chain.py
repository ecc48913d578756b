"""The audit trail: who changed what, before and after, each entry chained to the one before it.

An entry is written in the transaction of the change that it tells of: there is never the one
without the other. Its digest is SHA-256 over the digest before it and its canonical text (the form
of `channelsync.store.chain`). Writers stand in line for the chain's end only from the moment that
they write their entry, which is the last thing that they do, to their commit.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection

from channelsync.domain.vocabulary import Instant
from channelsync.store.chain import GENESIS, follow
from channelsync.store.identity_tables import audit
from channelsync.store.json_text import to_text
from channelsync.store.locks import lock_audit
from channelsync.store.many import inserting

__all__ = [
    "AuditBreak",
    "AuditReport",
    "Change",
    "append_changes",
    "check_audit",
    "load_trail_head",
]

PAGE_ROWS: Final = 2_000
BREAKS_MAX: Final = 100


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """What somebody changed. `before` and `after` are JSON values and hold no secret."""

    at: Instant
    actor: str
    action: str
    subject: str
    before: Any = None
    after: Any = None
    request: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class AuditBreak:
    """One place where the trail is not as it was written."""

    position: int
    message: str


@dataclass(frozen=True, slots=True, kw_only=True)
class AuditReport:
    """How far the trail goes, and whether it is as it was written."""

    entries: int
    position: int
    digest: str
    breaks: tuple[AuditBreak, ...]

    @property
    def ok(self) -> bool:
        """Whether every entry is as it was written."""
        return not self.breaks


_INSERT: Final = inserting(
    audit,
    *("position", "at", "actor", "action", "subject", "before", "after", "request", "digest"),
)
_LAST: Final = (
    sa.select(audit.c.position, audit.c.digest).order_by(audit.c.position.desc()).limit(1)
)


async def append_changes(tx: AsyncConnection, changes: Sequence[Change]) -> None:
    """Write entries behind the last one, in their order, as the last thing before the commit."""
    if not changes:
        return
    await lock_audit(tx)
    position, digest = await load_trail_head(tx)
    entries = []
    for change in changes:
        position += 1
        entry: dict[str, Any] = {
            "position": position,
            "at": change.at,
            "actor": change.actor,
            "action": change.action,
            "subject": change.subject,
            "before": _text(change.before),
            "after": _text(change.after),
            "request": change.request,
        }
        digest = follow(digest, entry)
        entries.append(entry | {"digest": digest})
    await _INSERT.run(tx, entries)


def _text(value: Any) -> str | None:
    return None if value is None else to_text(value)


async def load_trail_head(tx: AsyncConnection) -> tuple[int, str]:
    """Where the trail ends: position and digest."""
    row = (await tx.execute(_LAST)).one_or_none()
    return (0, GENESIS) if row is None else (int(row.position), row.digest)


async def check_audit(tx: AsyncConnection, told: Iterable[tuple[int, str]] = ()) -> AuditReport:
    """Recompute every digest, in one read; changes nothing.

    `told` are positions with their digests that were told outside: they must stand in the trail.
    """
    breaks: list[AuditBreak] = []
    wanted: dict[int, set[str]] = {}
    for at, outside in told:
        wanted.setdefault(at, set()).add(outside)
    entries, position, digest = 0, 0, GENESIS
    async for row in _rows(tx):
        entry = dict(row)
        stored = entry.pop("digest")
        entries += 1
        if entry["position"] != position + 1:
            breaks.append(_missing(position + 1, entry["position"] - 1))
        elif stored != follow(digest, entry):
            breaks.append(_changed(entry))
        position, digest = entry["position"], stored if _is_digest(stored) else GENESIS
        if wanted.pop(position, {stored}) != {stored}:
            breaks.append(_rewritten(position))
    breaks += [_cut_off(at, position) for at in sorted(wanted)]
    return AuditReport(
        entries=entries, position=position, digest=digest, breaks=tuple(breaks[:BREAKS_MAX])
    )


async def _rows(tx: AsyncConnection) -> AsyncIterator[Mapping[str, Any]]:
    page = (
        sa.select(audit)
        .where(audit.c.position > sa.bindparam("after"))
        .order_by(audit.c.position)
        .limit(PAGE_ROWS)
    )
    after = 0
    while True:
        rows = (await tx.execute(page, {"after": after})).mappings().all()
        for row in rows:
            yield {str(name): value for name, value in row.items()}
        if len(rows) < PAGE_ROWS:
            return
        after = rows[-1]["position"]


def _is_digest(text: str) -> bool:
    return len(text) == len(GENESIS) and set(text) <= set("0123456789abcdef")


def _missing(first: int, last: int) -> AuditBreak:
    which = f"entry {first} is" if first == last else f"entries {first} to {last} are"
    return AuditBreak(position=first, message=f"{which} gone from the audit trail")


def _rewritten(position: int) -> AuditBreak:
    return AuditBreak(
        position=position,
        message=f"entry {position} of the audit trail was told outside with another digest: the"
        " trail up to there was written anew, or it is another trail",
    )


def _cut_off(position: int, end: int) -> AuditBreak:
    return AuditBreak(
        position=position,
        message=f"the audit trail ends at entry {end}, and entry {position} was told outside:"
        " entries are gone from its end, or an old backup was restored",
    )


def _changed(entry: Mapping[str, Any]) -> AuditBreak:
    return AuditBreak(
        position=entry["position"],
        message=f"entry {entry['position']} of the audit trail ({entry['action']} of"
        f" {entry['subject']}) is not as it was written, or the one before it is not",
    )
