"""Verify names every kind of wrong number; repair makes the books right and leaves its trace."""

from __future__ import annotations

from typing import Any

import pytest
import sqlalchemy as sa

from channelsync.engine.bookkeeping import repair_books, verify_books
from channelsync.store import tables
from channelsync.store.checks import Check, Finding
from channelsync.store.ledger import move_exposure, move_stock
from channelsync.store.tables import MovementKind, Quantity
from tests.support.ledger_books import NOON, Books, insert, stock_move

ON_HAND, RESERVED = Quantity.ON_HAND, Quantity.RESERVED
LINE = {"channel": "shop", "version": NOON, "cancel_effect": "unsure", "state": "open"}
HEARD = {"first_heard_at": NOON, "heard_at": NOON}


@pytest.fixture
async def trading(books: Books) -> Books:
    """Stock, three listings, three orders, two holds and an open push, all of it in order.

    MUG: 20 counted and 1 shipped at dc, 5 at soho. Order o1 bought 2 (1 shipped), o2 one SET of
    two MUG and one PLATE, o3 something unknown; an active hold keeps 2 MUG at soho.
    """
    async with books.database.write() as tx:
        moves = [
            ("MUG", "dc", ON_HAND, 20, MovementKind.COUNT),
            ("MUG", "soho", ON_HAND, 5, MovementKind.COUNT),
            ("PLATE", "dc", ON_HAND, 10, MovementKind.COUNT),
            ("PLATE", "dc", Quantity.SAFETY_STOCK, 2, MovementKind.SAFETY_STOCK),
            ("PLATE", "dc", Quantity.ON_ORDER, 4, MovementKind.ADJUSTMENT),
            ("MUG", "dc", RESERVED, 2, MovementKind.SALE),
            ("MUG", "dc", RESERVED, -1, MovementKind.SHIPMENT),
            ("MUG", "dc", ON_HAND, -1, MovementKind.SHIPMENT),
            ("MUG", "dc", RESERVED, 2, MovementKind.SALE),
            ("PLATE", "dc", RESERVED, 1, MovementKind.SALE),
            ("MUG", "soho", RESERVED, 3, MovementKind.HOLD),
            ("MUG", "soho", RESERVED, -1, MovementKind.HOLD_RELEASE),
        ]
        await move_stock(tx, [stock_move(*move[:4], kind=move[4]) for move in moves])
        await _offers(tx)
        await _orders(tx)
        await _holds(tx)
    return books


async def _offers(tx: Any) -> None:
    listings = [("MUG", 6, {1: 1}), ("SET", 3, {1: 2, 2: 1}), ("NEW", None, {3: 1})]
    for key, (sku, exposure, recipe) in enumerate(listings, start=1):
        row = {"id": key, "channel": "shop", "sku": sku, "exposure": exposure}
        await insert(tx, tables.listings, **row, semantics="keyed_delta")
        for item_id, units in recipe.items():
            await insert(tx, tables.recipes, listing_id=key, item_id=item_id, units=units)
    changes = [
        (1, 8, MovementKind.SETTLE, "", True),
        (1, -2, MovementKind.SALE, "o1/1", False),
        (2, 0, MovementKind.SETTLE, "", True),
        (2, 3, MovementKind.CHARGE, "p1", False),
    ]
    for listing_id, delta, kind, reference, first in changes:
        await move_exposure(
            tx,
            listing_id,
            delta=delta,
            kind=kind,
            actor="test",
            at=NOON,
            reference=reference,
            first_settle=first,
        )
    await insert(tx, tables.pushes, **push("p1"))


def push(push_id: str, opened_at: float = NOON + 1) -> dict[str, Any]:
    return {
        "id": push_id,
        "listing_id": 2,
        "channel": "shop",
        "kind": "raise",
        "units": 3,
        "state": "sending",
        "charged": 3,
        "copies": 1,
        "retry_until": NOON + 60,
        "opened_at": opened_at,
    }


