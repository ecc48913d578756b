"""Orders by poll and by webhook: complete, equal, and without a person."""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import replace
from random import Random
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from channelsync.sdk.testing.faults import DeliveryPlan, FaultPlan
from channelsync.sdk.types import CancelEffect, OrderFact
from channelsync_shopify.simulator import CANARY
from channelsync_shopify.simulator.state import Line, Order
from tests.support.shopify import HOOK_URL, Bench, open_bench

SKUS = ("MUG", "CUP", "POT")


async def stocked(**more: Any) -> Bench:
    bench = await open_bench(**more)
    for sku in SKUS:
        bench.shop.add_item(sku, 40)
    await bench.subscribe()
    bench.deliveries()
    return bench


@pytest.fixture
async def bench() -> Bench:
    return await stocked()


def facts_by_webhook(bench: Bench) -> list[OrderFact]:
    """What the waiting deliveries say; the newest state of each line."""
    newest: dict[tuple[str, str], OrderFact] = {}
    for request in bench.deliveries():
        delivery = bench.channel.verify_webhook(request)
        stored = json.loads(json.dumps(delivery.reduced))
        for fact in bench.channel.parse(replace(delivery, reduced=stored)).facts:
            newest[fact.order_id, fact.line_id] = fact
    return sorted(newest.values(), key=lambda fact: fact.line_id)


def as_the_webhook_knows_it(facts: list[OrderFact]) -> list[OrderFact]:
    """A webhook's body holds no inventory item id."""
    variant_only = [
        replace(fact, external={"variant_id": fact.external["variant_id"]}) for fact in facts
    ]
    return sorted(variant_only, key=lambda fact: fact.line_id)


async def the_fact(bench: Bench, order: str) -> OrderFact:
    page = await bench.channel.orders_by_id([order])
    [fact] = page.facts
    return fact


async def test_a_web_sale_is_one_fact_with_the_time_its_counter_moved(bench: Bench) -> None:
    order = await bench.shop.buy("MUG", 3)
    fact = await the_fact(bench, order)
    assert (fact.sku, fact.ordered, fact.cancelled, fact.shipped) == ("MUG", 3, 0, 0)
    assert fact.sold_at == bench.clock()
    assert fact.external == bench.listing("MUG").external
    assert (fact.moves_counter, fact.pending, fact.origin) == (True, False, "web")


async def test_a_restocked_cancel_was_relisted(bench: Bench) -> None:
    order = await bench.shop.buy("MUG", 2)
    bench.clock.passes(60)
    await bench.shop.cancel(order)
    fact = await the_fact(bench, order)
    assert (fact.cancelled, fact.cancel_effect) == (2, CancelEffect.RELISTED)
    assert fact.cancelled_at == bench.clock()


async def test_a_cancel_without_restock_was_not_relisted(bench: Bench) -> None:
    order = await bench.shop.buy("MUG", 2)
    await bench.shop.cancel(order, restock=False)
    fact = await the_fact(bench, order)
    assert (fact.cancelled, fact.cancel_effect) == (2, CancelEffect.NOT_RELISTED)


async def test_a_cancel_that_left_no_refund_is_unsure(bench: Bench) -> None:
    order = await bench.shop.buy("MUG", 2)
    await bench.shop.cancel(order, refund=False)
    fact = await the_fact(bench, order)
    assert (fact.cancelled, fact.cancel_effect) == (2, CancelEffect.UNSURE)
    assert fact.cancelled_at == bench.clock()


async def test_a_removal_by_edit_is_unsure_and_has_no_known_time(bench: Bench) -> None:
    order = await bench.shop.buy("MUG", 3)
    await bench.shop.edit_order(order, "MUG", -1)
    fact = await the_fact(bench, order)
    assert (fact.ordered, fact.cancelled) == (3, 1)
    assert (fact.cancel_effect, fact.cancelled_at) == (CancelEffect.UNSURE, None)


