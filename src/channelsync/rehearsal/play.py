"""One rehearsal: a stormy time, then a calm one in which everything must come to rest."""

from __future__ import annotations

import asyncio
import gc
import os
import random
import sqlite3
import sys
import tempfile
import time
import traceback
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from random import Random
from typing import Any, Final

import httpx
import sqlalchemy as sa
import structlog

from channelsync.plugins.discovery import discover
from channelsync.rehearsal.auditor import Auditor, Truth
from channelsync.rehearsal.ears import Ears
from channelsync.rehearsal.life import Daemon, House
from channelsync.rehearsal.loop import VirtualLoop
from channelsync.rehearsal.markets import SKUS, Market, Markets, open_markets
from channelsync.rehearsal.merchant import merchants_file
from channelsync.rehearsal.people import People
from channelsync.rehearsal.process import Process
from channelsync.rehearsal.referee import Referee
from channelsync.rehearsal.rest import come_to_rest
from channelsync.rehearsal.stage import Stage, Violation
from channelsync.rehearsal.storm import Storm
from channelsync.rehearsal.wire import Door, Network
from channelsync.settings import Settings
from channelsync.store import tables

__all__ = ["Outcome", "Plan", "play", "play_timed"]

PUBLIC_URL: Final = "https://sync.example.com"
COURIERS: Final = 2
COURIER_SECONDS: Final = 10.0
ROUNDS_MAX: Final = 20
RARE_COLLECTIONS: Final = (50_000, 20, 50)
INJECTED: Final = {
    "delivery_lost": "webhook lost",
    "delivery_doubled": "webhook doubled",
    "delivery_dropped": "webhook given up on",
    "subscription_deleted": "subscription deleted for want of answers",
    "throttled": "throttled",
    "server_error_before": "server error, not done",
    "server_error_after": "server error, done all the same",
    "timeout_before": "no answer, not done",
    "timeout_after": "no answer, done all the same",
    "offline": "no connection",
}
"""The simulators' own counters, in words."""
SHARES: Final = {"amazon": 45, "shopify": 30, "square": 20}
"""The rest is free for carts."""


