"""Paging through orders: nothing is left out, and what is complete is said."""

from __future__ import annotations

import pytest

from tests.support.shopify import (
    Bench,
    stocked,
)


@pytest.fixture
async def bench() -> Bench:
    return await stocked()


async def test_adoption_finds_what_was_unshipped_and_what_changed_since(bench: Bench) -> None:
    old_open = await bench.shop.buy("MUG")
    old_part = await bench.shop.buy("CUP", 3)
    await bench.shop.fulfil(old_part, {"CUP": 1})
    old_done = await bench.shop.buy("POT")
    await bench.shop.fulfil(old_done)
    ships_later = await bench.shop.buy("POT")
    bench.clock.passes(30 * 86_400)
    baseline = bench.clock()
    bench.clock.passes(3_600)
    await bench.shop.fulfil(ships_later)
    new = await bench.shop.buy("MUG")
    bench.clock.passes(60)
    found = {fact.order_id for fact in await bench.all_facts(baseline)}
    assert found == {old_open, old_part, ships_later, new}
    assert old_done not in found


async def test_polling_goes_on_where_it_was_and_tells_how_far_it_is_complete(
    bench: Bench,
) -> None:
    cursor = bench.channel.first_cursor(bench.clock())
    first = await bench.channel.orders_since(cursor)
    assert (first.more, first.complete_to) == (True, None)
    second = await bench.channel.orders_since(first.cursor)
    assert (second.more, second.complete_to) == (False, bench.clock() - 120)
    bench.clock.passes(300)
    order = await bench.shop.buy("MUG")
    third = await bench.channel.orders_since(second.cursor)
    assert [fact.order_id for fact in third.facts] == [order]
    assert third.complete_to == bench.clock() - 120
    again = await bench.channel.orders_since(second.cursor)
    assert again.facts == third.facts


async def test_a_poll_skips_what_it_told_only_once_the_engine_came_back_with_the_cursor(
    bench: Bench,
) -> None:
    cursor = (await bench.channel.orders_since(bench.channel.first_cursor(0))).cursor
    order = await bench.shop.buy("MUG")
    bench.clock.passes(60)
    told = await bench.channel.orders_since(cursor)
    unkept = await bench.channel.orders_since(cursor)
    assert [len(page.facts) for page in (told, unkept)] == [1, 1]
    kept = await bench.channel.orders_since(unkept.cursor)
    assert kept.facts == ()
    await bench.shop.fulfil(order)
    changed = await bench.channel.orders_since(kept.cursor)
    assert [fact.shipped for fact in changed.facts] == [1]


async def test_beginning_anew_tells_everything_anew(bench: Bench) -> None:
    order = await bench.shop.buy("MUG")
    bench.clock.passes(60)
    for _ in range(2):
        assert {fact.order_id for fact in await bench.all_facts(0)} == {order}


async def test_a_change_within_the_second_of_the_last_look_is_not_missed(bench: Bench) -> None:
    cursor = (await bench.channel.orders_since(bench.channel.first_cursor(0))).cursor
    order = await bench.shop.buy("MUG", 2)
    page = await bench.channel.orders_since(cursor)
    await bench.shop.refund(order, "MUG", 1, "CANCEL")
    bench.clock.passes(60)
    page = await bench.channel.orders_since(page.cursor)
    assert [fact.cancelled for fact in page.facts] == [1]


async def test_an_order_that_the_search_shows_late_is_still_found(bench: Bench) -> None:
    bench.simulator.world.search_lag_seconds = 90
    cursor = (await bench.channel.orders_since(bench.channel.first_cursor(0))).cursor
    order = await bench.shop.buy("MUG")
    bench.clock.passes(60)
    early = await bench.channel.orders_since(cursor)
    assert early.facts == ()
    assert early.complete_to is not None
    assert early.complete_to < bench.clock() - 60
    bench.clock.passes(60)
    late = await bench.channel.orders_since(early.cursor)
    assert [fact.order_id for fact in late.facts] == [order]


async def test_hundreds_of_changed_orders_are_paged_without_a_gap(bench: Bench) -> None:
    started = bench.clock()
    bought = set()
    for _ in range(118):
        bench.clock.passes(1)
        bought.add(await bench.shop.buy("MUG") or await bench.shop.staff_order("CUP"))
    assert {fact.order_id for fact in await bench.all_facts(started)} == bought
