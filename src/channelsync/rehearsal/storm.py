"""The storm: what breaks, how often, until it is over."""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import dataclass, field
from random import Random
from typing import Any, Final

from channelsync.rehearsal.auditor import Auditor
from channelsync.rehearsal.life import Daemon, House
from channelsync.rehearsal.markets import BREAKABLE, SKUS, Markets
from channelsync.rehearsal.people import People
from channelsync.rehearsal.process import Process
from channelsync.rehearsal.stage import Stage
from channelsync.rehearsal.wire import Network
from channelsync.sdk.testing.faults import AnswerFault, DeliveryPlan

__all__ = ["Storm"]

EVERY_SECONDS: Final = 500.0
"""Between two blows, on average."""
GATES: Final = (
    "begin",
    "statement",
    "before commit",
    "after commit",
    "before request",
    "after request",
)
LEASE_SECONDS: Final = 60.0
LATE_SECONDS: Final = (3 * 3_600.0, 48 * 3_600.0)
"""How late a webhook that is held back arrives at most."""
SLOW_SECONDS: Final = (0.05, 0.5)
"""Of a slow database: one way of a statement, on average."""
QUOTAS: Final[tuple[dict[str, int], ...]] = (
    {"amazon": 45, "shopify": 30, "square": 20},
    {"amazon": 0, "shopify": 60, "square": 30},
    {"amazon": 70, "shopify": 0, "square": 20},
    {"amazon": 20, "shopify": 20, "square": 50},
)


def _die(process: Process, where: str) -> None:
    process.stage.happened(f"crash at {where}")
    process.kill(where)


def _raising(kind: str, make: Callable[[], BaseException]) -> Callable[[Process, str], Any]:
    def trouble(process: Process, _where: str) -> BaseException:
        process.stage.happened(kind)
        return make()

    return trouble


_SICK: Final[tuple[tuple[str, str, Callable[[], BaseException]], ...]] = (
    ("statement", "connection lost in a transaction", ConnectionResetError),
    ("before commit", "commit of unknown outcome, not done", ConnectionResetError),
    ("after commit", "commit of unknown outcome, done", ConnectionResetError),
    ("begin", "database busy", lambda: sqlite3.OperationalError("database is locked")),
    ("statement", "disk error", lambda: sqlite3.OperationalError("disk I/O error")),
)