def _none(_house: House) -> None:
    """Plants no bug."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """What to play."""

    seed: int
    hours: float = 6.0
    """Of storm; the calm comes afterwards."""
    daemons: int = 1
    every_seconds: float = 180.0
    """Between two things that somebody does."""
    bug: Callable[[House], None] = _none
    """Plants a bug, which must be found."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """What one rehearsal came to."""

    seed: int
    hours: float
    """Virtual time that passed in all."""
    digest: str
    happenings: int
    commits: int
    sold: int
    refused: int
    oversold: int
    counts: Counter[str]
    checks: Counter[str]
    violation: str | None
    """The first thing that did not hold; None: everything did."""
    trace: tuple[str, ...]
    """What happened just before."""
    replay: str
    """The command that plays the same again."""


def play(plan: Plan) -> Outcome:
    """Play one seed, in a folder of its own. Nothing of it takes real time but computing."""
    loop = VirtualLoop(Random(f"{plan.seed} order"))
    asyncio.set_event_loop(loop)
    logs = structlog.get_config()
    random.seed(plan.seed)
    collects = gc.get_threshold()
    # Hours of objects pass by, and nearly all of them go by themselves.
    gc.set_threshold(*RARE_COLLECTIONS)
    with tempfile.TemporaryDirectory(prefix="channelsync-rehearsal-", dir=_memory()) as name:
        try:
            return loop.run_until_complete(_Rehearsal(plan, loop, Path(name)).run())
        finally:
            gc.set_threshold(*collects)
            structlog.configure(**logs)
            asyncio.set_event_loop(None)
            loop.close()


def play_timed(plan: Plan) -> tuple[Outcome, float]:
    """Play one seed; also returns the seconds of processor time that it took."""
    began = time.process_time()
    return play(plan), time.process_time() - began


class _Rehearsal:
    def __init__(self, plan: Plan, loop: VirtualLoop, folder: Path) -> None:
        self._plan = plan
        self._folder = folder
        self._stage = Stage(plan.seed, loop)
        self._tasks: set[asyncio.Task[Any]] = set()
        loop.set_task_factory(self._make_task)
        loop.set_exception_handler(lambda _loop, _context: None)
        structlog.configure(
            processors=[self._listen],
            wrapper_class=structlog.make_filtering_bound_logger(30),
        )
        self._commits = 0
        self._people: People | None = None
        markets = self._markets = open_markets(self._stage)
        network = self._network = Network(self._stage, markets, self._stage.chance("network"))
        self._door = Door(self._stage, network)
        path = folder / "books-1.db"
        self._auditor = Auditor(self._stage, markets, Truth(), _new_books(path))
        self._auditor.truth.shelf.update(SKUS)
        self._house = House(
            stage=self._stage,
            settings=_settings(folder, markets),
            registry=discover(),
            network=network,
            door=self._door,
            path=path,
            on_commit=self._look,
        )
        self._referee = Referee(self._stage, self._auditor.rows, self._house.alive)
        self._auditor.on_restored = self._referee.restored
        self._house.on_birth = self._referee.born
        self._rates = {
            market.name: self._house.registry.get(market.name).manifest.requests_per_second
            for market in markets.all()
        }
        plan.bug(self._house)

    def _make_task(self, loop: Any, coroutine: Any, **given: Any) -> asyncio.Task[Any]:
        # Kept until it ends: a task of a dead process must not be swept away by chance.
        task: asyncio.Task[Any] = asyncio.Task(coroutine, loop=loop, **given)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task

    def _listen(self, _logger: Any, _method: str, event: Any) -> Any:
        error = event.get("exc_info")
        if error:
            said = "".join(traceback.format_exception(sys.exception()))
            self._stage.violated(f"unexpected: {event.get('event')}\n{said}")
        raise structlog.DropEvent

    def _look(self, process: Process, touched: set[str]) -> None:
        self._commits += 1
        self._stage.trace(process.owner, "commits", *sorted(touched))
        self._auditor.look(touched)
        self._referee.look(process, touched)

    async def run(self) -> Outcome:
        """Storm, calm, verdict."""
        acting = asyncio.create_task(self._act())
        failing = asyncio.create_task(self._stage.broken.wait())
        await asyncio.wait({acting, failing}, return_when=asyncio.FIRST_COMPLETED)
        if acting.done() and (error := acting.exception()) is not None:
            said = "".join(traceback.format_exception(error))
            self._stage.violated(said if not isinstance(error, Violation) else str(error))
        outcome = self._outcome()
        await self._end()
        return outcome

    async def _act(self) -> None:
        stage, house = self._stage, self._house
        for number in range(self._plan.daemons):
            house.daemons.append(Daemon(house, f"daemon-{'ab'[number]}"))
        self._door.on_accepted = Ears(stage, self._auditor).accepted
        self._network.on_answered = self._auditor.theorem_at
        self._network.on_arrival = self._note_pages
        self._network.on_departure = self._note_rate
        async with httpx.AsyncClient(transport=self._door) as client:
            self._markets.shopify.simulator.deliveries.client = client
            self._markets.square.simulator.deliveries.client = client
            for daemon in house.daemons:
                asyncio.create_task(daemon.live(), name=daemon.name)  # noqa: RUF006 - kept above
            for _ in range(COURIERS):
                for deliveries in self._outboxes():
                    asyncio.create_task(_courier(deliveries))  # noqa: RUF006 - kept above
            await come_to_rest(stage, house, self._auditor)
            people = People(
                stage,
                house,
                self._markets,
                self._auditor,
                stage.chance("people"),
                self._plan.every_seconds,
            )
            self._people = people
            storm = Storm(
                stage, house, self._network, self._markets, self._auditor, people, self._write_file
            )
            shopping = asyncio.create_task(people.run())
            await storm.rage(self._plan.hours * 3_600.0)
            people.closed.set()
            await shopping
            await come_to_rest(stage, house, self._auditor, removed=storm.removed > 0)
            self._auditor.reckon()

    def _note_pages(self, _market: Market, request: httpx.Request) -> None:
        if b'"after":"' in request.content.replace(b" ", b"") and b"orders" in request.content:
            self._stage.happened("orders came in several pages")

    def _note_rate(self, market: Market) -> None:
        self._referee.asked(market.name, self._rates[market.name])

    def _write_file(self, shares: dict[str, int], absent: str | None) -> None:
        text = merchants_file(self._markets, shares, absent=absent)
        self._house.settings.config.write_text(text, encoding="utf-8")

    def _outboxes(self) -> tuple[Any, Any]:
        return (
            self._markets.shopify.simulator.deliveries,
            self._markets.square.simulator.deliveries,
        )

    async def _end(self) -> None:
        """Send everybody home, the dead included."""
        for daemon in self._house.daemons:
            daemon.dismiss()
        mine = asyncio.current_task()
        for _ in range(ROUNDS_MAX):
            left = [task for task in self._tasks if task is not mine]
            if not left:
                return
            for task in left:
                task.cancel()
            await asyncio.wait(left, timeout=60.0)

    def _outcome(self) -> Outcome:
        stage, people, truth = self._stage, self._people, self._auditor.truth
        for market in self._markets.all():
            for name, count in market.faults.injected.items():
                stage.counts[INJECTED.get(name, name)] += count
        stage.counts["batch applied in part"] += sum(
            0 < feed.applied < feed.messages
            for feed in self._markets.amazon.simulator.feeds.feeds.values()
        )
        over = {sku: truth.owed[sku] - truth.shelf[sku] - truth.excused[sku] for sku in SKUS}
        return Outcome(
            seed=self._plan.seed,
            hours=stage.loop.time() / 3_600.0,
            digest=stage.digest,
            happenings=stage.traced,
            commits=self._commits,
            sold=people.sold if people is not None else 0,
            refused=people.refused if people is not None else 0,
            oversold=sum(max(units, 0) for units in over.values()),
            counts=stage.counts,
            checks=stage.checks,
            violation=stage.violation,
            trace=tuple(stage.last),
            replay=(
                f"channelsync simulate --daemon --seed {self._plan.seed}"
                f" --hours {self._plan.hours:g} --daemons {self._plan.daemons}"
            ),
        )


async def _courier(deliveries: Any) -> None:
    while True:
        await deliveries.deliver_due()
        await asyncio.sleep(COURIER_SECONDS if deliveries.waiting else 3 * COURIER_SECONDS)


def _new_books(path: Path) -> sqlite3.Connection:
    engine = sa.create_engine(f"sqlite:///{path}")
    tables.metadata.create_all(engine)
    engine.dispose()
    # Uncommitted work of others is not seen, and nothing is ever locked.
    return sqlite3.connect(path, isolation_level=None)


def _settings(folder: Path, markets: Markets) -> Settings:
    shopify = markets.shopify.simulator
    amazon = markets.amazon.simulator
    square = markets.square.simulator
    secrets = folder / "secrets"
    secrets.mkdir()
    for name, secret in {
        "shopify-token": shopify.account.access_token or "",
        "shopify-webhooks": shopify.deliveries.secret,
        "amazon-client": amazon.account.client_secret,
        "amazon-token": amazon.account.refresh_token,
        "square-token": square.account.access_token,
        "square-application": square.account.application_token,
    }.items():
        (secrets / name).write_text(secret, encoding="ascii")
    config = folder / "channelsync.yaml"
    config.write_text(merchants_file(markets, SHARES), encoding="utf-8")
    return Settings(
        config=config, data_dir=folder / "data", secrets_dir=secrets, public_url=PUBLIC_URL
    )


def _memory() -> Path | None:
    """A folder that needs no disk, where the machine has one."""
    shared = Path("/dev/shm")  # noqa: S108 - a fresh folder is made in it
    return shared if os.access(shared, os.W_OK) else None
