"""What the ledger and the orders of a simulated seller tell, page by page."""

from __future__ import annotations

import json

import pytest

from channelsync.domain.orders import LineState
from channelsync.sdk.errors import Misconfigured, NeedsReauthorization, Retryable
from channelsync.sdk.types import CancelEffect, OrderFact, PushKind
from tests.support.square import NOON, Bench, stocked

HOUR = 3_600.0
MORNING = NOON + HOUR / 2
"""After the goods were counted, before anything was sold."""


@pytest.fixture
async def bench() -> Bench:
    return await stocked()


async def only_fact(bench: Bench, *, after: float = MORNING) -> OrderFact:
    [fact] = {(one.order_id, one.line_id): one for one in await bench.all_facts(after)}.values()
    return fact


async def only_line(bench: Bench) -> LineState:
    [state] = (await bench.lines(MORNING)).values()
    return state


async def test_a_sale_at_the_till_has_left_the_house(bench: Bench) -> None:
    order = bench.shop.sell({"MUG": 2})
    fact = await only_fact(bench)
    assert (fact.order_id, fact.sku, fact.external) == (
        order,
        "MUG",
        {"variation_id": bench.variation("MUG")},
    )
    assert (fact.ordered, fact.shipped, fact.cancelled) == (2, 2, 0)
    assert (fact.sold_at, fact.shipped_at) == (bench.clock.at, bench.clock.at)
    assert (fact.location, fact.origin, fact.moves_counter) == ("soho", "till", True)


async def test_two_lines_of_one_variation_are_two_lines(bench: Bench) -> None:
    bench.shop.sell({"MUG": 1, "CUP": 3})
    bench.shop.sell({"MUG": 1})
    lines = await bench.lines(MORNING)
    assert sorted(line.shipped for line in lines.values()) == [1, 1, 3]


async def test_what_we_write_ourselves_is_no_sale(bench: Bench) -> None:
    request = bench.prepared(
        bench.change("MUG", PushKind.CUT, 4), bench.change("CUP", PushKind.RAISE, 4)
    )
    await bench.channel.push(request)
    pages = await bench.pages(bench.channel.first_cursor(MORNING))
    assert [(page.facts, page.look_at) for page in pages if page.facts or page.look_at] == []


async def test_sales_of_the_sellers_other_shop_are_not_ours(bench: Bench) -> None:
    bench.simulator.elsewhere.sell({"MUG": 2})
    assert await bench.all_facts(MORNING) == []


async def test_typed_in_amounts_move_no_stock(bench: Bench) -> None:
    bench.shop.sell({"MUG": 1}, custom_amounts=2)
    assert (await only_fact(bench)).sku == "MUG"


async def test_breakage_leaves_the_house_like_a_sale(bench: Bench) -> None:
    bench.shop.waste("MUG", 2)
    fact = await only_fact(bench)
    assert (fact.shipped, fact.origin) == (2, "loss")


async def test_pages_follow_each_other_and_windows_overlap(bench: Bench) -> None:
    """Behind a long window no more is read again than must be; what shows too late is swept up."""
    bench.simulator.world.search_lag_seconds = 400.0
    bench.shop.sell({"CUP": 1})
    bench.simulator.world.search_lag_seconds = 0.0
    for _ in range(1_203):
        bench.shop.sell({"MUG": 1})
    pages = await bench.pages(bench.channel.first_cursor(MORNING))
    assert [len(page.facts) for page in pages if page.facts] == [1_000, 203]
    assert [page.complete_to for page in pages[:-1]] == [None] * (len(pages) - 1)
    found = []
    for seconds in (30, 120, 300, 30, 600):
        bench.clock.passes(seconds)
        pages = await bench.pages(pages[-1].cursor)
        found.append(sum(len(page.facts) for page in pages))
    assert found == [1_203, 1_203, 0, 1_204, 0]


async def test_the_watermark_is_the_start_of_the_poll_less_the_lag(bench: Bench) -> None:
    started = bench.clock.at
    pages = await bench.pages(bench.channel.first_cursor(MORNING))
    assert pages[-1].complete_to == started - 60.0
    quick = await stocked(visibility_lag_seconds=0)
    pages = await quick.pages(quick.channel.first_cursor(MORNING))
    assert pages[-1].complete_to == quick.clock.at


async def test_a_cursor_may_be_used_twice(bench: Bench) -> None:
    bench.shop.sell({"MUG": 1})
    pages = await bench.pages(bench.channel.first_cursor(MORNING))
    cursors = [bench.channel.first_cursor(MORNING), *(page.cursor for page in pages[:-1])]
    for cursor, page in zip(cursors, pages, strict=True):
        assert await bench.channel.orders_since(cursor) == page


