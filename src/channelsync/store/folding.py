"""Fold: movements of long ago leave the ledger for an archive; what they come to stays.

A fold is begun (`begin`) once its archive is on the disk: from then on the chain begins with the
last seal of what is folded, and a row of `folds` says so for ever. Then seals and movements go, a
few hundred a transaction (`fold_some`), each time with an opening for every balance that they
changed: at every commit each balance is the sum of its movements. A fold that was interrupted is
gone on with; until it has ended, nothing but it can delete a movement, and it none of later ones.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection

from channelsync.domain.vocabulary import Instant
from channelsync.store.chain import Head, load_head
from channelsync.store.chain_tables import folds, seals
from channelsync.store.channel_tables import listings, pushes, readings
from channelsync.store.locks import lock_ledger
from channelsync.store.many import among
from channelsync.store.openings import Openings, balance_of
from channelsync.store.stock_tables import movements
from channelsync.store.words import MovementKind

__all__ = [
    "FOLDED",
    "Fold",
    "FoldRefused",
    "Remains",
    "begin",
    "end",
    "find_cut",
    "fold_some",
    "folded_before",
    "load_fold",
    "load_folds",
    "movement_page",
    "needed_listings",
    "told_of",
]

ROWS_AT_ONCE: Final = 500
"""Rows of one transaction: it writes for some ten milliseconds."""
PAGE_ROWS: Final = 2_000
FOLDED: Final = "ledger.fold"
"""What the audit trail calls a fold."""


class FoldRefused(Exception):
    """Nothing was folded; the message says why and what to do."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Remains:
    """What stays of the movements up to a cut."""

    archived: int
    """Movements in the archive."""
    remaining: int
    """Movements that stay: openings, and those of kept listings."""
    digest: str
    kept_listings: tuple[int, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Fold:
    """Up to where the ledger was moved into an archive."""

    before_at: Instant
    head: Head
    """The last seal of what was folded: the chain begins behind it."""
    remains: Remains
    begun_at: Instant
    ended_at: Instant | None
    """None: it is under way."""


async def load_folds(tx: AsyncConnection) -> Sequence[Fold]:
    """Every fold, the oldest first."""
    rows = await tx.execute(sa.select(folds).order_by(folds.c.position))
    return [_fold(row) for row in rows]


async def load_fold(tx: AsyncConnection) -> Fold | None:
    """The newest fold."""
    query = sa.select(folds).order_by(folds.c.position.desc()).limit(1)
    row = (await tx.execute(query)).one_or_none()
    return None if row is None else _fold(row)


async def folded_before(tx: AsyncConnection) -> Instant | None:
    """Single movements before this instant may lie in an archive. None: all are here."""
    last: Instant | None = (await tx.execute(sa.select(sa.func.max(folds.c.before_at)))).scalar()
    return last


def told_of(fold: Fold) -> dict[str, Any]:
    """What the audit trail tells of a fold, so that none can be made up without it."""
    return {
        "position": fold.head.position,
        "digest": fold.head.digest,
        "archived": fold.remains.archived,
        "remaining": fold.remains.remaining,
        "remaining_digest": fold.remains.digest,
    }


def _fold(row: Any) -> Fold:
    return Fold(
        before_at=row.before_at,
        head=Head(position=row.position, movement_id=row.movement_id, digest=row.digest),
        remains=Remains(
            archived=row.archived,
            remaining=row.remaining,
            digest=row.remaining_digest,
            kept_listings=tuple(row.kept_listings),
        ),
        begun_at=row.begun_at,
        ended_at=row.ended_at,
    )


# ------------------------------------------------------------------ what may go


async def find_cut(tx: AsyncConnection, before: Instant) -> Head | None:
    """The last seal such that it and all before it are of movements before that instant.

    The newest seal of all always stays. None: there is nothing to fold.
    """
    head = await load_head(tx)
    young = sa.select(sa.func.min(movements.c.id)).where(movements.c.at >= before)
    first_young = (await tx.execute(young)).scalar()
    below = head.movement_id if first_young is None else min(head.movement_id, first_young)
    query = (
        sa.select(seals)
        .where(seals.c.movement_id < below)
        .order_by(seals.c.movement_id.desc())
        .limit(1)
    )
    row = (await tx.execute(query)).one_or_none()
    if row is None:
        return None
    return Head(position=row.position, movement_id=row.movement_id, digest=row.digest)


async def needed_listings(tx: AsyncConnection, before: Instant) -> frozenset[int]:
    """Listings of which single movements before that instant still count.

    An open push is held against its charges, a reading against what moved since it was asked for,
    and whether a listing was ever settled against its settles.
    """
    query = sa.union(
        sa.select(listings.c.id).where(listings.c.exposure.is_(None)),
        sa.select(pushes.c.listing_id).where(
            pushes.c.closed_at.is_(None), pushes.c.opened_at < before
        ),
        sa.select(readings.c.listing_id).where(readings.c.sent_at < before),
    )
    return frozenset((await tx.execute(query)).scalars())


async def movement_page(
    tx: AsyncConnection, *, after: int, up_to: int
) -> Sequence[Mapping[str, Any]]:
    """The next some thousand movements behind `after`, in the order of their ids."""
    query = (
        sa.select(movements)
        .where(movements.c.id > after, movements.c.id <= up_to)
        .order_by(movements.c.id)
        .limit(PAGE_ROWS)
    )
    return [dict(row) for row in (await tx.execute(query)).mappings()]


# ------------------------------------------------------------------ one fold


async def begin(tx: AsyncConnection, fold: Fold) -> None:
    """From here on the chain begins behind the fold.

    Raises:
        FoldRefused: somebody else has folded meanwhile.
    """
    await lock_ledger(tx)
    last = await load_fold(tx)
    if last is not None and (last.ended_at is None or last.head.position >= fold.head.position):
        raise FoldRefused("the ledger was folded by somebody else meanwhile: look again")
    row = {
        "before_at": fold.before_at,
        "position": fold.head.position,
        "movement_id": fold.head.movement_id,
        "digest": fold.head.digest,
        "archived": fold.remains.archived,
        "remaining": fold.remains.remaining,
        "remaining_digest": fold.remains.digest,
        "kept_listings": list(fold.remains.kept_listings),
        "begun_at": fold.begun_at,
    }
    await tx.execute(sa.insert(folds), row)


async def fold_some(
    tx: AsyncConnection, fold: Fold, *, after: int = 0, limit: int = ROWS_AT_ONCE
) -> int | None:
    """Go on with a fold behind movement `after`, in a write transaction.

    Returns where to go on; None: nothing is left.
    """
    await lock_ledger(tx)
    if await _drop_seals(tx, fold, limit):
        return after
    rows = await _next(tx, fold, after, limit)
    if not rows:
        return None
    await _replace(tx, rows)
    return int(rows[-1]["id"])


async def _drop_seals(tx: AsyncConnection, fold: Fold, limit: int) -> int:
    old = seals.c.position <= fold.head.position
    found = sa.select(seals.c.position).where(old).order_by(seals.c.position).limit(limit)
    positions = (await tx.execute(found)).scalars().all()
    if positions:
        await tx.execute(sa.delete(seals).where(old, seals.c.position <= positions[-1]))
    return len(positions)


async def _next(
    tx: AsyncConnection, fold: Fold, after: int, limit: int
) -> Sequence[Mapping[str, Any]]:
    """The oldest movements that are no openings yet. Whatever is before them is folded already."""
    kept = among(tx, movements.c.listing_id, fold.remains.kept_listings)
    query = (
        sa.select(movements)
        .where(
            movements.c.id > after,
            movements.c.id <= fold.head.movement_id,
            movements.c.kind != MovementKind.OPENING,
            sa.or_(movements.c.listing_id.is_(None), sa.not_(kept)),
        )
        .order_by(movements.c.id)
        .limit(limit)
    )
    return [dict(row) for row in (await tx.execute(query)).mappings()]


async def _replace(tx: AsyncConnection, rows: Sequence[Mapping[str, Any]]) -> None:
    """Put openings in the place of movements, and of the openings before them."""
    sums = Openings()
    for row in rows:
        sums.add(row)
    gone = [row["id"] for row in rows]
    for row in await _openings_before(tx, rows):
        if balance_of(row) in sums.balances():
            sums.add(row)
            gone.append(row["id"])
    await tx.execute(sa.delete(movements).where(among(tx, movements.c.id, gone)))
    await tx.execute(sa.insert(movements), sums.rows())


async def _openings_before(
    tx: AsyncConnection, rows: Sequence[Mapping[str, Any]]
) -> Iterable[Mapping[str, Any]]:
    """Openings of the balances that these movements change, of what was folded before them."""
    is_before = sa.and_(movements.c.id <= rows[-1]["id"], movements.c.kind == MovementKind.OPENING)
    found: list[Mapping[str, Any]] = []
    for names in (("item_id", "location_id"), ("listing_id",)):
        wanted = [_among_all(tx, rows, name) for name in names]
        query = sa.select(movements).where(is_before, *wanted)
        found += [dict(row) for row in (await tx.execute(query)).mappings()]
    return found


def _among_all(
    tx: AsyncConnection, rows: Iterable[Mapping[str, Any]], name: str
) -> sa.ColumnElement[bool]:
    values: Collection[int] = {row[name] for row in rows if row[name] is not None}
    return among(tx, movements.c[name], sorted(values))


async def end(tx: AsyncConnection, fold: Fold, *, now: Instant) -> None:
    """The fold is done: what it left is proven against its digest from now on."""
    await lock_ledger(tx)
    unended = sa.and_(folds.c.position == fold.head.position, folds.c.ended_at.is_(None))
    await tx.execute(sa.update(folds).where(unended).values(ended_at=now))
