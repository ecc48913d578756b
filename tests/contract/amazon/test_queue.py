"""Notifications through a real server of the SQS protocol: doubled, late and out of order."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from random import Random
from typing import Any

import pytest

from channelsync.sdk.connector import PullsDeliveries, Subscribes
from channelsync.sdk.errors import Misconfigured, Retryable
from channelsync.sdk.testing.faults import DeliveryPlan, FaultPlan
from channelsync.sdk.types import OrderFact, Parsed
from channelsync_amazon.connector import AmazonChannelWithQueue
from channelsync_amazon.simulator import CANARY
from tests.support.amazon import Bench, open_bench
from tests.support.sqs import KEY, SECRET, new_queue, sqs_client, sqs_server


@pytest.fixture(scope="module")
def origin() -> Iterator[str]:
    with sqs_server() as url:
        yield url


@dataclass
class Hall:
    """A bench whose account delivers to a real queue."""

    bench: Bench
    client: Any
    url: str
    on_its_way: int = 0

    @property
    def channel(self) -> AmazonChannelWithQueue:
        assert isinstance(self.bench.channel, AmazonChannelWithQueue)
        return self.bench.channel

    async def deliver(self, rng: Random | None = None) -> int:
        """Whatever has reached the queue by now, in the order given or shuffled."""
        bodies = self.bench.simulator.notifications.take()
        if rng is not None:
            rng.shuffle(bodies)
        for body in bodies:
            await self.client.send_message(QueueUrl=self.url, MessageBody=body)
        self.on_its_way += len(bodies)
        return len(bodies)

    async def heard(self) -> list[Parsed]:
        """Everything in the queue, stored as the engine stores it, and taken out."""
        found: list[Parsed] = []
        while self.on_its_way > 0:
            messages = await self.channel.pull()
            self.on_its_way -= len(messages)
            for one in messages:
                assert one.delivery is not None, one.problem
                assert CANARY not in repr(one.delivery)
                found.append(self.channel.parse(one.delivery))
            await self.channel.acknowledge([one.receipt for one in messages])
        return found


@asynccontextmanager
async def hall(origin: str, **more: Any) -> AsyncIterator[Hall]:
    async with sqs_client(origin) as client:
        url = await new_queue(client)
        bench = await open_bench(
            queue_url=url,
            queue_region="eu-west-1",
            aws_access_key_id=KEY,
            aws_secret_access_key=SECRET,
            **more,
        )
        try:
            yield Hall(bench, client, url)
        finally:
            await bench.channel.close()


def newest(heard: list[Parsed]) -> dict[str, OrderFact]:
    facts: dict[str, OrderFact] = {}
    for fact in (fact for one in heard for fact in one.facts):
        known = facts.get(fact.order_id)
        if known is None or fact.version >= known.version:
            facts[fact.order_id] = fact
    return facts


async def test_orders_quantities_and_feeds_come_by_one_queue(origin: str) -> None:
    async with hall(origin) as here:
        bench = here.bench
        bench.simulator.notifications.eventbridge = True
        for sku in ("MUG", "CUP"):
            bench.seller.add_offer(sku, 9)
        report = await here.channel.ensure_subscriptions("")
        assert set(report.created) == {"ORDER_CHANGE", "FEED_PROCESSING_FINISHED"}
        order = await bench.seller.buy("MUG", 2)
        bench.clock.passes(60)
        await bench.seller.cancel(order)
        request = bench.prepared(bench.change("MUG", 3), bench.change("CUP", 4))
        [result, _] = await here.channel.push(request)
        bench.clock.passes(200)
        assert await here.deliver() >= 5
        heard = await here.heard()
        assert newest(heard)[order].cancelled == 2
        looks = [one.look_at for one in heard if one.look_at is not None]
        assert {ticket for look in looks for ticket in look.tickets} == {result.ticket}
        assert {shown.external["sku"] for look in looks for shown in look.shown} == {"MUG", "CUP"}


async def test_copies_and_shuffled_messages_come_to_the_same_facts(origin: str) -> None:
    faults = FaultPlan(
        deliveries=DeliveryPlan(double=0.5, delay_seconds_min=0.0, delay_seconds_max=500.0)
    )
    async with hall(origin, faults=faults) as here:
        bench = here.bench
        bench.seller.add_offer("MUG", 50)
        await here.channel.ensure_subscriptions("")
        shipped, called_off = set(), set()
        for number in range(8):
            order = await bench.seller.buy("MUG", 1 + number % 3)
            await bench.seller.pay(order)
            bench.clock.passes(20)
            if number % 2:
                await bench.seller.ship(order)
                shipped.add(order)
            else:
                await bench.seller.cancel(order)
                called_off.add(order)
        bench.clock.passes(600)
        sent = await here.deliver(Random(5))
        assert sent > 24
        facts = newest(await here.heard())
        assert {one.order_id for one in facts.values() if one.shipped} == shipped
        assert {one.order_id for one in facts.values() if one.cancelled} == called_off


async def test_a_message_that_is_not_acknowledged_comes_again(origin: str) -> None:
    async with hall(origin) as here:
        await here.client.set_queue_attributes(
            QueueUrl=here.url, Attributes={"VisibilityTimeout": "0"}
        )
        await here.client.send_message(QueueUrl=here.url, MessageBody="no notification")
        [first] = await here.channel.pull()
        assert first.delivery is None
        assert "not understood" in first.problem
        await here.client.change_message_visibility(
            QueueUrl=here.url, ReceiptHandle=first.receipt, VisibilityTimeout=0
        )
        [again] = await here.channel.pull()
        await here.channel.acknowledge([again.receipt])
        names = ["ApproximateNumberOfMessages", "ApproximateNumberOfMessagesNotVisible"]
        left = await here.client.get_queue_attributes(QueueUrl=here.url, AttributeNames=names)
        assert set(left["Attributes"].values()) == {"0"}


async def test_subscriptions_are_kept_and_mended_and_never_doubled(origin: str) -> None:
    async with hall(origin) as here:
        told = here.bench.simulator.notifications
        await here.channel.ensure_subscriptions("")
        del told.subscriptions["ORDER_CHANGE"]
        report = await here.channel.ensure_subscriptions("")
        assert (report.created, report.kept) == (("ORDER_CHANGE",), ("FEED_PROCESSING_FINISHED",))
        assert len(told.destinations) == 1
        told.subscriptions["ORDER_CHANGE"]["destinationId"] = "somebody-elses"
        with pytest.raises(Misconfigured, match="another queue"):
            await here.channel.ensure_subscriptions("")


async def test_subscriptions_of_somebody_else_are_left_alone(origin: str) -> None:
    async with hall(origin, manage_subscriptions=False) as here:
        await here.channel.ensure_subscriptions("")
        assert here.bench.simulator.server.calls == []


async def test_a_queue_that_does_not_exist_is_said(origin: str) -> None:
    async with hall(origin) as here:
        await here.client.delete_queue(QueueUrl=here.url)
        with pytest.raises(Misconfigured, match="there is no queue arn:aws:sqs:eu-west-1"):
            await here.channel.pull()


async def test_a_queue_that_does_not_answer_is_asked_again_later() -> None:
    bench = await open_bench(
        queue_url="http://127.0.0.1:9/123456789012/sync",
        aws_access_key_id=KEY,
        aws_secret_access_key=SECRET,
    )
    assert isinstance(bench.channel, AmazonChannelWithQueue)
    with pytest.raises(Retryable, match="could not be reached"):
        await bench.channel.pull()
    await bench.channel.close()


async def test_without_a_queue_there_is_nothing_to_pull_or_subscribe_to() -> None:
    bench = await open_bench()
    assert not isinstance(bench.channel, PullsDeliveries)
    assert not isinstance(bench.channel, Subscribes)


async def test_everything_that_amazon_tells_holds_a_person_and_nothing_of_it_is_kept(
    origin: str,
) -> None:
    async with hall(origin) as here:
        here.bench.seller.add_offer("MUG", 9)
        await here.channel.ensure_subscriptions("")
        await here.bench.seller.buy("MUG", 1)
        here.bench.clock.passes(10)
        told = [due.body for due in here.bench.simulator.notifications._outbox]
        assert any(CANARY in body for body in told)
        assert await here.deliver() == len(told)
        assert "Canary" not in repr(await here.heard())
