"""Orders: everything is told, in any order, by every way alike; and how far it is complete."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from random import Random
from typing import Final

import httpx

from channelsync.sdk.connector import FetchesOrders, ReceivesWebhooks
from channelsync.sdk.errors import Retryable
from channelsync.sdk.testing.contract.bench import Bench, words_of
from channelsync.sdk.testing.contract.breaking import ContractBroken, expect
from channelsync.sdk.testing.contract.clauses import Clauses, clause, pushes
from channelsync.sdk.testing.contract.hearing import Heard, Word
from channelsync.sdk.testing.contract.story import Story, a_story
from channelsync.sdk.types import CancelEffect, OrderFact, OrderPage

__all__ = ["OrderingClauses"]

ORDERS_OF_ARRIVAL: Final = 40
MANY: Final = 60
STEP_SECONDS: Final = 10.0
MINUTE: Final = 60.0


class OrderingClauses(Clauses):
    """What was sold."""

    @clause(FetchesOrders)
    async def test_polling_tells_every_order(self, bench: Bench) -> None:
        """More of them than fit a page, each with its units."""
        world, since = bench.world, bench.clock()
        await world.stock("MUG", 3 * MANY)
        bought = {}
        for number in range(MANY):
            bought[await _bought(bench, "MUG", 1 + number % 3)] = 1 + number % 3
            bench.clock.passes(1.0)
        await world.later(bench.manifest.visibility_lag_seconds)
        heard = Heard.of(await bench.by_poll(since))
        _expect_units(heard.units(bought), bought)

    @clause(FetchesOrders)
    async def test_beginning_finds_what_was_open_at_that_instant(self, bench: Bench) -> None:
        """An old order that is still to ship is found, however long ago it was placed."""
        world = bench.world
        if not world.offers("ship"):
            return await _finds_later_ones_only(bench)
        await world.stock("MUG", 9)
        old_open = await _bought(bench, "MUG", 2)
        bench.clock.passes(20 * 86_400.0)
        since = bench.clock()
        bench.clock.passes(MINUTE)
        new = await _bought(bench, "MUG", 1)
        await world.later(bench.manifest.visibility_lag_seconds)
        heard = Heard.of(await bench.by_poll(since))
        _expect_units(heard.units([old_open, new]), {old_open: 2, new: 1})
        return None

    @clause(FetchesOrders)
    async def test_a_cursor_may_be_used_twice(self, bench: Bench) -> None:
        """After a crash the same place is read again, and nothing is missing."""
        await bench.world.stock("MUG", 20)
        cursor = (await bench.pages(bench.channel.first_cursor(bench.clock())))[-1].cursor
        bought = [await _bought(bench, "MUG", 2) for _ in range(3)]
        await bench.world.later(bench.manifest.visibility_lag_seconds + MINUTE)
        for _ in range(2):
            words = [word for page in await bench.pages(cursor) for word in words_of(page)]
            told = Heard.of(words).units(bought)
            _expect_units(told, dict.fromkeys(bought, 2))

    @clause(FetchesOrders)
    async def test_a_failed_page_leaves_no_gap(self, bench: Bench) -> None:
        """A 500, a lost answer, then the same cursor: everything is told."""
        await bench.world.stock("MUG", 2 * MANY)
        since = bench.clock()
        bought = [await _bought(bench, "MUG", 1) for _ in range(MANY)]
        await bench.world.later(bench.manifest.visibility_lag_seconds + MINUTE)
        words: list[Word] = []
        cursor, more = bench.channel.first_cursor(since), True
        while more:
            for fault in ("server_error_before", "timeout_after"):
                await _expect_fails(bench, fault, cursor)
            page = await bench.page(cursor)
            words += words_of(page)
            cursor, more = page.cursor, page.more
        _expect_units(Heard.of(words).units(bought), dict.fromkeys(bought, 1))

    @clause(FetchesOrders)
    async def test_an_order_asked_for_by_its_id_is_told_like_by_the_poll(
        self, bench: Bench
    ) -> None:
        """Both are the full state."""
        story = await a_story(bench)
        await bench.world.later(bench.manifest.visibility_lag_seconds + MINUTE)
        polled = Heard.of(await bench.by_poll(story.began))
        asked = Heard.of(await bench.by_id(story.orders))
        _expect_alike("orders_by_id", asked, "the poll", polled, story.orders)

    @clause(FetchesOrders)
    async def test_words_add_up_to_the_truth_in_any_order_of_arrival(self, bench: Bench) -> None:
        """Facts are states and never deltas: cancel before create, twice, late, it is all one."""
        polled: list[Word] = []
        told: list[Word] = []

        async def listen(story: Story) -> None:
            await bench.world.later(bench.manifest.visibility_lag_seconds + MINUTE)
            polled.extend(await bench.by_poll(story.began))
            if bench.told_by_webhook and bench.world.offers("deliveries"):
                told.extend(await bench.by_webhook(await bench.world.deliveries()))

        story = await a_story(bench, after_each=listen)
        for words in filter(None, (polled, told, polled + told)):
            first = Heard.of(words)
            for arrival in _arrivals(words):
                heard = Heard.of(arrival)
                _expect_units(heard.units(story.sold), story.sold)
                expect(heard.lines == first.lines, "another order of arrival, another state")

    @clause(FetchesOrders, ReceivesWebhooks, world=("deliveries",))
    async def test_a_webhook_tells_what_the_poll_tells(self, bench: Bench) -> None:
        """Whoever is first, the books are the same."""
        await bench.subscribed()
        await bench.world.deliveries()
        story = await a_story(bench)
        told = Heard.of(await bench.by_webhook(await bench.world.deliveries()))
        await bench.world.later(bench.manifest.visibility_lag_seconds + MINUTE)
        polled = Heard.of(await bench.by_poll(story.began))
        _expect_alike("the webhooks", told, "the poll", polled, story.orders)

    @clause(FetchesOrders)
    async def test_the_watermark_never_goes_back_nor_ahead_of_what_was_told(
        self, bench: Bench
    ) -> None:
        """Every order whose counter moved up to it was told by then."""
        world, marks = bench.world, Watermark()
        hides = world.offers("hide_orders")
        await world.stock("MUG", 200)
        cursor = bench.channel.first_cursor(bench.clock())
        for number in range(12):
            if hides and number % 3 == 1:
                await world.hide_orders(bench.manifest.visibility_lag_seconds)
            marks.moved_at[await _bought(bench, "MUG", 1)] = bench.clock()
            for seconds in (1.0, STEP_SECONDS * (1 + number % 4)):
                await world.later(seconds)
                pages = await bench.pages(cursor)
                cursor = pages[-1].cursor
                marks.polled(pages, bench.clock())
        expect(marks.reached > 0.0, "two dozen polls told no watermark: complete_to of a last page")

    @clause(FetchesOrders)
    async def test_a_sale_tells_when_the_counter_moved(self, bench: Bench) -> None:
        """Within the declared skew, or not at all; with the SKU or what identifies the offer."""
        await bench.world.stock("MUG", 9)
        bench.clock.passes(MINUTE)
        at, skew = bench.clock(), bench.manifest.clock_skew_seconds + 1.0
        order = await _bought(bench, "MUG", 2)
        bench.clock.passes(MINUTE)
        [fact] = [w for w in await bench.by_id([order]) if isinstance(w, OrderFact)]
        expect(fact.sku == "MUG" or fact.external, "the fact does not tell what was sold")
        expect(
            fact.sold_at is None or abs(fact.sold_at - at) <= skew,
            f"sold_at is {(fact.sold_at or 0.0) - at:+.1f} s from when the counter moved",
        )
        expect(fact.moves_counter, "the sale moved the counter, and the fact says it did not")

    @clause(FetchesOrders, rules=(pushes,), world=("cancel",))
    async def test_a_cancel_says_what_it_did_to_the_counter(self, bench: Bench) -> None:
        """Re-listed, not re-listed, or unsure; never wrongly sure."""
        world = bench.world
        await world.stock("MUG", 9)
        order = await _bought(bench, "MUG", 2)
        bench.clock.passes(MINUTE)
        before = await world.shown("MUG")
        await world.cancel(order)
        back = await world.shown("MUG") - before
        [fact] = [w for w in await bench.by_id([order]) if isinstance(w, OrderFact)]
        expect(fact.cancelled == 2, f"2 units were cancelled, the fact says {fact.cancelled}")
        wrong = CancelEffect.NOT_RELISTED if back else CancelEffect.RELISTED
        expect(
            fact.cancel_effect is not wrong,
            f"the cancel put {back} units on sale again, and the fact says {fact.cancel_effect}",
        )


@dataclass(slots=True)
class Watermark:
    """How far the orders were said to be complete, and which were told by then."""

    reached: float = 0.0
    told: set[str] = field(default_factory=set)
    moved_at: dict[str, float] = field(default_factory=dict)

    def polled(self, pages: Sequence[OrderPage], now: float) -> None:
        """Take in one poll, and hold its watermark against what was told."""
        self.told |= {fact.order_id for page in pages for fact in page.facts}
        complete = pages[-1].complete_to
        if complete is None:
            return
        expect(complete >= self.reached, f"it went back by {self.reached - complete:.0f} s")
        expect(complete <= now, "the watermark lies in the future")
        self.reached = complete
        passed = {order for order, at in self.moved_at.items() if at < complete}
        hidden = sorted(passed - self.told)
        expect(not hidden, f"the watermark passed orders that were not told: {hidden}")


async def _bought(bench: Bench, sku: str, units: int) -> str:
    order = await bench.world.buy(sku, units)
    if order is None:
        raise ContractBroken(f"the simulator refuses a sale of {units} {sku} that are in stock")
    return order


async def _finds_later_ones_only(bench: Bench) -> None:
    """A till's sales are shipped at once: what is open does not exist."""
    await bench.world.stock("MUG", 9)
    since = bench.clock()
    bench.clock.passes(MINUTE)
    new = await _bought(bench, "MUG", 1)
    await bench.world.later(bench.manifest.visibility_lag_seconds)
    _expect_units(Heard.of(await bench.by_poll(since)).units([new]), {new: 1})


