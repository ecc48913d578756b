"""The chain over the ledger finds what a person with a database shell could do to it."""

from __future__ import annotations

import hashlib
import json
import re
import sqlite3
from collections.abc import Iterable
from contextlib import closing

import pytest
import sqlalchemy as sa

from channelsync.engine.bookkeeping import repair_books, verify_books
from channelsync.store import tables
from channelsync.store.chain import (
    GENESIS,
    ForkedChain,
    Head,
    Link,
    append_seals,
    canonical,
    links_after,
    load_head,
    read_horizon,
)
from channelsync.store.chain_check import Anchor, Break, BreakKind, ChainReport
from channelsync.store.tables import MovementKind, Quantity
from tests.support.checkout import ROOT
from tests.support.ledger_books import NOON, Books

ON_HAND = Quantity.ON_HAND


async def seal_all(books: Books, *, at_once: int = 3) -> Head:
    """Seal everything, a few movements a transaction."""
    async with books.database.read() as tx:
        horizon = await read_horizon(tx)
    while True:
        async with books.database.write() as tx:
            head = await load_head(tx)
            links = await links_after(tx, head, up_to=horizon.movement_id, limit=at_once)
            await append_seals(tx, head, links, now=books.now)
        if not links:
            return head


@pytest.fixture
async def sealed(books: Books) -> Books:
    """Eight sealed movements of MUG: five counted, then seven times one more."""
    await books.move(("MUG", "dc", ON_HAND, 5), kind=MovementKind.COUNT)
    for number in range(7):
        await books.move(("MUG", "dc", ON_HAND, 1), at=NOON + number / 7, note=f"Nr. {number} – ok")
    await seal_all(books)
    return books


async def tamper(books: Books, *statements: str) -> None:
    """What somebody with the database can do: triggers and keys do not bind him."""
    if not books.database.is_sqlite:
        async with books.database.write() as tx:
            await tx.exec_driver_sql("SET LOCAL session_replication_role = replica")
            for statement in statements:
                done = await tx.exec_driver_sql(statement)
                assert done.rowcount > 0, f"{statement} found nothing"
        return
    path = sa.make_url(books.database.url).database
    with closing(sqlite3.connect(str(path))) as shell, shell:
        for table in ("movements", "seals"):
            for event in ("update", "delete"):
                shell.execute(f"DROP TRIGGER {table}_no_{event}")
        for statement in statements:
            assert shell.execute(statement).rowcount > 0, f"{statement} found nothing"


async def chain_of(books: Books, *anchors: Anchor) -> ChainReport:
    return (await verify_books(books.database, anchors)).chain


def kinds(breaks: Iterable[Break]) -> list[tuple[BreakKind, int]]:
    return [(one.kind, one.movement_id) for one in breaks]


async def test_a_sealed_ledger_is_proven_to_its_head(sealed: Books) -> None:
    report = await verify_books(sealed.database)
    assert report.ok
    chain = report.chain
    assert (chain.sealed, chain.head.position, chain.head.movement_id) == (8, 8, 8)
    assert (chain.unsealed, chain.unsealed_since) == (0, None)


async def test_every_digest_can_be_worked_out_from_the_documentation(books: Books) -> None:
    """What docs/reference/sealed-ledger.md says, done by hand."""
    await books.move(("MUG", "dc", ON_HAND, 5), note='Zoë "5"')
    head = await seal_all(books)
    text = (
        '{"actor":"test","at":"0x1.a39de64000000p+30","delta":5,"id":1,"item_id":1,'
        '"kind":"adjustment","location_id":1,"note":"Zoë \\"5\\"","quantity":"on_hand",'
        '"reference":""}'
    )
    ((movement,),) = [await books.rows(tables.movements)]
    assert canonical(movement._mapping) == text.encode()
    assert float.fromhex("0x1.a39de64000000p+30") == NOON
    assert head.digest == hashlib.sha256(bytes(32) + text.encode()).hexdigest()


def test_the_example_in_the_documentation_is_a_text_in_that_form() -> None:
    page = (ROOT / "docs/reference/sealed-ledger.md").read_text(encoding="utf-8")
    [text] = re.findall(r"```json[^\n]*\n(.*)\n```", page)
    example = json.loads(text)
    movement = {**example, "at": float.fromhex(example["at"]), "listing_id": None}
    assert canonical(movement) == text.encode()


async def test_the_text_of_a_movement_is_the_same_for_ever() -> None:
    one = canonical({"b": None, "at": 0.1, "a": '\u0001\u2028é"\\/', "n": -3})
    assert one == '{"a":"\\u0001\u2028é\\"\\\\/","at":"0x1.999999999999ap-4","n":-3}'.encode()


