"""A whole house for engine tests: a real SQLite file, a clock in hand, marketplaces in memory."""

from __future__ import annotations

import itertools
import sqlite3
from collections.abc import Awaitable, Callable, Iterable, Mapping
from contextlib import closing
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

import sqlalchemy as sa

from channelsync.domain.allocation_rules import Rule
from channelsync.domain.vocabulary import PushSemantics
from channelsync.engine.core import Engine
from channelsync.engine.discover import discover
from channelsync.engine.expire import expire
from channelsync.engine.policy import Policy
from channelsync.engine.poll import fetch, poll
from channelsync.engine.publish import publish
from channelsync.engine.receive import intake
from channelsync.engine.reconcile import reconcile, reconcile_together
from channelsync.engine.settle import settle
from channelsync.engine.setup import ChannelSetup, LocationSetup, Setup, apply_setup
from channelsync.engine.tell import tell
from channelsync.engine.watch import watch
from channelsync.engine.work import WorkKind, mark_items
from channelsync.ports import Environment, RunningChannel
from channelsync.queue.in_process import InProcessBus
from channelsync.sdk.testing.memory import MemoryChannel, MemoryConnector, MemoryMarket
from channelsync.store import tables
from channelsync.store.database import Database, sqlite_url
from channelsync.store.ledger import StockMove, move_stock
from channelsync.store.tables import MovementKind, Quantity
from channelsync.store.verify import verify
from channelsync.worker.supervisor import Handler, InBatches, Supervisor
from tests.support.inline_sqlite import inline_connections

HANDLERS: dict[WorkKind, Handler] = {
    WorkKind.INTAKE: intake,
    WorkKind.EXPIRE: expire,
    WorkKind.POLL: poll,
    WorkKind.FETCH: fetch,
    WorkKind.DISCOVER: discover,
    WorkKind.RECONCILE: InBatches(reconcile, reconcile_together),
    WorkKind.PUBLISH: publish,
    WorkKind.TELL: tell,
    WorkKind.SETTLE: settle,
    WorkKind.WATCH: watch,
}

START = 1_700_000_000.0


@dataclass(slots=True)
class Clock:
    """Time that moves only when told to, and a hair at every look."""

    at: float = START

    def __call__(self) -> float:
        self.at += 0.000_1
        return self.at


@dataclass(slots=True)
class Channels:
    """Open channels, by name."""

    running: dict[str, RunningChannel] = field(default_factory=dict)

    def get(self, name: str) -> RunningChannel | None:
        """The open channel of that name, if any."""
        return self.running.get(name)

    def names(self) -> tuple[str, ...]:
        """All of them, sorted."""
        return tuple(sorted(self.running))


@dataclass(slots=True)
class House:
    """Stock, channels, engine and supervisor of one test."""

    engine: Engine
    clock: Clock
    supervisor: Supervisor
    channels: Channels
    markets: dict[str, MemoryMarket] = field(default_factory=dict)
    open_channel: Callable[[str, MemoryMarket], MemoryChannel] = lambda _name, market: (
        MemoryChannel(market)
    )
    """How a channel onto a market is opened."""

    async def settle_down(self, seconds: float = 0.0, step: float = 5.0) -> None:
        """Let `seconds` pass, doing all work that becomes due on the way."""
        end = self.clock.at + seconds
        await self.supervisor.run_until_idle(horizon=self.clock.at + 1)
        while self.clock.at < end:
            self.clock.at = min(self.clock.at + step, end)
            await self.supervisor.run_until_idle(horizon=self.clock.at + 1)

    async def listing(self, channel: str, sku: str) -> Any:
        """The stored row of a listing."""
        query = sa.select(tables.listings).where(
            tables.listings.c.channel == channel, tables.listings.c.sku == sku
        )
        async with self.engine.database.read() as connection:
            return (await connection.execute(query)).one()

    async def rows(self, table: sa.Table) -> list[Any]:
        """Everything in a table."""
        async with self.engine.database.read() as connection:
            return list((await connection.execute(sa.select(table))).all())

    async def exposures(self, sku: str) -> dict[str, int | None]:
        """What each channel may still sell of a SKU."""
        return {
            row.channel: row.exposure for row in await self.rows(tables.listings) if row.sku == sku
        }

    async def require_clean_books(self) -> None:
        """Every balance and exposure is what the ledger says."""
        async with self.engine.database.read() as connection:
            report = await verify(connection)
        assert not report.findings, report.findings

    def sold(self, sku: str) -> int:
        """Units accepted by every marketplace, cancels taken off."""
        return sum(market.net_sold(sku) for market in self.markets.values())


Build = Callable[..., Awaitable[House]]
"""The fixture `build`: arguments as `build_house`, less the folder."""


