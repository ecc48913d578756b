"""The ledger: balances and movements change together or not at all."""

from __future__ import annotations

import pytest
import sqlalchemy as sa

from channelsync.domain.errors import InvariantViolated
from channelsync.store.ledger import ExposureMove, move_exposure, move_stock
from channelsync.store.tables import MovementKind, Quantity, movements, stock
from tests.support.ledger_books import NOON, Books, stock_move

ON_HAND, RESERVED = Quantity.ON_HAND, Quantity.RESERVED


async def test_the_first_movement_makes_the_stock_row(books: Books) -> None:
    await books.move(("MUG", "dc", ON_HAND, 7))
    assert await books.levels("MUG") == (7, 0, 0, 0)


async def test_movements_of_one_row_are_added_up_and_kept_apart(books: Books) -> None:
    await books.move(
        ("MUG", "dc", ON_HAND, 7),
        ("MUG", "dc", RESERVED, 2),
        ("MUG", "soho", ON_HAND, 1),
        ("MUG", "dc", ON_HAND, -3),
        ("PLATE", "dc", Quantity.SAFETY_STOCK, 4),
        ("PLATE", "dc", Quantity.ON_ORDER, 9),
    )
    assert await books.levels("MUG") == (4, 2, 0, 0)
    assert await books.levels("MUG", "soho") == (1, 0, 0, 0)
    assert await books.levels("PLATE") == (0, 0, 4, 9)
    written = [(row.quantity, row.delta) for row in await books.rows(movements)]
    assert written == [
        ("on_hand", 7),
        ("reserved", 2),
        ("on_hand", 1),
        ("on_hand", -3),
        ("safety_stock", 4),
        ("on_order", 9),
    ]


async def test_movements_of_nothing_leave_no_trace(books: Books) -> None:
    await books.move(("MUG", "dc", ON_HAND, 0))
    assert await books.count_of(movements) == 0
    assert await books.count_of(stock) == 0


async def test_on_hand_may_fall_below_zero(books: Books) -> None:
    await books.move(("MUG", "dc", ON_HAND, -2))
    assert await books.levels("MUG") == (-2, 0, 0, 0)


async def test_reserved_never_falls_below_zero_and_nothing_stays_of_the_attempt(
    books: Books,
) -> None:
    await books.move(("MUG", "dc", RESERVED, 2))
    with pytest.raises(InvariantViolated, match=r"reserved -3 of item 1 at location 1"):
        await books.move(("MUG", "soho", ON_HAND, 5), ("MUG", "dc", RESERVED, -3))
    assert await books.levels("MUG") == (0, 2, 0, 0)
    assert await books.count_of(movements) == 1
    assert await books.count_of(stock) == 1


async def test_a_dip_within_one_transaction_is_no_matter(books: Books) -> None:
    await books.move(("MUG", "dc", RESERVED, -3), ("MUG", "dc", RESERVED, 5))
    assert await books.levels("MUG") == (0, 2, 0, 0)


async def test_stock_of_an_unknown_place_is_refused(books: Books) -> None:
    move = stock_move("MUG", "dc", ON_HAND, 1)
    lost = type(move)(
        item_id=99,
        location_id=1,
        quantity=ON_HAND,
        delta=1,
        kind=MovementKind.COUNT,
        actor="test",
        at=NOON,
    )
    with pytest.raises(InvariantViolated, match="item 99"):
        async with books.database.write() as tx:
            await move_stock(tx, [lost])
    assert await books.count_of(movements) == 0


def test_an_exposure_is_no_stock() -> None:
    with pytest.raises(InvariantViolated, match="belongs to a listing"):
        stock_move("MUG", "dc", Quantity.EXPOSURE, 1)


def test_only_some_kinds_of_movement_can_settle() -> None:
    with pytest.raises(InvariantViolated, match="settles nothing"):
        ExposureMove(
            listing_id=1,
            delta=0,
            kind=MovementKind.CHARGE,
            actor="test",
            at=NOON,
            first_settle=True,
        )


async def test_a_first_settle_at_zero_is_written_and_a_later_one_is_not(books: Books) -> None:
    async with books.database.write() as tx:
        for first in (True, False):
            await move_exposure(
                tx,
                7,
                delta=0,
                kind=MovementKind.SETTLE,
                actor="settle:shop",
                at=NOON,
                reference="reading",
                first_settle=first,
            )
    (row,) = await books.rows(movements)
    assert (row.listing_id, row.delta, row.quantity, row.kind, row.reference) == (
        7,
        0,
        "exposure",
        "settle",
        "reading",
    )


@pytest.mark.parametrize(
    "statement", ["UPDATE movements SET delta = delta + 1", "DELETE FROM movements"]
)
async def test_movements_can_only_be_appended(books: Books, statement: str) -> None:
    await books.move(("MUG", "dc", ON_HAND, 7))
    with pytest.raises(sa.exc.IntegrityError, match="append-only"):
        await books.run(statement)
    (row,) = await books.rows(movements)
    assert row.delta == 7


async def test_a_movement_names_a_listing_or_a_place_never_both(books: Books) -> None:
    with pytest.raises(sa.exc.IntegrityError, match="ck_movements_subject"):
        await books.run(
            "INSERT INTO movements (at, kind, quantity, delta, item_id, location_id, listing_id,"
            " actor) VALUES (0, 'count', 'on_hand', 1, 1, 1, 1, 'test')"
        )
