"""Orders by webhook: the same facts as by poll, and without a person."""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable
from contextlib import suppress
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from channelsync.sdk.testing.faults import DeliveryPlan, FaultPlan
from channelsync.sdk.types import CancelEffect, OrderFact
from channelsync_shopify.simulator import CANARY
from channelsync_shopify.simulator.state import Line, Order
from tests.support.shopify import (
    HOOK_URL,
    SKUS,
    Bench,
    as_the_webhook_knows_it,
    facts_by_webhook,
    stocked,
)


@pytest.fixture
async def bench() -> Bench:
    return await stocked()


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
