"""Races between a change and the push that tells it, and what crashes and counts do to both.

Cases 8 to 17, 19 and 20 of the list of known races.
"""

from __future__ import annotations

import pytest

from channelsync.domain.vocabulary import PushSemantics
from channelsync.store import tables
from tests.races.conftest import OpenRace
from tests.races.sellers import Ours
from tests.races.stage import ABSOLUTE, CAS, DELTA, Harm, Seller
from tests.support.hooked import Killed

HALVES = {"quotas": {"a": 5_000, "b": 5_000}, "semantics": {"a": CAS, "b": ABSOLUTE}}
KINDS = pytest.mark.parametrize("kind", [ABSOLUTE, CAS, DELTA])
MINUTES = {"declared": {"apply_limit_seconds": 60.0}}


def alone(kind: PushSemantics) -> dict[str, object]:
    return {"quotas": {"a": 10_000}, "semantics": {"a": kind}}


def buy_all(seller: Seller, channel: str) -> None:
    while seller.markets[channel].sell("MUG") is not None:
        pass


async def test_08_a_change_while_a_push_is_queued_is_in_that_push_or_the_next(
    race: OpenRace,
) -> None:
    seller = await race(stock={"MUG": 4}, **HALVES)
    await seller.adjust("MUG", 8)
    await seller.queue()
    await seller.adjust("MUG", -8)
    await seller.judge(naive=Harm.OVERSOLD)


async def test_09_a_change_between_a_push_s_start_and_its_end_is_not_forgotten(
    race: OpenRace,
) -> None:
    seller = await race(stock={"MUG": 4}, **HALVES)
    changes = iter((-8,))

    async def change_once() -> None:
        for delta in changes:
            await seller.adjust("MUG", delta)

    seller.wires["a"].before_push = change_once
    await seller.adjust("MUG", 8)
    await seller.judge(naive=Harm.OVERSOLD)


@KINDS
async def test_10_a_push_that_arrives_after_a_newer_one_sells_nothing_twice(
    race: OpenRace, kind: PushSemantics
) -> None:
    seller = await race(stock={"MUG": 4}, **alone(kind), **MINUTES)
    seller.wires["a"].faults.append("delay")
    await seller.adjust("MUG", 6)
    await seller.run(5)
    await seller.adjust("MUG", -9)
    await seller.run(5)
    await seller.restart()
    await seller.channel("a").deliver_late()
    await seller.judge(naive=Harm.OVERSOLD)


@KINDS
async def test_11_a_push_that_timed_out_and_was_applied_is_not_applied_again(
    race: OpenRace, kind: PushSemantics
) -> None:
    seller = await race(stock={"MUG": 0}, **alone(kind))

    async def crowd() -> None:
        buy_all(seller, "a")

    seller.markets["a"].faults.append("lose_answer")
    seller.wires["a"].after_push = crowd
    await seller.adjust("MUG", 6)
    await seller.judge(naive=Harm.OVERSOLD)


async def test_12_a_lowering_that_was_accepted_and_never_applied_gives_nothing_away(
    race: OpenRace,
) -> None:
    seller = await race(
        stock={"MUG": 10},
        quotas={"a": 5_000, "b": 5_000},
        semantics={"a": ABSOLUTE, "b": ABSOLUTE},
        declared={"confirms_at_once": False},
    )
    seller.wires["a"].faults.append("swallow")
    seller.wires["b"].faults.append("swallow")
    await seller.adjust("MUG", -6)
    await seller.judge(naive=Harm.OVERSOLD)


async def test_13_a_channel_that_fails_while_another_succeeds_is_told_later(
    race: OpenRace,
) -> None:
    seller = await race(stock={"MUG": 10}, **HALVES)
    seller.markets["b"].offline = True
    await seller.adjust("MUG", -6)
    await seller.run(120)
    seller.markets["b"].offline = False
    await seller.judge(naive=Harm.OVERSOLD)