async def _orders(tx: Any) -> None:
    lines: list[dict[str, Any]] = [
        {"id": 1, "order_id": "o1", "listing_id": 1, "ordered": 2, "shipped": 1},
        {"id": 2, "order_id": "o2", "listing_id": 2, "ordered": 1},
        {"id": 3, "order_id": "o3", "parked": "unmapped", "ordered": 4},
    ]
    for line in lines:
        await insert(tx, tables.order_lines, line_id="1", **LINE, **HEARD, **line)
    for line_id, item_id, reserved, shipped in [(1, 1, 1, 1), (2, 1, 2, 0), (2, 2, 1, 0)]:
        row = {"line_id": line_id, "item_id": item_id, "location_id": 1}
        await insert(tx, tables.line_stock, **row, units=1, reserved=reserved, shipped=shipped)


async def _holds(tx: Any) -> None:
    for key, state, units in [("h1", "active", 2), ("h2", "released", 1)]:
        times = {"created_at": NOON, "expires_at": NOON + 900}
        await insert(tx, tables.holds, id=key, pool="main", owner="x", state=state, **times)
        row = {"hold_id": key, "item_id": 1, "location_id": 2, "units": units}
        await insert(tx, tables.hold_lines, **row)


async def found(books: Books) -> list[tuple[str, str, str, int | None, int | None]]:
    return [shape(finding) for finding in (await verify_books(books.database)).findings]


def shape(finding: Finding) -> tuple[str, str, str, int | None, int | None]:
    return finding.table, finding.column, finding.key, finding.stored, finding.rebuilt


async def repaired(books: Books) -> None:
    """Repair, and hold the outcome against what every repair must leave behind."""
    before = await books.rows(tables.movements)
    outcome = await repair_books(books.database, books.environment, actor="cli:root")
    after = await books.rows(tables.movements)
    assert after[: len(before)] == before
    added = after[len(before) :]
    assert {(row.kind, row.actor) for row in added} <= {("repair", "cli:root")}
    assert all(row.note for row in added)
    assert outcome.findings
    assert outcome.after.ok
    assert (await verify_books(books.database)).ok


async def test_books_in_order_are_clean(trading: Books) -> None:
    report = await verify_books(trading.database)
    assert report.findings == ()
    assert report.notes == ()
    assert report.checked == {
        "stock": 3,
        "movements": 16,
        "listings": 3,
        "order_lines": 3,
        "hold_lines": 2,
        "pushes": 1,
        "transfers": 0,
    }


