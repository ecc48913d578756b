"""Prove the chain over the ledger, and name whatever was changed, removed or put in.

The proof covers everything up to the chain's head. Movements behind it are the unsealed tail: the
sealer has not come to them yet, and nothing can be said about them. That the chain itself was not
cut off at its end, or written anew as a whole, is proven by heads that were told outside earlier
(`compare`): they must stand in the chain as they were told.

Where the ledger was folded, the chain begins with the last seal of what went into the archive, and
what stayed of that is proven by the fold's own digest. The archive itself is proven by
`channelsync.store.archive`, from these two.
"""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Collection, Iterable, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Final

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection

from channelsync.domain.vocabulary import Instant
from channelsync.store.chain import GENESIS, Head, follow, load_head
from channelsync.store.chain_tables import seals
from channelsync.store.folding import FOLDED, Fold, load_folds, movement_page, told_of
from channelsync.store.identity_tables import audit
from channelsync.store.openings import Digest
from channelsync.store.stock_tables import movements

__all__ = ["Anchor", "Break", "BreakKind", "ChainReport", "check_chain", "compare"]

PAGE_ROWS: Final = 2_000
BREAKS_MAX: Final = 100
"""Breaks that are named one by one; a chain that is wrong altogether needs no longer list."""


class BreakKind(StrEnum):
    """What is wrong with the chain at one place."""

    CHANGED = "changed"
    """A movement does not give the digest that it was sealed with."""
    REMOVED = "removed"
    """A sealed movement is gone."""
    INSERTED = "inserted"
    """A movement without a seal stands among sealed ones."""
    SEALS_MISSING = "seals_missing"
    """Seals are gone from inside the chain."""
    CUT_OFF = "cut_off"
    """The chain ends before a head that was told outside."""
    REWRITTEN = "rewritten"
    """At the place of a head that was told outside the chain says something else."""
    CARRIED = "carried"
    """What stayed of folded movements is not what stayed then."""
    UNTOLD = "untold"
    """The audit trail does not tell of a fold."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Break:
    """One place where the chain does not hold."""

    kind: BreakKind
    position: int
    """Where in the chain; 0 where it has no place in it."""
    movement_id: int
    message: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Anchor:
    """A head of the chain as it was told outside, with that of the audit trail at that time."""

    position: int
    digest: str
    trail_position: int = 0
    """0: nothing was told of the trail."""
    trail_digest: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class ChainReport:
    """How far the ledger is sealed, and whether it is as it was sealed."""

    sealed: int
    """Seals that were looked at."""
    head: Head
    unsealed: int
    """Movements behind the head."""
    unsealed_since: Instant | None
    """When the oldest of these happened."""
    breaks: tuple[Break, ...]
    anchors: int = 0
    """Heads told outside that were compared."""
    archived_anchors: int = 0
    """Heads told outside that stand in an archive, where they were not looked for."""
    folds: tuple[Fold, ...] = ()
    """Where it was folded; the chain begins with the last of them."""

    @property
    def ok(self) -> bool:
        """Whether every sealed movement is as it was sealed."""
        return not self.breaks


async def check_chain(tx: AsyncConnection, anchors: Collection[Anchor] = ()) -> ChainReport:
    """Recompute every digest up to the head, in one read; changes nothing."""
    folds = await load_folds(tx)
    start, head = folds[-1].head if folds else Head(), await load_head(tx)
    told = [one for one in anchors if one.position >= start.position]
    archived = [one for one in anchors if one.position < start.position]
    breaks = [*await _carried(tx, folds), *await _untold(tx, folds), *_ends_early(folds, head)]
    sealed = 0
    async for found in _walk(tx, start, head):
        sealed += 1
        breaks += found
        if len(breaks) >= BREAKS_MAX:
            break
    breaks += await _inserted(tx, start, head)
    breaks += await compare(tx, told, start, head)
    behind = sa.select(sa.func.count(), sa.func.min(movements.c.at)).where(
        movements.c.id > head.movement_id
    )
    unsealed, since = (await tx.execute(behind)).one()
    return ChainReport(
        sealed=sealed,
        head=head,
        unsealed=unsealed,
        unsealed_since=since,
        breaks=tuple(breaks[:BREAKS_MAX]),
        anchors=len(told),
        archived_anchors=len(archived),
        folds=tuple(folds),
    )


async def _walk(tx: AsyncConnection, start: Head, head: Head) -> AsyncIterator[list[Break]]:
    """What is wrong at each seal behind the start.

    Where a seal does not fit its movement, either of the two may have been changed: the next one
    may follow the seal as it is or as it should be, so that one change is named once.
    """
    at, digests = start, {start.digest}
    async for row in _rows(tx, start, head):
        found: list[Break] = []
        right: set[str] = set()
        missing = row.seal_position - at.position - 1
        if missing:
            found.append(_missing(at.position + 1, row))
        if row.id is None:
            found.append(_removed(row))
        elif not missing:
            right = {follow(digest, _movement(row)) for digest in digests}
            if row.seal_digest not in right or row.seal_movement_id <= at.movement_id:
                found.append(_changed(row))
        at = Head(position=row.seal_position, movement_id=row.seal_movement_id)
        stored = {row.seal_digest} if _is_digest(row.seal_digest) else {GENESIS}
        digests = stored if row.seal_digest in right else stored | right
        yield found


async def _rows(tx: AsyncConnection, start: Head, head: Head) -> AsyncIterator[Any]:
    """Seals with their movements, in the chain's order."""
    page = (
        sa.select(
            movements,
            seals.c.position.label("seal_position"),
            seals.c.movement_id.label("seal_movement_id"),
            seals.c.digest.label("seal_digest"),
        )
        .select_from(seals.outerjoin(movements, movements.c.id == seals.c.movement_id))
        .where(seals.c.position > sa.bindparam("after"), seals.c.position <= head.position)
        .order_by(seals.c.position)
        .limit(PAGE_ROWS)
    )
    after = start.position
    while True:
        rows = (await tx.execute(page, {"after": after})).all()
        for row in rows:
            yield row
        if len(rows) < PAGE_ROWS:
            return
        after = rows[-1].seal_position


