"""Run the demonstration, and say at its end what was sold and what was oversold."""

from __future__ import annotations

import asyncio
import contextlib
import signal
import socket
import sys
import tempfile
import threading
import webbrowser
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from random import Random
from time import monotonic
from typing import Final

import httpx
from pydantic import SecretStr

from channelsync.bootstrap import Application, open_application, read_proposal, setup_of
from channelsync.configuration.editing import MerchantFile
from channelsync.daemon import run_daemon
from channelsync.demo.auditor import Auditor
from channelsync.demo.catalogue import AMAZON, SHOPIFY, TILL, DemoItem, catalogue, stock_sheet
from channelsync.demo.figures import Pace, view_pace
from channelsync.demo.marketplaces import (
    APPLY_LIMIT_SECONDS,
    CHECKOUT_SECONDS,
    DELIVERIES,
    VISIBILITY_SECONDS,
    Compressed,
    Town,
    build_town,
)
from channelsync.demo.rival import Delays, Rival
from channelsync.demo.shoppers import Shoppers
from channelsync.demo.stage import DemoStage
from channelsync.demo.town import POLL_SECONDS, open_town
from channelsync.engine.bookkeeping import verify_books
from channelsync.engine.setup import apply_setup
from channelsync.engine.stock_csv import import_stock
from channelsync.engine.stock_desk import StockDesk
from channelsync.engine.vault import master_keys
from channelsync.settings import Settings
from channelsync.store.folder import data_lock
from channelsync.web.app import WebOptions

__all__ = ["DemoOptions", "DemoResult", "run_demo"]

PORT: Final = 8484
PORTS_TRIED: Final = 50
PUSH_SECONDS: Final = 0.1
ONE_CLOCK_SECONDS: Final = 0.05
"""Daemon and marketplaces share this machine's clock: its readings differ by no more."""


def _by_webhook(rng: Random) -> float:
    if rng.random() < DELIVERIES.lose:
        return rng.uniform(0.0, POLL_SECONDS)
    return rng.uniform(DELIVERIES.delay_seconds_min, DELIVERIES.delay_seconds_max)


def _by_poll(rng: Random) -> float:
    return rng.uniform(*VISIBILITY_SECONDS) + rng.uniform(0.0, POLL_SECONDS)


PROMPT: Final = Delays(heard=_by_webhook, applies=lambda _rng: PUSH_SECONDS)
DELAYS: Final = {
    AMAZON: Delays(heard=_by_poll, applies=Compressed().draw),
    SHOPIFY: PROMPT,
    TILL: PROMPT,
}
"""What the rival has to live with, like us."""


def _say(words: str) -> None:
    sys.stderr.write(f"{words}\n")


@dataclass(frozen=True, slots=True, kw_only=True)
class DemoOptions:
    """How to run it."""

    seconds: float | None = None
    """End by itself after so long; None: at Ctrl-C."""
    port: int | None = None
    """Of the page; None: 8484 or the next free one, 0: any free one."""
    open_browser: bool = False
    seed: int = 1
    say: Callable[[str], None] = _say
    stop: asyncio.Event = field(default_factory=asyncio.Event)
    """Set it to end the run; Ctrl-C does."""


@dataclass(frozen=True, slots=True, kw_only=True)
class DemoResult:
    """What one run came to. Durations in seconds."""

    seconds: float
    sold: int
    oversold: int
    """By us: counted at the marketplaces, against the stock that was there."""
    oversold_by_tills: int
    """By a till that was told to sell past its slice."""
    rival_sold: int
    rival_oversold: int
    """What a plain quota pusher oversold with the same shoppers."""
    refused: int
    pushes: int
    orders: int
    books_differ: int
    """Numbers that did not follow from the ledger at the end."""
    counted_p50_seconds: float | None
    """From a sale until it was in the books."""
    counted_p95_seconds: float | None
    push_p50_seconds: float | None
    """From a push's decision until its answer."""
    push_p95_seconds: float | None
    first_page_seconds: float
    """From the start until the live page was answered."""

    def summary(self) -> str:
        """For people, on one line."""
        return (
            f"sold {self.sold} units in {self.seconds:.0f} s, oversold {self.oversold};"
            f" a plain quota pusher would have oversold {self.rival_oversold}"
        )


async def run_demo(options: DemoOptions) -> DemoResult:
    """Run until the time is over or Ctrl-C. Everything is fresh, and gone afterwards.

    Raises:
        OSError: the port that was asked for is taken.
    """
    began = monotonic()
    door = _door(options.port)
    url = f"http://127.0.0.1:{door.getsockname()[1]}"
    rng = Random(options.seed)
    items = catalogue(rng)
    town = build_town(items, rng)
    stop = options.stop
    with tempfile.TemporaryDirectory(prefix="channelsync-demo-") as name, _stopped_by_signals(stop):
        folder = Path(name)
        async with open_town(town, folder) as hosts:
            settings = _settings(folder, url, hosts)
            with data_lock(settings.data_dir):
                async with open_application(settings) as application:
                    await _prepare(application, items)
                    play = _Play(application, town, items, options, url, began, stop)
                    return await play.run(door, rng)


def _door(port: int | None) -> socket.socket:
    if port is not None:
        return _listening(port)
    for candidate in range(PORT, PORT + PORTS_TRIED):
        with contextlib.suppress(OSError):
            return _listening(candidate)
    return _listening(0)


def _listening(port: int) -> socket.socket:
    door = socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    door.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        door.bind(("127.0.0.1", port))
        # Listening already, so that whoever follows the printed address is kept, not refused.
        door.listen(128)
    except OSError:
        door.close()
        raise
    return door


