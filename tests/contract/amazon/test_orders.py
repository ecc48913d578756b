"""Orders polled in both versions of the API, against a simulated account."""

from __future__ import annotations

import json
from typing import Any

import pytest

from channelsync.sdk.types import CancelEffect, OrderFact
from channelsync_amazon.connector import AmazonConnector
from channelsync_amazon.cursor import OVERLAP_SECONDS_MAX, POLLS_A_CHANGE_SEARCH, Cursor
from channelsync_amazon.simulator import CANARY
from tests.support.amazon import MORNING, Bench, stocked

VERSIONS = ("2026-01-01", "v0")
INTERVAL = AmazonConnector().manifest.poll_interval_seconds
LATE = 600.0
"""Longer than the search leaves out and than an order may stay unseen."""


async def opened(version: str, **more: Any) -> Bench:
    return await stocked(orders_api=version, **more)


async def the_fact(bench: Bench, order: str) -> OrderFact:
    page = await bench.channel.orders_by_id([order])
    [fact] = page.facts
    return fact


@pytest.mark.parametrize("version", VERSIONS)
async def test_an_order_counts_from_pending_on(version: str) -> None:
    bench = await opened(version)
    order = await bench.seller.buy("MUG", 3)
    placed = bench.clock()
    bench.clock.passes(LATE)
    [fact] = await bench.facts(MORNING)
    assert (fact.order_id, fact.sku, fact.ordered) == (order, "MUG", 3)
    assert fact.pending
    assert fact.sold_at == placed
    assert bench.seller.live("MUG") == 37


@pytest.mark.parametrize("version", VERSIONS)
async def test_a_whole_life_of_an_order(version: str) -> None:
    bench = await opened(version)
    order = await bench.seller.buy("MUG", 2)
    await bench.seller.pay(order)
    assert not (await the_fact(bench, order)).pending
    bench.clock.passes(60)
    await bench.seller.ship(order)
    fact = await the_fact(bench, order)
    assert (fact.ordered, fact.shipped, fact.cancelled) == (2, 2, 0)


async def test_a_cancelled_order_goes_back_to_amazons_own_grant() -> None:
    bench = await opened("2026-01-01")
    order = await bench.seller.buy("MUG", 3)
    await bench.seller.cancel(order)
    fact = await the_fact(bench, order)
    assert (fact.ordered, fact.cancelled) == (3, 3)
    assert fact.cancel_effect is CancelEffect.UNSURE
    assert bench.seller.live("MUG") == 40


async def test_a_cancel_in_v0_that_empties_the_line_voids_the_order() -> None:
    bench = await opened("v0")
    order = await bench.seller.buy("MUG", 3)
    await bench.seller.cancel(order)
    page = await bench.channel.orders_by_id([order])
    assert page.facts == ()
    [void] = page.voids
    assert (void.order_id, void.cancel_effect) == (order, CancelEffect.UNSURE)


async def test_units_cancelled_of_one_line_are_told_and_the_rest_stays_held() -> None:
    bench = await opened("2026-01-01")
    order = await bench.seller.buy_basket({"MUG": 3, "CUP": 1})
    await bench.seller.cancel_units(order, "MUG", 2)
    page = await bench.channel.orders_by_id([order])
    told = {fact.sku: (fact.ordered, fact.cancelled) for fact in page.facts}
    assert told == {"MUG": (3, 2), "CUP": (1, 0)}


@pytest.mark.parametrize("version", VERSIONS)
async def test_orders_that_amazon_ships_are_none_of_ours(version: str) -> None:
    bench = await opened(version)
    order = bench.seller.sell_beyond("MUG", 2)
    bench.clock.passes(LATE)
    assert await bench.facts(MORNING) == []
    assert (await bench.channel.orders_by_id([order])).facts == ()


@pytest.mark.parametrize("version", VERSIONS)
async def test_adoption_finds_what_was_still_to_ship(version: str) -> None:
    bench = await opened(version)
    waiting = await bench.seller.buy("MUG", 1)
    gone = await bench.seller.buy("MUG", 1)
    await bench.seller.ship(gone)
    bench.clock.passes(40 * 86_400)
    baseline = bench.clock()
    bench.clock.passes(LATE)
    changed = await bench.seller.buy("CUP", 1)
    bench.clock.passes(LATE)
    found = {fact.order_id for fact in await bench.facts(baseline)}
    assert found == {waiting, changed}


@pytest.mark.parametrize("version", VERSIONS)
async def test_every_order_of_many_pages_is_found_once_a_window(version: str) -> None:
    bench = await opened(version, live=500, unlimited=True)
    wanted = {await bench.seller.buy("MUG", 1) for _ in range(230)}
    bench.clock.passes(LATE)
    pages = await bench.pages(Cursor(phase="created", since=MORNING, after=MORNING).text())
    facts = [fact.order_id for page in pages for fact in page.facts]
    assert sorted(facts) == sorted(wanted)
    assert len(pages) == (3 if version == "2026-01-01" else 12)


async def test_the_watermark_stays_behind_what_may_be_invisible() -> None:
    bench = await opened("2026-01-01", visibility_lag_seconds=300)
    [*_, page] = await bench.pages(bench.channel.first_cursor(MORNING))
    assert page.complete_to == bench.clock() - 300
    await bench.seller.buy("MUG", 1)
    bench.clock.passes(10)
    [*_, page] = await bench.pages(page.cursor)
    assert page.facts == ()
    assert page.complete_to is not None
    assert page.complete_to < bench.clock() - 299
    bench.clock.passes(LATE)
    [page] = await bench.pages(page.cursor)
    assert len(page.facts) == 1


