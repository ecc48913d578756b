"""One rich day of a small shop, told so that it can be taken up again after a crash at any point.

What happens outside of us (shoppers, parcels, broken wires) happens once. What is asked of us is
asked again by whoever got no answer, as a marketplace or a person would: every request below is one
that may be repeated.
"""

from __future__ import annotations

import copy
import itertools
import sqlite3
from collections.abc import Awaitable, Callable, Iterator
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import sqlalchemy as sa

from channelsync.domain.allocation_rules import Rule
from channelsync.domain.vocabulary import PushSemantics
from channelsync.engine.core import Engine
from channelsync.engine.dead_letters import drop_dead_letter
from channelsync.engine.hold_types import HoldRequest
from channelsync.engine.holds_desk import HoldsDesk
from channelsync.engine.inbox import Inbox, Received
from channelsync.engine.policy import Policy
from channelsync.engine.recover import recover
from channelsync.engine.setup import apply_setup
from channelsync.engine.stock_desk import StockDesk
from channelsync.ports import Environment
from channelsync.queue.in_process import InProcessBus
from channelsync.sdk.testing.memory import MemoryMarket
from channelsync.sdk.types import Delivery
from channelsync.store import tables
from channelsync.store.database import Database, sqlite_url
from channelsync.worker.supervisor import Supervisor
from tests.support.hooked import HookedChannel, Wire, webhook
from tests.support.house import (
    HANDLERS,
    Channels,
    Clock,
    House,
    build_house,
    open_market,
    setup_for,
)
from tests.support.inline_sqlite import inline_connections

STOCK: Final = {"MUG": 14, "CAP": 5}
MARKETS: Final = {
    "shop": PushSemantics.KEYED_COMPARE_AND_SET,
    "mall": PushSemantics.ABSOLUTE,
}
QUOTAS: Final = {"shop": 5_000, "mall": 3_000}
"""The rest is free for carts."""
DECLARED: Final = {"apply_limit_seconds": 60.0, "quarantine_seconds": 5.0}
SMALL_PAGES: Final = 1024
"""Bytes. The many small tables are copied at each gate, and take a third of the usual size."""
QUIET_SECONDS: Final = (70.0, 530.0)
"""Past every limit that the channels declare, then past every pause before another try."""
RESTS_MAX: Final = 4
"""So often more a rest may be needed where a set, its reading and an order met at a bad moment."""


@dataclass(slots=True)
class World:
    """Everything that no crash of ours can touch."""

    clock: Clock = field(default_factory=Clock)
    markets: dict[str, MemoryMarket] = field(default_factory=dict)
    on_hand: dict[str, int] = field(default_factory=lambda: dict(STOCK))
    """The shelf, counted by somebody who makes no mistakes."""
    orders: dict[str, tuple[str, str]] = field(default_factory=dict)
    """Market and order id, by the name that the story gives it."""
    counted_at: float = 0.0
    counted: int = 0
    asked_for: set[str] = field(default_factory=set)
    """Requests that somebody has made, answered or not."""

    def state(self) -> object:
        """Everything of it but the time."""
        kept = ("counters", "orders", "applied_keys", "late", "faults")
        markets = [[getattr(m, name) for name in kept] for m in self.markets.values()]
        return markets, self.on_hand, self.orders, self.counted, sorted(self.asked_for)

    def buy(self, name: str, market: str, sku: str, units: int = 1) -> None:
        order_id = self.markets[market].sell(sku, units)
        if order_id is not None:
            self.orders[name] = (market, order_id)

    def cancel(self, name: str) -> None:
        if name in self.orders:
            market, order_id = self.orders[name]
            self.markets[market].cancel(order_id)

    def ship(self, name: str) -> None:
        if name in self.orders:
            market, order_id = self.orders[name]
            self.markets[market].ship(order_id)
            fact = self.markets[market].orders[order_id]
            self.on_hand[fact.sku or ""] -= fact.ordered - fact.cancelled

    def look_at_the_shelf(self) -> None:
        """Somebody counts the mugs, and will enter the number later."""
        self.counted_at, self.counted = self.clock(), self.on_hand["MUG"]


