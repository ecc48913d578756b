"""A sheet is applied as a whole or not at all, and importing an export changes nothing."""

from __future__ import annotations

import asyncio
import shutil
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from hypothesis import given, settings
from hypothesis import strategies as st

from channelsync.engine.bookkeeping import verify_books
from channelsync.engine.stock_csv import ImportReport, export_stock, import_stock
from channelsync.engine.stock_errors import CsvRefused, StockRefused
from channelsync.store import tables
from channelsync.store.database import Database, sqlite_url
from channelsync.store.ledger import move_stock
from channelsync.store.tables import MovementKind, Quantity
from tests.support.ledger_books import ITEMS, LOCATIONS, NOON, Books, stock_move

ON_HAND, SAFETY = Quantity.ON_HAND, Quantity.SAFETY_STOCK
HEADER = "sku,location,on_hand,safety_stock,name\n"
HOUR = 3_600.0


async def import_text(books: Books, text: str, **options: Any) -> ImportReport:
    values: dict[str, Any] = {"counted_at": books.now, "reason": "stocktaking"} | options
    return await import_stock(books.database, books.environment, text, source="stock.csv", **values)


async def everything(books: Books) -> list[Any]:
    return [
        await books.rows(table)
        for table in (tables.items, tables.stock, tables.movements, tables.work)
    ]


async def mistakes(books: Books, text: str, **options: Any) -> list[str]:
    before = await everything(books)
    with pytest.raises(CsvRefused) as caught:
        await import_text(books, text, **options)
    assert await everything(books) == before
    return [error.text for error in caught.value.errors]


async def test_a_sheet_becomes_counts_safety_stock_and_names(books: Books) -> None:
    await books.move(("MUG", "dc", ON_HAND, 3))
    text = HEADER + "MUG,dc,8,2,Mug\nMUG,soho,1,,Mug\nPLATE,dc,4,,\n"
    report = await import_text(books, text)
    assert [(c.row, c.sku, c.location, c.field, c.before, c.after) for c in report.changes] == [
        (2, "MUG", "dc", "on_hand", 3, 8),
        (2, "MUG", "dc", "safety_stock", 0, 2),
        (2, "MUG", "", "name", "", "Mug"),
        (3, "MUG", "soho", "on_hand", 0, 1),
        (4, "PLATE", "dc", "on_hand", 0, 4),
    ]
    assert await books.levels("MUG") == (8, 0, 2, 0)
    assert await books.levels("MUG", "soho") == (1, 0, 0, 0)
    movements = (await books.rows(tables.movements))[1:]
    assert [(row.kind, row.delta, row.actor, row.note) for row in movements] == [
        ("count", 5, "csv:stock.csv:2", "stocktaking"),
        ("safety_stock", 2, "csv:stock.csv:2", "stocktaking"),
        ("count", 1, "csv:stock.csv:3", "stocktaking"),
        ("count", 4, "csv:stock.csv:4", "stocktaking"),
    ]
    assert {row.key for row in await books.rows(tables.work)} == {"1", "2"}
    assert (await books.rows(tables.items))[0].name == "Mug"
    assert (await verify_books(books.database)).ok


async def test_a_dry_run_says_the_same_and_changes_nothing(books: Books) -> None:
    text = HEADER + "MUG,dc,8,2,Mug\nVASE,dc,5,,Vase\n"
    before = await everything(books)
    planned = await import_text(books, text, dry_run=True, create_missing=True)
    assert await everything(books) == before
    done = await import_text(books, text, create_missing=True)
    assert planned.dry_run
    assert not done.dry_run
    assert (planned.changes, planned.created) == (done.changes, done.created)
    assert done.created == ("VASE",)
    assert [(c.field, c.before, c.after) for c in done.changes if c.sku == "VASE"] == [
        ("on_hand", None, 5),
        ("name", None, "Vase"),
    ]


async def test_new_items_are_made_once_and_only_on_request(books: Books) -> None:
    text = HEADER + "VASE,dc,5,1,Vase\nVASE,soho,2,,\n"
    report = await import_text(books, text, create_missing=True)
    assert report.created == ("VASE",)
    rows = await books.rows(tables.items)
    assert [(row.sku, row.name) for row in rows][3:] == [("VASE", "Vase")]
    levels = [
        (row.location_id, row.on_hand, row.safety_stock)
        for row in await books.rows(tables.stock)
        if row.item_id == rows[-1].id
    ]
    assert levels == [(1, 5, 1), (2, 2, 0)]


