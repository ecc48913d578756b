"""Fold the ledger: movements of long ago go into an archive, what they come to stays.

Read first, write after. The archive is on the disk, and proven against the chain, before anything
of it may go; then a row says so, in one transaction with the audit trail's entry. From then on the
fold only has to be gone on with: by this run, or by the next one after a crash. The daemon may be
at work all the while.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Final

import structlog
from sqlalchemy.ext.asyncio import AsyncConnection

from channelsync.domain.vocabulary import Instant
from channelsync.engine.audit import note_change
from channelsync.engine.stock_changes import spoken_instant
from channelsync.ports import Environment
from channelsync.store.archive import Archive, new_archive
from channelsync.store.audit_chain import Change
from channelsync.store.chain import Head, follow
from channelsync.store.database import Database
from channelsync.store.folding import (
    FOLDED,
    Fold,
    FoldRefused,
    Remains,
    begin,
    end,
    find_cut,
    fold_some,
    load_fold,
    movement_page,
    needed_listings,
    told_of,
)
from channelsync.store.openings import Digest, Openings, digest_of

__all__ = ["KEPT_DAYS_MIN", "Folded", "fold_ledger"]

_log = structlog.get_logger("channelsync.ledger")

KEPT_DAYS_MIN: Final = 400
"""Reports look back a year, and a count is entered some days after it was taken."""
DAY_SECONDS: Final = 86_400.0
PAUSE_SECONDS: Final = 0.01
"""Between two transactions, so that a fold never has the writer for itself."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Folded:
    """What a run did."""

    before_at: Instant
    archive: Path | None
    """None: a fold that was begun before was ended."""
    position: int
    archived: int
    """Movements that were moved into the archive."""
    remaining: int
    """Movements in their place."""


async def fold_ledger(
    database: Database, environment: Environment, *, before: Instant, archive: Path, actor: str
) -> Folded | None:
    """Fold what happened before an instant, or end a fold that was interrupted. None: nothing to.

    Raises:
        FoldRefused: the instant is too recent, the archive cannot be written, or the ledger is not
            as it was sealed; nothing was folded.
    """
    async with database.read() as tx:
        last = await load_fold(tx)
    if last is not None and last.ended_at is None:
        return await _go_on(database, environment, last, None)
    cut = await _cut(database, environment, before, last)
    if cut is None:
        return None
    remains = await _write(database, archive, cut, last, before)
    fold = Fold(
        before_at=before, head=cut, remains=remains, begun_at=environment.now(), ended_at=None
    )

    async def act(tx: AsyncConnection) -> None:
        await begin(tx, fold)
        told = told_of(fold) | {"archive": archive.name, "before": spoken_instant(before)}
        entry = Change(at=fold.begun_at, actor=actor, action=FOLDED, subject="ledger", after=told)
        await note_change(tx, entry)

    try:
        await database.transact(act)
    except FoldRefused:
        await asyncio.to_thread(archive.unlink)  # its fold was not begun
        raise
    return await _go_on(database, environment, fold, archive)


async def _cut(
    database: Database, environment: Environment, before: Instant, last: Fold | None
) -> Head | None:
    if before > environment.now() - KEPT_DAYS_MIN * DAY_SECONDS:
        raise FoldRefused(
            f"{spoken_instant(before)} is too recent: movements of the last {KEPT_DAYS_MIN} days"
            " stay, for reports and counts"
        )
    async with database.read() as tx:
        cut = await find_cut(tx, before)
    if cut is None or (last is not None and cut.position <= last.head.position):
        return None
    return cut


async def _write(
    database: Database, path: Path, cut: Head, last: Fold | None, before: Instant
) -> Remains:
    """Write the archive, and work out what stays."""
    async with database.read() as tx:
        openings = Openings(await needed_listings(tx, before))
    with new_archive(path) as archive:
        archive.head(Head() if last is None else last.head, cut)
        archived = await _copy(database, archive, openings, last, cut)
    rows = openings.rows()
    return Remains(
        archived=archived,
        remaining=len(rows),
        digest=digest_of(rows),
        kept_listings=tuple(sorted(openings.kept)),
    )


async def _copy(
    database: Database, archive: Archive, openings: Openings, last: Fold | None, cut: Head
) -> int:
    """Every movement up to the cut. Sealed ones never change: each page is a read of its own."""
    start = Head() if last is None else last.head
    after, archived, digest, stayed = 0, 0, start.digest, Digest()
    while True:
        async with database.read() as tx:
            rows = await movement_page(tx, after=after, up_to=cut.movement_id)
        if not rows:
            break
        archive.add(rows)
        for row in rows:
            openings.add(row)
            if row["id"] > start.movement_id:
                digest = follow(digest, row)
            else:
                stayed.add(row)
        after, archived = rows[-1]["id"], archived + len(rows)
    if digest != cut.digest or (last and stayed.hex() != last.remains.digest):
        raise FoldRefused(
            "the ledger is not as it was sealed (see `channelsync verify`): nothing was folded"
        )
    return archived


async def _go_on(
    database: Database, environment: Environment, fold: Fold, archive: Path | None
) -> Folded:
    after: int | None = 0
    while after is not None:
        after = await database.transact(partial(fold_some, fold=fold, after=after))
        await asyncio.sleep(PAUSE_SECONDS)
    await database.transact(lambda tx: end(tx, fold, now=environment.now()))
    _log.info("ledger folded", before=spoken_instant(fold.before_at), **told_of(fold))
    return Folded(
        before_at=fold.before_at,
        archive=archive,
        position=fold.head.position,
        archived=fold.remains.archived,
        remaining=fold.remains.remaining,
    )
