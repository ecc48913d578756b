"""Amazon, Shopify and a Square till, simulated in process, and the real daemon's parts over them.

One clock for everybody: whoever waits lets it pass. Webhooks go through the real receiver; what is
under the engine is a real SQLite file.
"""

from __future__ import annotations

import itertools
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from random import Random
from typing import Any, Final

import httpx
from typing_extensions import override

from channelsync.domain.allocation_rules import Rule
from channelsync.engine.core import Engine
from channelsync.engine.policy import Policy
from channelsync.engine.setup import ChannelSetup, LocationSetup, Setup, apply_setup
from channelsync.engine.work import WorkKind
from channelsync.plugins.opening import Lent, OpenChannel, open_channel
from channelsync.plugins.registry import Registry
from channelsync.ports import Environment, RunningChannel
from channelsync.queue.in_process import InProcessBus
from channelsync.sdk.connector import Connector
from channelsync.sdk.testing.faults import AnswerFault, DeliveryPlan, FaultPlan
from channelsync.store.database import Database, sqlite_url
from channelsync.web.app import build_app
from channelsync.web.options import WebOptions
from channelsync.worker.daemon import handlers
from channelsync.worker.supervisor import Handler, Supervisor
from channelsync_amazon.connector import AmazonConnector
from channelsync_amazon.simulator import AmazonSimulator
from channelsync_amazon.simulator.state import Application
from channelsync_shopify.connector import ShopifyConnector
from channelsync_shopify.simulator import ShopifySimulator
from channelsync_square.connector import SquareConnector
from channelsync_square.simulator import SquareSimulator
from tests.support.house import House, empty_books, put_stock
from tests.support.inline_sqlite import inline_connections
from tests.support.market_day.rival import QUOTAS

__all__ = ["APPLY_LIMIT_SECONDS", "Clock", "Late", "Plan", "Town", "open_town"]

MORNING: Final = 1_795_600_000.0
PUBLIC_URL: Final = "https://sync.example.com"
APPLY_LIMIT_SECONDS: Final = 1_260.0
"""Amazon's writes come within 20 minutes here, or never."""
QUARANTINE_SECONDS: Final = {"amazon": 0.0, "shopify": 60.0, "square": 60.0}
CHECKOUT_SECONDS: Final = 50.0
DELIVERIES: Final = DeliveryPlan(
    lose=0.05, double=0.05, delay_seconds_min=0.2, delay_seconds_max=45.0
)
CONNECTORS: Final[Mapping[str, Callable[[Clock], Connector]]] = {
    "amazon": lambda clock: AmazonConnector(sleep=clock.sleep),
    "shopify": lambda clock: ShopifyConnector(sleep=clock.sleep),
    "square": lambda _clock: SquareConnector(),
}
ANSWERS: Final = AnswerFault(
    throttled=0.01,
    server_error_before=0.01,
    server_error_after=0.01,
    timeout_before=0.01,
    timeout_after=0.01,
)


@dataclass(slots=True)
class Clock:
    """Time that passes when somebody waits."""

    at: float = MORNING

    def __call__(self) -> float:
        self.at += 0.000_01
        return self.at

    async def sleep(self, seconds: float) -> None:
        self.at += seconds


@dataclass(slots=True, kw_only=True)
class Late(Application):
    """From a second to 20 minutes; sometimes never."""

    @override
    def draw(self, rng: Random) -> float | None:
        delay = Application.draw(self, rng)
        return None if delay is None else min(max(delay, 1.0), 1_200.0)


