"""Counts and late news: units that left before a count are missing from it, whenever we hear."""

from __future__ import annotations

from typing import Any

import pytest

from channelsync.domain.vocabulary import PushSemantics
from channelsync.engine.stock_desk import StockDesk
from channelsync.engine.till_counts import apply_counts
from channelsync.sdk.types import StockCount
from channelsync.store import tables
from tests.support.house import Build, House

CAS = PushSemantics.KEYED_COMPARE_AND_SET
HOUR = 3_600.0


async def shop(build: Build) -> House:
    """Ten mugs; one is sold, and the shop's feed cannot be reached from then on."""
    house = await build(stock={"MUG": 10}, quotas={"a": 10_000}, semantics={"a": CAS})
    await house.settle_down(60)
    house.markets["a"].offline = True
    order_id = house.markets["a"].sell("MUG")
    assert order_id is not None
    house.clock.at += HOUR
    house.markets["a"].ship(order_id)
    return house


async def hear_of_it(house: House) -> None:
    house.markets["a"].offline = False
    await house.settle_down(HOUR, step=300)


async def on_hand(house: House) -> int:
    (row,) = await house.rows(tables.stock)
    return int(row.on_hand)


def desk_of(house: House) -> StockDesk:
    return StockDesk(house.engine.database, house.engine.environment)


COUNT: dict[str, Any] = {"reason": "stocktaking", "actor": "test"}


async def apply(house: House, taken: StockCount) -> None:
    async with house.engine.database.write() as tx:
        await apply_counts(tx, "a", (taken,), now=house.clock())


async def test_a_count_entered_before_the_news_of_a_shipment_is_not_lowered_by_it(
    build: Build,
) -> None:
    house = await shop(build)
    house.clock.at += HOUR
    await desk_of(house).count("MUG", "dc", 9, **COUNT)
    await hear_of_it(house)
    assert await on_hand(house) == 9
    assert (await house.exposures("MUG"))["a"] == 9
    await house.require_clean_books()


async def test_a_count_entered_after_the_news_of_a_shipment_is_not_lowered_by_it(
    build: Build,
) -> None:
    """Shipped at one, counted at two, heard of at three, the count entered at four."""
    house = await shop(build)
    house.clock.at += HOUR
    counted_at = house.clock.at
    house.clock.at += HOUR
    await hear_of_it(house)
    await desk_of(house).count("MUG", "dc", 9, counted_at=counted_at, **COUNT)
    await house.settle_down(HOUR, step=300)
    assert await on_hand(house) == 9
    assert house.markets["a"].counters["MUG"] == 9
    await house.require_clean_books()


async def test_a_shipment_after_the_count_still_lowers_it(build: Build) -> None:
    house = await build(stock={"MUG": 10}, quotas={"a": 10_000}, semantics={"a": CAS})
    await house.settle_down(60)
    counted_at = house.clock()
    order_id = house.markets["a"].sell("MUG")
    assert order_id is not None
    house.markets["a"].ship(order_id)
    await house.settle_down(HOUR, step=300)
    await desk_of(house).count("MUG", "dc", 10, counted_at=counted_at, **COUNT)
    assert await on_hand(house) == 9


@pytest.mark.parametrize("count_first", [True, False])
async def test_a_till_s_count_and_its_sale_meet_in_either_order(
    build: Build, count_first: bool
) -> None:
    """The till sold one, then counted nine; both are heard of hours later."""
    house = await shop(build)
    house.clock.at += HOUR
    taken = StockCount(
        sku="MUG", location="dc", on_hand=9, counted_at=house.clock.at, reference="evening"
    )
    house.clock.at += HOUR
    if count_first:
        await apply(house, taken)
    await hear_of_it(house)
    await apply(house, taken)
    await house.settle_down(HOUR, step=300)
    assert await on_hand(house) == 9
    assert (await house.exposures("MUG"))["a"] == 9
    await house.require_clean_books()


async def test_a_return_of_unknown_time_is_not_added_to_a_count_that_may_hold_it(
    build: Build,
) -> None:
    house = await shop(build)
    market = house.markets["a"]
    await hear_of_it(house)
    counted_at = house.clock()
    house.clock.at += HOUR
    (order_id,) = market.orders
    market._change(order_id, returned=1, restocked=1)
    await house.settle_down(HOUR, step=300)
    assert await on_hand(house) == 10
    await desk_of(house).count("MUG", "dc", 10, counted_at=counted_at, **COUNT)
    assert await on_hand(house) == 10