def test_whatever_a_movement_says_is_written_as_python_writes_it() -> None:
    characters = "".join(map(chr, range(0x3000))) + "\ufeff\uffff\U0001f4e6"
    movement = {characters: characters, "Z": 2**70, "z": -1, "é": True, "kind": MovementKind.HOLD}
    text = json.dumps(movement, ensure_ascii=False, sort_keys=True, separators=(",", ":"))
    assert canonical(movement) == text.encode()


async def test_the_tail_behind_the_head_is_told_and_breaks_nothing(sealed: Books) -> None:
    await sealed.move(("MUG", "dc", ON_HAND, 2), at=NOON + 60)
    await sealed.move(("MUG", "dc", ON_HAND, 2), at=NOON + 90)
    report = await verify_books(sealed.database)
    assert report.ok
    assert (report.chain.unsealed, report.chain.unsealed_since) == (2, NOON + 60)
    await seal_all(sealed)
    assert (await chain_of(sealed)).unsealed == 0


@pytest.mark.parametrize(
    "change",
    [
        "UPDATE movements SET delta = 99 WHERE id = 4",
        "UPDATE movements SET note = 'nothing happened' WHERE id = 4",
        "UPDATE movements SET at = at + 1e-6 WHERE id = 4",
        "UPDATE movements SET actor = 'somebody else' WHERE id = 4",
        "UPDATE movements SET location_id = 2 WHERE id = 4",
        "UPDATE movements SET reference = 'x' WHERE id = 4",
        "UPDATE movements SET kind = 'count' WHERE id = 4",
        "UPDATE movements SET quantity = 'on_order' WHERE id = 4",
    ],
)
async def test_a_changed_movement_is_named(sealed: Books, change: str) -> None:
    await tamper(sealed, change)
    chain = await chain_of(sealed)
    assert kinds(chain.breaks) == [(BreakKind.CHANGED, 4)]
    assert chain.breaks[0].message == (
        "movement 4 is not what was sealed: it or its seal was changed"
    )
    assert not (await verify_books(sealed.database)).ok


async def test_removed_movements_are_named_wherever_they_stood(sealed: Books) -> None:
    await tamper(sealed, "DELETE FROM movements WHERE id IN (1, 4, 8)")
    assert kinds((await chain_of(sealed)).breaks) == [
        (BreakKind.REMOVED, victim) for victim in (1, 4, 8)
    ]


async def test_a_movement_put_in_later_is_named(sealed: Books) -> None:
    await tamper(
        sealed,
        "DELETE FROM movements WHERE id = 4",
        "DELETE FROM seals WHERE movement_id = 4",
        "INSERT INTO movements (id, at, kind, quantity, delta, item_id, location_id, actor)"
        " VALUES (4, 0, 'adjustment', 'on_hand', 50, 1, 1, 'test')",
    )
    assert set(kinds((await chain_of(sealed)).breaks)) == {
        (BreakKind.SEALS_MISSING, 5),
        (BreakKind.INSERTED, 4),
    }


async def test_a_movement_removed_with_its_seal_and_the_gap_closed_is_found(sealed: Books) -> None:
    await tamper(
        sealed,
        "DELETE FROM movements WHERE id = 4",
        "DELETE FROM seals WHERE movement_id = 4",
        "UPDATE seals SET position = 4 WHERE position = 5",
        "UPDATE seals SET position = 5 WHERE position = 6",
        "UPDATE seals SET position = 6 WHERE position = 7",
        "UPDATE seals SET position = 7 WHERE position = 8",
    )
    assert kinds((await chain_of(sealed)).breaks) == [(BreakKind.CHANGED, 5)]


async def test_a_changed_seal_is_named_once(sealed: Books) -> None:
    await tamper(sealed, "UPDATE seals SET digest = replace(digest, 'a', 'b') WHERE position = 4")
    assert kinds((await chain_of(sealed)).breaks) == [(BreakKind.CHANGED, 4)]


async def test_a_seal_that_is_no_digest_is_named_too(sealed: Books) -> None:
    await tamper(sealed, "UPDATE seals SET digest = replace(digest, 'a', '?') WHERE position = 4")
    assert kinds((await chain_of(sealed)).breaks) == [(BreakKind.CHANGED, 4)]


