"""The simulated till's webhooks, through the connector's door, whatever happens on the way."""

from __future__ import annotations

from dataclasses import dataclass, field
from random import Random

import httpx
import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from channelsync.sdk.errors import BadDelivery, Unauthentic
from channelsync.sdk.testing.faults import DeliveryPlan, FaultPlan
from channelsync.sdk.types import Delivery, WebhookRequest
from channelsync_pos.connector import TillChannel, TillChannelWithApi
from channelsync_pos.simulator import Courier, TillSimulator
from channelsync_pos.simulator.courier import RETRY_SECONDS
from channelsync_pos.times import instant
from tests.support.till import (
    OLD_SECRET,
    SECRET,
    Clock,
    Shelves,
    asked_till,
    heard_till,
    simulated_api,
    simulator,
)

URL = "http://shop.test/webhooks/soho-till"


@dataclass
class Receiver:
    """What a host does with a webhook: authenticate, store once, answer."""

    channel: TillChannel | TillChannelWithApi
    clock: Clock
    answer_with: list[tuple[int, dict[str, str]]] = field(default_factory=list)
    """For the next requests, instead of doing anything."""
    stored: dict[str, Delivery] = field(default_factory=dict)
    arrivals: int = 0

    @property
    def client(self) -> httpx.AsyncClient:
        app = Starlette(routes=[Route("/webhooks/soho-till", self.receive, methods=["POST"])])
        return httpx.AsyncClient(transport=httpx.ASGITransport(app))

    async def receive(self, request: Request) -> Response:
        self.arrivals += 1
        if self.answer_with:
            code, headers = self.answer_with.pop(0)
            return Response(status_code=code, headers=headers)
        raw = WebhookRequest(
            url=str(request.url),
            headers=dict(request.headers),
            body=await request.body(),
            received_at=self.clock(),
        )
        try:
            delivery = self.channel.verify_webhook(raw)
        except Unauthentic:
            return Response(status_code=401)
        except BadDelivery:
            return Response(status_code=400)
        self.stored.setdefault(delivery.dedupe_key, delivery)
        return Response(status_code=200)

    def shelves(self) -> Shelves:
        heard = Shelves()
        for delivery in self.stored.values():
            heard.hear(self.channel.parse(delivery))
        return heard


async def connected(
    till: TillSimulator, clock: Clock, *, secrets: tuple[str, ...] = (SECRET,)
) -> tuple[Receiver, Courier]:
    receiver = Receiver(await heard_till(clock), clock)
    courier = till.post_webhooks_to(URL, client=receiver.client, secrets=secrets)
    return receiver, courier


async def test_every_kind_of_event_gets_through_the_door() -> None:
    clock = Clock()
    till = simulator(clock)
    receiver, courier = await connected(till, clock)
    kept, voided = till.sell_basket({"MUG": 2, "CAP": 1}), till.sell("MUG", 4)
    till.void(voided)
    till.take_back("CAP", sale_id=kept)
    till.take_back("MUG", restock=False)
    till.count({"MUG": 7})
    till.beat()
    assert await courier.deliver_due() == 7
    assert courier.answers == [200] * 7
    assert sorted({one.topic for one in receiver.stored.values()}) == [
        "pos.register.heartbeat",
        "pos.return.completed",
        "pos.sale.completed",
        "pos.sale.voided",
        "pos.stock.counted",
    ]
    assert receiver.shelves().net_units() == {"MUG": 2, "CAP": 0}
    assert (till.net_units("MUG"), till.net_units("CAP"), till.spoilt) == (2, 0, {"MUG": 1})
    assert "anary" not in repr(receiver.stored)


async def test_an_offline_register_tells_later_what_it_sold_then() -> None:
    clock = Clock()
    till = simulator(clock)
    receiver, courier = await connected(till, clock)
    till.go_offline()
    till.sell("MUG")
    clock.advance(3 * 86_400)
    till.sell("MUG")
    assert await courier.deliver_due() == 0
    till.come_back()
    assert await courier.deliver_due() == 2
    first, second = receiver.shelves().lines.values()
    assert first.sold_at is not None
    assert second.sold_at == first.sold_at + 3 * 86_400


