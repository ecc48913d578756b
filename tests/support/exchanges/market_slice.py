"""A slice of a market day in which every operation of three connectors is called.

The whole engine over simulated Amazon, Shopify and Square: a first load, pushes up and down,
orders, cancels, shipments, webhooks, a feed and a real server of the SQS protocol.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from random import Random
from typing import Any, Final

from channelsync.domain.allocation_rules import Rule
from channelsync.domain.vocabulary import Instant
from channelsync.engine.core import Engine
from channelsync.engine.look import look
from channelsync.engine.policy import Policy
from channelsync.engine.pull import pull
from channelsync.engine.settle import request_drift_check
from channelsync.engine.work import Claim, WorkKind, mark_items
from channelsync.sdk.connector import ConfirmsShipments, Subscribes, TestsItself
from channelsync.sdk.types import LookAt, Shipment
from channelsync.store import tables
from channelsync.store.ledger import StockMove, move_stock
from channelsync.store.tables import MovementKind, Quantity
from channelsync_amazon.simulator.state import Application
from tests.support.exchanges.recorder import Recorder
from tests.support.market_day.day import require_sound
from tests.support.market_day.town import Clock, Plan, Town, open_town
from tests.support.sqs import KEY, REGION, SECRET, new_queue, sqs_client

__all__ = ["Slice", "play_slice"]

STOCK: Final = {"A,B": 0, "MUG": 0, "CUP": 0, "BOWL": 0, "JUG": 0}
"""A comma in a SKU: Amazon's search cannot name it, so it is asked for by itself."""
LOT: Final = {f"LOT-{number:02}": 4 for number in range(55)}
"""More items than a page of an order's lines, of its refunds and of its fulfilments holds."""
OLD_URL: Final = "https://old.example.com/webhooks/"
PULL_SECONDS: Final = 20.0
SQS_BATCH: Final = 10


@dataclass(slots=True, kw_only=True)
class Slice:
    """What was recorded."""

    recorder: Recorder
    notifications: list[str] = field(default_factory=list)
    """Bodies of the messages that went through the queue."""


@dataclass(slots=True, kw_only=True)
class _Queue:
    """Amazon's side of the queue, and a daemon that looks only where something waits."""

    client: Any
    url: str
    slice: Slice
    take: Callable[[], list[str]] = list

    async def pulled(self, engine: Engine, held: Claim) -> Instant | None:
        """Instead of waiting for real seconds on an empty queue."""
        bodies = self.take()
        for body in bodies:
            await self.client.send_message(QueueUrl=self.url, MessageBody=body)
        self.slice.notifications += bodies
        for _ in range(0, len(bodies), SQS_BATCH):
            await pull(engine, held)
        return engine.now() + PULL_SECONDS


async def play_slice(folder: Path, sqs_origin: str) -> Slice:
    """Play it. Raises AssertionError if anything was oversold, lost or counted twice."""
    clock = Clock()
    played = Slice(recorder=Recorder(clock))
    async with sqs_client(sqs_origin) as client:
        queue = _Queue(client=client, url=await new_queue(client), slice=played)
        plan = Plan(
            clock=clock,
            around=played.recorder.around,
            settings={
                "amazon": {
                    "queue_url": queue.url,
                    "queue_region": REGION,
                    "aws_access_key_id": KEY,
                    "aws_secret_access_key": SECRET,
                    "feed_above": 3,
                },
                "shopify": {
                    "access_token": None,
                    "client_id": "simulated-client",
                    "client_secret": "simulated-secret",
                    "webhook_secret": None,
                },
            },
            handlers={WorkKind.PULL: queue.pulled},
            apply_limit_seconds=120.0,
            at_shopify_alone=LOT,
        )
        rng = Random("a slice of a market day")
        async with open_town(folder, STOCK, rng, plan) as town:
            town.stop_faults()
            town.amazon.notifications.eventbridge = True
            town.amazon.world.application = Application(seconds_median=2.0, sigma=0.0)
            town.amazon.seller.visibility_seconds = (0.0, 0.0)
            queue.take = town.amazon.notifications.take
            await _Story(town, rng).play()
    return played


