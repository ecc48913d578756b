"""The lives of one daemon: it starts on what its predecessor left behind, works, and dies."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Collection, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from random import Random
from typing import Final

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection
from starlette.types import ASGIApp
from typing_extensions import override

from channelsync.bootstrap import (
    Application,
    Neighbours,
    OpenedChannels,
    policy_of,
    read_configuration,
)
from channelsync.daemon import at_work, get_ready
from channelsync.domain.vocabulary import Instant
from channelsync.engine.anchor import Anchoring
from channelsync.engine.core import Engine
from channelsync.engine.deliver import Outgoing, open_outgoing
from channelsync.engine.ends import Finished
from channelsync.engine.stock_csv import import_stock
from channelsync.engine.witness import Witness
from channelsync.engine.work import Claim, WorkKind
from channelsync.plugins.opening import Lent, Sharing
from channelsync.plugins.registry import Registry
from channelsync.ports import Clock, Environment
from channelsync.queue.in_process import InProcessBus
from channelsync.rehearsal.driver import Connection
from channelsync.rehearsal.markets import SKUS
from channelsync.rehearsal.process import Process
from channelsync.rehearsal.stage import Stage
from channelsync.rehearsal.wire import Door, Network, Wire
from channelsync.settings import Settings
from channelsync.store import tables
from channelsync.store.clock import DatabaseClock
from channelsync.store.database import Database
from channelsync.store.errors import is_passing
from channelsync.store.presence import Alone
from channelsync.web.app import WebOptions, build_receivers
from channelsync.worker.daemon import handlers
from channelsync.worker.supervisor import Handler

__all__ = ["Daemon", "House", "Presence"]

ABSENT_SECONDS: Final = 4.0
KEY: Final = b"of a rehearsal, in which nothing is signed"
SWEEP_SECONDS: Final = 300.0
"""Wake-ups are lost with a process alone, so looking without one may be rare, and cheap."""
UPTIME_SECONDS_MAX: Final = 1e6
RESTART_SECONDS: Final = (1.0, 6.0)
AHEAD_SECONDS_MAX: Final = 1.5
"""Of a machine whose clock alone counts."""
FAR_AHEAD_SECONDS_MAX: Final = 600.0
"""Of machines that ask the database for the time."""
REMARKABLE_SECONDS: Final = 60.0
TRUE_TIME: Final = sa.text("SELECT true_time()")
PERIODIC: Final = frozenset(
    {WorkKind.SEAL, WorkKind.ANCHOR, WorkKind.WATCH, WorkKind.SEQUENCE, WorkKind.PRUNE}
)
UNHURRIED_SECONDS: Final = 600.0


@dataclass(slots=True)
class House:
    """What the processes of one rehearsal share."""

    stage: Stage
    settings: Settings
    registry: Registry
    network: Network
    door: Door
    path: Path
    """The store's file, as of now: a restored one has another name."""
    on_commit: Callable[[Process, set[str]], None]
    on_birth: Callable[[], None] = lambda: None
    daemons: list[Daemon] = field(default_factory=list)
    work: Callable[[Mapping[WorkKind, Handler]], Mapping[WorkKind, Handler]] = lambda given: given
    front: Callable[[ASGIApp], ASGIApp] = lambda given: given
    clock: Callable[[Process, DatabaseClock], Clock] = lambda _process, clock: clock
    """Where a bug is planted."""
    slow_seconds: float = 0.0
    """How long the database takes over one way of a statement, on average; 0: no time at all."""

    @property
    def ahead_seconds_max(self) -> float:
        """How wrong the clock of a machine may be."""
        return FAR_AHEAD_SECONDS_MAX if len(self.daemons) > 1 else AHEAD_SECONDS_MAX

    def answer_seconds(self, rng: Random) -> float:
        """How long one way of a statement takes, there or back."""
        return rng.expovariate(1 / self.slow_seconds) if self.slow_seconds else 0.0

    def alive(self) -> list[Process]:
        """The processes that are there, the frozen ones included."""
        return [one.process for one in self.daemons if one.process is not None]