async def test_a_place_that_square_has_forgotten_begins_the_window_anew(bench: Bench) -> None:
    bench.shop.sell({"MUG": 1})
    place = json.loads((await bench.pages(bench.channel.first_cursor(MORNING)))[-2].cursor)
    lost = json.dumps(place | {"after": "forgotten"})
    page = await bench.channel.orders_since(lost)
    assert (page.facts, page.more, page.complete_to) == ((), True, None)
    assert sum(len(one.facts) for one in await bench.pages(page.cursor)) == 1


async def test_an_unreadable_cursor_says_what_to_do(bench: Bench) -> None:
    with pytest.raises(Misconfigured, match="adopt the channel again"):
        await bench.channel.orders_since("garbage")


@pytest.mark.parametrize(
    ("fault", "error"), [("throttled", Retryable), ("timeout_before", Retryable)]
)
async def test_a_page_that_fails_teaches_nothing(
    bench: Bench, fault: str, error: type[Exception]
) -> None:
    bench.simulator.server.next_faults.append(fault)
    with pytest.raises(error):
        await bench.channel.orders_since(bench.channel.first_cursor(NOON))


async def test_a_revoked_token_needs_a_person(bench: Bench) -> None:
    bench.simulator.account.revoked = True
    with pytest.raises(NeedsReauthorization, match="developer console"):
        await bench.channel.orders_since(bench.channel.first_cursor(NOON))


# ------------------------------------------------------------------ offline


async def test_an_offline_sale_counts_when_it_is_uploaded_days_later(bench: Bench) -> None:
    left_at = bench.clock.at
    bench.shop.sell_offline({"MUG": 2})
    bench.clock.passes(10)
    cursor = (await bench.pages(bench.channel.first_cursor(MORNING)))[-1].cursor
    bench.clock.passes(71 * HOUR)
    bench.shop.upload()
    uploaded_at = bench.clock.at
    [fact] = [fact for page in await bench.pages(cursor) for fact in page.facts]
    assert (fact.sold_at, fact.shipped_at) == (uploaded_at, left_at)
    assert (fact.shipped, fact.origin, fact.moves_counter) == (2, "till, offline", True)


async def test_an_offline_sale_that_a_count_absorbed_did_not_move_the_number(
    bench: Bench,
) -> None:
    bench.shop.sell_offline({"MUG": 2})
    bench.shop.sell_offline({"CUP": 1})
    bench.clock.passes(600)
    bench.shop.count("MUG", 30)
    bench.clock.passes(300)
    bench.shop.upload()
    assert (bench.shop.shown("MUG"), bench.shop.shown("CUP")) == (30, 39)
    facts = {fact.sku: fact for fact in await bench.all_facts(MORNING)}
    assert (facts["MUG"].shipped, facts["MUG"].moves_counter) == (2, False)
    assert (facts["CUP"].shipped, facts["CUP"].moves_counter) == (1, True)


async def test_a_count_that_comes_after_the_upload_absorbs_nothing(bench: Bench) -> None:
    bench.shop.sell_offline({"MUG": 2})
    bench.clock.passes(600)
    bench.shop.upload()
    bench.clock.passes(10)
    bench.shop.count("MUG", 30)
    [fact] = await bench.all_facts(MORNING)
    assert fact.moves_counter


async def test_goods_whose_card_was_declined_later_are_gone_all_the_same(bench: Bench) -> None:
    left_at = bench.clock.at
    bench.shop.sell_offline({"MUG": 2}, declined=True)
    bench.clock.passes(5 * HOUR)
    [order] = bench.shop.upload()
    fact = await only_fact(bench)
    assert (fact.order_id, fact.shipped, fact.shipped_at) == (order, 2, left_at)
    assert (fact.moves_counter, fact.origin) == (False, "till, offline, declined")
    assert bench.shop.shown("MUG") == 40


# ------------------------------------------------------------------ goods that come back


@pytest.mark.parametrize("linked", [True, False])
async def test_goods_put_back_on_the_shelf_are_on_the_number_again(
    bench: Bench, *, linked: bool
) -> None:
    order = bench.shop.sell({"MUG": 2})
    cursor = (await bench.pages(bench.channel.first_cursor(MORNING)))[-1].cursor
    bench.clock.passes(HOUR)
    bench.shop.return_goods("MUG", of=order if linked else None)
    assert bench.shop.shown("MUG") == 39
    heard = [fact for page in await bench.pages(cursor) for fact in page.facts]
    [fact] = [fact for fact in heard if fact.order_id != order]
    assert (fact.ordered, fact.returned, fact.restocked, fact.relisted) == (0, 1, 1, 1)


