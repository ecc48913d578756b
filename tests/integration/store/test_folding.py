"""Folding moves old movements into an archive: every number stays, and everything stays proven."""

from __future__ import annotations

import asyncio
import gzip
import json
import random
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from channelsync.engine.bookkeeping import repair_books, verify_books
from channelsync.engine.fold import DAY_SECONDS, KEPT_DAYS_MIN, Folded, fold_ledger
from channelsync.engine.stock_desk import StockDesk
from channelsync.engine.stock_errors import StockRefused
from channelsync.store import tables
from channelsync.store.archive import ArchiveReport, ArchiveUnreadable, check_archive
from channelsync.store.chain_check import Anchor, BreakKind
from channelsync.store.errors import StoreUnavailable
from channelsync.store.folding import FoldRefused, fold_some, load_fold, load_folds
from channelsync.store.tables import MovementKind, Quantity
from tests.support.ledger_books import ITEMS, LOCATIONS, NOON, Books

OLD = 300
"""Movements before the cut."""
CUT = NOON + OLD
LATER = CUT + (KEPT_DAYS_MIN + 1) * DAY_SECONDS
BALANCES = (Quantity.ON_HAND, Quantity.SAFETY_STOCK, Quantity.ON_ORDER)


async def fill(books: Books, count: int, *, start: float, seed: int) -> None:
    """Movements of every kind of balance, a second apart, sealed."""
    dice = random.Random(seed)
    for number in range(count):
        place = (dice.choice(sorted(ITEMS)), dice.choice(sorted(LOCATIONS)))
        kind = dice.choice((MovementKind.ADJUSTMENT, MovementKind.COUNT, MovementKind.SHIPMENT))
        facts = {"kind": kind, "at": start + number, "note": f"Nr. {number} – ok"}
        await books.move((*place, dice.choice(BALANCES), dice.randint(1, 9)), **facts)
    await books.seal()


@pytest.fixture
async def old(books: Books) -> Books:
    """A ledger of which the first part is more than four hundred days old."""
    await fill(books, OLD, start=NOON, seed=1)
    books.now = LATER
    await fill(books, 20, start=LATER - 30, seed=2)
    return books


async def fold(books: Books, archive: Path, *, before: float = CUT) -> Folded:
    done = await fold_ledger(
        books.database, books.environment, before=before, archive=archive, actor="test"
    )
    assert done is not None
    return done


async def proven(books: Books, archive: Path, *anchors: Anchor) -> ArchiveReport:
    async with books.database.read() as tx:
        folds = await load_folds(tx)
    return check_archive(archive, folds, anchors)


async def all_levels(books: Books) -> list[Any]:
    return await books.rows(tables.stock)


async def newest(books: Books) -> list[Any]:
    """The newest movement of every item at every location: versions of rows go by it."""
    moved = tables.movements.c
    query = sa.select(
        moved.item_id, moved.location_id, sa.func.max(moved.id), sa.func.max(moved.at)
    )
    keys = (moved.item_id, moved.location_id)
    return await books.rows(query.group_by(*keys).order_by(*keys))


async def test_what_is_old_goes_and_every_number_stays(old: Books, tmp_path: Path) -> None:
    levels, versions = await all_levels(old), await newest(old)
    done = await fold(old, tmp_path / "old.gz")
    assert (done.archived, done.position) == (OLD, OLD)
    balances = len(ITEMS) * len(LOCATIONS) * len(BALANCES)
    assert done.remaining == balances
    assert await old.count_of(tables.movements) == balances + 20
    assert await old.count_of(tables.seals) == 20
    assert await all_levels(old) == levels
    assert await newest(old) == versions
    report = await verify_books(old.database)
    assert report.ok
    assert (report.chain.sealed, report.chain.head.position) == (20, OLD + 20)
    found = await proven(old, tmp_path / "old.gz")
    assert (found.breaks, found.movements) == ((), OLD)


async def test_the_archive_holds_every_movement_as_it_was_sealed(
    old: Books, tmp_path: Path
) -> None:
    before = [row._mapping for row in await old.rows(tables.movements)][:OLD]
    await fold(old, tmp_path / "old.gz")
    header, *lines = lines_of(tmp_path / "old.gz")
    assert json.loads(header)["position"] == OLD
    told = [json.loads(line) for line in lines]
    assert [(one["id"], one["delta"], one["note"]) for one in told] == [
        (row["id"], row["delta"], row["note"]) for row in before
    ]
    assert (tmp_path / "old.gz").stat().st_mode & 0o777 == 0o600


def lines_of(archive: Path) -> list[bytes]:
    return gzip.decompress(archive.read_bytes()).splitlines(keepends=True)


