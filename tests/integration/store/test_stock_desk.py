"""What people do to stock by hand: one transaction each, a reason in the books, or nothing."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from channelsync.engine.bookkeeping import verify_books
from channelsync.engine.stock_desk import StockDesk
from channelsync.engine.stock_errors import (
    ItemExists,
    StaleCount,
    StockError,
    StockRefused,
    UnknownItem,
    UnknownLocation,
)
from channelsync.store import tables
from channelsync.store.tables import MovementKind, Quantity
from tests.support.ledger_books import NOON, Books

ON_HAND = Quantity.ON_HAND
WHO: dict[str, Any] = {"actor": "cli:root"}
WHY: dict[str, Any] = {"reason": "spring count", "actor": "cli:root"}
HOUR = 3_600.0


@pytest.fixture
def desk(books: Books) -> StockDesk:
    return StockDesk(books.database, books.environment)


async def everything(books: Books) -> list[Any]:
    """All that a use case may change."""
    return [
        await books.rows(table)
        for table in (tables.items, tables.stock, tables.movements, tables.work)
    ]


async def test_a_count_sets_what_is_on_hand_and_says_why(books: Books, desk: StockDesk) -> None:
    await books.move(("MUG", "dc", ON_HAND, 3))
    change = await desk.count("MUG", "dc", 8, **WHY)
    assert (change.quantity, change.before, change.after) == (ON_HAND, 3, 8)
    assert await books.levels("MUG") == (8, 0, 0, 0)
    movement = (await books.rows(tables.movements))[-1]
    assert (movement.kind, movement.delta, movement.note) == ("count", 5, "spring count")
    assert movement.actor == "cli:root"
    assert movement.reference == "count at 2025-10-09T09:00:00Z"
    assert [(row.kind, row.key) for row in await books.rows(tables.work)] == [("reconcile", "1")]


async def test_units_that_moved_after_a_count_are_applied_again(
    books: Books, desk: StockDesk
) -> None:
    """Counted 10 at noon; 3 shipped and 1 came back until two o'clock: 8 are there."""
    await books.move(("MUG", "dc", ON_HAND, 12))
    late = {"at": NOON + HOUR}
    await books.move(("MUG", "dc", ON_HAND, -3), kind=MovementKind.SHIPMENT, **late)
    await books.move(("MUG", "dc", ON_HAND, 1), kind=MovementKind.RETURN, **late)
    await books.move(("MUG", "soho", ON_HAND, 40), kind=MovementKind.RETURN, **late)
    books.now = NOON + 2 * HOUR
    change = await desk.count("MUG", "dc", 10, counted_at=NOON, **WHY)
    assert (change.before, change.after) == (10, 8)
    assert await books.levels("MUG") == (8, 0, 0, 0)


async def test_a_movement_at_the_very_instant_of_a_count_is_in_it(
    books: Books, desk: StockDesk
) -> None:
    await books.move(("MUG", "dc", ON_HAND, 12), at=NOON)
    books.now = NOON + HOUR
    change = await desk.count("MUG", "dc", 10, counted_at=NOON, **WHY)
    assert change.after == 10


async def test_a_correction_entered_after_a_count_moved_no_unit(
    books: Books, desk: StockDesk
) -> None:
    """The first count is entered after the second one was taken, and must not come on top."""
    books.now = NOON + 3 * HOUR
    await desk.count("MUG", "dc", 10, counted_at=NOON, **WHY)
    change = await desk.count("MUG", "dc", 9, counted_at=NOON + HOUR, **WHY)
    assert change.after == 9


async def test_a_count_older_than_the_last_one_is_refused(books: Books, desk: StockDesk) -> None:
    books.now = NOON + 3 * HOUR
    await desk.count("MUG", "dc", 10, counted_at=NOON + HOUR, **WHY)
    before = await everything(books)
    with pytest.raises(StaleCount, match=r"MUG at dc was counted again at 2025-10-09T10:00:00Z"):
        await desk.count("MUG", "dc", 12, counted_at=NOON, **WHY)
    assert await everything(books) == before


async def test_a_count_that_agrees_is_remembered_without_a_movement(
    books: Books, desk: StockDesk
) -> None:
    await desk.count("MUG", "dc", 0, counted_at=NOON, **WHY)
    (row,) = await books.rows(tables.stock)
    assert (row.on_hand, row.counted_at) == (0, NOON)
    assert await books.count_of(tables.movements) == 0
    assert await books.count_of(tables.work) == 0