@contextmanager
def _stopped_by_signals(stop: asyncio.Event) -> Iterator[None]:
    loop = asyncio.get_running_loop()
    signals = (signal.SIGINT, signal.SIGTERM)
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    for number in signals:
        loop.add_signal_handler(number, stop.set)
    try:
        yield
    finally:
        for number in signals:
            loop.remove_signal_handler(number)


def _settings(folder: Path, url: str, hosts: tuple[str, ...]) -> Settings:
    """The operator's settings of the demonstration; nothing of them comes from outside."""
    data = folder / "data"
    return Settings(
        config=folder / "channelsync.yaml",
        data_dir=data,
        database_url=SecretStr(f"sqlite:///{data / 'channelsync.db'}"),
        secrets_dir=folder / "secrets",
        allow_hosts=hosts,
        public_url=url,
    )


async def _prepare(application: Application, items: tuple[DemoItem, ...]) -> None:
    """Count the stock, and shorten what would make a demonstration wait."""
    engine = application.engine
    await apply_setup(engine, setup_of(application.configuration))
    await import_stock(
        engine.database,
        engine.environment,
        stock_sheet(items),
        source="stock.csv",
        counted_at=engine.now(),
        reason="stock-take before the demonstration",
        create_missing=True,
    )
    running = application.channels.running
    for name, channel in running.items():
        manifest = replace(
            channel.manifest,
            visibility_lag_seconds=0.0,
            read_lag_seconds=0.0,
            clock_skew_seconds=ONE_CLOCK_SECONDS,
        )
        running[name] = replace(
            channel,
            manifest=manifest,
            quarantine_seconds=min(channel.quarantine_seconds, CHECKOUT_SECONDS),
            apply_limit_seconds=APPLY_LIMIT_SECONDS,
        )


@dataclass(slots=True)
class _Play:
    """One run, once everything is built."""

    application: Application
    town: Town
    items: tuple[DemoItem, ...]
    options: DemoOptions
    url: str
    began: float
    stop: asyncio.Event
    first_page_seconds: float = 0.0

    async def run(self, door: socket.socket, rng: Random) -> DemoResult:
        """Serve, shop, stop and reckon."""
        shoppers = self._shoppers(rng)
        ready, reload_now = asyncio.Event(), asyncio.Event()
        settings, registry = self.application.settings, self.application.registry
        options = WebOptions(
            public_url=self.url,
            master_keys=master_keys(settings),
            stage=DemoStage(shoppers),
            stopping=self.stop,
            merchant_file=MerchantFile(settings.config),
            file_written=reload_now.set,
            read_proposal=partial(read_proposal, settings, registry),
        )
        serving = run_daemon(
            self.application,
            door,
            stop=self.stop,
            options=options,
            on_ready=ready.set,
            watched=settings.config,
            reload_now=reload_now,
        )
        daemon = asyncio.create_task(serving)
        shopping = asyncio.create_task(shoppers.run(self.stop))
        announcing = asyncio.create_task(self._announce(ready))
        await self._wait(daemon, shopping)
        self.stop.set()
        announcing.cancel()
        await asyncio.gather(shopping, daemon)
        await asyncio.gather(announcing, return_exceptions=True)
        return await self._result(shoppers)

    async def _wait(self, *working: asyncio.Task[None]) -> None:
        """Until the time is over, somebody stops it, or something broke."""
        asked = asyncio.create_task(self.stop.wait())
        left = None
        if self.options.seconds is not None:
            left = max(self.options.seconds - (monotonic() - self.began), 0.0)
        await asyncio.wait({asked, *working}, timeout=left, return_when=asyncio.FIRST_COMPLETED)
        asked.cancel()

    async def _announce(self, ready: asyncio.Event) -> None:
        self.options.say(f"channelsync demo: {self.url}/")
        await ready.wait()
        async with httpx.AsyncClient(trust_env=False) as client:
            (await client.get(f"{self.url}/", timeout=30.0)).raise_for_status()
        self.first_page_seconds = monotonic() - self.began
        self.options.say(f"live after {self.first_page_seconds:.1f} s; Ctrl-C ends it")
        if self.options.open_browser:
            await asyncio.to_thread(webbrowser.open, f"{self.url}/")

    def _shoppers(self, rng: Random) -> Shoppers:
        engine = self.application.engine
        stock = {item.sku: item.units for item in self.items}
        auditor = Auditor(self.town.counters)
        auditor.supply.update(stock)
        return Shoppers(
            town=self.town,
            rival=Rival(stock, DELAYS, Random(rng.random())),
            auditor=auditor,
            database=engine.database,
            desk=StockDesk(engine.database, engine.environment),
            items=self.items,
            rng=Random(rng.random()),
        )

    async def _result(self, shoppers: Shoppers) -> DemoResult:
        database = self.application.engine.database
        report = await verify_books(database)
        pace: Pace = await view_pace(database)
        sold, by_us, by_till = shoppers.auditor.verdict()
        return DemoResult(
            seconds=monotonic() - self.began,
            sold=sold,
            oversold=by_us,
            oversold_by_tills=by_till,
            rival_sold=sum(shoppers.rival.accepted.values()),
            rival_oversold=shoppers.rival.oversold,
            refused=shoppers.refused,
            pushes=pace.pushes,
            orders=pace.orders,
            books_differ=len(report.findings),
            counted_p50_seconds=pace.counted_p50,
            counted_p95_seconds=pace.counted_p95,
            push_p50_seconds=pace.push_p50,
            push_p95_seconds=pace.push_p95,
            first_page_seconds=self.first_page_seconds,
        )