async def test_restocked_and_not_restocked_cancels_of_one_line_are_unsure(bench: Bench) -> None:
    order = await bench.shop.buy("MUG", 3)
    await bench.shop.refund(order, "MUG", 1, "CANCEL")
    await bench.shop.refund(order, "MUG", 1, "NO_RESTOCK")
    fact = await the_fact(bench, order)
    assert (fact.cancelled, fact.cancel_effect) == (2, CancelEffect.UNSURE)


async def test_a_refund_after_shipping_without_restock_comes_back_unlisted(bench: Bench) -> None:
    order = await bench.shop.buy("MUG", 3)
    await bench.shop.fulfil(order)
    await bench.shop.refund(order, "MUG", 1, "NO_RESTOCK")
    fact = await the_fact(bench, order)
    assert (fact.cancelled, fact.shipped, fact.returned, fact.relisted) == (0, 3, 1, 0)


async def test_a_restocked_return_was_relisted(bench: Bench) -> None:
    order = await bench.shop.buy("MUG", 3)
    await bench.shop.fulfil(order)
    await bench.shop.refund(order, "MUG", 2, "RETURN")
    fact = await the_fact(bench, order)
    assert (fact.cancelled, fact.shipped, fact.returned, fact.relisted) == (0, 3, 2, 2)
    assert bench.shop.available("MUG") == 39


async def test_shipped_returned_cancelled_and_waiting_units_of_one_line_are_told_apart(
    bench: Bench,
) -> None:
    order = await bench.shop.buy("MUG", 10)
    await bench.shop.fulfil(order, {"MUG": 4})
    await bench.shop.refund(order, "MUG", 1, "RETURN")
    await bench.shop.refund(order, "MUG", 2, "CANCEL")
    await bench.shop.edit_order(order, "MUG", -1)
    fact = await the_fact(bench, order)
    assert (fact.ordered, fact.shipped, fact.cancelled, fact.returned) == (10, 4, 3, 1)
    # The edit's unit may be the one that came back: it counts as put on sale again.
    assert fact.relisted == 1


async def test_units_whose_shipment_was_taken_back_never_count_as_unshipped_again(
    bench: Bench,
) -> None:
    order = await bench.shop.buy("MUG", 2)
    await bench.shop.fulfil(order, {"MUG": 1})
    await bench.shop.cancel_fulfilment(order)
    back = await the_fact(bench, order)
    assert (back.shipped, back.cancelled) == (1, 0)
    await bench.shop.cancel(order)
    gone = await the_fact(bench, order)
    # One unit was never shipped; the other left the books as shipped, and was put on sale again.
    assert (gone.shipped, gone.cancelled, gone.returned, gone.relisted) == (1, 1, 1, 1)
    assert bench.shop.available("MUG") == 40


async def test_a_till_sale_at_another_location_leaves_our_counter_alone(bench: Bench) -> None:
    till = bench.shop.add_location("SoHo shop", online=False)
    bench.shop.stock_at(bench.shop.world.item_of("MUG"), till, 5)
    order = await bench.shop.till_sale("MUG", 2, till)
    fact = await the_fact(bench, order)
    assert (fact.moves_counter, fact.sold_at, fact.origin) == (False, None, "pos")
    assert fact.location == f"gid://shopify/Location/{till.number}"


async def test_an_unpaid_order_is_pending_and_a_staff_order_has_no_known_time(
    bench: Bench,
) -> None:
    unpaid = await bench.shop.buy_basket({"MUG": 1}, paid=False)
    staff = await bench.shop.staff_order("CUP", 60)
    assert (await the_fact(bench, unpaid)).pending
    fact = await the_fact(bench, staff)
    assert (fact.ordered, fact.sold_at, fact.pending) == (60, None, False)


