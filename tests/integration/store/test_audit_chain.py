"""Fault 45: whatever is done to the audit trail, `verify` names the entry."""

from __future__ import annotations

import asyncio
import sqlite3
from contextlib import closing

import pytest
import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection

from channelsync.engine.audit import AuditFilter, note_change, view_audit
from channelsync.engine.bookkeeping import verify_books
from channelsync.store import tables
from channelsync.store.audit_chain import AuditReport, Change
from tests.support.ledger_books import NOON, Books


def change(number: int, **more: object) -> Change:
    told = {"at": NOON + number / 7, "actor": "user:ada", "action": "stock.count"} | more
    return Change(subject=f"item:MUG-{number}", before={"on_hand": number}, after=None, **told)  # type: ignore[arg-type]


@pytest.fixture
async def trail(books: Books) -> Books:
    for number in range(5):
        async with books.database.write() as tx:
            await note_change(tx, change(number, request="é" if number == 2 else None))
    return books


async def tamper(books: Books, statement: str) -> None:
    if not books.database.is_sqlite:
        async with books.database.write() as tx:
            await tx.exec_driver_sql("SET LOCAL session_replication_role = replica")
            assert (await tx.exec_driver_sql(statement)).rowcount > 0
        return
    path = sa.make_url(books.database.url).database
    with closing(sqlite3.connect(str(path))) as shell, shell:
        for event in ("update", "delete"):
            shell.execute(f"DROP TRIGGER audit_no_{event}")
        assert shell.execute(statement).rowcount > 0


async def report_of(books: Books) -> AuditReport:
    return (await verify_books(books.database)).audit


async def test_an_untouched_trail_holds(trail: Books) -> None:
    report = await verify_books(trail.database)
    assert report.ok
    assert (report.audit.entries, report.audit.position) == (5, 5)


@pytest.mark.parametrize(
    ("statement", "position"),
    [
        ("UPDATE audit SET actor = 'user:eve' WHERE position = 3", 3),
        ("UPDATE audit SET at = at + 0.001 WHERE position = 1", 1),
        ("UPDATE audit SET before = NULL WHERE position = 5", 5),
        ("UPDATE audit SET request = 'x' WHERE position = 2", 2),
        ("UPDATE audit SET after = '{}' WHERE position = 4", 4),
        ("DELETE FROM audit WHERE position = 1", 1),
        ("DELETE FROM audit WHERE position BETWEEN 2 AND 3", 2),
        (
            "UPDATE audit SET digest = 'zz' || substr(digest, 3) WHERE position = 4",
            4,
        ),
    ],
)
async def test_a_change_is_found_where_it_was_made(
    trail: Books, statement: str, position: int
) -> None:
    await tamper(trail, statement)
    report = await verify_books(trail.database)
    assert not report.ok
    assert report.audit.breaks[0].position == position


@pytest.mark.parametrize("statement", ["UPDATE audit SET actor = ''", "DELETE FROM audit"])
async def test_the_database_itself_refuses_to_rewrite_it(trail: Books, statement: str) -> None:
    with pytest.raises(sa.exc.DBAPIError, match="append-only"):
        async with trail.database.write() as tx:
            await tx.exec_driver_sql(statement)


async def test_writers_at_once_stay_in_one_line(books: Books) -> None:
    async def write(number: int) -> None:
        async with books.database.write() as tx:
            await note_change(tx, change(number))
            await note_change(tx, change(number + 100))

    await asyncio.gather(*(write(number) for number in range(12)))
    report = await report_of(books)
    assert (report.entries, report.position, report.ok) == (24, 24, True)


async def test_what_is_rolled_back_leaves_no_entry(books: Books) -> None:
    async def fail(tx: AsyncConnection) -> None:
        await note_change(tx, change(1))
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        await books.database.transact(fail)
    assert (await report_of(books)).entries == 0


async def test_the_trail_is_read_backwards_page_by_page(trail: Books) -> None:
    async with trail.database.read() as tx:
        page = await view_audit(tx, AuditFilter(), limit=2)
        rest = await view_audit(tx, AuditFilter(), before=page[-1].position, limit=9)
        one = await view_audit(tx, AuditFilter(subject="item:MUG-3"), limit=9)
        nobody = await view_audit(tx, AuditFilter(actor="user:eve"), limit=9)
    assert [entry.position for entry in (*page, *rest)] == [5, 4, 3, 2, 1]
    assert [entry.before for entry in one] == [{"on_hand": 3}]
    assert nobody == ()
    assert len(await _all(trail)) == 5


async def _all(books: Books) -> list[sa.Row[tuple[object, ...]]]:
    async with books.database.read() as tx:
        return list((await tx.execute(sa.select(tables.audit))).all())