async def test_a_fold_over_a_fold(old: Books, tmp_path: Path) -> None:
    await fold(old, tmp_path / "one.gz", before=NOON + 100)
    levels = await all_levels(old)
    done = await fold(old, tmp_path / "two.gz")
    assert done.position == OLD
    assert await all_levels(old) == levels
    assert (await verify_books(old.database)).ok
    for name in ("one.gz", "two.gz"):
        assert (await proven(old, tmp_path / name)).breaks == ()
    again = await fold_ledger(
        old.database, old.environment, before=CUT, archive=tmp_path / "three.gz", actor="test"
    )
    assert again is None
    assert not (tmp_path / "three.gz").exists()


async def test_the_books_add_up_at_every_step_and_a_fold_is_gone_on_with(
    old: Books, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The run dies after its first step; each further step is a transaction of its own."""
    steps = 0

    async def once(tx: Any, fold: Any, *, after: int) -> int | None:
        nonlocal steps
        steps += 1
        if steps > 1:
            raise StoreUnavailable("the machine stops here")
        return await fold_some(tx, fold, after=after, limit=7)

    monkeypatch.setattr("channelsync.engine.fold.fold_some", once)
    with pytest.raises(StoreUnavailable):
        await fold(old, tmp_path / "old.gz")
    monkeypatch.undo()
    levels = await all_levels(old)
    after: int | None = 0
    for _ in range(OLD // 7 + 20):
        assert after is not None
        async with old.database.write() as tx:
            begun = await load_fold(tx)
            assert begun is not None
            after = await fold_some(tx, begun, after=after, limit=7)
        report = await verify_books(old.database)
        assert report.ok
        assert [one.ended_at for one in report.chain.folds] == [None]
    await old.move(("MUG", "dc", Quantity.ON_HAND, 1), at=LATER)
    done = await fold(old, tmp_path / "another.gz")
    assert done.archive is None
    assert not (tmp_path / "another.gz").exists()
    assert (await verify_books(old.database)).ok
    assert (await proven(old, tmp_path / "old.gz")).breaks == ()
    assert len(await all_levels(old)) == len(levels)


async def test_writers_go_on_meanwhile(old: Books, tmp_path: Path) -> None:
    async def sell() -> None:
        for _ in range(60):
            await old.move(("MUG", "dc", Quantity.ON_HAND, -1), at=LATER)
            await asyncio.sleep(0)

    before = (await old.levels("MUG"))[0]
    await asyncio.gather(sell(), fold(old, tmp_path / "old.gz"))
    assert (await old.levels("MUG"))[0] == before - 60
    assert (await verify_books(old.database)).ok


async def test_two_folds_at_once_are_one(old: Books, tmp_path: Path) -> None:
    runs = [fold(old, tmp_path / name) for name in ("one.gz", "two.gz")]
    done = await asyncio.gather(*runs, return_exceptions=True)
    assert any(isinstance(one, Folded) for one in done)
    assert all(isinstance(one, Folded | FoldRefused) for one in done)
    assert await old.count_of(tables.folds) == 1
    assert (await verify_books(old.database)).ok


# ------------------------------------------------------------------ what must not go


async def test_outside_of_a_fold_nothing_can_be_deleted(old: Books, tmp_path: Path) -> None:
    await fold(old, tmp_path / "old.gz")
    for table in ("movements", "seals", "folds"):
        with pytest.raises(sa.exc.DBAPIError, match="append-only"):
            await old.run(f"DELETE FROM {table}")  # noqa: S608
    with pytest.raises(sa.exc.DBAPIError, match="append-only"):
        await old.run("UPDATE folds SET ended_at = 1")


async def test_a_fold_under_way_lets_nothing_go_that_is_later(old: Books, tmp_path: Path) -> None:
    await fold(old, tmp_path / "old.gz", before=NOON + 100)
    row = (await old.rows(tables.folds))[0]._asdict()
    row |= {"id": 2, "position": 200, "movement_id": 200, "ended_at": None}
    async with old.database.write() as tx:
        await tx.execute(sa.insert(tables.folds), row)
    for statement in (
        "DELETE FROM movements WHERE id = 201",
        "DELETE FROM movements WHERE id IN (200, 201)",
        "DELETE FROM seals WHERE position = 201",
    ):
        with pytest.raises(sa.exc.DBAPIError, match="append-only"):
            await old.run(statement)
    await old.run("DELETE FROM seals WHERE position = 200")


async def test_the_last_year_stays(old: Books, tmp_path: Path) -> None:
    with pytest.raises(FoldRefused, match="too recent"):
        await fold(old, tmp_path / "old.gz", before=LATER - 399 * DAY_SECONDS)
    assert not (tmp_path / "old.gz").exists()


async def test_a_file_that_is_there_is_never_written_over(old: Books, tmp_path: Path) -> None:
    (tmp_path / "old.gz").write_text("mine")
    with pytest.raises(FoldRefused, match="exists already"):
        await fold(old, tmp_path / "old.gz")
    with pytest.raises(FoldRefused, match="cannot be written"):
        await fold(old, tmp_path / "nowhere" / "old.gz")
    assert (tmp_path / "old.gz").read_text() == "mine"
    assert await old.count_of(tables.folds) == 0


async def test_a_ledger_that_is_not_as_it_was_sealed_is_not_folded(
    old: Books, tmp_path: Path
) -> None:
    await tamper(old, "UPDATE movements SET delta = 99 WHERE id = 17")
    with pytest.raises(FoldRefused, match="not as it was sealed"):
        await fold(old, tmp_path / "old.gz")
    assert not (tmp_path / "old.gz").exists()
    assert await old.count_of(tables.folds) == 0


async def test_what_stayed_of_a_fold_and_was_changed_is_not_folded_again(
    old: Books, tmp_path: Path
) -> None:
    """Else the next fold would carry the change on as if it had always been so."""
    await fold(old, tmp_path / "one.gz", before=NOON + 100)
    await tamper(old, "UPDATE movements SET delta = delta + 1 WHERE kind = 'opening' AND id < 100")
    with pytest.raises(FoldRefused, match="not as it was sealed"):
        await fold(old, tmp_path / "two.gz")
    assert await old.count_of(tables.folds) == 1


# ------------------------------------------------------------------ what is found


async def tamper(books: Books, statement: str) -> None:
    """What somebody with the database can do: triggers do not bind him."""
    if books.database.is_sqlite:
        rows = await books.rows(
            sa.text("SELECT name, sql FROM sqlite_master WHERE type = 'trigger'").columns(
                sa.column("name"), sa.column("sql")
            )  # type: ignore[arg-type]
        )
        for name, _ in rows:
            await books.run(f"DROP TRIGGER {name}")
        await books.run(statement)
        for _, sql in rows:
            await books.run(sql)
        return
    async with books.database.write() as tx:
        await tx.exec_driver_sql("SET LOCAL session_replication_role = replica")
        await tx.exec_driver_sql(statement)


PUT_IN = (
    "INSERT INTO movements (id, at, kind, quantity, delta, item_id, location_id, actor)"
    " VALUES (1, 1, 'adjustment', 'on_hand', 5, 1, 1, 'me')"
)


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE movements SET delta = delta + 1 WHERE id = (SELECT min(id) FROM movements)",
        "DELETE FROM movements WHERE id = (SELECT min(id) FROM movements)",
        "UPDATE movements SET at = at + 1 WHERE id = (SELECT min(id) FROM movements)",
        PUT_IN,
        "UPDATE folds SET remaining_digest = digest",
    ],
)
async def test_what_stayed_cannot_be_changed_unseen(
    old: Books, tmp_path: Path, statement: str
) -> None:
    await fold(old, tmp_path / "old.gz")
    await tamper(old, statement)
    chain = (await verify_books(old.database)).chain
    assert BreakKind.CARRIED in {one.kind for one in chain.breaks}


async def test_a_chain_that_ends_with_the_fold_was_cut_off(old: Books, tmp_path: Path) -> None:
    await fold(old, tmp_path / "old.gz")
    await tamper(old, "DELETE FROM seals")
    chain = (await verify_books(old.database)).chain
    assert [one.kind for one in chain.breaks] == [BreakKind.CUT_OFF]


async def test_a_fold_that_somebody_made_up_is_found(old: Books, tmp_path: Path) -> None:
    await fold(old, tmp_path / "old.gz", before=NOON + 100)
    row = (await old.rows(tables.folds))[0]._asdict()
    seal = (await old.rows(sa.select(tables.seals).where(tables.seals.c.position == 200)))[0]
    made_up = {"id": 2, "position": 200, "movement_id": 200, "digest": seal.digest}
    async with old.database.write() as tx:
        await tx.execute(sa.insert(tables.folds), row | made_up)
    kinds = {one.kind for one in (await verify_books(old.database)).chain.breaks}
    assert kinds >= {BreakKind.UNTOLD, BreakKind.CARRIED}


async def test_the_trail_tells_of_a_fold(old: Books, tmp_path: Path) -> None:
    done = await fold(old, tmp_path / "old.gz")
    (entry,) = await old.rows(tables.audit)
    assert (entry.action, entry.actor, entry.subject) == ("ledger.fold", "test", "ledger")
    told = json.loads(entry.after)
    assert (told["position"], told["archived"], told["archive"]) == (OLD, done.archived, "old.gz")


def rewrite(archive: Path, change: Any) -> None:
    archive.write_bytes(gzip.compress(b"".join(change(lines_of(archive)))))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda lines: [*lines[:5], lines[5].replace(b"Nr.", b"No."), *lines[6:]], "were sealed"),
        (lambda lines: [*lines, lines[-1]], "more in it than was folded"),
        (lambda lines: [*lines[:4], lines[5], lines[4], *lines[6:]], "were sealed"),
    ],
)
async def test_an_archive_that_was_changed_is_found(
    old: Books, tmp_path: Path, change: Any, message: str
) -> None:
    await fold(old, tmp_path / "old.gz")
    rewrite(tmp_path / "old.gz", change)
    assert any(message in one for one in (await proven(old, tmp_path / "old.gz")).breaks)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda lines: lines[:-3], "not whole: 3 movements missing at its end"),
        (lambda lines: [b"{}\n", *lines[1:]], "no archive of a ledger"),
        (
            lambda lines: [lines[0].replace(b'"position": 300', b'"position": 299'), *lines[1:]],
            "never folded there",
        ),
        (lambda lines: [*lines[:7], b"[]\n", *lines[8:]], "a line that is no movement"),
        (lambda lines: [*lines[:7], b"{}\n", *lines[8:]], "other columns than a movement"),
        (
            lambda lines: [lines[0].replace(b'"version": 1', b'"version": 2'), *lines[1:]],
            "of version 2",
        ),
    ],
)
async def test_a_file_that_is_no_archive_of_this_ledger_is_refused(
    old: Books, tmp_path: Path, change: Any, message: str
) -> None:
    await fold(old, tmp_path / "old.gz")
    rewrite(tmp_path / "old.gz", change)
    with pytest.raises(ArchiveUnreadable, match=message):
        await proven(old, tmp_path / "old.gz")


@pytest.mark.parametrize(
    "break_it",
    [
        lambda packed: b"\x1f\x8b broken",
        lambda packed: packed[:400] + bytes([packed[400] ^ 0x55]) + packed[401:],
        lambda packed: packed[:-100],
        lambda packed: b"",
    ],
)
async def test_a_damaged_file_is_no_archive(
    sqlite_books: Books, tmp_path: Path, break_it: Any
) -> None:
    await fill(sqlite_books, 40, start=NOON, seed=1)
    sqlite_books.now = LATER
    await fold(sqlite_books, tmp_path / "old.gz", before=NOON + 30)
    packed = (tmp_path / "old.gz").read_bytes()
    (tmp_path / "old.gz").write_bytes(break_it(packed))
    with pytest.raises(ArchiveUnreadable):
        await proven(sqlite_books, tmp_path / "old.gz")


async def test_heads_told_before_the_fold_are_compared_in_the_archive(
    old: Books, tmp_path: Path
) -> None:
    seals = {row.position: row.digest for row in await old.rows(tables.seals)}
    told = [Anchor(position=at, digest=seals[at]) for at in (5, OLD, OLD + 3)]
    await fold(old, tmp_path / "old.gz")
    chain = (await verify_books(old.database, told)).chain
    assert (chain.breaks, chain.anchors, chain.archived_anchors) == ((), 2, 1)
    found = await proven(old, tmp_path / "old.gz", *told)
    assert (found.breaks, found.anchors) == ((), 2)
    wrong = Anchor(position=5, digest=seals[6])
    assert (await proven(old, tmp_path / "old.gz", wrong)).breaks
    wrong = Anchor(position=OLD, digest=seals[6])
    breaks = (await verify_books(old.database, [wrong])).chain.breaks
    assert [one.kind for one in breaks] == [BreakKind.REWRITTEN]


# ------------------------------------------------------------------ what asks the past


async def test_what_the_ledger_does_not_tell_any_more_is_refused(
    old: Books, tmp_path: Path
) -> None:
    desk = StockDesk(old.database, old.environment)
    shown = await desk.show("MUG", at=CUT)
    await fold(old, tmp_path / "old.gz")
    told = await desk.show("MUG", at=CUT)
    assert [pool.stock for pool in told.pools] == [pool.stock for pool in shown.pools]
    with pytest.raises(StockRefused, match="too long ago: movements before"):
        await desk.show("MUG", at=CUT - 1)
    with pytest.raises(StockRefused, match="too long ago"):
        await desk.count("MUG", "dc", 5, reason="late", actor="test", counted_at=CUT - 1)
    await desk.count("MUG", "dc", 5, reason="on time", actor="test", counted_at=CUT)


async def test_a_repair_after_a_fold_goes_by_what_stayed(old: Books, tmp_path: Path) -> None:
    await fold(old, tmp_path / "old.gz")
    levels = await all_levels(old)
    await old.run("UPDATE stock SET on_hand = on_hand + 3 WHERE item_id = 1")
    assert not (await verify_books(old.database)).ok
    await repair_books(old.database, old.environment, actor="test")
    assert (await verify_books(old.database)).ok
    assert [row.on_hand for row in await all_levels(old)] == [row.on_hand for row in levels]