@dataclass(slots=True)
class Scene:
    """One life of the program in that world."""

    world: World
    house: House
    inbox: Inbox

    # ------------------------------------------------------------ asked of us

    async def work(self, *pauses: float) -> None:
        """Everything that is due, now and after each pause."""
        await self.house.settle_down()
        for seconds in pauses:
            # A set that was accepted applies before the next thing happens.
            for market in self.world.markets.values():
                market.apply_late()
            await self.house.settle_down(seconds, step=seconds)

    async def rest(self) -> None:
        """Nobody shops, nothing breaks, until nothing is left to do, which must not last."""
        await self.work(*QUIET_SECONDS)
        for _ in range(RESTS_MAX):
            if await self._is_at_rest():
                return
            await self.work(QUIET_SECONDS[-1])

    async def _is_at_rest(self) -> bool:
        """Whether every listing is proven and holds what its market shows."""
        return all(
            not row.settle_reasons
            and row.exposure == max(self.world.markets[row.channel].counters[row.sku], 0)
            for row in await self.house.rows(tables.listings)
        )

    async def tell(self, name: str, key: str) -> None:
        """A marketplace's webhook, sent until it is acknowledged."""
        if name in self.world.orders:
            market, order_id = self.world.orders[name]
            fact = self.world.markets[market].orders[order_id]
            await self._receive(market, webhook(f"{key}-{fact.version}", fact))

    async def tell_nonsense(self) -> None:
        self.world.asked_for.add("nonsense")
        nonsense = Delivery(dedupe_key="nonsense", topic="orders", reduced={"key": "nonsense"})
        await self._receive("shop", nonsense)

    async def _receive(self, channel: str, delivery: Delivery) -> None:
        at = self.world.clock()
        await self.inbox.store(Received(channel=channel, delivery=delivery, body=b"", at=at))

    async def adjust(self, sku: str, delta: int, why: str) -> None:
        """A person looks whether his entry is there before he repeats it."""
        moved = tables.movements
        async with self.house.engine.database.read() as tx:
            found = (await tx.execute(sa.select(moved.c.id).where(moved.c.note == why))).first()
        if found is None:
            await self._desk().adjust(sku, "dc", delta, reason=why, actor="owner")

    async def enter_the_count(self) -> None:
        at, units = self.world.counted_at, self.world.counted
        await self._desk().count("MUG", "dc", units, counted_at=at, reason="count", actor="owner")

    def _desk(self) -> StockDesk:
        return StockDesk(self.house.engine.database, self.house.engine.environment)

    async def hold(self, owner: str, ttl_seconds: float) -> None:
        self.world.asked_for.add(owner)
        if await self._hold_of(owner) is None:
            request = HoldRequest(owner=owner, lines={"MUG": 1}, ttl_seconds=ttl_seconds)
            async with self.house.engine.database.write() as tx:
                await HoldsDesk(self.house.engine).create(tx, request)

    async def confirm(self, owner: str) -> None:
        self.world.asked_for.add(f"confirm {owner}")
        row = await self._hold_of(owner)
        if row is not None and row.state == "active":
            async with self.house.engine.database.write() as tx:
                await HoldsDesk(self.house.engine).confirm(tx, row.id, f"order of {owner}")

    async def _hold_of(self, owner: str) -> Any:
        rows = await self.house.rows(tables.holds)
        return next((row for row in rows if row.owner == owner), None)

    async def drop_the_dead_letter(self) -> None:
        self.world.asked_for.add("drop")
        for row in await self.house.rows(tables.dead_letters):
            if row.state == "dead":
                await drop_dead_letter(self.house.engine, row.id)


# ------------------------------------------------------------------ the story

Happens = Callable[[World], None]
Asked = Callable[[Scene], Awaitable[None]]


class Work:
    """The program is left to itself for a while."""

    def __init__(self, *pauses: float) -> None:
        self._pauses = pauses

    async def __call__(self, scene: Scene) -> None:
        await scene.work(*self._pauses)


def _break(world: World, sku: str, units: int) -> None:
    world.on_hand[sku] += units