@pytest.mark.parametrize(
    ("corruption", "expected"),
    [
        (
            "UPDATE stock SET on_hand = 22 WHERE item_id = 1 AND location_id = 1",
            [("stock", "on_hand", "MUG at dc", 22, 19)],
        ),
        (
            "UPDATE stock SET reserved = 9 WHERE item_id = 1 AND location_id = 1",
            [("stock", "reserved", "MUG at dc", 9, 3)],
        ),
        (
            "UPDATE stock SET safety_stock = 0, on_order = 5 WHERE item_id = 2",
            [
                ("stock", "on_order", "PLATE at dc", 5, 4),
                ("stock", "safety_stock", "PLATE at dc", 0, 2),
            ],
        ),
        (
            (
                "UPDATE stock SET on_hand = 0, on_order = 0, reserved = 0, safety_stock = 0"
                " WHERE item_id = 2"
            ),
            [
                ("stock", "on_hand", "PLATE at dc", 0, 10),
                ("stock", "on_order", "PLATE at dc", 0, 4),
                ("stock", "reserved", "PLATE at dc", 0, 1),
                ("stock", "safety_stock", "PLATE at dc", 0, 2),
            ],
        ),
        (
            "INSERT INTO stock (item_id, location_id, on_hand) VALUES (3, 2, 4)",
            [("stock", "on_hand", "BOWL at soho", 4, 0)],
        ),
        (
            "UPDATE line_stock SET reserved = 4 WHERE line_id = 1",
            [
                ("line_stock", "reserved", "MUG for shop order o1/1", 4, 1),
                ("movements", "reserved", "MUG at dc", 3, 6),
            ],
        ),
        (
            "UPDATE line_stock SET shipped = 5 WHERE line_id = 1",
            [("line_stock", "shipped", "MUG for shop order o1/1", 5, 1)],
        ),
        (
            "DELETE FROM line_stock WHERE line_id = 2",
            [
                ("line_stock", "reserved", "MUG for shop order o2/1", 0, 2),
                ("line_stock", "reserved", "PLATE for shop order o2/1", 0, 1),
                ("movements", "reserved", "MUG at dc", 3, 1),
                ("movements", "reserved", "PLATE at dc", 1, 0),
            ],
        ),
        (
            "UPDATE order_lines SET cancelled = 1 WHERE id = 2",
            [
                ("line_stock", "reserved", "MUG for shop order o2/1", 2, 0),
                ("line_stock", "reserved", "PLATE for shop order o2/1", 1, 0),
            ],
        ),
        (
            "UPDATE holds SET state = 'expired' WHERE id = 'h1'",
            [("movements", "reserved", "MUG at soho", 2, 0)],
        ),
        (
            "UPDATE holds SET state = 'active' WHERE id = 'h2'",
            [("movements", "reserved", "MUG at soho", 2, 3)],
        ),
        (
            "UPDATE listings SET exposure = 9 WHERE id = 1",
            [("listings", "exposure", "shop MUG", 9, 6)],
        ),
        (
            "UPDATE listings SET exposure = NULL WHERE id = 1",
            [("listings", "exposure", "shop MUG", None, 6)],
        ),
        (
            "UPDATE listings SET exposure = 0 WHERE id = 3",
            [("listings", "exposure", "shop NEW", 0, None)],
        ),
        (
            "UPDATE pushes SET charged = 5",
            [("pushes", "charged", "push p1 of shop SET", 5, 3)],
        ),
        (
            "UPDATE listings SET exposure = 1 WHERE id = 2",
            [
                ("listings", "exposure", "shop SET", 1, 3),
                ("pushes", "charged", "push p1 of shop SET", 3, 1),
            ],
        ),
    ],
)
async def test_a_wrong_number_is_named_and_repaired(
    trading: Books,
    corruption: str,
    expected: list[tuple[str, str, str, int | None, int | None]],
) -> None:
    await trading.run(corruption)
    assert await found(trading) == expected
    await repaired(trading)


async def test_a_balance_that_the_ledger_speaks_of_cannot_be_removed(trading: Books) -> None:
    with pytest.raises(sa.exc.IntegrityError):
        await trading.run("DELETE FROM stock WHERE item_id = 2")
    assert await found(trading) == []


async def test_a_balance_that_is_gone_all_the_same_is_named_and_made_anew(trading: Books) -> None:
    await trading.run_in_a_shell("DELETE FROM stock WHERE item_id = 2")
    assert await found(trading) == [
        ("stock", "on_hand", "PLATE at dc", 0, 10),
        ("stock", "on_order", "PLATE at dc", 0, 4),
        ("stock", "reserved", "PLATE at dc", 0, 1),
        ("stock", "safety_stock", "PLATE at dc", 0, 2),
    ]
    await repaired(trading)


async def test_what_a_line_held_is_made_anew_with_the_balance_that_it_is_of(
    trading: Books,
) -> None:
    await trading.run_in_a_shell("DELETE FROM line_stock WHERE item_id = 2")
    await trading.run_in_a_shell("DELETE FROM stock WHERE item_id = 2")
    checks = {check for check, *_ in await found(trading)}
    assert {"line_stock", "stock"} <= checks
    await repaired(trading)


async def test_a_finding_reads_as_a_sentence(trading: Books) -> None:
    await trading.run("UPDATE listings SET exposure = NULL WHERE id = 1")
    (finding,) = (await verify_books(trading.database)).findings
    assert finding.check is Check.EXPOSURE
    assert finding.message == "listings.exposure of shop MUG is unknown and should be 6"


async def test_a_lost_movement_is_named_and_made_good(trading: Books) -> None:
    await trading.unguard()
    await trading.run("DELETE FROM movements WHERE quantity = 'reserved' AND item_id = 2")
    assert await found(trading) == [
        ("movements", "reserved", "PLATE at dc", 0, 1),
        ("stock", "reserved", "PLATE at dc", 1, 0),
    ]
    await repaired(trading)
    assert (await trading.levels("PLATE"))[1] == 1


