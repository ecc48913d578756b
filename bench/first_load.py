"""The first load of a large catalogue, played whole on virtual time at the marketplaces' limits.

One marketplace at a time, with the real engine, store and connector. Half-way the daemon is cut
off and another one goes on. What a marketplace's limits allow is told by its connector.
"""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from random import Random
from typing import Final

import sqlalchemy as sa

from bench.figure import Figure
from bench.first_load_limits import shortest_seconds
from bench.first_load_markets import MARKETS, Market
from bench.house import skus
from bench.scale import Scale
from bench.virtual_time import VirtualLoop, run_virtually
from channelsync.domain.allocation_rules import Rule
from channelsync.engine.core import Engine
from channelsync.engine.first_load import load_of
from channelsync.engine.policy import Policy
from channelsync.engine.recover import recover
from channelsync.engine.setup import ChannelSetup, LocationSetup, Setup, apply_setup
from channelsync.plugins.opening import Lent, open_channel
from channelsync.plugins.registry import Registry
from channelsync.ports import Environment, RunningChannel
from channelsync.queue.in_process import InProcessBus
from channelsync.store import tables
from channelsync.store.database import Database, sqlite_url
from channelsync.worker.daemon import handlers
from channelsync.worker.supervisor import Supervisor
from tests.support.inline_sqlite import inline_connections

__all__ = ["Played", "measure", "play"]

UNITS: Final = 8
LOOK_SECONDS: Final = 2.0
SECONDS_MAX: Final = 86_400.0
REACHED_MIN: Final = 0.85
"""So much of what the limits allow is to be reached."""
DC: Final = LocationSetup(code="dc", name="DC", pool="main", priority=0)


@dataclass(slots=True, kw_only=True)
class Played:
    """What one load came to. Seconds of virtual time since its beginning."""

    channel: str
    listings: int
    found_after: float = 0.0
    cut_off_after: float = 0.0
    done_after: float = 0.0
    limits_allow: float = 0.0
    """Seconds that the marketplace's limits make of it."""
    written: int = 0
    """Offers whose number was written over the wire."""
    written_again: int = 0
    """Of these, more than once."""
    wrong: int = 0
    """Offers that show something else at the end than they shall."""


@dataclass(slots=True)
class _Channels:
    running: dict[str, RunningChannel] = field(default_factory=dict)

    def get(self, name: str) -> RunningChannel | None:
        return self.running.get(name)

    def names(self) -> tuple[str, ...]:
        return tuple(sorted(self.running))


async def measure(scale: Scale, folder: Path) -> list[Figure]:
    """A figure for each marketplace: how long its whole load takes."""
    figures = []
    for name in MARKETS:
        # A loop of its own, so it cannot run on this one.
        played = await asyncio.to_thread(play, name, scale.load_listings, folder)
        if played.wrong:
            raise RuntimeError(f"{name}: {played.wrong} offers do not show their number")
        figures.append(
            Figure(
                name=f"first load of {played.listings:,} listings, {name}, one restart",
                unit="seconds",
                better="less",
                values=(played.done_after,),
                limits=(played.limits_allow,),
                limit_is="as its rate limits allow",
                target=played.limits_allow / REACHED_MIN if scale.load_is_long else None,
            )
        )
    return figures


def play(name: str, listings: int, folder: Path) -> Played:
    """Load so many listings into a new channel; the daemon is cut off half-way."""
    loop = VirtualLoop()
    return run_virtually(_Load(name, listings, folder, loop).play(), loop)


