"""A merchant's machine: a real SQLite file, a configuration, marketplaces in memory, one shell."""

from __future__ import annotations

import asyncio
import json
import shutil
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

import pytest

from channelsync.bootstrap import Application, open_application, setup_of
from channelsync.cli import main
from channelsync.cli.session import Outside
from channelsync.domain.vocabulary import PushSemantics
from channelsync.engine.setup import apply_setup
from channelsync.plugins.registry import Registry
from channelsync.ports import Environment
from channelsync.sdk.testing.memory import MemoryConnector, MemoryMarket
from channelsync.settings import Settings
from channelsync.worker.daemon import handlers
from channelsync.worker.supervisor import Supervisor
from tests.support.house import Clock

CHANNELS = {"amazon-us": "amazing", "shopify-us": "shopping", "soho-till": "tilling"}
"""The specification's channels, and the connectors in memory that stand for them."""

CANONICAL = """\
version: 1
locations:
  ny-dc: {name: New York DC}
channels:
  amazon-us: {connector: amazing}
  shopify-us: {connector: shopping}
  soho-till: {connector: tilling}
allocation:
  quotas: {amazon-us: 50%, shopify-us: 30%, soho-till: 20%}
  safety_stock: 5
"""

_Result = TypeVar("_Result")


@dataclass(frozen=True, slots=True)
class Done:
    """How a run of the command line ended."""

    code: int
    out: str
    err: str

    @property
    def data(self) -> Any:
        """The one JSON object on stdout."""
        return json.loads(self.out)


@dataclass
class Shop:
    """Everything one test needs."""

    folder: Path
    capture: pytest.CaptureFixture[str]
    clock: Clock = field(default_factory=Clock)
    markets: dict[str, MemoryMarket] = field(default_factory=dict)
    registry: Registry = field(default_factory=Registry)
    _serial: int = 0

    @property
    def config(self) -> Path:
        return self.folder / "channelsync.yaml"

    @property
    def database(self) -> Path:
        return self.folder / "data" / "channelsync.db"

    def environment(self) -> Environment:
        def new_id() -> str:
            self._serial += 1
            return f"id-{self._serial:06d}"

        return Environment(now=self.clock, new_id=new_id, owner="test")

    def open_market(
        self, connector: str, *skus: str, semantics: PushSemantics, **declared: Any
    ) -> MemoryMarket:
        """A marketplace that lists these SKUs, and its connector."""
        market = MemoryMarket(semantics=semantics, now=self.clock, counters=dict.fromkeys(skus, 0))
        self.markets[connector] = market
        # The clock stands still, so a rate budget would never fill again.
        declared = {"requests_per_second": 1e6, "title": f"Shop {connector}", **declared}
        made = MemoryConnector(market, name=connector, **declared)
        self.registry = self.registry.with_connector(made)
        return market

    def write(self, text: str, name: str = "channelsync.yaml") -> Path:
        path = self.folder / name
        path.write_text(text, encoding="utf-8")
        return path

    # ------------------------------------------------------------ the shell

    def run(self, *arguments: str, registry: Callable[[], Registry] | None = None) -> Done:
        """Run the command line as this machine's owner would."""
        self.capture.readouterr()
        where = ("--config", str(self.config), "--data-dir", str(self.folder / "data"))
        outside = Outside(
            registry=registry or (lambda: self.registry), environment=self.environment
        )
        code = main([*where, *arguments], outside=outside)
        captured = self.capture.readouterr()
        return Done(code=code, out=captured.out, err=captured.err)

    def json(self, *arguments: str) -> Any:
        """The data of a run that went well (or has changes)."""
        done = self.run(*arguments, "--json")
        assert done.code in {0, 2}, done
        return done.data

    # ------------------------------------------------------------ the daemon

    def work(self, action: Callable[[Application], Awaitable[_Result]]) -> _Result:
        """Do something with everything open, as the daemon has it."""

        async def inside() -> _Result:
            settings = Settings(config=self.config, data_dir=self.folder / "data")
            async with open_application(
                settings,
                configuration_path=self.config,
                registry=self.registry,
                environment=self.environment(),
            ) as application:
                return await action(application)

        return asyncio.run(inside())

    def daemon(self, seconds: float = 40.0, *, step: float = 20.0) -> None:
        """Let the daemon work for so long, on the test's own clock, `step` seconds at a time."""

        async def run(application: Application) -> None:
            engine = application.engine
            await apply_setup(engine, setup_of(application.configuration))
            supervisor = Supervisor(
                engine=engine, handlers=handlers(None, notifying=application.notifying)
            )
            end = self.clock.at + seconds
            await supervisor.run_until_idle(horizon=self.clock.at + 1)
            while self.clock.at < end:
                self.clock.at = min(self.clock.at + step, end)
                await supervisor.run_until_idle(horizon=self.clock.at + 1)

        self.work(run)


def canonical_shop(shop: Shop) -> Shop:
    """The specification's example: physical 100, reserved 15, safety 5, on order 50.

    The 15 are real orders: counted on the marketplaces' own numbers before we were asked to help.
    """
    kinds = (
        PushSemantics.KEYED_COMPARE_AND_SET,
        PushSemantics.KEYED_COMPARE_AND_SET,
        PushSemantics.KEYED_DELTA,
    )
    for connector, kind in zip(CHANNELS.values(), kinds, strict=True):
        shop.open_market(connector, "IPHONE-15", semantics=kind)
    shop.write(CANONICAL)
    shop.write("sku,location,on_hand,name\nIPHONE-15,ny-dc,100,iPhone 15\n", "stock.csv")
    done = shop.run("stock", "import", str(shop.folder / "stock.csv"), "--create-items")
    assert done.code == 0, done
    done = shop.run("stock", "set", "IPHONE-15", "50", "--what", "on-order")
    assert done.code == 0, done
    for market in shop.markets.values():
        for _ in range(5):
            market.book("IPHONE-15", 1)
    return shop


def copy_migrated(migrated: Path, shop: Shop) -> None:
    """Give the shop an empty database, without the time that a migration takes."""
    shop.database.parent.mkdir(parents=True, exist_ok=True)
    shutil.copy(migrated, shop.database)
