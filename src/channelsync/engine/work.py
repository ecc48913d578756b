"""Dirty keys. Whoever changes something marks what must be looked at, in the same transaction.

A row is due while `done_version < want_version` and its time has come. Marking bumps
`want_version`, so that a mark during a run is not lost; marks coalesce. A worker takes a lease,
does the work level-triggered and writes the version it started from as done. Nothing is lost when a
wake-up is lost or a worker dies: the lease ends and the row is due again.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, Final

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection

from channelsync.domain.vocabulary import Instant
from channelsync.engine.work_statements import (
    ENDS,
    HELD_BY,
    MARK,
    MARK_EVERY_ITEM,
    MARK_TRACED,
    NEXT_DUE,
    TAKEN,
    asking_which_are_due,
)
from channelsync.store.database import at_end
from channelsync.store.locks import in_parts
from channelsync.store.many import among
from channelsync.store.tables import work
from channelsync.tracing import Cause, causes_here, read_causes, written_causes

__all__ = [
    "AWAITED",
    "Claim",
    "LeaseLost",
    "WorkKind",
    "claim",
    "due_kinds",
    "finish",
    "finish_together",
    "is_under_way",
    "mark",
    "mark_every_item",
    "mark_items",
    "mark_many",
    "marks_taken_back",
    "next_due",
    "require_lease",
    "require_leases",
]


class WorkKind(StrEnum):
    """What a key asks for."""

    INTAKE = "intake"
    """Key: channel. Deliveries wait to be applied."""
    RECONCILE = "reconcile"
    """Key: item id. Stock, orders, grants or targets of the item changed."""
    PUBLISH = "publish"
    """Key: channel. Pushes wait to be sent."""
    TELL = "tell"
    """Key: channel. Numbers to show to the people of a live channel."""
    SETTLE = "settle"
    """Key: channel. Cuts to release, exposures to prove."""
    POLL = "poll"
    """Key: channel. Orders to page through."""
    PULL = "pull"
    """Key: channel. Its queue to fetch from."""
    FETCH = "fetch"
    """Key: channel, a tab, order id. One order to look at."""
    DISCOVER = "discover"
    """Key: channel. Offers to find and map."""
    SUBSCRIBE = "subscribe"
    """Key: channel. Webhook subscriptions to check."""
    WATCH = "watch"
    """Key: channel. Assumptions and quiet feeds to check."""
    EXPIRE = "expire"
    """Key: `holds`. Holds whose time is over."""
    SEAL = "seal"
    """Key: `ledger`. Movements to append to the chain."""
    ANCHOR = "anchor"
    """Key: `ledger`. The chain's head to tell outside."""
    SEQUENCE = "sequence"
    """Key: `events`. Outgoing events to be given their places."""
    DELIVER = "deliver"
    """Key: endpoint id. Events to send there."""
    NOTIFY = "notify"
    """Key: `notices`. What people are to be told."""
    PRUNE = "prune"
    """Key: `store`. What is old, to be let go of."""


_WHICH_ARE_DUE: Final = asking_which_are_due(WorkKind)

LAST: Final = frozenset({WorkKind.INTAKE})
"""Whose keys are locked behind all others: whoever receives a delivery waits for them."""
AWAITED: Final = frozenset(
    {
        WorkKind.INTAKE,
        WorkKind.FETCH,
        WorkKind.PULL,
        WorkKind.RECONCILE,
        WorkKind.PUBLISH,
    }
)
"""What lies between a sale and the other channels' numbers: everything else lets it go first."""