async def test_an_adjustment_adds_and_takes_off(books: Books, desk: StockDesk) -> None:
    await desk.adjust("MUG", "dc", 5, reason="found behind the shelf", **WHO)
    change = await desk.adjust("MUG", "dc", -2, reason="broken", **WHO)
    assert (change.before, change.after) == (5, 3)
    assert await books.levels("MUG") == (3, 0, 0, 0)
    notes = [(row.kind, row.note) for row in await books.rows(tables.movements)]
    assert notes == [("adjustment", "found behind the shelf"), ("adjustment", "broken")]


async def test_safety_stock_and_units_on_order_are_set(books: Books, desk: StockDesk) -> None:
    await desk.set_safety_stock("MUG", "dc", 5, **WHY)
    await desk.set_safety_stock("MUG", "dc", 2, **WHY)
    await desk.set_on_order("MUG", "dc", 30, **WHY)
    assert await books.levels("MUG") == (0, 0, 2, 30)
    moved = [(row.kind, row.quantity, row.delta) for row in await books.rows(tables.movements)]
    assert moved == [
        ("safety_stock", "safety_stock", 5),
        ("safety_stock", "safety_stock", -3),
        ("adjustment", "on_order", 30),
    ]


async def test_an_item_is_made_named_and_renamed(books: Books, desk: StockDesk) -> None:
    key = await desk.create_item("VASE", name="Vase", tags=["glass", "blue", "glass"], **WHO)
    await desk.name_item("VASE", "Tall vase", **WHO)
    await desk.rename_item("VASE", "VASE-1", **WHO)
    row = (await books.rows(tables.items))[-1]
    assert (row.id, row.sku, row.name, row.tags) == (key, "VASE-1", "Tall vase", ["blue", "glass"])


Call = Callable[[StockDesk], Awaitable[Any]]

REFUSED: list[tuple[Call, type[StockError], str]] = [
    (lambda d: d.count("MUGG", "dc", 1, **WHY), UnknownItem, "no item 'MUGG'; did you mean 'MUG'"),
    (lambda d: d.count("mug", "dc", 1, **WHY), UnknownItem, "did you mean 'MUG'"),
    (lambda d: d.count("XYLOPHONE", "dc", 1, **WHY), UnknownItem, r"no item 'XYLOPHONE'$"),
    (lambda d: d.count("MUG", "Soho", 1, **WHY), UnknownLocation, "did you mean 'soho'"),
    (lambda d: d.count("MUG", "dc", -1, **WHY), StockRefused, "not at -1"),
    (lambda d: d.count("MUG", "dc", 10**10, **WHY), StockRefused, "1,000,000,000"),
    (lambda d: d.count("MUG", "dc", 1, reason=" ", **WHO), StockRefused, "say why"),
    (lambda d: d.count("MUG", "dc", 1, reason="x" * 501, **WHO), StockRefused, "501 characters"),
    (lambda d: d.count("MUG", "dc", 1, counted_at=NOON + 1, **WHY), StockRefused, "the future"),
    (lambda d: d.adjust("MUG", "dc", 0, **WHY), StockRefused, "by 0 units"),
    (lambda d: d.adjust("MUG", "dc", -4, **WHY), StockRefused, "3 units on hand, 4 cannot"),
    (lambda d: d.adjust("BOWL", "dc", -1, **WHY), StockRefused, "-2 units on hand"),
    (lambda d: d.set_safety_stock("MUG", "dc", -1, **WHY), StockRefused, "safety stock"),
    (lambda d: d.set_on_order("MUG", "dc", -1, **WHY), StockRefused, "on order"),
    (lambda d: d.create_item("MUG", **WHO), ItemExists, "'MUG' already"),
    (lambda d: d.create_item(" VASE", **WHO), StockRefused, "no space at either end|no SKU"),
    (lambda d: d.create_item("", **WHO), StockRefused, "no SKU"),
    (lambda d: d.create_item("VA\nSE", **WHO), StockRefused, "no SKU"),
    (lambda d: d.create_item("VASE", name="a\0b", **WHO), StockRefused, "NUL"),
    (lambda d: d.rename_item("MUG", "PLATE", **WHO), ItemExists, "'PLATE' already"),
    (lambda d: d.rename_item("VASE", "JUG", **WHO), UnknownItem, "no item 'VASE'"),
    (lambda d: d.name_item("VASE", "Vase", **WHO), UnknownItem, "no item 'VASE'"),
    (lambda d: d.show("PLATES"), UnknownItem, "did you mean 'PLATE'"),
    (lambda d: d.show("MUG", at=NOON + 60), StockRefused, "nothing is known"),
]