async def build_house(
    folder: Path,
    *,
    stock: Mapping[str, int | Mapping[str, int]],
    quotas: Mapping[str, int],
    semantics: Mapping[str, PushSemantics],
    safety_stock: int = 0,
    declared: Mapping[str, Any] | None = None,
    counters: Mapping[str, int] | None = None,
    recipes: Mapping[str, Mapping[str, int]] | None = None,
    markets: Mapping[str, MemoryMarket] | None = None,
    open_channel: Callable[[str, MemoryMarket], MemoryChannel] | None = None,
    clock: Clock | None = None,
    database: Database | None = None,
) -> House:
    """A house with a memory market a channel (new ones, or `markets`), quotas in basis points.

    Stock is at the location `dc`, unless it says where. `recipes` are of offers on every channel.
    Without a migrated `database` of its own it gets a SQLite file.
    """
    if database is None:
        path = folder / "house.db"
        path.write_bytes(empty_books())
        database = Database(sqlite_url(path), connect=inline_connections(path))
    clock = clock or Clock()
    ids = itertools.count(1)
    channels = Channels()
    engine = Engine(
        database=database,
        channels=channels,
        environment=Environment(now=clock, new_id=lambda: f"id-{next(ids):06d}", owner="test"),
        bus=InProcessBus(),
        policy=Policy(
            rules={"main": (Rule(name="default", quotas=dict(quotas)),)},
            safety_stock={"main": safety_stock},
            recipes={
                (channel, sku): recipe
                for channel in semantics
                for sku, recipe in (recipes or {}).items()
            },
        ),
    )
    house = House(
        engine=engine,
        clock=clock,
        supervisor=Supervisor(engine=engine, handlers=HANDLERS),
        channels=channels,
    )
    if open_channel is not None:
        house.open_channel = open_channel
    for name, kind in semantics.items():
        start = dict.fromkeys(stock, 0) if counters is None else dict(counters)
        own = MemoryMarket(semantics=kind, now=clock, counters=start)
        house.markets[name] = own if markets is None else markets[name]
        open_market(house, name, **(declared or {}))
    places = dict.fromkeys(place for level in stock.values() for place in _by_place(level))
    await apply_setup(engine, setup_for(semantics, places or ("dc",)))
    await put_stock(house, stock.items())
    return house


@cache
def empty_books() -> bytes:
    """A file with every table and no row: made once, since many houses are built."""
    with closing(sqlite3.connect(":memory:")) as books:
        engine = sa.create_engine("sqlite://", creator=lambda: books, poolclass=sa.StaticPool)
        tables.metadata.create_all(engine)
        return books.serialize()


def neighbour(house: House, name: str) -> House:
    """Another daemon on the same store and marketplaces, with connections and names of its own."""
    ids = itertools.count(1)
    database = Database(house.engine.database.url)
    engine = Engine(
        database=database,
        channels=house.channels,
        environment=Environment(
            now=house.clock, new_id=lambda: f"{name}-{next(ids):06d}", owner=name
        ),
        bus=InProcessBus(),
        policy=house.engine.policy,
    )
    return House(
        engine=engine,
        clock=house.clock,
        supervisor=Supervisor(engine=engine, handlers=HANDLERS),
        channels=house.channels,
        markets=house.markets,
    )


def open_market(house: House, name: str, **declared: Any) -> None:
    """Open (or open anew) the channel of a market."""
    market = house.markets[name]
    manifest = MemoryConnector(market, **declared).manifest
    house.channels.running[name] = RunningChannel(
        name=name,
        manifest=manifest,
        channel=house.open_channel(name, market),
        quarantine_seconds=manifest.quarantine_seconds,
        poll_interval_seconds=manifest.poll_interval_seconds,
        quiet_limit_seconds=manifest.quiet_limit_seconds,
    )


def setup_for(names: Iterable[str], places: Iterable[str] = ("dc",)) -> Setup:
    """One pool with these locations, earlier ones serving first, and these channels."""
    return Setup(
        fingerprint="test",
        locations=tuple(
            LocationSetup(code=code, name=code.upper(), pool="main", priority=priority)
            for priority, code in enumerate(places)
        ),
        channels=tuple(
            ChannelSetup(name=name, connector="memory", pool="main", mode="live") for name in names
        ),
    )


async def put_stock(house: House, counts: Iterable[tuple[str, int | Mapping[str, int]]]) -> None:
    """Give items stock, counted now, at the locations named or at `dc`."""
    now = house.clock()
    async with house.engine.database.write() as tx:
        query = sa.select(tables.locations.c.code, tables.locations.c.id)
        places = {row.code: row.id for row in await tx.execute(query)}
        for sku, level in counts:
            row = {"sku": sku, "created_at": now}
            result = await tx.execute(sa.insert(tables.items).values(row))
            key = result.inserted_primary_key
            assert key is not None
            moves = [
                StockMove(
                    item_id=key[0],
                    location_id=places[code],
                    quantity=Quantity.ON_HAND,
                    delta=on_hand,
                    kind=MovementKind.BASELINE,
                    actor="test",
                    at=now,
                )
                for code, on_hand in _by_place(level).items()
            ]
            await move_stock(tx, moves)
            await mark_items(tx, (key[0],), now)


def _by_place(level: int | Mapping[str, int]) -> Mapping[str, int]:
    return {"dc": level} if isinstance(level, int) else level