async def _expect_fails(bench: Bench, fault: str, cursor: str) -> None:
    with bench.fault(fault):
        try:
            await bench.channel.orders_since(cursor)
        except (Retryable, httpx.TransportError):
            bench.clock.passes(MINUTE)
            return
        except Exception as error:
            raise ContractBroken(
                f"a page that failed ({fault}) raised {type(error).__name__}: Retryable is meant"
            ) from error
    raise ContractBroken(f"orders_since told something although its page failed ({fault})")


def _arrivals(words: list[Word]) -> Iterable[list[Word]]:
    """The same words forwards, backwards, and shuffled with repetitions."""
    yield words
    yield words[::-1]
    rng = Random(5)
    for _ in range(ORDERS_OF_ARRIVAL):
        yield rng.sample([*words, *words], k=2 * len(words))


def _expect_units(told: Mapping[str, int], true: Mapping[str, int]) -> None:
    missing = sorted(true.keys() - told.keys())
    expect(not missing, f"{len(missing)} of {len(true)} orders were not told: {missing[:5]}")
    wrong = {order: (units, true[order]) for order, units in told.items() if units != true[order]}
    expect(not wrong, f"units sold for good, as told and as they are, differ: {wrong}")


def _expect_alike(
    one_way: str, one: Heard, other_way: str, other: Heard, orders: Iterable[str]
) -> None:
    wanted = set(orders)
    for key in sorted(key for key in one.lines.keys() | other.lines.keys() if key[0] in wanted):
        first, second = one.lines.get(key), other.lines.get(key)
        expect(
            first == second,
            f"order {key[0]}, line {key[1]}: {one_way} tell {first}; {other_way} tells {second}",
        )
    expect(one.voids & wanted == other.voids & wanted, f"{one_way} and {other_way} void others")
    heard = {key[0] for key in one.lines} | one.voids
    expect(heard >= wanted, f"{one_way} never told of {sorted(wanted - heard)}")