@dataclass(slots=True)
class Storm:
    """Faults of every kind, at times that a seed draws."""

    stage: Stage
    house: House
    network: Network
    markets: Markets
    auditor: Auditor
    people: People
    write_file: Callable[[dict[str, int], str | None], None]
    """Writes the merchant's file anew, with these quotas and without one of the channels."""
    rng: Random = field(init=False)
    removed: int = 0
    """How often a channel was taken out of the file."""
    _quotas: dict[str, int] = field(default_factory=lambda: dict(QUOTAS[0]))
    _absent: str | None = None
    _under_way: set[asyncio.Task[None]] = field(default_factory=set)
    _over: asyncio.Event = field(default_factory=asyncio.Event)

    def __post_init__(self) -> None:
        self.rng = self.stage.chance("storm")

    async def rage(self, seconds: float) -> None:
        """Let it blow for so long; afterwards everything works."""
        self._rise()
        end = self.stage.loop.time() + seconds
        deck = self._deck()
        while True:
            pause = self.rng.expovariate(1 / EVERY_SECONDS)
            if self.stage.loop.time() + pause >= end:
                break
            await asyncio.sleep(pause)
            blow = next(deck)
            task = asyncio.create_task(_run(blow))
            self._under_way.add(task)
            task.add_done_callback(self._under_way.discard)
        await asyncio.sleep(end - self.stage.loop.time())
        self._over.set()
        while self._under_way:
            await asyncio.wait(set(self._under_way))
        self._fall()

    def _deck(self) -> Iterator[Callable[[], Awaitable[None]]]:
        """Blows as from a deck of cards: by chance, and yet each as often as it is in there."""
        while True:
            cards = [blow for blow, count in self._blows().items() for _ in range(count)]
            self.rng.shuffle(cards)
            yield from cards

    def _blows(self) -> dict[Callable[[], Awaitable[None]], int]:
        return {
            self._crash: 24,
            self._sicken: 14,
            self._freeze: 8,
            self._set_a_clock: 5,
            self._fill_the_disk: 3,
            self._slow_the_database: 4,
            self._cut_off: 5,
            self._black_out: 3,
            self._hold_back: 3,
            self._unsubscribe: 4,
            self._take_the_token: 4,
            self._edit_by_hand: 6,
            self._edit_upwards: 3,
            self._break_a_batch: 3,
            self._remove_a_channel: 3,
            self._sell_beyond: 3,
            self._hide_orders: 4,
            self._tag_all_orders: 4,
            self._change_quotas: 5,
            self._restore: 3,
            self._send_nonsense: 3,
        }

    def _rise(self) -> None:
        network = self.network
        network.late = network.doubled = network.slow = 0.01
        network.garbled = network.emptied = 0.004
        for market in self.markets.all():
            answers = market.faults.answers
            answers.throttled = answers.server_error_before = answers.server_error_after = 0.008
            answers.timeout_before = answers.timeout_after = 0.008
            self._blow_deliveries(market.faults.deliveries)
        self.markets.amazon.simulator.world.application.never = 0.05

    @staticmethod
    def _blow_deliveries(plan: DeliveryPlan) -> None:
        plan.lose = plan.double = 0.1
        plan.delay_seconds_min, plan.delay_seconds_max = 0.2, 60.0

    def _fall(self) -> None:
        self.network.calm()
        for market in self.markets.all():
            market.faults.answers, market.faults.deliveries = AnswerFault(), DeliveryPlan()
        self.markets.amazon.simulator.world.application.never = 0.0
        for process in self.house.alive():
            process.troubles.clear()
            process.thaw()

    async def _for_a_while(self, least: float, most: float) -> None:
        """So long, or until the storm is over."""
        try:
            async with asyncio.timeout(self.rng.uniform(least, most)):
                await self._over.wait()
        except TimeoutError:
            return

    def _somebody(self) -> Daemon:
        return self.rng.choice(self.house.daemons)

    # ------------------------------------------------------------ our processes

    async def _crash(self) -> None:
        process = self._somebody().process
        if process is not None:
            process.troubles[self.rng.choice(GATES)].append(_die)

    async def _sicken(self) -> None:
        process = self._somebody().process
        if process is not None:
            where, kind, make = self.rng.choice(_SICK)
            process.troubles[where].append(_raising(kind, make))

    async def _freeze(self) -> None:
        """As by SIGSTOP: it stands still in the middle of something, and goes on later."""

        def trouble(process: Process, where: str) -> None:
            process.freeze()
            seconds = self.rng.uniform(5.0, 3 * LEASE_SECONDS)
            self.stage.loop.call_later(seconds, process.thaw)
            longer = "process frozen longer than a lease"
            self.stage.happened(longer if seconds > LEASE_SECONDS else "process frozen")
            self.stage.trace("frozen at", where)

        if (process := self._somebody().process) is not None:
            process.troubles[self.rng.choice(GATES)].append(trouble)

    async def _set_a_clock(self) -> None:
        process = self._somebody().process
        if process is not None:
            process.ahead_seconds = self.rng.uniform(-1.0, 1.0) * self.house.ahead_seconds_max
            self.stage.happened("clock set forward or back")

    async def _fill_the_disk(self) -> None:
        full = sqlite3.OperationalError("database or disk is full")
        for process in self.house.alive():
            process.refuses = full
        self.stage.happened("disk full")
        await self._for_a_while(20.0, 900.0)
        for process in self.house.alive():
            process.refuses = None

    async def _slow_the_database(self) -> None:
        """Every statement takes its time, and somebody starts just then."""
        self.house.slow_seconds = self.rng.uniform(*SLOW_SECONDS)
        self.stage.happened("database slow")
        await self._crash()
        await self._for_a_while(60.0, 600.0)
        self.house.slow_seconds = 0.0

    async def _restore(self) -> None:
        """An old backup takes the place of the books."""
        backup = self.house.path.with_name(f"backup-{self.stage.traced}.db")
        self.auditor.database.execute("VACUUM INTO ?", (str(backup),))
        await self._for_a_while(300.0, 3_600.0)
        if self._over.is_set() or not all(one.may_start.is_set() for one in self.house.daemons):
            return
        for daemon in self.house.daemons:
            daemon.may_start.clear()
            if daemon.process is not None:
                daemon.process.kill("a backup is restored")
        await asyncio.sleep(self.rng.uniform(5.0, 120.0))
        self.house.path = backup
        self.auditor.restored(sqlite3.connect(backup, isolation_level=None))
        self.stage.happened("old backup restored")
        for daemon in self.house.daemons:
            daemon.may_start.set()
        await self.people.enter_again()

    # ------------------------------------------------------------ the marketplaces

    async def _cut_off(self) -> None:
        """A marketplace cannot be reached."""
        faults = self.rng.choice(self.markets.all()).faults
        faults.offline = True
        self.stage.happened("marketplace out of reach")
        await self._for_a_while(30.0, 1_500.0)
        faults.offline = False

    async def _black_out(self) -> None:
        """No webhook arrives."""
        plan = self.rng.choice((self.markets.shopify, self.markets.square)).faults.deliveries
        plan.lose = 1.0
        self.stage.happened("webhooks blacked out")
        await self._for_a_while(600.0, 7_200.0)
        self._blow_deliveries(plan)

    async def _hold_back(self) -> None:
        """Webhooks arrive hours or days later."""
        plan = self.rng.choice((self.markets.shopify, self.markets.square)).faults.deliveries
        plan.delay_seconds_min = 3_600.0
        plan.delay_seconds_max = self.rng.choice(LATE_SECONDS)
        await self._for_a_while(300.0, 1_200.0)
        self._blow_deliveries(plan)

    async def _unsubscribe(self) -> None:
        """The marketplace drops our subscriptions and says nothing."""
        market = self.rng.choice((self.markets.shopify, self.markets.square))
        market.simulator.world.subscriptions.clear()
        self.stage.happened("subscriptions dropped silently")

    async def _take_the_token(self) -> None:
        which = self.rng.randrange(3)
        self.stage.happened("token expired or revoked")
        if which == 0:
            self.markets.amazon.simulator.account.expire_tokens()
            return
        if which == 1:
            account = self.markets.shopify.simulator.account
            token, account.access_token = account.access_token, None
            await self._for_a_while(30.0, 900.0)
            account.access_token = token or account.access_token
            return
        seller = self.markets.square.simulator.account
        seller.revoked = True
        await self._for_a_while(30.0, 900.0)
        seller.revoked = False

    async def _edit_by_hand(self) -> None:
        """Somebody takes units off a listing by hand, past us."""
        # Square's numbers are the shelf's: whoever lowers one says that the unit is gone.
        market = self.rng.choice((self.markets.shopify, self.markets.amazon))
        sku = self.rng.choice(sorted(SKUS))
        if market.may_sell(sku) > 0:
            await market.take_off(sku)
            self.stage.happened("number edited by hand")

    async def _edit_upwards(self) -> None:
        """Somebody puts units on a listing by hand that may be sold elsewhere already.

        Until it is noticed they can be sold, and nothing that we do prevents it.
        """
        market = self.rng.choice((self.markets.shopify, self.markets.amazon))
        units = self.rng.randint(1, 3)
        self.auditor.truth.excused[BREAKABLE] += units
        self.auditor.beyond[market.name, BREAKABLE] += units
        await market.put_on(BREAKABLE, units)
        self.stage.happened("number raised by hand")

    async def _break_a_batch(self) -> None:
        """Of the next batch of many numbers a half is applied, and nobody says which."""
        self.markets.amazon.simulator.feeds.fatal_next += 1

    async def _sell_beyond(self) -> None:
        """A shop sells more than it shows: a phone order."""
        units = self.rng.randint(1, 3)
        shopify = self.markets.shopify
        order = await shopify.simulator.shop.staff_order(BREAKABLE, units)
        shopify.sold[BREAKABLE] += units
        self.auditor.truth.excused[BREAKABLE] += units
        self.auditor.beyond["shopify", BREAKABLE] += units
        self.stage.happened("marketplace sold beyond its number")
        self.people.promised(shopify, order, BREAKABLE, units)

    async def _hide_orders(self) -> None:
        """Orders are found by a search only some time later."""
        self.markets.shopify.simulator.world.search_lag_seconds = 100.0
        self.markets.square.simulator.world.search_lag_seconds = 50.0
        self.markets.amazon.simulator.seller.visibility_seconds = (60.0, 280.0)
        self.stage.happened("orders visible late")
        await self._for_a_while(600.0, 3_600.0)
        self.markets.shopify.simulator.world.search_lag_seconds = 0.0
        self.markets.square.simulator.world.search_lag_seconds = 0.0
        self.markets.amazon.simulator.seller.visibility_seconds = (0.0, 120.0)

    async def _tag_all_orders(self) -> None:
        """Somebody marks every order of a shop: all of them have changed, and come in pages."""
        world = self.markets.shopify.simulator.world
        for order in world.orders.values():
            order.updated_at = world.now()
        self.stage.happened("every order changed at once")

    async def _send_nonsense(self) -> None:
        """Signed, and still not to be understood."""
        await self.people.send_nonsense()
        self.stage.happened("nonsense in a signed webhook")

    # ------------------------------------------------------------ the merchant

    async def _change_quotas(self) -> None:
        self._quotas = self.rng.choice(QUOTAS)
        self._rewrite()
        self.stage.happened("quotas changed")

    async def _remove_a_channel(self) -> None:
        """A channel goes out of the file, with whatever it still shows, and comes back."""
        if self._absent is not None:
            return
        self._absent = self.rng.choice(sorted(self._quotas))
        self.removed += 1
        self._rewrite()
        self.stage.happened("channel removed")
        await self._for_a_while(120.0, 5_400.0)
        self._absent = None
        self._rewrite()

    def _rewrite(self) -> None:
        self.write_file(self._quotas, self._absent)
        for daemon in self.house.daemons:
            daemon.reload_now.set()


async def _run(blow: Callable[[], Awaitable[None]]) -> None:
    await blow()