async def test_units_that_moved_since_the_count_are_applied_again(books: Books) -> None:
    await books.move(("MUG", "dc", ON_HAND, 12))
    books.now = NOON + HOUR
    await books.move(("MUG", "dc", ON_HAND, -3), kind=MovementKind.SHIPMENT)
    report = await import_text(books, "sku,location,on_hand\nMUG,dc,10\n", counted_at=NOON)
    assert [(c.before, c.after) for c in report.changes] == [(9, 7)]
    assert (await books.levels("MUG"))[0] == 7


async def test_a_count_that_agrees_is_remembered_without_a_movement(books: Books) -> None:
    await books.move(("MUG", "dc", ON_HAND, 3))
    report = await import_text(books, "sku,location,on_hand\nMUG,dc,3\n")
    assert report.changes == ()
    assert await books.count_of(tables.movements) == 1
    (row,) = await books.rows(tables.stock)
    assert row.counted_at == NOON


async def test_every_mistake_of_a_sheet_is_told_at_once(books: Books) -> None:
    await books.move(("BOWL", "dc", ON_HAND, -2))
    text = HEADER + (
        "MUGG,dc,8,2,\n"
        "MUG,doc,8,2,\n"
        "MUG,dc,eight,2,\n"
        "PLATE,dc,1,,Plate\n"
        "PLATE,dc,2,,Dish\n"
        "BOWL,dc,-3,,\n"
        "BOWL,soho,1,-1,\n"
        "BOWL,,1,,\n"
        "OTHERWISE,dc,1,,\n"
    )
    assert await mistakes(books, text) == [
        "row 2, sku: there is no item 'MUGG'; did you mean 'MUG'?",
        "row 3, location: there is no location 'doc'; did you mean 'dc'? (see `locations:`)",
        "row 4, on_hand: 'eight' is not a whole number up to 1,000,000,000",
        "row 6: PLATE at dc is in row 5 already",
        "row 6, name: row 5 gives PLATE another name",
        "row 7, on_hand: -3 is below 0: nobody can count that",
        "row 8, safety_stock: -1 is below 0",
        "row 9, location: say which: dc, soho",
        "row 10, sku: there is no item 'OTHERWISE'",
    ]


async def test_new_skus_are_held_to_the_rules_of_skus(books: Books) -> None:
    found = await mistakes(books, 'sku,name\n"VA\nSE",x\n', create_missing=True)
    assert found[0].startswith("row 2, sku: 'VA\\nSE' is no SKU")


async def test_a_name_that_is_too_long_is_a_mistake(books: Books) -> None:
    found = await mistakes(books, f"sku,name\nMUG,{'x' * 501}\n")
    assert found == [
        "row 2, name: the name has 501 characters: at most 500 may be, and none of them NUL"
    ]


async def test_counts_older_than_the_last_are_refused_unless_they_agree(books: Books) -> None:
    await import_text(books, "sku,location,on_hand\nMUG,dc,5\n")
    books.now = NOON + HOUR
    stale = {"counted_at": NOON - HOUR}
    found = await mistakes(books, "sku,location,on_hand\nMUG,dc,6\n", **stale)
    assert found[0].startswith("row 2, on_hand: MUG at dc was counted again at 2025-10-09T09:00")
    report = await import_text(books, "sku,location,on_hand\nMUG,dc,5\n", **stale)
    assert report.changes == ()
    (row,) = await books.rows(tables.stock)
    assert row.counted_at == NOON


async def test_a_sheet_of_no_stated_time_cannot_undo_what_moved_meanwhile(books: Books) -> None:
    """Exported at noon, worked on, brought back at two: three had been shipped at one."""
    unstated = {"counted_at": None}
    await import_text(books, HEADER + "MUG,dc,12,,\nPLATE,dc,4,,\nBOWL,dc,1,,\n", **unstated)
    exported = await export_stock(books.database)
    books.now = NOON + HOUR
    shipment = {"kind": MovementKind.SHIPMENT, "at": books.now}
    await books.move(("MUG", "dc", ON_HAND, -3), **shipment)
    await books.move(("BOWL", "dc", ON_HAND, -1), **shipment)
    books.now = NOON + 2 * HOUR
    edited = exported.replace("PLATE,dc,4", "PLATE,dc,40").replace("BOWL,dc,1", "BOWL,dc,0")
    (found,) = await mistakes(books, edited, **unstated)
    assert found.startswith(
        "row 3, on_hand: units of MUG at dc came or went at 2025-10-09T10:00:00"
    )
    assert found.endswith("say with --at when this one was taken (--at now, if this moment)")
    stocked = exported.replace("PLATE,dc,4", "PLATE,dc,40")
    report = await import_text(books, stocked, counted_at=NOON)
    assert [(c.sku, c.before, c.after) for c in report.changes] == [("PLATE", 4, 40)]
    assert (await books.levels("MUG"))[0] == 9
    assert (await books.levels("BOWL"))[0] == 0
    report = await import_text(books, "sku,location,on_hand\nMUG,dc,8\n", counted_at=books.now)
    assert [(c.before, c.after, report.counted_at) for c in report.changes] == [(9, 8, books.now)]
    await import_text(books, "sku,location,on_hand\nMUG,dc,7\n", **unstated)
    assert (await books.levels("MUG"))[0] == 7, "nothing moved since that count"