@dataclass(slots=True, kw_only=True)
class Town:
    """All marketplaces, and the engine over them."""

    clock: Clock
    amazon: AmazonSimulator
    shopify: ShopifySimulator
    square: SquareSimulator
    engine: Engine
    supervisor: Supervisor
    client: httpx.AsyncClient
    house: House
    stock: Mapping[str, int]
    plan: Plan
    faults: dict[str, FaultPlan] = field(default_factory=dict)
    _opened: dict[str, OpenChannel] = field(default_factory=dict)

    async def live_until(self, at: float, *, step: float = 5.0) -> None:
        """Let time pass and everybody do what is due."""
        while True:
            await self.shopify.deliveries.deliver_due()
            await self.square.deliveries.deliver_due()
            await self.supervisor.run_until_idle(horizon=self.clock.at + 1.0)
            if self.clock.at >= at:
                return
            self.clock.at = min(self.clock.at + step, at)

    async def live_for(
        self, seconds: float, *, step: float, until: Callable[[Town], Awaitable[bool]]
    ) -> None:
        """Let time pass until something is so, for so long at most."""
        end = self.clock.at + seconds
        while self.clock.at < end and not await until(self):
            await self.live_until(self.clock.at + step, step=step)

    async def open(self, name: str, rng: Random, **more: Any) -> None:
        """Open a channel, with whatever its settings say more than the usual and the plan."""
        given = {**self._usual(name), **self.plan.settings.get(name, {}), **more}
        connector = CONNECTORS[name](self.clock)
        clock = self.clock
        ways = {
            "amazon": self.amazon.transport,
            "shopify": self.shopify.transport,
            "square": self.square.transport,
        }
        lent = Lent(
            now=clock,
            new_id=lambda: f"{rng.getrandbits(128):032x}",
            draw=rng.random,
            sleep=clock.sleep,
            transport=self.plan.around(name, ways[name]()),
        )
        settings = connector.manifest.settings_model.model_validate(given)
        opened = await open_channel(
            Registry().with_connector(connector),
            name=name,
            connector=name,
            settings=settings,
            lent=lent,
        )
        self.house.channels.running[name] = RunningChannel(
            name=name,
            manifest=opened.manifest,
            channel=opened.channel,
            quarantine_seconds=QUARANTINE_SECONDS[name],
            poll_interval_seconds=opened.manifest.poll_interval_seconds,
            quiet_limit_seconds=opened.manifest.quiet_limit_seconds,
            apply_limit_seconds=self.plan.apply_limit_seconds if name == "amazon" else None,
        )
        self._opened[name] = opened

    async def close(self, name: str) -> None:
        """Close a channel."""
        del self.house.channels.running[name]
        await self._opened.pop(name).close()

    def _usual(self, name: str) -> dict[str, Any]:
        if name == "amazon":
            return self.amazon.settings()
        if name == "shopify":
            shop = self.shopify
            return {
                "shop": shop.world.shop,
                "location_id": shop.location_id,
                "webhook_secret": shop.deliveries.secret,
                "access_token": shop.account.access_token,
            }
        return {
            "access_token": self.square.account.access_token,
            "location_id": self.square.location_id,
            "application_token": self.square.account.application_token,
            "location": "dc",
        }

    def sold(self, sku: str) -> int:
        """Net units that buyers were promised, over all marketplaces."""
        shops = self.shopify.world.accepted()[sku] + self.square.shop.accepted()[sku]
        return shops + self.amazon.seller.net_sold(sku)

    def stop_faults(self) -> None:
        """From here on everything arrives and is answered."""
        for plan in self.faults.values():
            plan.answers, plan.deliveries = AnswerFault(), DeliveryPlan()
        self.amazon.world.application.never = 0.0


def _faults() -> FaultPlan:
    return FaultPlan(
        answers=ANSWERS,
        deliveries=DeliveryPlan(
            lose=DELIVERIES.lose,
            double=DELIVERIES.double,
            delay_seconds_min=DELIVERIES.delay_seconds_min,
            delay_seconds_max=DELIVERIES.delay_seconds_max,
        ),
    )


def _as_it_is(_way: str, transport: httpx.AsyncBaseTransport) -> httpx.AsyncBaseTransport:
    return transport


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """What may differ from one town to another."""

    clock: Clock = field(default_factory=Clock)
    around: Callable[[str, httpx.AsyncBaseTransport], httpx.AsyncBaseTransport] = _as_it_is
    """What is put around the way to each marketplace, and around that of their `webhooks`."""
    settings: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    """By channel: what its settings say beside the usual."""
    handlers: Mapping[WorkKind, Handler] = field(default_factory=dict)
    """Instead of the usual ones."""
    apply_limit_seconds: float = APPLY_LIMIT_SECONDS
    """Amazon's."""
    at_shopify_alone: Mapping[str, int] = field(default_factory=dict)
    """Stock of items that the other two do not list."""