def _movement(row: Any) -> dict[str, Any]:
    return {column.name: getattr(row, column.name) for column in movements.columns}


def _is_digest(text: str) -> bool:
    return len(text) == len(GENESIS) and set(text) <= set("0123456789abcdef")


def _missing(first: int, row: Any) -> Break:
    last = row.seal_position - 1
    which = f"seal {first} is" if first == last else f"seals {first} to {last} are"
    return Break(
        kind=BreakKind.SEALS_MISSING,
        position=first,
        movement_id=row.seal_movement_id,
        message=f"{which} missing before the seal of movement {row.seal_movement_id}",
    )


def _removed(row: Any) -> Break:
    return Break(
        kind=BreakKind.REMOVED,
        position=row.seal_position,
        movement_id=row.seal_movement_id,
        message=f"movement {row.seal_movement_id} was sealed and is gone",
    )


def _changed(row: Any) -> Break:
    return Break(
        kind=BreakKind.CHANGED,
        position=row.seal_position,
        movement_id=row.id,
        message=f"movement {row.id} is not what was sealed: it or its seal was changed",
    )


async def _carried(tx: AsyncConnection, folds: Sequence[Fold]) -> list[Break]:
    """What stayed of folded movements; while a fold is under way, nothing can be said of it."""
    if not folds or folds[-1].ended_at is None:
        return []
    fold, after, digest = folds[-1], 0, Digest()
    while rows := await movement_page(tx, after=after, up_to=fold.head.movement_id):
        for row in rows:
            digest.add(row)
        after = rows[-1]["id"]
    if digest.hex() == fold.remains.digest:
        return []
    message = f"what stayed of the movements up to {fold.head.movement_id} is not what stayed then"
    return [_at_fold(BreakKind.CARRIED, fold, f"{message}: some were changed, removed or put in")]


async def _untold(tx: AsyncConnection, folds: Sequence[Fold]) -> list[Break]:
    """Folds that somebody made up: the audit trail tells of every real one, in the same words."""
    if not folds:
        return []
    query = sa.select(audit.c.after).where(audit.c.action == FOLDED)
    told = [json.loads(after) for after in (await tx.execute(query)).scalars() if after]
    return [
        _at_fold(
            BreakKind.UNTOLD,
            fold,
            f"the audit trail does not tell of a fold up to position {fold.head.position}",
        )
        for fold in folds
        if not any(told_of(fold).items() <= one.items() for one in told)
    ]


def _ends_early(folds: Sequence[Fold], head: Head) -> list[Break]:
    """A fold always leaves the newest seal."""
    if not folds or head.position > folds[-1].head.position:
        return []
    message = f"every seal behind the fold up to position {folds[-1].head.position} is gone"
    return [_at_fold(BreakKind.CUT_OFF, folds[-1], message)]


def _at_fold(kind: BreakKind, fold: Fold, message: str) -> Break:
    at = fold.head
    return Break(kind=kind, position=at.position, movement_id=at.movement_id, message=message)


async def _inserted(tx: AsyncConnection, start: Head, head: Head) -> list[Break]:
    """Movements among the sealed ones that nobody sealed."""
    query = (
        sa.select(movements.c.id)
        .outerjoin(seals, seals.c.movement_id == movements.c.id)
        .where(
            movements.c.id > start.movement_id,
            movements.c.id <= head.movement_id,
            seals.c.position.is_(None),
        )
        .order_by(movements.c.id)
        .limit(BREAKS_MAX)
    )
    return [
        Break(
            kind=BreakKind.INSERTED,
            position=0,
            movement_id=movement_id,
            message=f"movement {movement_id} was put in after its time, or lost its seal",
        )
        for movement_id in (await tx.execute(query)).scalars()
    ]


async def compare(
    tx: AsyncConnection, anchors: Iterable[Anchor], start: Head, head: Head
) -> list[Break]:
    """Hold heads that were told outside against the chain, which begins at `start`."""
    breaks: list[Break] = []
    for anchor in anchors:
        if anchor.position > head.position:
            breaks.append(_cut_off(anchor, head))
            continue
        if anchor.position == start.position:
            if anchor.digest != start.digest:
                breaks.append(_rewritten(anchor, start.movement_id))
            continue
        query = sa.select(seals.c.digest, seals.c.movement_id).where(
            seals.c.position == anchor.position
        )
        row = (await tx.execute(query)).one_or_none()
        if row is None or row.digest != anchor.digest:
            breaks.append(_rewritten(anchor, 0 if row is None else row.movement_id))
    return breaks


def _cut_off(anchor: Anchor, head: Head) -> Break:
    return Break(
        kind=BreakKind.CUT_OFF,
        position=anchor.position,
        movement_id=0,
        message=f"the chain ends at position {head.position}, and position {anchor.position} was"
        " told outside: movements are gone from its end, or an old backup was restored",
    )


def _rewritten(anchor: Anchor, movement_id: int) -> Break:
    return Break(
        kind=BreakKind.REWRITTEN,
        position=anchor.position,
        movement_id=movement_id,
        message=f"position {anchor.position} was told outside with another digest: the ledger up"
        " to there was written anew, or it is another ledger",
    )