async def test_14_a_second_writer_on_the_channel_is_seen_and_taken_back(race: OpenRace) -> None:
    seller = await race(stock={"MUG": 6}, **HALVES)
    seller.markets["a"].counters["MUG"] += 3
    await seller.judge(naive=Harm.OVERSOLD)


async def test_15_a_crash_between_the_commit_and_the_push_loses_no_push(race: OpenRace) -> None:
    seller = await race(stock={"MUG": 10}, **HALVES)
    await seller.adjust("MUG", -6)
    await seller.queue()
    await seller.restart()
    await seller.judge(naive=Harm.OVERSOLD)


@KINDS
async def test_15_a_crash_between_the_push_and_its_answer_applies_it_once(
    race: OpenRace, kind: PushSemantics
) -> None:
    seller = await race(stock={"MUG": 0}, **alone(kind))

    async def crowd_and_crash() -> None:
        buy_all(seller, "a")
        raise Killed

    seller.wires["a"].after_push = crowd_and_crash
    await seller.adjust("MUG", 6)
    await seller.crash_during(seller.run)
    seller.wires["a"].after_push = seller.wires["a"].before_push
    await seller.restart()
    await seller.run()
    buy_all(seller, "a")
    await seller.judge(naive=Harm.OVERSOLD)


async def test_16_a_posting_that_began_before_the_last_sync_is_not_passed_over(
    race: OpenRace,
) -> None:
    seller = await race(stock={"MUG": 10}, **HALVES)
    begun_at = seller.clock()
    await seller.run(120)
    await seller.adjust("MUG", -6, begun_at=begun_at)
    await seller.judge(naive=Harm.OVERSOLD)


async def test_16_an_order_that_a_feed_tells_late_is_not_passed_over(race: OpenRace) -> None:
    seller = await race(stock={"MUG": 10}, **HALVES, visibility_lag_seconds=60.0)
    await seller.run(600)
    sale = seller.buy("a", "MUG", 4)
    seller.wires["a"].hidden_until[sale.order_id] = seller.clock.at + 45
    await seller.run(120)
    await seller.adjust("MUG", 2)
    await seller.judge(naive=Harm.OVERSOLD)


async def test_17_a_count_saved_from_a_stale_form_does_not_undo_sales(race: OpenRace) -> None:
    seller = await race(stock={"MUG": 10}, **HALVES)
    form_loaded_at = seller.clock()
    sale = seller.buy("a", "MUG", 3)
    seller.markets["a"].ship(sale.order_id)
    await seller.deliver("a", "created", seller.markets["a"].orders[sale.order_id])
    await seller.run(60)
    await seller.count("MUG", 10, counted_at=form_loaded_at)
    await seller.judge(naive=Harm.OVERSOLD)


async def test_19_a_zero_overtakes_a_feed_that_is_stuck(race: OpenRace) -> None:
    """A feed of the channel hangs for an hour, and the units that it was to list break."""
    seller = await race(
        stock={"MUG": 4},
        quotas={"a": 5_000, "b": 5_000},
        semantics={"a": ABSOLUTE, "b": CAS},
        declared={"apply_limit_seconds": 4_000.0, "confirms_at_once": False},
    )
    await seller.run(4_200)
    assert seller.markets["a"].counters["MUG"] == 2
    seller.markets["a"].faults.append("accept_late")
    await seller.adjust("MUG", 8)
    await seller.run(60)
    assert seller.markets["a"].late, "the feed is not stuck"
    await seller.adjust("MUG", -11)
    await seller.run(60)
    if isinstance(seller, Ours):
        assert seller.markets["a"].counters["MUG"] == 0
        assert "overtaken" in {row.result for row in await seller.house.rows(tables.pushes)}
    buy_all(seller, "a")
    seller.markets["a"].late.clear()
    await seller.run(9_000)
    await seller.judge(naive=Harm.OVERSOLD)


async def test_20_the_work_of_a_dead_worker_is_done_by_another(race: OpenRace) -> None:
    seller = await race(stock={"MUG": 10}, **HALVES)
    await seller.adjust("MUG", -6)
    await seller.lose_worker()
    await seller.judge(naive=Harm.OVERSOLD)
