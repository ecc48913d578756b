"""Races between shoppers, and between an order and the news of it.

Cases 1 to 7, 18, 21 and 22 of the list of known races.
"""

from __future__ import annotations

import asyncio

from msgspec.structs import replace

from channelsync.sdk.types import CancelEffect, OrderVoid
from tests.races.conftest import OpenRace
from tests.races.stage import ABSOLUTE, CAS, DELTA, Harm, Seller

THREADS = 12
HALVES = {"quotas": {"a": 5_000, "b": 5_000}, "semantics": {"a": CAS, "b": ABSOLUTE}}
A_ALONE = {"quotas": {"a": 10_000}, "semantics": {"a": CAS}}
OWN_SHOP = {"quotas": {"a": 0}, "semantics": {"a": DELTA}}


def edit(seller: Seller, order_id: str, ordered: int) -> None:
    """The buyer adds units to his order, and the market takes them off its counter."""
    market = seller.markets["a"]
    fact = market.orders[order_id]
    market.counters[fact.sku or ""] -= ordered - fact.ordered
    market._change(order_id, ordered=ordered)


async def test_00_with_nobody_racing_both_engines_sell_everything_once(race: OpenRace) -> None:
    """The control's control: it is an honest engine on a quiet day."""
    seller = await race(stock={"MUG": 6}, **HALVES)
    for channel in ("a", "b"):
        seller.buy(channel, "MUG")
        await seller.run(60)
    await seller.judge(naive=None)


async def test_01_the_last_unit_goes_to_one_of_many_shoppers_at_once(race: OpenRace) -> None:
    seller = await race(stock={"MUG": 1}, **OWN_SHOP)
    served = await asyncio.gather(*(seller.checkout("MUG") for _ in range(THREADS)))
    if seller.name == "ours":
        assert sum(served) == 1
    await seller.judge(naive=Harm.OVERSOLD)


async def test_02_two_lines_of_one_sku_are_both_counted(race: OpenRace) -> None:
    seller = await race(stock={"MUG": 6}, **HALVES)
    first, second = seller.buy("a", "MUG"), seller.buy("a", "MUG", 2)
    market = seller.markets["a"]
    del market.orders[second.order_id]
    market.orders["second line"] = replace(second, order_id=first.order_id, line_id="2")
    await seller.deliver("a", "basket", first, market.orders["second line"])
    await seller.judge(naive=Harm.OVERSOLD)


async def test_03_two_bundles_that_share_an_item_never_promise_it_twice(race: OpenRace) -> None:
    recipes = {"MUG-2PK": {"MUG": 2}, "TEA-SET": {"MUG": 1, "POT": 1}}
    seller = await race(
        stock={"MUG": 6, "POT": 6}, recipes=recipes, offers=(*recipes, "MUG"), **A_ALONE
    )
    for sku in recipes:
        while seller.markets["a"].counters[sku]:
            seller.buy("a", sku)
    await seller.run(600)
    assert seller.name == "naive" or seller.sold("MUG") <= 6
    harm = await seller.harm()
    if seller.name == "naive":
        assert Harm.OVERSOLD in harm
    else:
        # Without mugs no pot can be sold any more; every mug was sold, and once.
        assert seller.sold("MUG") == 6
        assert not harm - {Harm.LOST}
        await seller.require_sound()


async def test_04_one_webhook_twice_in_one_millisecond_counts_once(race: OpenRace) -> None:
    seller = await race(stock={"MUG": 6}, **HALVES)
    sale = seller.buy("a", "MUG")
    await asyncio.gather(*(seller.deliver("a", "created-1", sale) for _ in range(2)))
    await seller.run(60)
    await seller.deliver("b", "created-2", seller.buy("b", "MUG"))
    await seller.judge(naive=Harm.LOST)


async def test_05_a_cancel_that_comes_before_its_order_is_kept_for_it(race: OpenRace) -> None:
    seller = await race(stock={"MUG": 6}, **HALVES)
    created = seller.buy("a", "MUG", 2)
    seller.markets["a"].cancel(created.order_id)
    void = OrderVoid(
        order_id=created.order_id, at=seller.clock(), cancel_effect=CancelEffect.RELISTED
    )
    await seller.deliver("a", "cancelled", void)
    await seller.deliver("a", "created", created)
    await seller.judge(naive=Harm.LOST)


async def test_06_an_edit_that_comes_before_its_order_is_not_undone_by_it(race: OpenRace) -> None:
    seller = await race(stock={"MUG": 6}, **HALVES)
    created = seller.buy("a", "MUG")
    edit(seller, created.order_id, 3)
    await seller.deliver("a", "updated", seller.markets["a"].orders[created.order_id])
    await seller.deliver("a", "created", created)
    await seller.judge(naive=Harm.OVERSOLD)


async def test_07_a_hold_that_runs_out_during_payment_sells_nothing(race: OpenRace) -> None:
    seller = await race(stock={"MUG": 1}, **OWN_SHOP)
    slow = await seller.hold("MUG", ttl_seconds=600)
    await seller.run(660)
    assert await seller.checkout("MUG")
    paid = await seller.pay(slow)
    assert seller.name == "naive" or not paid
    await seller.judge(naive=Harm.OVERSOLD)


async def test_18_an_order_split_over_two_locations_moves_each_unit_once(race: OpenRace) -> None:
    seller = await race(stock={"MUG": {"east": 2, "west": 2}}, **A_ALONE)
    split = seller.buy("a", "MUG", 3)
    await seller.deliver("a", "created", split)
    await seller.require_sound()
    seller.markets["a"].cancel(split.order_id)
    await seller.deliver("a", "cancelled", seller.markets["a"].orders[split.order_id])
    await seller.judge(naive=Harm.OVERSOLD)


async def test_21_a_return_finds_its_item_though_it_has_another_sku_by_now(race: OpenRace) -> None:
    seller = await race(stock={"MUG": 3}, **A_ALONE)
    order_id = seller.buy("a", "MUG").order_id
    seller.markets["a"].ship(order_id)
    await seller.run(120)
    await seller.rename("MUG", "CUP")
    seller.rename_everywhere("MUG", "CUP")
    await seller.run(3_700)
    back = {"returned": 1, "restocked": 1, "returned_at": seller.clock()}
    seller.markets["a"]._change(order_id, sku="CUP", **back)
    await seller.deliver("a", "returned", seller.markets["a"].orders[order_id])
    await seller.judge(naive=Harm.LOST)


async def test_22_an_order_under_payment_review_keeps_its_units_for_days(race: OpenRace) -> None:
    seller = await race(stock={"MUG": 10}, **HALVES)
    order_id = seller.buy("a", "MUG", 4).order_id
    seller.markets["a"]._change(order_id, pending=True)
    seller.buy("b", "MUG")
    await seller.deliver("a", "under review", seller.markets["a"].orders[order_id])
    await seller.run(86_400)
    await seller.sell_out()
    seller.markets["a"]._change(order_id, pending=False)
    await seller.judge(naive=Harm.OVERSOLD)
