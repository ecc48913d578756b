"""Queues that are fetched: stored first, acknowledged after, each word counted once."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from channelsync.domain.vocabulary import PushSemantics
from channelsync.engine.pull import pull
from channelsync.engine.receive import intake
from channelsync.engine.work import WorkKind, mark
from channelsync.sdk.errors import BadDelivery
from channelsync.sdk.testing.memory import MemoryChannel, MemoryMarket
from channelsync.sdk.types import Delivery, LookAt, Parsed, Pulled
from channelsync.store import tables
from tests.support.house import HANDLERS, Build, House


class Queue(MemoryChannel):
    """A market whose words wait in a queue until they are acknowledged."""

    def __init__(self, market: MemoryMarket) -> None:
        super().__init__(market)
        self.waiting: dict[str, tuple[str, Any]] = {}
        self.crash_before_acknowledging = False

    def say(self, receipt: str, key: str, order: str | None) -> None:
        self.waiting[receipt] = (key, order)

    async def pull(self) -> Sequence[Pulled]:
        return [
            Pulled(
                receipt=receipt,
                body=key.encode(),
                delivery=None
                if order is None
                else Delivery(dedupe_key=key, topic="order", reduced={"order": order}),
                problem="not JSON" if order is None else "",
            )
            for receipt, (key, order) in self.waiting.items()
        ]

    async def acknowledge(self, receipts: Sequence[str]) -> None:
        if self.crash_before_acknowledging:
            raise RuntimeError("the process died")
        for receipt in receipts:
            del self.waiting[receipt]

    def parse(self, delivery: Delivery) -> Parsed:
        if delivery.reduced["order"] == "nonsense":
            raise BadDelivery("nonsense")
        return Parsed(look_at=LookAt(orders=(delivery.reduced["order"],)))


async def opened(build: Build) -> tuple[House, Queue]:
    house = await build(
        stock={"MUG": 10},
        quotas={"a": 10_000},
        semantics={"a": PushSemantics.KEYED_DELTA},
        declared={"poll_interval_seconds": 600.0, "quiet_limit_seconds": 1_200.0},
    )
    await house.settle_down(60)
    queue = Queue(house.markets["a"])
    house.channels.running["a"] = replace(house.channels.running["a"], channel=queue)
    house.supervisor.handlers = {**HANDLERS, WorkKind.INTAKE: intake}
    return house, queue


async def fetch(house: House) -> None:
    house.supervisor.handlers = {**house.supervisor.handlers, WorkKind.PULL: once}
    async with house.engine.database.write() as tx:
        await mark(tx, WorkKind.PULL, "a", not_before=house.clock())
    await house.settle_down()


async def once(engine: Any, held: Any) -> None:
    await pull(engine, held)


async def test_a_word_from_the_queue_is_counted_once_however_often_it_comes(build: Build) -> None:
    house, queue = await opened(build)
    order = house.markets["a"].sell("MUG", 3)
    for copy in range(3):
        queue.say(f"receipt-{copy}", "word-1", order)
    await fetch(house)
    assert queue.waiting == {}
    assert await house.exposures("MUG") == {"a": 7}
    queue.say("receipt-9", "word-1", order)
    await fetch(house)
    assert await house.exposures("MUG") == {"a": 7}
    assert len(await house.rows(tables.deliveries)) == 1


async def test_a_word_that_was_not_acknowledged_comes_again_and_changes_nothing(
    build: Build,
) -> None:
    house, queue = await opened(build)
    queue.crash_before_acknowledging = True
    queue.say("receipt", "word", house.markets["a"].sell("MUG", 3))
    await fetch(house)
    assert list(queue.waiting) == ["receipt"]
    assert await house.exposures("MUG") == {"a": 7}
    queue.crash_before_acknowledging = False
    await house.settle_down(30)
    assert queue.waiting == {}
    assert await house.exposures("MUG") == {"a": 7}


async def test_what_nobody_understands_is_told_and_does_not_block_the_queue(build: Build) -> None:
    house, queue = await opened(build)
    queue.say("receipt-1", "word-1", None)
    queue.say("receipt-2", "word-2", "nonsense")
    queue.say("receipt-3", "word-3", house.markets["a"].sell("MUG", 1))
    await fetch(house)
    assert queue.waiting == {}
    assert await house.exposures("MUG") == {"a": 9}
    kinds = {alarm.kind for alarm in await house.rows(tables.alarms)}
    assert kinds >= {"malformed_delivery", "dead_letter"}


async def test_a_queue_is_a_sign_of_life(build: Build) -> None:
    house, queue = await opened(build)
    queue.say("receipt", "word", house.markets["a"].sell("MUG", 1))
    await fetch(house)
    [channel] = await house.rows(tables.channels)
    assert channel.last_delivery_at is not None