async def test_a_line_whose_variant_was_deleted_keeps_its_sku(bench: Bench) -> None:
    order = await bench.shop.buy("MUG", 2)
    bench.shop.delete_item("MUG")
    fact = await the_fact(bench, order)
    assert (fact.sku, fact.external, fact.ordered) == ("MUG", {}, 2)


async def test_gift_cards_and_custom_lines_are_no_stock(bench: Bench) -> None:
    order = await bench.shop.buy("MUG", 2)
    [line] = bench.simulator.world.order_of(order).lines
    line.gift_card = True
    assert (await bench.channel.orders_by_id([order])).facts == ()
    line.gift_card, line.item, line.sku = False, None, None
    assert (await bench.channel.orders_by_id([order])).facts == ()


async def test_test_orders_count_unless_the_merchant_says_otherwise() -> None:
    for counted in (True, False):
        bench = await stocked(count_test_orders=counted)
        order = await bench.shop.buy("MUG", test=True)
        page = await bench.channel.orders_by_id([order])
        assert len(page.facts) == len(facts_by_webhook(bench)) == int(counted)


async def test_an_order_of_many_lines_is_read_whole() -> None:
    bench = await open_bench()
    skus = [f"SKU-{number:03}" for number in range(130)]
    for sku in skus:
        bench.shop.add_item(sku, 5)
    order = await bench.shop.buy_basket(dict.fromkeys(skus, 1))
    await bench.shop.fulfil(order)
    await bench.shop.refund(order, skus[70], 1, "NO_RESTOCK")
    page = await bench.channel.orders_by_id([order])
    facts = {fact.sku: fact for fact in page.facts}
    assert sorted(sku or "" for sku in facts) == skus
    assert {fact.shipped for fact in facts.values()} == {1}
    assert [sku for sku, fact in facts.items() if fact.returned] == [skus[70]]


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


async def test_a_webhook_says_the_same_as_the_poll(bench: Bench) -> None:
    order = await bench.shop.buy("MUG", 5)
    bench.clock.passes(5)
    await bench.shop.fulfil(order, {"MUG": 2})
    bench.clock.passes(5)
    await bench.shop.refund(order, "MUG", 1, "RETURN")
    polled = [fact for fact in await bench.all_facts(0) if fact.version == bench.clock()]
    [heard] = facts_by_webhook(bench)
    assert [heard] == as_the_webhook_knows_it(polled[-1:])


ACTIONS = st.lists(
    st.tuples(
        st.sampled_from(
            [
                "fulfil one",
                "fulfil",
                "unship",
                "cancel",
                "cancel without restock",
                "cancel without refund",
                "CANCEL",
                "NO_RESTOCK",
                "RETURN",
                "remove",
                "add",
            ]
        ),
        st.sampled_from(SKUS),
    ),
    max_size=7,
)


async def act(bench: Bench, order: str, action: str, sku: str) -> None:
    """One step of an order's life; what the shop's staff cannot do is left out."""
    shop = bench.shop
    steps: dict[str, Callable[[], Awaitable[None]]] = {
        "fulfil": lambda: shop.fulfil(order),
        "fulfil one": lambda: shop.fulfil(order, {sku: 1}),
        "unship": lambda: shop.cancel_fulfilment(order),
        "cancel": lambda: shop.cancel(order),
        "cancel without restock": lambda: shop.cancel(order, restock=False),
        "cancel without refund": lambda: shop.cancel(order, refund=False),
        "remove": lambda: shop.edit_order(order, sku, -1),
        "add": lambda: shop.edit_order(order, sku, 1),
    }
    if bench.simulator.world.order_of(order).cancelled_at is not None:
        return
    with suppress(ValueError):
        if action in steps:
            await steps[action]()
        else:
            await shop.refund(order, sku, 1, action)