@pytest.mark.parametrize(("call", "error", "message"), REFUSED)
async def test_what_cannot_be_is_refused_and_changes_nothing(
    books: Books, desk: StockDesk, call: Call, error: type[StockError], message: str
) -> None:
    await books.move(("MUG", "dc", ON_HAND, 3), ("BOWL", "dc", ON_HAND, -2))
    before = await everything(books)
    with pytest.raises(error, match=message):
        await call(desk)
    assert await everything(books) == before


async def test_the_books_follow_from_the_movements_after_all_of_it(
    books: Books, desk: StockDesk
) -> None:
    await desk.count("MUG", "dc", 20, **WHY)
    await desk.adjust("MUG", "dc", -1, **WHY)
    await desk.set_safety_stock("MUG", "soho", 2, **WHY)
    await desk.set_on_order("MUG", "dc", 7, **WHY)
    assert (await verify_books(books.database)).ok


# ------------------------------------------------------------------ show


async def test_show_adds_up_pools_and_keeps_their_locations_apart(
    books: Books, desk: StockDesk
) -> None:
    await books.move(
        ("MUG", "dc", ON_HAND, 100),
        ("MUG", "dc", Quantity.RESERVED, 15),
        ("MUG", "soho", ON_HAND, -3),
        ("MUG", "soho", Quantity.ON_ORDER, 12),
    )
    shown = await desk.show("MUG", default_safety_stock=5)
    (pool,) = shown.pools
    assert (shown.sku, pool.pool) == ("MUG", "main")
    assert (pool.stock.on_hand, pool.stock.reserved, pool.stock.safety_stock) == (97, 15, 5)
    assert (pool.stock.atp, pool.stock.future_atp) == (77, 89)
    assert [(place.code, place.name, place.level.on_hand) for place in pool.locations] == [
        ("dc", "Dc", 100),
        ("soho", "Soho", -3),
    ]


async def test_show_of_the_past_is_what_the_books_said_then(books: Books, desk: StockDesk) -> None:
    await desk.count("MUG", "dc", 10, **WHY)
    books.now = NOON + HOUR
    await desk.adjust("MUG", "dc", -4, **WHY)
    await desk.set_safety_stock("MUG", "soho", 2, **WHY)
    books.now = NOON + 2 * HOUR

    async def levels(at: float | None) -> list[tuple[int, int, float | None]]:
        (pool,) = (await desk.show("MUG", at=at)).pools
        return [
            (place.level.on_hand, place.level.safety_stock, place.counted_at)
            for place in pool.locations
        ]

    assert await levels(NOON - 1) == [(0, 0, None), (0, 0, None)]
    assert await levels(NOON) == [(10, 0, NOON), (0, 0, None)]
    assert await levels(NOON + HOUR) == [(6, 0, NOON), (0, 2, None)]
    assert await levels(NOON + 2 * HOUR) == await levels(None)


async def test_a_location_out_of_use_shows_only_while_it_has_stock(
    books: Books, desk: StockDesk
) -> None:
    await books.run("UPDATE locations SET active = false, pool = 'old' WHERE code = 'soho'")
    assert [pool.pool for pool in (await desk.show("MUG")).pools] == ["main"]
    await books.move(("MUG", "soho", ON_HAND, 1))
    assert [pool.pool for pool in (await desk.show("MUG")).pools] == ["main", "old"]


async def test_units_that_moved_before_a_count_are_in_it_though_they_were_booked_after(
    books: Books, desk: StockDesk
) -> None:
    """Three left at eleven, which was booked at one o'clock; noon's count has seen them go."""
    await books.move(("MUG", "dc", ON_HAND, 12))
    left = {"kind": MovementKind.SHIPMENT, "at": NOON + HOUR, "moved_at": NOON - HOUR}
    await books.move(("MUG", "dc", ON_HAND, -3), **left)
    books.now = NOON + 2 * HOUR
    change = await desk.count("MUG", "dc", 9, counted_at=NOON, **WHY)
    assert (change.before, change.after) == (9, 9)