class _Load:
    """One load."""

    def __init__(self, name: str, listings: int, folder: Path, loop: VirtualLoop) -> None:
        self._loop = loop
        self._path = folder / f"first-load-{name}.db"
        self._skus = skus(listings)
        self._market: Market = MARKETS[name](self._skus, loop.now)
        self._played = Played(channel=name, listings=listings)
        self._began = loop.time()

    async def play(self) -> Played:
        await self._count_stock()
        self._began = self._loop.time()
        async with self._daemon(life=1) as engine:
            await self._until(engine, self._played.listings // 2)
            self._played.cut_off_after = self._loop.time() - self._began
        async with self._daemon(life=2) as engine:
            await self._until(engine, None)
            played = self._played
            played.done_after = self._loop.time() - self._began
            played.limits_allow = await self._allowed(engine)
        await self._rest()
        played.written = len(self._market.written)
        played.written_again = sum(times > 1 for times in self._market.written.values())
        played.wrong = sum(self._market.shown(sku) != UNITS for sku in self._skus)
        return played

    async def _count_stock(self) -> None:
        database = Database(sqlite_url(self._path), connect=inline_connections(self._path))
        now = self._loop.now()
        numbers = range(1, len(self._skus) + 1)
        async with database.write() as tx:
            await tx.run_sync(tables.metadata.create_all)
            location = {"id": 1, "code": "dc", "name": "DC", "pool": "main"}
            await tx.execute(sa.insert(tables.locations).values(location))
            await tx.execute(
                sa.insert(tables.items),
                [
                    {"id": number, "sku": sku, "created_at": now}
                    for number, sku in zip(numbers, self._skus, strict=True)
                ],
            )
            stock = {"location_id": 1, "on_hand": UNITS, "counted_at": now}
            await tx.execute(
                sa.insert(tables.stock), [stock | {"item_id": number} for number in numbers]
            )
        await database.close()

    async def _until(self, engine: Engine, written: int | None) -> None:
        """Until so many numbers have left, or (None) until the load is over."""
        channels, name = tables.channels, self._played.channel
        query = sa.select(channels).where(channels.c.name == name)
        while self._loop.time() - self._began < SECONDS_MAX:
            await asyncio.sleep(LOOK_SECONDS)
            async with engine.database.read() as tx:
                row = (await tx.execute(query)).one()
                if row.discovered_at is None:
                    continue
                over = await load_of(tx, row, now=engine.now()) is None
            if not self._played.found_after:
                self._played.found_after = self._loop.time() - self._began
            if over or (written is not None and len(self._market.written) >= written):
                return
        raise RuntimeError(f"the load of {name} is not over after a day")

    async def _allowed(self, engine: Engine) -> float:
        """The shortest that a load can be."""
        columns = tables.channels.c
        async with engine.database.read() as tx:
            rates = (await tx.execute(sa.select(columns.load_rates))).scalar_one()
        running = engine.channels.get(self._played.channel)
        if running is None:
            raise RuntimeError("the channel is not open")
        manifest = running.manifest
        return shortest_seconds(
            self._played.listings,
            rates,
            visible_after_seconds=manifest.visibility_lag_seconds + manifest.clock_skew_seconds,
            batches=self._market.batches,
        )

    async def _rest(self) -> None:
        """What was taken in applies."""
        await asyncio.sleep(SECONDS_MAX)

    @asynccontextmanager
    async def _daemon(self, life: int) -> AsyncIterator[Engine]:
        """A daemon that is cut off at the end, wherever it is."""
        engine, channels = self._engine(life)
        rng, market = Random(life), self._market
        lent = Lent(
            now=self._loop.now,
            new_id=lambda: f"{rng.getrandbits(128):032x}",
            draw=rng.random,
            transport=market.counted(),
        )
        opened = await open_channel(
            Registry().with_connector(market.connector),
            name=market.name,
            connector=market.name,
            settings=market.settings,
            lent=lent,
        )
        manifest = opened.manifest
        channels.running[market.name] = RunningChannel(
            name=market.name,
            manifest=manifest,
            channel=opened.channel,
            quarantine_seconds=manifest.quarantine_seconds,
            poll_interval_seconds=manifest.poll_interval_seconds,
            quiet_limit_seconds=manifest.quiet_limit_seconds,
        )
        setup = ChannelSetup(name=market.name, connector=market.name, pool="main", mode="live")
        await recover(engine)
        await apply_setup(engine, Setup(fingerprint="load", locations=(DC,), channels=(setup,)))
        working = asyncio.create_task(Supervisor(engine=engine, handlers=handlers(None)).run())
        try:
            yield engine
        finally:
            working.cancel()
            await asyncio.gather(working, return_exceptions=True)
            await opened.close()
            await engine.database.close()

    def _engine(self, life: int) -> tuple[Engine, _Channels]:
        ids, channels = itertools.count(1), _Channels()
        rule = Rule(name="all", quotas={self._market.name: 10_000})
        engine = Engine(
            database=Database(sqlite_url(self._path), connect=inline_connections(self._path)),
            channels=channels,
            environment=Environment(
                now=self._loop.now,
                new_id=lambda: f"{life}-{next(ids):08d}",
                owner=f"bench-{life:08x}",
            ),
            bus=InProcessBus(),
            policy=Policy(rules={"main": (rule,)}, safety_stock={"main": 0}),
        )
        engine.database.on_marked = engine.wake
        return engine, channels