async def test_an_attempt_that_fails_is_made_again_with_the_same_id_and_a_new_signature() -> None:
    clock = Clock()
    till = simulator(clock)
    receiver, courier = await connected(till, clock)
    receiver.answer_with = [(500, {}), (302, {"location": "http://evil.test/"})]
    till.sell("MUG")
    await courier.deliver_due()
    assert await courier.deliver_due() == 0
    clock.advance(RETRY_SECONDS[0])
    await courier.deliver_due()
    clock.advance(RETRY_SECONDS[1] + 600)
    await courier.deliver_due()
    assert courier.answers == [500, 302, 200]
    assert courier.waiting == 0
    assert len(receiver.stored) == 1


async def test_retry_after_is_obeyed() -> None:
    clock = Clock()
    till = simulator(clock)
    receiver, courier = await connected(till, clock)
    receiver.answer_with = [(429, {"retry-after": "45"})]
    till.sell("MUG")
    await courier.deliver_due()
    assert courier.next_at == clock() + 45


async def test_gone_means_never_again() -> None:
    clock = Clock()
    till = simulator(clock)
    receiver, courier = await connected(till, clock)
    receiver.answer_with = [(410, {})]
    till.sell("MUG")
    till.sell("MUG")
    await courier.deliver_due()
    assert (receiver.arrivals, courier.stopped) == (1, True)


async def test_after_the_last_retry_a_message_is_given_up_and_its_number_is_missing() -> None:
    clock = Clock()
    till = simulator(clock)
    receiver, courier = await connected(till, clock)
    receiver.answer_with = [(503, {})] * (len(RETRY_SECONDS) + 1)
    till.sell("MUG")
    for seconds in (0.0, *RETRY_SECONDS):
        clock.advance(seconds)
        await courier.deliver_due()
    assert till.faults.injected["delivery_given_up"] == 1
    till.beat()
    await courier.deliver_due()
    assert receiver.shelves().numbers == {"T1": {2}}
    till.resend("T1", 1)
    await courier.deliver_due()
    assert receiver.shelves().numbers == {"T1": {1, 2}}
    assert receiver.shelves().net_units() == {"MUG": 1}


async def test_a_secret_is_replaced_without_losing_a_sale() -> None:
    clock = Clock()
    till = simulator(clock)
    receiver, courier = await connected(till, clock, secrets=(OLD_SECRET,))
    till.sell("MUG")
    await courier.deliver_due()
    assert courier.answers == [401]
    courier.secrets = (OLD_SECRET, SECRET)
    clock.advance(RETRY_SECONDS[0])
    await courier.deliver_due()
    assert courier.answers == [401, 200]
    assert len(receiver.stored) == 1


def day_in_the_shop(till: TillSimulator, clock: Clock, rng: Random) -> None:
    """Something that clerks do."""
    clock.advance(rng.randrange(30))
    register = rng.choice(tuple(till.registers))
    roll = rng.random()
    if roll < 0.6:
        till.sell_basket({rng.choice("ABC"): rng.randint(1, 3)}, register=register)
    elif roll < 0.7 and till.open_sales:
        till.void(rng.choice(till.open_sales), register=register)
    elif roll < 0.8:
        till.take_back(rng.choice("ABC"), restock=rng.random() < 0.5, register=register)
    elif roll < 0.85:
        till.go_offline(register)
    elif roll < 0.92:
        till.come_back(register)
    elif roll < 0.95:
        till.lose_uploads(register)
    else:
        till.beat()


