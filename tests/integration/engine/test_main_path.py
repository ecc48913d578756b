"""From stock to listings and back: the engine against marketplaces in memory."""

from __future__ import annotations

import pytest

from channelsync.domain.vocabulary import PushSemantics
from channelsync.store import tables
from tests.support.house import Build

CAS = PushSemantics.KEYED_COMPARE_AND_SET
DELTA = PushSemantics.KEYED_DELTA
ABSOLUTE = PushSemantics.ABSOLUTE


@pytest.mark.parametrize("kind", [CAS, DELTA])
async def test_quotas_reach_the_listings(build: Build, kind: PushSemantics) -> None:
    house = await build(
        stock={"MUG": 85},
        safety_stock=5,
        quotas={"a": 5_000, "b": 3_000, "c": 2_000},
        semantics={"a": kind, "b": kind, "c": kind},
    )
    await house.settle_down(120)
    shown = {name: market.counters["MUG"] for name, market in house.markets.items()}
    assert shown == {"a": 40, "b": 24, "c": 16}
    assert await house.exposures("MUG") == {"a": 40, "b": 24, "c": 16}
    await house.require_clean_books()


async def test_an_absolute_channel_is_granted_and_settled(build: Build) -> None:
    house = await build(
        stock={"MUG": 10},
        quotas={"a": 5_000, "b": 5_000},
        semantics={"a": ABSOLUTE, "b": CAS},
    )
    await house.settle_down(120)
    assert await house.exposures("MUG") == {"a": 5, "b": 5}
    assert house.markets["a"].counters["MUG"] == 5


@pytest.mark.parametrize("units", [3, 10])
async def test_a_sale_elsewhere_alone_takes_no_absolute_listing_off_sale(
    build: Build, units: int
) -> None:
    house = await build(
        stock={"MUG": units},
        quotas={"a": 5_000, "b": 5_000},
        semantics={"a": ABSOLUTE, "b": CAS},
    )
    await house.settle_down(300)
    before = await house.rows(tables.pushes)
    assert house.markets["b"].sell("MUG")
    await house.settle_down(600)
    assert len(await house.rows(tables.pushes)) == len(before)


async def test_a_sale_is_counted_once_and_never_oversold(build: Build) -> None:
    house = await build(
        stock={"MUG": 10},
        quotas={"a": 5_000, "b": 5_000},
        semantics={"a": CAS, "b": DELTA},
    )
    await house.settle_down(60)
    market = house.markets["a"]
    while market.sell("MUG"):
        await house.settle_down(40)
    while house.markets["b"].sell("MUG"):
        await house.settle_down(40)
    await house.settle_down(600)
    while market.sell("MUG"):
        await house.settle_down(40)
    assert house.sold("MUG") <= 10
    await house.require_clean_books()


async def test_an_order_that_no_database_holds_is_parked_and_those_beside_it_are_counted(
    build: Build,
) -> None:
    house = await build(stock={"MUG": 10}, quotas={"a": 10_000}, semantics={"a": CAS})
    await house.settle_down(60)
    market = house.markets["a"]
    market.book("MU\ud800G", 1)
    assert market.sell("MUG", 2)
    await house.settle_down(60)
    rows = {row.order_id: row for row in await house.rows(tables.order_lines)}
    parked, counted = rows["order-1"], rows["order-2"]
    assert parked.parked == "unmapped"
    assert parked.sku.startswith("MU?G~")
    assert (counted.parked, counted.ordered) == (None, 2)
    assert await house.exposures("MUG") == {"a": 8}
    await house.require_clean_books()


async def test_an_applied_push_whose_answer_was_lost_is_applied_once(build: Build) -> None:
    house = await build(stock={"MUG": 6}, quotas={"a": 10_000}, semantics={"a": CAS})
    house.markets["a"].faults = ["lose_answer", "lose_answer"]
    await house.settle_down(300)
    assert house.markets["a"].counters["MUG"] == 6
    assert await house.exposures("MUG") == {"a": 6}
    await house.require_clean_books()


async def test_an_unreachable_channel_holds_nothing_up(build: Build) -> None:
    house = await build(
        stock={"MUG": 6},
        quotas={"a": 5_000, "b": 5_000},
        semantics={"a": CAS, "b": CAS},
    )
    await house.settle_down(60)
    house.markets["a"].offline = True
    house.markets["b"].sell("MUG")
    await house.settle_down(60)
    assert (await house.exposures("MUG"))["b"] == 2
    house.markets["a"].offline = False
    await house.settle_down(600)
    assert house.sold("MUG") == 1
    await house.require_clean_books()