@dataclass(slots=True)
class Presence:
    """Who is there, as the sessions of a shared database tell it: the frozen are not dead."""

    house: House
    _gone_since: dict[str, float] = field(default_factory=dict)
    is_alone: bool = False
    held: bool = True

    async def absent(self, owners: Collection[str]) -> set[str]:
        """Those whose process has ended a while ago."""
        there = {process.owner for process in self.house.alive() if process.alive}
        now = self.house.stage.loop.time()
        gone = set(owners) - there
        self._gone_since = {one: self._gone_since.get(one, now) for one in gone}
        return {one for one, since in self._gone_since.items() if now - since >= ABSENT_SECONDS}

    async def count(self) -> int:
        """How many are there."""
        return max(sum(process.alive for process in self.house.alive()), 1)


class _Books(Database):
    """The store as one process sees it: nobody gets in after his death.

    The engine, with every statement it has compiled, is the same for all lives of a daemon.
    """

    def __init__(self, kept: Database, process: Process) -> None:
        super().__init__(kept.url)
        self._writer, self._reader = kept.engines
        self._process = process

    @override
    @asynccontextmanager
    async def write(self) -> AsyncIterator[AsyncConnection]:
        """A transaction that may write."""
        await self._process.at_gate("write")
        async with super().write() as tx:
            yield tx

    @override
    @asynccontextmanager
    async def read(self) -> AsyncIterator[AsyncConnection]:
        """A consistent snapshot to read from."""
        await self._process.at_gate("read")
        async with super().read() as connection:
            yield connection


class Daemon:
    """One after the other, processes of one name."""

    def __init__(self, house: House, name: str) -> None:
        self.house = house
        self.name = name
        self.process: Process | None = None
        self.application: Application | None = None
        self.reload_now = asyncio.Event()
        self.stopping = asyncio.Event()
        self.ready = asyncio.Event()
        self._rng = house.stage.chance(name)
        self._database = _kept(name, self)
        self._lives = 0
        self._processes: list[Process] = []
        self.may_start = asyncio.Event()
        self.may_start.set()

    def open_connection(self) -> Connection:
        """A connection of whichever process lives now."""
        if self.process is None:
            raise RuntimeError("nobody lives here")
        connection = Connection(self.house.path, self.process)
        connection.raw.create_function("true_time", 0, self.house.stage.now)
        connection.travel = self.process.travel
        return connection

    async def live(self) -> None:
        """Start, die or stop, and start again, for as long as the rehearsal lasts."""
        while True:
            process = self.process = self._next()
            await self._database.forget()
            self.stopping = asyncio.Event()
            task = asyncio.create_task(self._live_once(process))
            dies = asyncio.create_task(process.died.wait())
            await asyncio.wait({task, dies}, return_when=asyncio.FIRST_COMPLETED)
            self._bury(process, task)
            await asyncio.sleep(self._rng.uniform(*RESTART_SECONDS))
            await self.may_start.wait()

    def _next(self) -> Process:
        stage = self.house.stage
        self._lives += 1
        self.ready.clear()
        process = Process(
            stage,
            self.name,
            self._lives,
            Random(self._rng.random()),
            on_commit=self.house.on_commit,
            ahead_seconds=self._rng.uniform(-1.0, 1.0) * self.house.ahead_seconds_max,
            booted_at=stage.now() - self._rng.uniform(0.0, UPTIME_SECONDS_MAX),
        )
        process.answer_seconds = partial(self.house.answer_seconds, process.rng)
        if abs(process.ahead_seconds) > REMARKABLE_SECONDS:
            stage.happened("clock minutes off")
        self.house.on_birth()
        self._processes.append(process)
        return process

    def _bury(self, process: Process, task: asyncio.Task[None]) -> None:
        self.ready.clear()
        if not task.done():
            return
        error = task.exception()
        if error is not None and not is_passing(error):
            self.house.stage.violated(f"{process.owner} broke: {type(error).__name__}: {error}")
        process.kill("ended")

    async def _live_once(self, process: Process) -> None:
        async with AsyncExitStack() as opened:
            # No endpoint of the merchant's is told anything here.
            outgoing = await opened.enter_async_context(open_outgoing(KEY, ()))
            application = await self._put_together(process, outgoing)
            opened.push_async_callback(application.channels.close_all)
            await get_ready(application)
            await _count_the_stock(application.engine)
            self.application = application
            self.reload_now = asyncio.Event()
            options = WebOptions(public_url=application.settings.public_url)
            app = self.house.front(build_receivers(application.engine, options))
            work = self.house.work(_unhurried(handlers(application.settings.public_url)))
            working = at_work(
                application,
                watched=application.settings.config,
                reload_now=self.reload_now,
                work=work,
                sweep_seconds=SWEEP_SECONDS,
                housekeeping_seconds=SWEEP_SECONDS,
                watch_seconds=SWEEP_SECONDS,
            )
            async with working as worker:
                self.house.door.admit(process, app)
                self.ready.set()
                asked = asyncio.create_task(self.stopping.wait())
                await asyncio.wait({asked, worker}, return_when=asyncio.FIRST_COMPLETED)
                asked.cancel()
                if worker.done():
                    worker.result()

    def dismiss(self) -> None:
        """The rehearsal is over: nobody waits at a gate any more."""
        for process in self._processes:
            process.over = True
            process.kill("the end")

    async def _put_together(self, process: Process, outgoing: Outgoing) -> Application:
        house = self.house
        configuration = read_configuration(house.settings, house.registry)
        channels = OpenedChannels()
        books = _Books(self._database, process)
        alone = len(house.daemons) == 1
        clock = None
        now: Clock = process.now
        if not alone:
            if house.slow_seconds:
                house.stage.happened("start on a slow database")
            clock = await DatabaseClock.of(books, counted=process.counted, query=TRUE_TIME)
            now = house.clock(process, clock)
        engine = Engine(
            database=books,
            channels=channels,
            environment=Environment(now=now, new_id=process.new_id, owner=process.owner),
            bus=InProcessBus(),
            policy=policy_of(configuration),
            presence=Alone() if alone else Presence(house),
        )
        books.on_marked = engine.wake
        neighbours = Neighbours()
        lent = Lent(
            now=now,
            new_id=process.new_id,
            draw=process.rng.random,
            transport=Wire(process, house.network),
            sharing=None if alone else Sharing(None, lambda: neighbours.count),
        )
        for wanted in configuration.channels.values():
            await channels.open(house.registry, wanted, lent)
        return Application(
            settings=house.settings,
            registry=house.registry,
            configuration=configuration,
            channels=channels,
            lent=lent,
            engine=engine,
            anchoring=Anchoring(places=()),
            outgoing=outgoing,
            witness=Witness(house.settings.data_dir / f"seen-{self.name}"),
            clock=None if alone else clock,
            neighbours=neighbours,
        )