class LeaseLost(Exception):
    """Another worker has taken the key over; whatever this one would write is refused."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Claim:
    """A key taken by one worker until its lease ends."""

    kind: WorkKind
    key: str
    version: int
    token: str
    lease_until: Instant
    attempts: int
    trace: str | None = None
    """What it comes of, as the store keeps that."""

    @property
    def causes(self) -> tuple[Cause, ...]:
        """What it comes of; the first is what it goes on from."""
        return read_causes(self.trace)


async def mark(tx: AsyncConnection, kind: WorkKind, key: str, *, not_before: Instant = 0.0) -> None:
    """Ask for one key to be looked at, no earlier than `not_before`."""
    await mark_many(tx, kind, (key,), not_before=not_before)


async def mark_items(tx: AsyncConnection, item_ids: Iterable[int], now: Instant) -> None:
    """Ask for the targets and grants of items to be looked at."""
    keys = sorted({str(item_id) for item_id in item_ids})
    await mark_many(tx, WorkKind.RECONCILE, keys, not_before=now)


async def mark_every_item(tx: AsyncConnection, now: Instant) -> None:
    """Ask for all items there are, in one statement: a changed policy bears on every one of them.

    The last thing that the caller does: the keys are held until the commit.
    """
    tx.info.setdefault("marked", set()).add(WorkKind.RECONCILE)
    await tx.execute(MARK_EVERY_ITEM[tx.dialect.name], {"_now": now})


async def mark_many(
    tx: AsyncConnection, kind: WorkKind, keys: Iterable[str], *, not_before: Instant
) -> None:
    """Ask for many keys at once. An earlier time wins over a later one that is still waiting.

    The rows are written as the last thing before the commit, so that a key that many ask for (a
    channel's intake) is held for a moment only.
    """
    marks = {(kind, key): not_before for key in keys}
    if not marks:
        return
    tx.info.setdefault("marked", set()).add(kind)
    last = _last_act(tx)
    causes = causes_here()
    if last is None:
        await _write_marks(tx, marks, dict.fromkeys(marks, causes) if causes else {})
        return
    for key, at in marks.items():
        last.marks[key] = min(at, last.marks.get(key, at))
        if causes:
            last.causes[key] = tuple(dict.fromkeys((*last.causes.get(key, ()), *causes)))


def marks_taken_back(tx: AsyncConnection, kind: WorkKind) -> dict[str, Instant]:
    """What this transaction has asked for of a kind so far: the caller does it here and now."""
    last = _last_act(tx)
    if last is None:
        return {}
    mine = {key: at for (of, key), at in last.marks.items() if of == kind}
    for key in mine:
        del last.marks[kind, key]
        last.causes.pop((kind, key), None)
    tx.info["marked"].discard(kind)
    return mine


async def is_under_way(tx: AsyncConnection, kind: WorkKind, key: str, *, now: Instant) -> bool:
    """Whether somebody works on the key now. A mark for later would only be done at once."""
    query = sa.select(work.c.lease_until).where(work.c.kind == kind, work.c.key == key)
    held_until: Instant | None = (await tx.execute(query)).scalar()
    return held_until is not None and held_until > now


@dataclass(slots=True)
class _LastAct:
    """What a transaction does to dirty keys, at its end and in one order for all writers."""

    marks: dict[tuple[WorkKind, str], Instant] = field(default_factory=dict)
    causes: dict[tuple[WorkKind, str], tuple[Cause, ...]] = field(default_factory=dict)
    held: list[Claim] = field(default_factory=list)
    done: list[tuple[Claim, Instant | None]] = field(default_factory=list)

    async def __call__(self, tx: AsyncConnection) -> None:
        for is_last in (False, True):
            marks = {key: at for key, at in self.marks.items() if (key[0] in LAST) is is_last}
            held = [one for one in self.held if (one.kind in LAST) is is_last]
            # Who only marks locks in that order by writing, and has nothing to look at.
            if held and tx.dialect.name != "sqlite":
                await _fence(tx, marks, held)
            if marks:
                await _write_marks(tx, marks, self.causes)
        await _write_done(tx, self.done)


async def _fence(
    tx: AsyncConnection, marks: Iterable[tuple[WorkKind, str]], held: Sequence[Claim]
) -> None:
    """Lock every key that is marked or held, then look once more who holds it.

    Raises:
        LeaseLost: another worker has taken one over since it was looked at.
    """
    wanted = {*marks, *((one.kind, one.key) for one in held)}
    tokens: dict[tuple[str, str], str | None] = {}
    for kind in sorted({kind for kind, _ in wanted}):
        for keys in in_parts(sorted(key for of, key in wanted if of == kind)):
            found = await tx.execute(_locking(tx, kind, keys))
            tokens |= {(kind, row.key): row.lease_token for row in found}
    for one in held:
        if tokens.get((one.kind, one.key)) != one.token:
            raise LeaseLost(f"{one.kind} {one.key}")


def _locking(tx: AsyncConnection, kind: WorkKind, keys: Sequence[str]) -> sa.Select[Any]:
    """In the order of characters, as marks are written, whatever the database sorts like."""
    return (
        sa.select(work.c.key, work.c.lease_token)
        .where(work.c.kind == kind, among(tx, work.c.key, keys))
        .order_by(sa.collate(work.c.key, "C"))
        .with_for_update(key_share=True)
    )


def _last_act(tx: AsyncConnection) -> _LastAct | None:
    found = at_end(tx, "work", _LastAct)
    return found if isinstance(found, _LastAct) else None


async def _write_marks(
    tx: AsyncConnection,
    marks: Mapping[tuple[WorkKind, str], Instant],
    causes: Mapping[tuple[WorkKind, str], Sequence[Cause]],
) -> None:
    wanted = sorted(marks.items())
    rows = [{"kind": kind, "key": key, "not_before": at} for (kind, key), at in wanted]
    if not causes:
        await MARK.run(tx, rows)
        return
    told = [{"trace": written_causes(causes.get(key, ()))} for key, _ in wanted]
    await MARK_TRACED.run(tx, [row | more for row, more in zip(rows, told, strict=True)])


async def next_due(connection: AsyncConnection, kind: WorkKind, *, now: Instant) -> Instant | None:
    """When the next key of a kind is due; leased keys count from the end of their lease."""
    row = (await connection.execute(NEXT_DUE, {"_kind": kind, "_now": now})).one()
    return min((at for at in row if at is not None), default=None)


async def due_kinds(connection: AsyncConnection, *, now: Instant) -> set[str]:
    """The kinds of which some key may be claimed now."""
    row = (await connection.execute(_WHICH_ARE_DUE, {"_now": now})).one()
    return {kind for kind, is_due in row._mapping.items() if is_due}  # noqa: SLF001 - its name


async def claim(
    tx: AsyncConnection,
    kind: WorkKind,
    *,
    now: Instant,
    lease_seconds: float,
    token: str,
    limit: int = 1,
) -> list[Claim]:
    """Take up to `limit` due keys of a kind, oldest first."""
    times = {"_now": now, "_until": now + lease_seconds}
    wanted = {"_kind": kind, "_limit": limit, "_token": token, **times}
    rows = (await tx.execute(TAKEN, wanted)).all()
    return [
        Claim(
            kind=kind,
            key=row.key,
            version=row.want_version,
            token=token,
            lease_until=now + lease_seconds,
            attempts=row.attempts,
            trace=row.trace,
        )
        for row in rows
    ]


async def require_lease(tx: AsyncConnection, held: Claim, *, now: Instant) -> None:
    """Check that the lease still stands, now and once more at the transaction's end.

    A worker that was frozen for longer than its lease thus commits nothing.

    Raises:
        LeaseLost: it ended, or another worker holds the key.
    """
    row = (await tx.execute(HELD_BY, {"_kind": held.kind, "_key": held.key})).one_or_none()
    if row is None or row.lease_token != held.token or (row.lease_until or 0.0) <= now:
        raise LeaseLost(f"{held.kind} {held.key}")
    if (last := _last_act(tx)) is not None:
        last.held.append(held)


async def require_leases(
    tx: AsyncConnection, claims: Sequence[Claim], *, now: Instant
) -> list[Claim]:
    """Those of the claims whose lease still stands; checked once more at the transaction's end."""
    by_token: dict[tuple[WorkKind, str], dict[str, Claim]] = {}
    for held in claims:
        by_token.setdefault((held.kind, held.token), {})[held.key] = held
    standing: list[Claim] = []
    for (kind, token), mine in by_token.items():
        query = sa.select(work.c.key).where(
            work.c.kind == kind,
            among(tx, work.c.key, sorted(mine)),
            work.c.lease_token == token,
            work.c.lease_until > now,
        )
        standing += [mine[key] for key in (await tx.execute(query)).scalars()]
    if (last := _last_act(tx)) is not None:
        last.held += standing
    return standing


async def finish_together(
    tx: AsyncConnection, done: Sequence[tuple[Claim, Instant | None]]
) -> None:
    """`finish` many keys, each with its `again_at`, as the last thing before the commit."""
    if (last := _last_act(tx)) is not None:
        last.done += done
    else:
        await _write_done(tx, done)


async def _write_done(tx: AsyncConnection, done: Sequence[tuple[Claim, Instant | None]]) -> None:
    """One statement for those that are due again by themselves, one for the others."""
    rows: dict[tuple[bool, bool], list[dict[str, Any]]] = {}
    for held, again_at in done:
        row: dict[str, Any] = {"_kind": held.kind, "_key": held.key, "_token": held.token}
        row["_version"] = held.version
        if again_at is not None:
            row["_again"] = again_at
        if held.trace is not None:
            row["_seen"] = len(held.trace)
        rows.setdefault((again_at is not None, held.trace is not None), []).append(row)
    for ends, those in sorted(rows.items()):
        await tx.execute(ENDS[ends], those)


async def finish(tx: AsyncConnection, held: Claim, *, again_at: Instant | None = None) -> None:
    """Write the key as done; with `again_at` it becomes due again by itself then.

    A key marked during the run stays due at the time of that mark.
    """
    await _write_done(tx, ((held, again_at),))