@dataclass(slots=True)
class _Story:
    town: Town
    rng: Random

    async def play(self) -> None:
        await self._yesterday()
        await self._live(420)
        await self._goods_come_in(24)
        await self._live(420)
        await self._shoppers()
        await self._live(180)
        await self._share(amazon=20, shopify=60, square=20)
        await self._live(600)
        await self._regrets_and_parcels()
        await self._hiccups()
        await self._live(300)
        await self._another_day()
        await self._share(amazon=50, shopify=20, square=30)
        await self._look_for_drift()
        await self._live(900)
        await require_sound(self.town)

    async def _live(self, seconds: float, *, step: float = 30.0) -> None:
        await self.town.live_until(self.town.clock.at + seconds, step=step)

    def _channel(self, name: str) -> Any:
        return self.town.house.channels.running[name].channel

    async def _yesterday(self) -> None:
        """The daemon lived at another address; the merchant tries the test of each channel."""
        for name in ("shopify", "square"):
            channel = self._channel(name)
            assert isinstance(channel, Subscribes)
            await channel.ensure_subscriptions(OLD_URL + name)
        for name in ("amazon", "shopify", "square"):
            channel = self._channel(name)
            assert isinstance(channel, TestsItself)
            assert all(one.ok for one in await channel.test()), name

    async def _goods_come_in(self, units: int) -> None:
        engine, numbers = self.town.engine, range(1, len(STOCK) + 1)
        self.town.stock = dict.fromkeys(STOCK, units)
        async with engine.database.write() as tx:
            moves = [
                StockMove(
                    item_id=number,
                    location_id=1,
                    quantity=Quantity.ON_HAND,
                    delta=units,
                    kind=MovementKind.ADJUSTMENT,
                    actor="test",
                    at=engine.now(),
                )
                for number in numbers
            ]
            await move_stock(tx, moves)
            await mark_items(tx, numbers, engine.now())

    async def _share(self, **quotas: int) -> None:
        whole = {name: 100 * part for name, part in quotas.items()}
        engine = self.town.engine
        engine.policy = Policy(
            rules={"main": (Rule(name="anew", quotas=whole),)}, safety_stock={"main": 0}
        )
        async with engine.database.write() as tx:
            await mark_items(tx, range(1, len(STOCK) + 1), engine.now())

    async def _shoppers(self) -> None:
        town = self.town
        for sku in STOCK:
            assert await town.amazon.seller.buy(sku, 2)
            assert await town.shopify.shop.buy(sku, 2)
            assert town.square.shop.buy(sku, 1)
        for _ in range(7):
            await town.shopify.shop.buy("MUG")
        large = await town.shopify.shop.buy_basket(dict.fromkeys(LOT, 1))
        assert large is not None
        await town.shopify.shop.fulfil(large)
        await town.shopify.shop.refund(large, "LOT-02", 1, "RETURN")

    async def _regrets_and_parcels(self) -> None:
        town = self.town
        amazon, shopify, square = town.amazon.seller, town.shopify.shop, town.square.shop
        order = await amazon.buy("CUP", 2)
        assert order is not None
        await amazon.pay(order)
        await self._live(60)
        await self._ship(order)
        regretted = await amazon.buy("BOWL", 1)
        assert regretted is not None
        await amazon.cancel(regretted)
        large = await shopify.buy_basket(dict.fromkeys(LOT, 1))
        assert large is not None
        await self._live(60)
        await shopify.cancel(large)
        online, collected = square.order_online("JUG"), square.order_online("CUP")
        assert online is not None
        assert collected is not None
        square.cancel(online)
        square.hand_over(collected)
        square.sell({"MUG": 1}, custom_amounts=1)
        square.sell_offline({"CUP": 1}, declined=True)
        await self._live(120)
        square.upload()
        square.tell_catalogue()

    async def _ship(self, order: str) -> None:
        """We packed it, and say so."""
        channel = self._channel("amazon")
        assert isinstance(channel, ConfirmsShipments)
        [line] = self.town.amazon.world.orders[order].lines
        parcel = Shipment(
            order_id=order,
            reference="1",
            carrier="DHL",
            tracking="00340434292135100186",
            shipped_at=self.town.clock(),
            lines=((line.item_id, 2),),
        )
        await channel.confirm_shipment(parcel)

    async def _hiccups(self) -> None:
        """Each marketplace asks to slow down, fails, and answers too late, once each."""
        for server in (
            self.town.amazon.server,
            self.town.shopify.server,
            self.town.square.server,
        ):
            server.next_faults.extend(("throttled", "server_error_before", "timeout_after"))

    async def _another_day(self) -> None:
        """The merchant goes back to an older API, opens a warehouse, and starts us again."""
        self.town.shopify.shop.add_location("Second warehouse")
        for name in ("amazon", "shopify"):
            await self.town.close(name)
        await self.town.open("amazon", self.rng, orders_api="v0")
        await self.town.open("shopify", self.rng)
        order = await self.town.amazon.seller.buy("MUG")
        assert order is not None
        await self._live(200)
        engine = self.town.engine
        async with engine.database.write() as tx:
            await look(tx, "amazon", LookAt(orders=(order,)), now=engine.now())

    async def _look_for_drift(self) -> None:
        engine = self.town.engine
        for name in ("amazon", "shopify", "square"):
            listings = [
                row.id for row in await self.town.house.rows(tables.listings) if row.channel == name
            ]
            async with engine.database.write() as tx:
                await request_drift_check(tx, name, listings, now=engine.now())