_KEPT: dict[str, tuple[Database, list[Daemon]]] = {}
"""Engines with what they have compiled, from one rehearsal to the next."""


def _kept(name: str, daemon: Daemon) -> Database:
    """The database as daemons of this name open it; `daemon` is the one that does from now on."""
    if name not in _KEPT:
        current: list[Daemon] = []

        async def connect() -> Connection:
            return current[0].open_connection()

        _KEPT[name] = Database("sqlite+aiosqlite:///rehearsal.db", connect=connect), current
    database, current = _KEPT[name]
    current[:] = [daemon]
    return database


def _unhurried(work: Mapping[WorkKind, Handler]) -> dict[WorkKind, Handler]:
    """What looks again every few seconds whether there is anything to do, more rarely."""

    def slowed(handler: Handler) -> Handler:
        async def act(engine: Engine, held: Claim) -> Instant | Finished | None:
            again_at = await handler(engine, held)
            if again_at is None or isinstance(again_at, Finished):
                return again_at
            return max(again_at, engine.now() + UNHURRIED_SECONDS)

        return act

    return {kind: slowed(one) if kind in PERIODIC else one for kind, one in work.items()}


async def _count_the_stock(engine: Engine) -> None:
    """The merchant's first sheet."""
    async with engine.database.read() as connection:
        if (await connection.execute(sa.select(tables.items.c.id))).first() is not None:
            return
    sheet = "sku,location,on_hand\n" + "".join(f"{sku},dc,{units}\n" for sku, units in SKUS.items())
    await import_stock(
        engine.database,
        engine.environment,
        sheet,
        source="stock.csv",
        counted_at=engine.now(),
        reason="first count",
        create_missing=True,
    )