async def test_a_refund_without_goods_moves_nothing(bench: Bench) -> None:
    order = bench.shop.sell({"MUG": 2})
    bench.shop.return_goods("MUG", of=order, restock=False)
    assert [fact.order_id for fact in await bench.all_facts(MORNING)] == [order]


# ------------------------------------------------------------------ online orders


@pytest.mark.parametrize("state", ["SOLD_ONLINE", "RESERVED_FOR_SALE", "SOLD"])
async def test_an_online_order_is_promised_until_it_is_picked_up(bench: Bench, state: str) -> None:
    bench.shop.online_state = state
    order = bench.shop.order_online("MUG", 2)
    line = await only_line(bench)
    assert (line.ordered, line.shipped, line.to_reserve) == (2, 0, 2)
    bench.clock.passes(HOUR)
    bench.shop.hand_over(order)
    line = await only_line(bench)
    assert (line.ordered, line.shipped, line.cancelled) == (2, 2, 0)
    assert line.shipped_at == bench.clock.at
    assert (await only_fact(bench)).origin == "web"


@pytest.mark.parametrize("state", ["SOLD_ONLINE", "RESERVED_FOR_SALE", "SOLD"])
async def test_an_online_order_called_off_is_on_the_number_again(bench: Bench, state: str) -> None:
    bench.shop.online_state = state
    sold_at = bench.clock.at
    order = bench.shop.order_online("MUG", 2)
    bench.clock.passes(HOUR)
    bench.shop.cancel(order)
    fact = await only_fact(bench)
    assert (fact.ordered, fact.cancelled, fact.shipped, fact.returned) == (2, 2, 0, 0)
    assert (fact.cancel_effect, fact.sold_at) == (CancelEffect.RELISTED, sold_at)
    assert fact.cancelled_at == bench.clock.at


async def test_a_cancel_heard_before_its_put_back_is_unsure(bench: Bench) -> None:
    order_id = bench.shop.order_online("MUG", 2)
    order = bench.simulator.world.orders[order_id]
    order.state = "CANCELED"
    order.updated_at = bench.clock.at + 5
    for one in order.fulfilments:
        one.state = "CANCELED"
    bench.clock.passes(10)
    fact = await only_fact(bench)
    assert (fact.cancelled, fact.cancel_effect) == (2, CancelEffect.UNSURE)


async def test_an_order_that_was_open_before_adoption_is_found(bench: Bench) -> None:
    order = bench.shop.order_online("MUG", 2)
    bench.clock.passes(30 * 24 * HOUR)
    fact = await only_fact(bench, after=bench.clock.at - 60)
    assert (fact.order_id, fact.ordered, fact.shipped) == (order, 2, 0)


async def test_an_order_by_its_id_says_what_the_feed_says(bench: Bench) -> None:
    sale = bench.shop.sell({"MUG": 2})
    online = bench.shop.order_online("CUP")
    by_feed = {fact.line_id: fact for fact in await bench.all_facts(MORNING)}
    page = await bench.channel.orders_by_id([sale, online, "unknown", sale])
    assert (page.more, page.cursor, page.complete_to) == (False, "", None)
    for fact in page.facts:
        told = by_feed.pop(fact.line_id)
        assert (fact.ordered, fact.shipped, fact.sold_at) == (
            told.ordered,
            told.shipped,
            told.sold_at,
        )
    assert by_feed == {}


async def test_orders_of_the_other_shop_are_nothing_by_their_id(bench: Bench) -> None:
    order = bench.simulator.elsewhere.sell({"MUG": 2})
    assert (await bench.channel.orders_by_id([order])).facts == ()


# ------------------------------------------------------------------ other writers


async def test_somebody_elses_writing_asks_for_a_look_once(bench: Bench) -> None:
    bench.shop.receive("MUG", 5)
    bench.shop.count("CUP", 3)
    pages = await bench.pages(bench.channel.first_cursor(MORNING))
    looks = [page.look_at for page in pages if page.look_at is not None]
    wanted = sorted(bench.variation(sku) for sku in ("MUG", "CUP"))
    assert [sorted(one["variation_id"] for one in look.listings) for look in looks] == [wanted]
    assert [fact for page in pages for fact in page.facts] == []
    bench.clock.passes(120)
    cursor = (await bench.pages(pages[-1].cursor))[-1].cursor
    bench.clock.passes(60)
    assert [page.look_at for page in await bench.pages(cursor) if page.look_at] == []