@given(actions=ACTIONS, at_once=st.booleans())
@settings(max_examples=60, deadline=None)
async def test_whatever_happens_to_an_order_both_ways_tell_it_alike(
    actions: list[tuple[str, str]], *, at_once: bool
) -> None:
    bench = await stocked()
    order = await bench.shop.buy_basket(dict.fromkeys(SKUS, 3))
    for action, sku in actions:
        bench.clock.passes(0 if at_once else 10)
        await act(bench, order, action, sku)
    polled = list((await bench.channel.orders_by_id([order])).facts)
    assert facts_by_webhook(bench) == as_the_webhook_knows_it(polled)
    state = bench.simulator.world.order_of(order)
    for fact, line in zip(polled, state.lines, strict=True):
        assert_the_books_can_trust(fact, line, state, bench.shop.available(line.sku) - 40)


def assert_the_books_can_trust(fact: OrderFact, line: Line, state: Order, gain: int) -> None:
    """Every unit is shipped, taken off, or to ship; what the counter got back is never hidden."""
    assert fact.shipped + fact.cancelled <= fact.ordered == line.quantity
    assert fact.relisted <= fact.returned <= fact.shipped
    if not any(one.status == "CANCELLED" for one in state.fulfilments):
        assert fact.shipped == state.shipped(line)
        assert fact.ordered - fact.cancelled - fact.shipped == line.to_ship
    surely_not = fact.cancel_effect is CancelEffect.NOT_RELISTED
    assert gain + line.quantity <= fact.relisted + (0 if surely_not else fact.cancelled)


async def test_lost_doubled_and_shuffled_deliveries_change_nothing_that_a_poll_does_not_heal() -> (
    None
):
    plan = DeliveryPlan(lose=0.3, double=0.3, delay_seconds_max=600)
    bench = await stocked(faults=FaultPlan(deliveries=plan))
    rng = Random(3)
    started = bench.clock()
    for _ in range(25):
        bench.clock.passes(20)
        order = await bench.shop.buy(rng.choice(SKUS), rng.randint(1, 2))
        if order and rng.random() < 0.5:
            await rng.choice([bench.shop.fulfil, bench.shop.cancel])(order)
    heard: dict[tuple[str, str], OrderFact] = {}
    for request in bench.deliveries():
        for fact in bench.channel.parse(bench.channel.verify_webhook(request)).facts:
            known = heard.get((fact.order_id, fact.line_id))
            if known is None or fact.version > known.version:
                heard[fact.order_id, fact.line_id] = fact
    bench.clock.passes(60)
    polled = {(one.order_id, one.line_id): one for one in await bench.all_facts(started)}
    assert heard.keys() <= polled.keys()
    assert len(polled) >= 20
    for key, fact in heard.items():
        assert fact.version <= polled[key].version


async def test_no_person_reaches_what_is_stored_or_told(bench: Bench) -> None:
    order = await bench.shop.buy_basket(dict.fromkeys(SKUS, 2))
    await bench.shop.fulfil(order, {"MUG": 1})
    await bench.shop.refund(order, "CUP", 1, "CANCEL")
    await bench.shop.edit_order(order, "POT", -1)
    state = bench.simulator.world.order_of(order)
    state.source = CANARY + " of free text"
    await bench.shop.cancel_fulfilment(order)
    await bench.shop.cancel(order)
    bench.shop.set_policy("MUG", "CONTINUE")
    bench.shop.set_tracked("CUP", tracked=False)
    bench.shop.close_location(bench.simulator.location)
    await bench.shop.delete_order(order)
    bench.shop.uninstall()
    requests = bench.deliveries()
    assert any(CANARY.encode() in request.body for request in requests)
    topics = set()
    for request in requests:
        delivery = bench.channel.verify_webhook(request)
        topics.add(delivery.topic)
        assert CANARY not in json.dumps([delivery.dedupe_key, delivery.topic, delivery.reduced])
        assert CANARY not in repr(bench.channel.parse(delivery))
    assert len(topics) >= 10
    assert HOOK_URL not in repr(topics)