async def test_a_ledger_below_zero_is_brought_back_to_zero(trading: Books) -> None:
    await trading.move(("PLATE", "dc", Quantity.ON_ORDER, -1))
    await trading.unguard()
    await trading.run("DELETE FROM movements WHERE quantity = 'on_order' AND delta = 4")
    assert await found(trading) == [("stock", "on_order", "PLATE at dc", 3, -1)]
    await repaired(trading)
    assert (await trading.levels("PLATE"))[3] == 0


async def test_two_open_pushes_are_named_and_the_older_is_closed(trading: Books) -> None:
    await trading.run("DROP INDEX uq_pushes_open")
    async with trading.database.write() as tx:
        await insert(tx, tables.pushes, **push("p2", NOON + 2))
        charge: dict[str, Any] = {"delta": 3, "kind": MovementKind.CHARGE, "reference": "p2"}
        await move_exposure(tx, 2, **charge, actor="test", at=NOON + 2)
        await tx.execute(
            sa.update(tables.listings).where(tables.listings.c.id == 2).values(exposure=6)
        )
    assert await found(trading) == [("pushes", "open", "shop SET", 2, 1)]
    await repaired(trading)
    states = {row.id: row.state for row in await trading.rows(tables.pushes)}
    assert states == {"p1": "closed", "p2": "sending"}
    # What the older one charged may still be sold: only a settle gives it back.
    exposures = [row.exposure for row in await trading.rows(tables.listings)]
    assert exposures == [6, 6, None]


# ------------------------------------------------------------------ what is no mistake


async def test_units_sold_before_the_answer_of_their_raise_are_no_mistake(trading: Books) -> None:
    async with trading.database.write() as tx:
        sale: dict[str, Any] = {"delta": -3, "kind": MovementKind.SALE, "reference": "o9/1"}
        await move_exposure(tx, 2, **sale, actor="test", at=NOON + 2)
    await trading.run("UPDATE listings SET exposure = 0 WHERE id = 2")
    assert await found(trading) == []


async def test_sales_before_a_push_excuse_nothing(trading: Books) -> None:
    """2 MUG sold, then 7 were charged, then 7 taken back by something else: 6 are left."""
    async with trading.database.write() as tx:
        row = push("p3", NOON + 5) | {"listing_id": 1, "units": 7, "charged": 7}
        await insert(tx, tables.pushes, **row)
        for delta, kind in [(7, MovementKind.CHARGE), (-7, MovementKind.CUT_RELEASE)]:
            facts: dict[str, Any] = {"delta": delta, "kind": kind, "reference": "p3"}
            await move_exposure(tx, 1, **facts, actor="test", at=NOON + 5)
    assert await found(trading) == [("pushes", "charged", "push p3 of shop MUG", 7, 6)]
    await repaired(trading)


async def test_units_that_left_before_the_baseline_were_never_taken(trading: Books) -> None:
    await trading.run("UPDATE channels SET baseline_at = :at", at=NOON + 10)
    await trading.run(
        "UPDATE order_lines SET ordered = 5, shipped = 4, shipped_at = 1 WHERE id = 1"
    )
    assert await found(trading) == []
    # A line sold after the baseline cannot have left before it.
    await trading.run("UPDATE order_lines SET sold_at = :at WHERE id = 1", at=NOON + 11)
    assert await found(trading) == [("line_stock", "shipped", "MUG for shop order o1/1", 1, 4)]


async def test_a_line_of_an_old_recipe_is_noted_and_left_alone(trading: Books) -> None:
    await trading.run("DELETE FROM recipes WHERE listing_id = 2")
    await trading.run("INSERT INTO recipes (listing_id, item_id, units) VALUES (2, 3, 1)")
    report = await verify_books(trading.database)
    assert report.ok
    assert {(note.kind, note.key) for note in report.notes} == {
        ("old_recipe", "MUG for shop order o2/1"),
        ("old_recipe", "PLATE for shop order o2/1"),
        ("deficit", "BOWL in pool main"),
    }


