"""Pushes that a channel takes in under a ticket and applies in a batch of its own."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, field, replace

from typing_extensions import override

from channelsync.domain.vocabulary import PushSemantics
from channelsync.engine.follow import hasten
from channelsync.engine.recover import recover
from channelsync.engine.work import mark_items
from channelsync.sdk.testing.memory import MemoryChannel, MemoryMarket
from channelsync.sdk.types import Change, ChangeResult, Outcome, PushKind, PushRequest
from channelsync.store import tables
from tests.support.house import Build, House

SKUS = ("MUG", "CUP", "POT")


@dataclass
class Batches:
    """The market's batches: what each carries, and which are done."""

    taken: dict[str, PushRequest] = field(default_factory=dict)
    done: set[str] = field(default_factory=set)
    refused: set[str] = field(default_factory=set)
    sizes: list[int] = field(default_factory=list)
    asked: list[Sequence[PushKind]] = field(default_factory=list)
    patient: bool = False
    prepared: list[Change] = field(default_factory=list)


class BatchChannel(MemoryChannel):
    """Takes two sets or more in as one batch, and single ones, as zeros, at once."""

    def __init__(self, market: MemoryMarket, batches: Batches) -> None:
        super().__init__(market)
        self.batches = batches

    @override
    def prepare(self, changes: Sequence[Change], *, key: str) -> PushRequest:
        self.batches.prepared += changes
        return super().prepare(changes, key=key)

    def request_size(self, kinds: Sequence[PushKind]) -> int:
        self.batches.asked.append(kinds)
        if self.batches.patient:
            return 0
        return 1 if kinds[0] is PushKind.ZERO or len(kinds) < 2 else len(kinds)

    @override
    async def push(self, request: PushRequest) -> Sequence[ChangeResult]:
        self.batches.sizes.append(len(request.push_ids))
        if len(request.push_ids) == 1:
            return await super().push(request)
        ticket = f"batch-{len(self.batches.taken) + 1}"
        self.batches.taken[ticket] = request
        return [
            ChangeResult(push_id=one, outcome=Outcome.ACCEPTED, ticket=ticket)
            for one in request.push_ids
        ]

    async def follow(self, request: PushRequest, ticket: str) -> Sequence[ChangeResult] | None:
        if ticket not in self.batches.done:
            return None
        assert self.batches.taken[ticket].body == request.body
        results = []
        for row in json.loads(request.body):
            refused = row["sku"] in self.batches.refused
            if not refused:
                self._market.counters[row["sku"]] = row["units"]
            outcome = Outcome.REFUSED if refused else Outcome.ACCEPTED
            results.append(ChangeResult(push_id=row["push_id"], outcome=outcome))
        return results


async def opened(build: Build, **shown: int) -> tuple[House, Batches]:
    house = await build(
        stock=dict.fromkeys(SKUS, 10),
        counters=dict.fromkeys(SKUS, 0) | shown,
        quotas={"a": 10_000},
        semantics={"a": PushSemantics.ABSOLUTE},
        declared={"batch_size": 50},
    )
    batches = Batches()
    running = house.channels.running["a"]
    channel = BatchChannel(house.markets["a"], batches)
    house.channels.running["a"] = replace(running, channel=channel)
    await house.settle_down(30)
    return house, batches


async def test_a_change_tells_when_the_channel_last_showed_its_listing(build: Build) -> None:
    house, batches = await opened(build)
    assert len(batches.prepared) == 3
    for change in batches.prepared:
        row = await house.listing("a", change.listing.sku)
        assert change.shown_at == row.remote_at
        assert row.settled_from <= change.shown_at <= row.settled_to


async def test_a_channel_sizes_a_request_by_all_that_waits_and_is_not_asked_for_nothing(
    build: Build,
) -> None:
    house, batches = await opened(build, MUG=10)
    assert batches.asked == [[PushKind.SET] * 2]
    house.engine.policy = replace(house.engine.policy, safety_stock={"main": 10})
    items = [row.id for row in await house.rows(tables.items)]
    async with house.engine.database.write() as tx:
        await mark_items(tx, items, house.clock())
    await house.settle_down(10)
    assert batches.asked[1:] == [[PushKind.ZERO] * left for left in (3, 2, 1)]


async def test_a_channel_may_wait_for_the_end_of_a_batch_and_for_nothing_else(
    build: Build,
) -> None:
    house, batches = await opened(build, MUG=10)
    batches.patient = True
    house.engine.policy = replace(house.engine.policy, safety_stock={"main": 10})
    items = [row.id for row in await house.rows(tables.items)]
    async with house.engine.database.write() as tx:
        await mark_items(tx, items, house.clock())
    await house.settle_down(120)
    assert (batches.sizes, house.markets["a"].counters["MUG"]) == ([2], 10)
    batches.done.add("batch-1")
    await house.settle_down(120)
    assert batches.sizes == [2, 1, 1, 1]
    assert house.markets["a"].counters == dict.fromkeys(SKUS, 0)
    await house.require_clean_books()