async def test_the_instant_and_the_reason_are_checked_first(books: Books) -> None:
    text = "sku,location,on_hand\nMUG,dc,5\n"
    with pytest.raises(StockRefused, match="in the future"):
        await import_text(books, text, counted_at=NOON + 1)
    with pytest.raises(StockRefused, match="say why"):
        await import_text(books, text, reason="")
    assert await books.count_of(tables.movements) == 0


async def test_a_house_with_one_location_need_not_name_it(books: Books) -> None:
    await books.run("DELETE FROM locations WHERE code = 'soho'")
    await import_text(books, "sku,on_hand\nMUG,5\n")
    assert (await books.levels("MUG"))[0] == 5


async def test_outer_spaces_of_a_cell_are_forgiven(books: Books) -> None:
    await import_text(books, "sku,location,on_hand\n MUG , dc , 5 \n")
    assert (await books.levels("MUG"))[0] == 5


async def test_an_export_lists_every_place_and_items_without_one(books: Books) -> None:
    await books.move(
        ("MUG", "soho", ON_HAND, 2), ("MUG", "dc", ON_HAND, -1), ("PLATE", "dc", SAFETY, 4)
    )
    await books.run("UPDATE items SET name = '=HYPERLINK(1)' WHERE sku = 'MUG'")
    assert (await export_stock(books.database)).splitlines() == [
        "sku,location,on_hand,safety_stock,name",
        "BOWL,,,,",
        "MUG,dc,-1,0,'=HYPERLINK(1)",
        "MUG,soho,2,0,'=HYPERLINK(1)",
        "PLATE,dc,0,4,",
    ]


# ------------------------------------------------------------------ export, then import

PLACES = st.sampled_from([(sku, code) for sku in ITEMS for code in LOCATIONS])
LEVELS = st.dictionaries(PLACES, st.tuples(st.integers(-5, 50), st.integers(0, 9)), max_size=6)
NAMES = st.dictionaries(
    st.sampled_from(sorted(ITEMS)),
    st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]), max_size=12),
)


async def _fill(books: Books, levels: dict[Any, tuple[int, int]], names: dict[str, str]) -> None:
    await books.begin()
    async with books.database.write() as tx:
        for sku, name in names.items():
            await tx.execute(
                sa.update(tables.items).where(tables.items.c.sku == sku).values(name=name)
            )
        for (sku, code), (on_hand, safety) in levels.items():
            moves = [stock_move(sku, code, ON_HAND, on_hand), stock_move(sku, code, SAFETY, safety)]
            await move_stock(tx, moves)


async def _round_trip(
    books: Books, copy: Books, levels: dict[Any, tuple[int, int]], names: dict[str, str]
) -> None:
    await _fill(books, levels, names)
    await copy.begin()
    exported = await export_stock(books.database)
    movements = await books.rows(tables.movements)
    report = await import_text(books, exported)
    assert report.changes == ()
    assert await books.rows(tables.movements) == movements
    assert await books.count_of(tables.work) == 0
    if all(on_hand >= 0 for on_hand, _ in levels.values()):
        await import_text(copy, exported)
        assert await export_stock(copy.database) == exported
    for one in (books, copy):
        await one.database.close()


@settings(max_examples=25, deadline=None)
@given(levels=LEVELS, names=NAMES)
def test_importing_an_export_changes_nothing_and_rebuilds_it_elsewhere(
    migrated: Path,
    tmp_path_factory: pytest.TempPathFactory,
    levels: dict[Any, tuple[int, int]],
    names: dict[str, str],
) -> None:
    folder = tmp_path_factory.mktemp("round-trip")
    files = [folder / "original.db", folder / "copy.db"]
    for file in files:
        shutil.copy(migrated, file)
    books, copy = (Books(Database(sqlite_url(file))) for file in files)
    asyncio.run(_round_trip(books, copy, levels, names))