async def test_movements_that_changed_places_are_named(sealed: Books) -> None:
    await tamper(
        sealed,
        "UPDATE seals SET movement_id = 100 WHERE position = 3",
        "UPDATE seals SET movement_id = 3 WHERE position = 4",
        "UPDATE seals SET movement_id = 4 WHERE position = 3",
    )
    found = kinds((await chain_of(sealed)).breaks)
    assert {movement for _, movement in found} >= {3, 4}


async def test_two_changes_are_two_breaks(sealed: Books) -> None:
    await tamper(sealed, "UPDATE movements SET delta = 7 WHERE id IN (2, 3, 7)")
    assert [one.movement_id for one in (await chain_of(sealed)).breaks] == [2, 3, 7]


async def test_the_database_itself_refuses_to_change_a_seal(sealed: Books) -> None:
    for statement in ("UPDATE seals SET sealed_at = 0", "DELETE FROM seals"):
        with pytest.raises(sa.exc.IntegrityError, match="seals are append-only"):
            await sealed.run(statement)


# ------------------------------------------------------------------ told outside


async def test_a_chain_cut_off_at_its_end_is_found_by_what_was_told(sealed: Books) -> None:
    head = (await chain_of(sealed)).head
    told = Anchor(position=head.position, digest=head.digest)
    assert (await chain_of(sealed, told)).ok
    await tamper(
        sealed,
        "DELETE FROM seals WHERE position > 6",
        "DELETE FROM movements WHERE id > 6",
        "UPDATE stock SET on_hand = 10",
    )
    assert (await verify_books(sealed.database)).ok, "it holds in itself"
    chain = await chain_of(sealed, told)
    assert [one.kind for one in chain.breaks] == [BreakKind.CUT_OFF]
    assert chain.breaks[0].message.startswith("the chain ends at position 6, and position 8 was")


async def test_a_ledger_written_anew_is_found_by_what_was_told(sealed: Books) -> None:
    head = (await chain_of(sealed)).head
    told = Anchor(position=head.position, digest=head.digest)
    await tamper(
        sealed,
        "UPDATE movements SET delta = 3 WHERE id = 4",
        "UPDATE stock SET on_hand = on_hand + 2",
        "DELETE FROM seals",
    )
    await seal_all(sealed)
    assert (await verify_books(sealed.database)).ok, "it holds in itself"
    assert kinds((await chain_of(sealed, told)).breaks) == [(BreakKind.REWRITTEN, 8)]


async def test_heads_told_on_the_way_stay_true(sealed: Books) -> None:
    early = (await chain_of(sealed)).head
    await sealed.move(("MUG", "dc", ON_HAND, 1))
    late = await seal_all(sealed)
    told = [Anchor(position=one.position, digest=one.digest) for one in (early, late)]
    chain = await chain_of(sealed, *told)
    assert (chain.ok, chain.anchors) == (True, 2)


# ------------------------------------------------------------------ sealing and repairing


async def test_two_sealers_cannot_fork_the_chain(sealed: Books) -> None:
    await sealed.move(("MUG", "dc", ON_HAND, 1))
    async with sealed.database.read() as tx:
        head = await load_head(tx)
        links = await links_after(tx, head, up_to=9, limit=9)
    async with sealed.database.write() as tx:
        await append_seals(tx, head, links, now=NOON)
    with pytest.raises(ForkedChain, match="position 8 any more"):
        async with sealed.database.write() as tx:
            await append_seals(tx, head, links, now=NOON)
    fork = Link(position=9, movement_id=9, digest=GENESIS)
    with pytest.raises(sa.exc.IntegrityError):
        await sealed.run(
            "INSERT INTO seals VALUES (:position, :movement, :digest, 0)",
            position=fork.position,
            movement=fork.movement_id,
            digest=fork.digest,
        )
    assert (await chain_of(sealed)).ok


async def test_a_rolled_back_movement_leaves_nothing_to_seal(sealed: Books) -> None:
    with pytest.raises(sa.exc.IntegrityError):
        await sealed.run("UPDATE stock SET reserved = -1")
    assert (await seal_all(sealed)).position == 8


async def test_repair_mends_balances_beside_a_broken_ledger_and_leaves_it_broken(
    sealed: Books,
) -> None:
    await tamper(
        sealed,
        "UPDATE movements SET note = 'x' WHERE id = 4",
        "UPDATE stock SET on_hand = 99",
    )
    repaired = await repair_books(sealed.database, sealed.environment, actor="test")
    assert [finding.column for finding in repaired.findings] == ["on_hand"]
    report = await verify_books(sealed.database)
    assert report.findings == ()
    assert kinds(report.chain.breaks) == [(BreakKind.CHANGED, 4)]