async def test_a_batch_holds_its_listings_for_as_long_as_it_hangs(build: Build) -> None:
    house, batches = await opened(build)
    assert list(batches.taken) == ["batch-1"]
    for _ in range(4):
        await house.settle_down(1_200, step=400)
        for sku in SKUS:
            row = await house.listing("a", sku)
            assert (row.exposure, row.attempts_open) == (10, 1)
    assert batches.sizes == [3]
    [alarm] = await house.rows(tables.alarms)
    assert (alarm.kind, alarm.cleared_at) == ("push_hangs", None)
    await house.require_clean_books()


async def test_the_end_of_a_batch_is_the_end_of_its_attempt(build: Build) -> None:
    house, batches = await opened(build)
    batches.done.add("batch-1")
    await house.settle_down(120)
    assert await house.exposures("MUG") == {"a": 10}
    assert house.markets["a"].counters == dict.fromkeys(SKUS, 10)
    rows = [await house.listing("a", sku) for sku in SKUS]
    assert [(row.attempts_open, row.settle_wanted) for row in rows] == [(0, False)] * 3
    assert all(alarm.cleared_at for alarm in await house.rows(tables.alarms))
    await house.require_clean_books()


async def test_what_a_batch_refuses_is_settled_and_tried_again(build: Build) -> None:
    house, batches = await opened(build)
    batches.refused.add("CUP")
    batches.done.add("batch-1")
    await house.settle_down(60)
    assert house.markets["a"].counters["CUP"] in {0, 10}
    batches.refused.clear()
    await house.settle_down(120)
    assert house.markets["a"].counters == dict.fromkeys(SKUS, 10)
    assert batches.sizes[1:] == [1]
    await house.require_clean_books()


async def test_a_batch_outlives_the_process_that_sent_it(build: Build) -> None:
    house, batches = await opened(build)
    assert await recover(house.engine) == 0
    assert (await house.listing("a", "MUG")).attempts_open == 1
    batches.done.add("batch-1")
    await house.settle_down(120)
    assert await house.exposures("POT") == {"a": 10}
    house.clock.at += 8 * 86_400
    await house.require_clean_books()


async def test_a_batch_that_nobody_answers_for_any_more_ends_as_unknown(build: Build) -> None:
    house, _ = await opened(build)
    house.clock.at += 8 * 86_400
    assert await recover(house.engine) == 1
    assert (await house.listing("a", "MUG")).attempts_open == 0
    await house.require_clean_books()


async def test_word_of_an_end_makes_it_be_asked_for_at_once(build: Build) -> None:
    house, batches = await opened(build)
    await house.settle_down(2_000, step=500)
    batches.done.add("batch-1")
    async with house.engine.database.write() as tx:
        await hasten(tx, "a", ["batch-1", "batch-9"], now=house.clock())
    await house.settle_down()
    assert house.markets["a"].counters["MUG"] == 10
    [attempt] = [row for row in await house.rows(tables.attempts) if row.ticket]
    assert attempt.ended_at is not None


async def test_a_zero_is_never_part_of_a_batch(build: Build) -> None:
    house, batches = await opened(build)
    batches.done.add("batch-1")
    await house.settle_down(120)
    batches.sizes.clear()
    house.engine.policy = replace(house.engine.policy, safety_stock={"main": 10})
    items = [row.id for row in await house.rows(tables.items)]
    async with house.engine.database.write() as tx:
        await mark_items(tx, items, house.clock())
    await house.settle_down(60)
    assert batches.sizes == [1, 1, 1]
    assert house.markets["a"].counters == dict.fromkeys(SKUS, 0)


async def test_a_zero_overtakes_a_batch_that_hangs_and_what_that_carries_stays_charged(
    build: Build,
) -> None:
    house, batches = await opened(build, MUG=10)
    assert batches.sizes == [2]
    house.engine.policy = replace(house.engine.policy, safety_stock={"main": 10})
    items = [row.id for row in await house.rows(tables.items)]
    async with house.engine.database.write() as tx:
        await mark_items(tx, items, house.clock())
    await house.settle_down(10)
    assert batches.sizes == [2, 1, 1, 1]
    assert house.markets["a"].counters == dict.fromkeys(SKUS, 0)
    rows = {sku: await house.listing("a", sku) for sku in SKUS}
    assert [rows[sku].exposure for sku in SKUS] == [0, 10, 10]
    assert [rows[sku].attempts_open for sku in SKUS] == [0, 1, 1]
    batches.done.add("batch-1")
    await house.settle_down(1_200, step=60)
    assert house.markets["a"].counters == dict.fromkeys(SKUS, 0)
    assert await house.exposures("CUP") == {"a": 0}
    await house.require_clean_books()