@asynccontextmanager
async def open_town(
    folder: Path, stock: Mapping[str, int], rng: Random, plan: Plan | None = None
) -> AsyncIterator[Town]:
    """Everything opened, listed and counted; nothing has been adopted yet."""
    plan = plan or Plan()
    clock = plan.clock
    faults = {name: _faults() for name in QUOTAS}
    amazon = AmazonSimulator(now=clock, rng=Random(rng.random()), faults=faults["amazon"])
    amazon.world.application = Late(seconds_median=60.0, sigma=1.2, never=0.03)
    amazon.seller.visibility_seconds = (0.0, 120.0)
    shopify = ShopifySimulator(now=clock, rng=Random(rng.random()), faults=faults["shopify"])
    shopify.shop.checkout_seconds = CHECKOUT_SECONDS
    square = SquareSimulator(now=clock, rng=Random(rng.random()), faults=faults["square"])
    for sku, units in stock.items():
        shown = {name: units * share // 100 for name, share in QUOTAS.items()}
        amazon.seller.add_offer(sku, shown["amazon"])
        shopify.shop.add_item(sku, shown["shopify"])
        square.shop.add_item(sku, shown["square"])
    for sku in plan.at_shopify_alone:
        shopify.shop.add_item(sku)
    clock.at += 3_600.0
    async with AsyncExitStack() as stack:
        path = folder / "market-day.db"
        path.write_bytes(empty_books())
        database = Database(sqlite_url(path), connect=inline_connections(path))
        stack.push_async_callback(database.close)
        house = await _engine(database, clock, rng, plan.handlers)
        door = httpx.ASGITransport(app=build_app(house.engine, WebOptions(public_url=PUBLIC_URL)))
        client = await stack.enter_async_context(
            httpx.AsyncClient(transport=plan.around("webhooks", door))
        )
        shopify.deliveries.client = square.deliveries.client = client
        town = Town(
            clock=clock,
            amazon=amazon,
            shopify=shopify,
            square=square,
            engine=house.engine,
            supervisor=house.supervisor,
            client=client,
            house=house,
            stock=stock,
            plan=plan,
            faults=faults,
        )
        for name in QUOTAS:
            await town.open(name, rng)
            stack.push_async_callback(town.close, name)
        await put_stock(house, (*stock.items(), *plan.at_shopify_alone.items()))
        yield town


async def _engine(
    database: Database, clock: Clock, rng: Random, instead: Mapping[WorkKind, Handler]
) -> House:
    ids = itertools.count(1)
    channels = _Channels()
    engine = Engine(
        database=database,
        channels=channels,
        environment=Environment(
            now=clock, new_id=lambda: f"id-{next(ids):06d}-{rng.getrandbits(64):016x}", owner="day"
        ),
        bus=InProcessBus(),
        policy=Policy(
            rules={
                "main": (
                    Rule(name="all", quotas={name: 100 * part for name, part in QUOTAS.items()}),
                )
            },
            safety_stock={"main": 0},
        ),
    )
    await apply_setup(
        engine,
        Setup(
            fingerprint="market day",
            locations=(LocationSetup(code="dc", name="DC", pool="main", priority=0),),
            channels=tuple(
                ChannelSetup(name=name, connector=name, pool="main", mode="live") for name in QUOTAS
            ),
        ),
    )
    supervisor = Supervisor(engine=engine, handlers={**handlers(PUBLIC_URL), **instead})
    return House(engine=engine, clock=clock, supervisor=supervisor, channels=channels)  # type: ignore[arg-type]


@dataclass(slots=True)
class _Channels:
    """Open channels, by name."""

    running: dict[str, RunningChannel] = field(default_factory=dict)

    def get(self, name: str) -> RunningChannel | None:
        return self.running.get(name)

    def names(self) -> tuple[str, ...]:
        return tuple(sorted(self.running))