async def test_the_watermark_knows_an_order_that_changed_again_just_now() -> None:
    bench = await opened("2026-01-01")
    [*_, page] = await bench.pages(bench.channel.first_cursor(MORNING))
    order = await bench.seller.buy("MUG", 1)
    placed = bench.clock()
    bench.clock.passes(500)
    await bench.seller.cancel(order)
    bench.clock.passes(60)
    pages = await bench.pages(page.cursor)
    assert pages[-1].complete_to is not None
    assert pages[-1].complete_to > placed
    assert order in {fact.order_id for page in pages for fact in page.facts}


async def test_the_watermark_never_passes_what_amazon_calls_complete() -> None:
    bench = await opened("2026-01-01", visibility_lag_seconds=0)
    bench.simulator.orders.search_delay_seconds = 240
    [*_, page] = await bench.pages(bench.channel.first_cursor(MORNING))
    assert page.complete_to == bench.clock() - 240


async def test_an_order_that_shows_an_hour_late_is_found_by_the_overlap() -> None:
    bench = await opened("2026-01-01")
    bench.clock.passes(2 * LATE)
    [*_, page] = await bench.pages(bench.channel.first_cursor(bench.clock()))
    bench.seller.visibility_seconds = (3_500.0, 3_500.0)
    late = await bench.seller.buy("MUG", 1)
    found = []
    for _ in range(30):
        bench.clock.passes(180)
        [*pages, page] = await bench.pages(page.cursor)
        found += [fact.order_id for one in pages for fact in one.facts]
        found += [fact.order_id for fact in page.facts]
    assert late in found


async def test_the_overlap_grows_while_pages_are_roomy_and_shrinks_when_they_are_not() -> None:
    cursor = Cursor(phase="created", since=1_000_000.0, after=990_000.0)
    roomy = cursor.next_window(1_000_180.0, 10)
    assert roomy.overlap_seconds == 2 * cursor.overlap_seconds
    full = cursor.next_window(1_000_180.0, 90)
    assert full.overlap_seconds == cursor.overlap_seconds
    assert (roomy.phase, full.phase) == ("created", "created")
    second = cursor.onward("token", 1_000_200.0, 1_000_080.0, 100)
    assert second.next_window(1_000_180.0, 3).overlap_seconds == cursor.overlap_seconds / 2


@pytest.mark.parametrize("version", VERSIONS)
async def test_a_change_of_an_old_order_is_told_within_a_few_polls(version: str) -> None:
    bench = await opened(version)
    order = await bench.seller.buy("MUG", 3)
    bench.clock.passes(LATE)
    [*_, page] = await bench.pages(bench.channel.first_cursor(MORNING))
    bench.clock.passes(2 * OVERLAP_SECONDS_MAX)
    await bench.seller.ship(order)
    shipped = 0
    for _ in range(POLLS_A_CHANGE_SEARCH + 1):
        bench.clock.passes(240)
        pages = await bench.pages(page.cursor)
        page = pages[-1]
        assert page.complete_to is not None
        shipped = max([shipped, *(fact.shipped for one in pages for fact in one.facts)])
    assert shipped == 3


async def test_searches_stay_within_their_ration() -> None:
    """One search in 179 s is what Amazon allows for long (`searchOrders`: 0.0056 a second)."""
    bench = await opened("2026-01-01")
    [*_, page] = await bench.pages(bench.channel.first_cursor(MORNING))
    made, polls = 0, 30
    for _ in range(polls):
        bench.clock.passes(INTERVAL)
        pages = await bench.pages(page.cursor)
        made, page = made + len(pages), pages[-1]
    assert made <= polls * INTERVAL * 0.0056


async def test_a_token_that_is_too_old_begins_its_window_anew() -> None:
    bench = await opened("2026-01-01", live=500, unlimited=True)
    wanted = {await bench.seller.buy("MUG", 1) for _ in range(130)}
    bench.clock.passes(LATE)
    start = Cursor(phase="created", since=MORNING, after=MORNING).text()
    first = await bench.channel.orders_since(start)
    assert first.more
    bench.clock.passes(25 * 3_600)
    pages = await bench.pages(first.cursor)
    assert {fact.order_id for page in pages for fact in page.facts} == wanted


@pytest.mark.parametrize("version", VERSIONS)
async def test_nothing_of_a_person_is_asked_for_or_kept(version: str) -> None:
    bench = await opened(version)
    order = await bench.seller.buy("MUG", 3)
    bench.clock.passes(LATE)
    pages = await bench.pages(bench.channel.first_cursor(MORNING))
    pages.append(await bench.channel.orders_by_id([order]))
    assert CANARY in json.dumps([call.answer for call in bench.simulator.server.calls])
    assert "Canary" not in repr(pages)
    for call in bench.simulator.server.calls:
        assert "BUYER" not in call.query
        assert "RECIPIENT" not in call.query


async def test_an_order_that_amazon_does_not_show_proves_nothing() -> None:
    bench = await opened("2026-01-01")
    page = await bench.channel.orders_by_id(["303-0000000-0000000"])
    assert (page.facts, page.voids, page.complete_to) == ((), (), None)