def unheard_sales(till: TillSimulator) -> list[float]:
    """When those sales were made that have not reached the till's server."""
    waiting = [entry for register in till.registers.values() for entry in register.waiting]
    lost = [entry for numbers in till.log._lost.values() for entry in numbers.values()]
    told = [entry.data.get("occurred_at") for entry in waiting + lost]
    return [instant(at) for at in told if at is not None]


@pytest.mark.parametrize("seed", range(5))
async def test_webhooks_lost_doubled_late_and_shuffled_plus_polling_tell_the_truth(
    seed: int,
) -> None:
    clock, rng = Clock(), Random(seed)
    plan = DeliveryPlan(lose=0.2, double=0.2, delay_seconds_max=300.0)
    faults = FaultPlan(deliveries=plan)
    till = simulator(clock, registers=("T1", "T2", "T3"), faults=faults, rng=rng)
    receiver, courier = await connected(till, clock)
    channel = await asked_till(simulated_api(till), clock)
    cursor, shelves = channel.first_cursor(clock()), Shelves()
    for step in range(400):
        day_in_the_shop(till, clock, rng)
        await courier.deliver_due()
        if step % 50 == 0:
            page = await channel.orders_since(cursor)
            shelves.hear_orders(page.facts, page.voids)
            cursor = page.cursor
            if page.complete_to is not None:
                assert all(at >= page.complete_to for at in unheard_sales(till))
    till.come_back()
    for register in till.registers.values():
        register.uploads_to_lose = 0
    till.beat()
    for name in till.registers:
        till.resend(name, 1)
    page = await channel.orders_since(cursor)
    shelves.hear_orders(page.facts, page.voids)
    assert page.complete_to == clock()
    for delivery in receiver.stored.values():
        shelves.hear(receiver.channel.parse(delivery))
    truth = {sku: till.net_units(sku) for sku in "ABC"}
    assert shelves.net_units() == truth
    assert faults.injected.keys() >= {"delivery_lost", "delivery_doubled"}


@pytest.mark.parametrize("seed", range(3))
async def test_numbers_alone_tell_what_webhooks_lost_and_sending_again_brings_it_back(
    seed: int,
) -> None:
    clock, rng = Clock(), Random(seed)
    faults = FaultPlan(deliveries=DeliveryPlan(lose=0.5))
    till = simulator(clock, registers=("T1", "T2"), faults=faults, rng=rng)
    receiver, courier = await connected(till, clock)
    for _ in range(100):
        till.sell(rng.choice("AB"))
    await courier.deliver_due()
    faults.deliveries = DeliveryPlan()
    till.beat()
    await courier.deliver_due()
    for name, numbers in receiver.shelves().numbers.items():
        missing = set(range(1, max(numbers))) - numbers
        assert missing
        till.resend(name, min(missing))
    await courier.deliver_all()
    shelves = receiver.shelves()
    for numbers in shelves.numbers.values():
        assert numbers == set(range(1, max(numbers) + 1))
    assert shelves.net_units() == {sku: till.net_units(sku) for sku in "AB"}


async def test_the_same_seed_tells_the_same_story() -> None:
    async def story() -> list[str]:
        clock = Clock()
        till = simulator(clock, registers=("T1", "T2"), rng=Random(5))
        receiver, courier = await connected(till, clock)
        for _ in range(60):
            day_in_the_shop(till, clock, till.rng)
        await courier.deliver_all()
        return sorted(receiver.stored)

    first = await story()
    assert first == await story()
    assert len(first) > 20


def test_a_clerk_cannot_void_what_partly_came_back_nor_return_more_than_was_sold() -> None:
    till = simulator(Clock())
    sale = till.sell("MUG", 2)
    till.take_back("MUG", sale_id=sale)
    assert till.open_sales == ()
    with pytest.raises(ValueError, match="return the rest"):
        till.void(sale)
    with pytest.raises(ValueError, match="1 are left"):
        till.take_back("MUG", 2, sale_id=sale)
    till.take_back("MUG", 1, sale_id=sale)
    assert till.net_units("MUG") == 0
