"""What an order line's fact says, for every shape that an order can take."""

from __future__ import annotations

import pytest

from channelsync.sdk.types import CancelEffect
from tests.support.shopify import (
    Bench,
    facts_by_webhook,
    open_bench,
    stocked,
    the_fact,
)


@pytest.fixture
async def bench() -> Bench:
    return await stocked()


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


async def test_a_cancel_without_refund_hides_no_unit_whose_shipment_was_taken_back(
    bench: Bench,
) -> None:
    order = await bench.shop.buy("MUG", 3)
    await bench.shop.fulfil(order, {"MUG": 1})
    await bench.shop.cancel_fulfilment(order)
    await bench.shop.cancel(order, refund=False)
    fact = await the_fact(bench, order)
    assert (fact.shipped, fact.cancelled, fact.returned, fact.relisted) == (1, 2, 1, 1)
    assert bench.shop.available("MUG") == 40


async def test_each_line_left_when_its_own_shipment_did(bench: Bench) -> None:
    order = await bench.shop.buy_basket({"MUG": 2, "CUP": 1})
    bench.clock.passes(100)
    await bench.shop.fulfil(order, {"MUG": 1})
    first = bench.clock()
    bench.clock.passes(100)
    await bench.shop.fulfil(order, {"CUP": 1})
    facts = {fact.sku: fact for fact in (await bench.channel.orders_by_id([order])).facts}
    assert {sku: fact.shipped_at for sku, fact in facts.items()} == {
        "MUG": first,
        "CUP": bench.clock(),
    }
    assert {fact.sku: fact.shipped_at for fact in facts_by_webhook(bench)} == {
        sku: fact.shipped_at for sku, fact in facts.items()
    }


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
