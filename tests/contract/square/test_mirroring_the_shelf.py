"""A mirrored shop: Square shows what lies there, and what people do there is heard."""

from __future__ import annotations

import pytest

from channelsync.sdk.connector import Mirrors, Pushes, Reads
from channelsync.sdk.errors import Retryable
from channelsync.sdk.types import PushSemantics
from channelsync_square.connector import connector
from tests.support.square import NOON, Bench, settings_for, stocked

MORNING = NOON + 1_800.0


@pytest.fixture
async def bench() -> Bench:
    return await stocked((10, 10, 10), mode="mirror")


async def show(bench: Bench, **units: int) -> None:
    await bench.channel.mirror([(bench.listing(sku), number) for sku, number in units.items()])


async def test_a_mirrored_shop_holds_no_number_of_ours(bench: Bench) -> None:
    declared = connector.manifest_for(bench.settings)
    assert (declared.name, declared.push_semantics) == ("square", PushSemantics.LIVE)
    quota = connector.manifest_for(settings_for(bench.simulator))
    assert quota.push_semantics is PushSemantics.KEYED_DELTA
    channel = bench.channel
    assert (isinstance(channel, Mirrors), isinstance(channel, Pushes | Reads)) == (True, False)
    assert channel.shelf() == "soho"


async def test_square_shows_what_lies_there(bench: Bench) -> None:
    await show(bench, MUG=7, CUP=12, POT=10)
    assert [bench.shop.shown(sku) for sku in ("MUG", "CUP", "POT")] == [7, 12, 10]


async def test_a_number_below_nothing_comes_up_to_what_is_there(bench: Bench) -> None:
    bench.shop.sell({"MUG": 13})
    await show(bench, MUG=2)
    assert bench.shop.shown("MUG") == 2


async def test_what_is_shown_already_is_not_written_and_not_even_looked_at(bench: Bench) -> None:
    await show(bench, MUG=10)
    assert len(bench.simulator.books.rows) == 3
    bench.simulator.server.calls.clear()
    await show(bench, MUG=10)
    assert bench.simulator.server.calls == []
    bench.clock.passes(3_600)
    await show(bench, MUG=10)
    assert len(bench.simulator.server.calls) == 1


async def test_a_sale_in_between_adds_up_with_what_we_write(bench: Bench) -> None:
    bench.shop.sell_offline({"MUG": 1})
    bench.clock.passes(60)
    await show(bench, MUG=7)
    bench.clock.passes(60)
    bench.shop.upload()
    assert bench.shop.shown("MUG") == 6


async def test_a_showing_that_failed_is_made_again(bench: Bench) -> None:
    bench.simulator.server.next_faults.extend(["none", "timeout_after"])
    with pytest.raises(Retryable):
        await show(bench, MUG=7)
    await show(bench, MUG=7)
    assert bench.shop.shown("MUG") == 7


async def test_our_showing_is_neither_sale_nor_goods_nor_count(bench: Bench) -> None:
    await show(bench, MUG=7, CUP=12)
    pages = await bench.pages(bench.channel.first_cursor(MORNING))
    assert [(p.facts, p.counts, p.look_at) for p in pages if p.facts or p.counts] == []


async def test_a_stock_take_in_square_is_a_count_of_ours(bench: Bench) -> None:
    counted_at = bench.clock.at - 120
    bench.shop.count("MUG", 8, occurred_at=counted_at)
    pages = await bench.pages(bench.channel.first_cursor(MORNING))
    [count] = [one for page in pages for one in page.counts]
    assert (count.sku, count.location, count.on_hand) == ("MUG", "soho", 8)
    assert count.counted_at == pytest.approx(counted_at, abs=0.001)
    assert all(page.look_at is None for page in pages)


async def test_goods_that_come_in_or_are_moved_away_by_hand_change_the_shelf(bench: Bench) -> None:
    bench.shop.receive("MUG", 5)
    bench.shop.waste("CUP", 2)
    facts = {fact.sku: fact for fact in await bench.all_facts(MORNING)}
    goods_in, gone = facts["MUG"], facts["CUP"]
    assert (goods_in.ordered, goods_in.restocked, goods_in.origin) == (0, 5, "goods in")
    assert (gone.ordered, gone.shipped) == (2, 2)
    assert goods_in.relisted == 0


async def test_goods_that_come_back_are_on_the_shelf_and_on_no_grant(bench: Bench) -> None:
    order = bench.shop.sell({"MUG": 2})
    bench.shop.return_goods("MUG", of=order)
    [back] = [fact for fact in await bench.all_facts(MORNING) if fact.order_id != order]
    assert (back.restocked, back.relisted) == (1, 0)


async def test_the_number_that_is_told_contradicts_nothing(bench: Bench) -> None:
    bench.shop.sell({"MUG": 1})
    looks = [one.look_at for one in bench.heard() if one.look_at is not None]
    assert all((look.feed, look.shown) == (True, ()) for look in looks)
    assert looks