async def test_a_deficit_is_a_note_with_its_units(trading: Books) -> None:
    """MUG: 19 + 5 on hand, 3 + 2 reserved, 6 + 2 x 3 exposed: 7 free, until 10 are missing."""
    await trading.move(("MUG", "dc", ON_HAND, -10))
    report = await verify_books(trading.database)
    assert report.ok
    (note,) = report.notes
    assert (note.kind, note.key, note.units) == ("deficit", "MUG in pool main", 3)
    assert "3 more units of MUG" in note.message


async def test_a_negative_location_keeps_no_safety_stock_back(trading: Books) -> None:
    """BOWL: -4 on hand keep nothing back, and nothing is exposed: a deficit of 4, not of 9."""
    await trading.move(("BOWL", "dc", ON_HAND, -4), ("BOWL", "dc", Quantity.SAFETY_STOCK, 5))
    (note,) = (await verify_books(trading.database)).notes
    assert (note.key, note.units) == ("BOWL in pool main", 4)


# ------------------------------------------------------------------ which way a repair errs


async def test_of_two_exposures_the_larger_one_stands_until_a_settle(trading: Books) -> None:
    await trading.run("UPDATE listings SET exposure = 9 WHERE id = 1")
    await trading.run("UPDATE listings SET exposure = 1 WHERE id = 2")
    await trading.run("UPDATE listings SET exposure = 7 WHERE id = 3")
    await repaired(trading)
    rows = await trading.rows(tables.listings)
    assert [row.exposure for row in rows] == [9, 3, None]
    assert [row.settle_wanted for row in rows] == [True, True, True]
    assert [row.settle_reasons for row in rows] == [["drift"], ["drift"], ["drift"]]


async def test_shipped_units_that_were_never_taken_are_taken(trading: Books) -> None:
    await trading.run("UPDATE order_lines SET shipped = 2 WHERE id = 1")
    await repaired(trading)
    assert await trading.levels("MUG") == (18, 2, 0, 0)


async def test_units_taken_too_many_are_not_put_back(trading: Books) -> None:
    await trading.run("UPDATE line_stock SET shipped = 3 WHERE line_id = 1")
    await repaired(trading)
    assert await trading.levels("MUG") == (19, 3, 0, 0)


async def test_a_counted_line_without_any_stock_finds_a_home(trading: Books) -> None:
    await trading.run("DELETE FROM line_stock WHERE line_id = 2")
    await repaired(trading)
    held = [row for row in await trading.rows(tables.line_stock) if row.line_id == 2]
    assert [(row.item_id, row.location_id, row.reserved) for row in held] == [(1, 1, 2), (2, 1, 1)]


async def test_a_line_split_over_locations_gives_back_from_the_last(trading: Books) -> None:
    await trading.run(
        "INSERT INTO line_stock (line_id, item_id, location_id, units, reserved)"
        " VALUES (1, 1, 2, 1, 2)"
    )
    await repaired(trading)
    held = [row for row in await trading.rows(tables.line_stock) if row.line_id == 1]
    assert [(row.location_id, row.reserved, row.shipped) for row in held] == [(1, 1, 1), (2, 0, 0)]


async def test_a_repair_has_items_and_listings_looked_at(trading: Books) -> None:
    await trading.run("UPDATE stock SET on_hand = 22 WHERE item_id = 2")
    await trading.run("UPDATE listings SET exposure = 9 WHERE id = 1")
    await repaired(trading)
    marked = {(row.kind, row.key) for row in await trading.rows(tables.work)}
    assert marked == {("reconcile", "1"), ("reconcile", "2"), ("settle", "shop")}


async def test_a_repair_of_clean_books_does_nothing(trading: Books) -> None:
    before = await trading.count_of(tables.movements)
    outcome = await repair_books(trading.database, trading.environment, actor="cli:root")
    assert outcome.findings == ()
    assert await trading.count_of(tables.movements) == before
    assert await trading.count_of(tables.work) == 0