STORY: Final[tuple[tuple[Happens | None, Asked | None], ...]] = (
    (None, Work(15, 30)),
    (lambda world: world.buy("first", "shop", "MUG", 2), None),
    (lambda world: world.buy("second", "mall", "MUG"), lambda scene: scene.tell("first", "new")),
    (None, Work(30)),
    (None, lambda scene: scene.hold("lasting", 86_400)),
    (None, lambda scene: scene.hold("fleeting", 60)),
    (lambda world: world.cancel("first"), lambda scene: scene.tell("first", "cancel")),
    (None, lambda scene: scene.tell_nonsense()),
    (None, Work(15)),
    (lambda world: _break(world, "MUG", -6), lambda scene: scene.adjust("MUG", -6, "broken")),
    (None, Work(15, 30)),
    (None, lambda scene: scene.confirm("lasting")),
    (lambda world: world.markets["shop"].faults.append("lose_answer"), None),
    (lambda world: world.markets["mall"].faults.append("accept_late"), None),
    (lambda world: _break(world, "MUG", 9), lambda scene: scene.adjust("MUG", 9, "delivered")),
    (None, Work(15, 30)),
    (lambda world: world.buy("third", "shop", "CAP"), lambda scene: scene.tell("third", "new")),
    (lambda world: world.buy("fourth", "mall", "MUG", 2), None),
    (lambda world: world.ship("second"), lambda scene: scene.tell("second", "shipped")),
    (lambda world: world.look_at_the_shelf(), None),
    (lambda world: world.ship("third"), lambda scene: scene.enter_the_count()),
    (None, lambda scene: scene.drop_the_dead_letter()),
    (None, Work(15, 45)),
)


# ------------------------------------------------------------------ lives


@dataclass(frozen=True, slots=True)
class Moment:
    """What is left when the program dies at one gate."""

    gate: int
    where: str
    database: bytes
    world: World
    chapter: int
    happened: bool
    """Whether the outer half of the chapter has happened already."""


async def first_life(folder: Path, gate: Callable[[str], None]) -> Scene:
    """A new shop on an empty store."""
    path = folder / "first.db"
    world = World()
    for name, semantics in MARKETS.items():
        counters = dict.fromkeys(STOCK, 0)
        market = MemoryMarket(semantics=semantics, now=world.clock, counters=counters)
        world.markets[name] = market
    with closing(sqlite3.connect(path)) as empty:
        empty.execute(f"PRAGMA page_size={SMALL_PAGES}")
        empty.execute("VACUUM")
    database = Database(sqlite_url(path), connect=inline_connections(path, gate))
    async with database.write() as tx:
        await tx.run_sync(tables.metadata.create_all)
    house = await build_house(
        folder,
        stock=STOCK,
        quotas=QUOTAS,
        semantics=MARKETS,
        declared=DECLARED,
        markets=world.markets,
        open_channel=_wired(gate),
        clock=world.clock,
        database=database,
    )
    return Scene(world, house, Inbox(house.engine))


class Disk:
    """One store after the other under one name: a driver prepares its statements only once."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._path = folder / "none.db"
        self.database = Database(sqlite_url(self._path), connect=self._connect)

    async def _connect(self) -> Any:
        return await inline_connections(self._path)()

    async def put(self, moment: Moment) -> None:
        """Hold what was committed at this moment, and nothing else."""
        await self.database.close()
        self._path.unlink(missing_ok=True)
        self._path = self._folder / f"gate-{moment.gate}.db"
        self._path.write_bytes(moment.database)

    def rows(self) -> Iterator[tuple[Any, ...]]:
        """Everything that is in the store, table by table."""
        with closing(sqlite3.connect(self._path)) as database:
            for table in tables.metadata.sorted_tables:
                yield (table.name,)
                yield from database.execute(str(table.select()))


async def next_life(disk: Disk, moment: Moment) -> Scene:
    """The program started again on what a crash left behind."""
    await disk.put(moment)
    world = copy.deepcopy(moment.world)
    world.clock.at += 3
    ids = itertools.count(1)
    channels = Channels()
    engine = Engine(
        database=disk.database,
        channels=channels,
        environment=Environment(
            now=world.clock, new_id=lambda: f"again-{next(ids):06d}", owner="again"
        ),
        bus=InProcessBus(),
        policy=Policy(rules={"main": (Rule(name="default", quotas=dict(QUOTAS)),)}),
    )
    house = House(
        engine=engine,
        clock=world.clock,
        supervisor=Supervisor(engine=engine, handlers=HANDLERS),
        channels=channels,
        markets=world.markets,
        open_channel=_wired(lambda _which: None),
    )
    for name in MARKETS:
        open_market(house, name, **DECLARED)
    await recover(engine)
    await apply_setup(engine, setup_for(MARKETS))
    return Scene(world, house, Inbox(engine))


def _wired(gate: Callable[[str], None]) -> Callable[[str, MemoryMarket], HookedChannel]:
    def open_channel(_name: str, market: MemoryMarket) -> HookedChannel:
        wire = Wire()
        wire.before_call = lambda what: gate(f"before a {what}")
        wire.after_call = lambda what: gate(f"after a {what}")
        return HookedChannel(market, wire)

    return open_channel
