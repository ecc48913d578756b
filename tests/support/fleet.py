"""A fleet: real PostgreSQL and Redis, processes of ours whose clocks differ, shops, shoppers."""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import json
import os
import signal
import sys
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from random import Random
from typing import Any

import httpx
import pytest

from channelsync_shopify.simulator import ShopifySimulator
from tests.support.checkout import ROOT
from tests.support.clocks import clock_set_off
from tests.support.served import free_port, served
from tests.support.servers import Postgres, Redis
from tests.support.shops import Shoppers, accepted, delivering, two_shops

__all__ = ["CONFIG", "ITEMS", "SECRETS", "UNITS", "Fleet", "fleet", "shop_settings"]

ITEMS = 6
UNITS = 12
SKUS = tuple(f"SKU-{number}" for number in range(ITEMS))
DATABASE = "channelsync"
STALLING = ROOT / "tests" / "support" / "stalling.py"
READY_SECONDS_MAX = 240.0
QUIET_SECONDS_MAX = 90.0
SECRETS = {"SHOP_TOKEN": "shpat_simulated", "SHOP_SECRET": "simulated-secret"}
CONFIG = """\
version: 1
locations:
  dc: {{name: Warehouse}}
channels:
  shop-a:
    {{connector: shopify, poll_interval_seconds: 1, quarantine_seconds: 1, settings: {a}}}
  shop-b:
    {{connector: shopify, poll_interval_seconds: 1, quarantine_seconds: 1, settings: {b}}}
allocation:
  quotas: {{shop-a: 60%, shop-b: 40%}}
"""


def shop_settings(simulator: ShopifySimulator, url: str) -> str:
    """The settings of a shop, as YAML's flow form."""
    return json.dumps(
        {
            "shop": simulator.world.shop,
            "access_token": "${SHOP_TOKEN}",
            "webhook_secret": "${SHOP_SECRET}",
            "location_id": simulator.location_id,
            "base_url": url,
            "visibility_lag_seconds": 0.2,
        }
    )


@dataclass
class Fleet:
    """Processes by name: `web`, `worker-1` and `run-2`, which is both in one."""

    folder: Path
    postgres: Postgres
    redis: Redis
    shops: dict[str, ShopifySimulator]
    environment: dict[str, str]
    ports: dict[str, int]
    rng: Random
    processes: dict[str, asyncio.subprocess.Process] = field(default_factory=dict)
    acknowledged: set[str] = field(default_factory=set)
    """SHA-256 of the bodies of webhooks that were answered with a success."""
    starts: int = 0
    stock: Counter[str] = field(default_factory=lambda: Counter(dict.fromkeys(SKUS, UNITS)))
    """Units that were ever there."""
    orders: int = 0
    clocks: dict[str, int] = field(default_factory=lambda: {"web": -600, "run-2": 600})
    """By process: seconds that its clock is before the others' (negative: behind)."""
    held_seconds: float = 3.0
    """So long a process stands still that gets a SIGUSR1."""

    # ------------------------------------------------------------ processes

    async def start(self, *names: str) -> None:
        """Start processes and wait until each answers."""
        await asyncio.gather(*(self._start(name) for name in names or tuple(self.ports)))

    async def _start(self, name: str) -> None:
        self.starts += 1
        path = self.folder / f"{name}-{self.starts}.log"
        with path.open("wb") as log:
            self.processes[name] = process = await asyncio.create_subprocess_exec(
                *(sys.executable, "-P", str(STALLING), str(self.held_seconds)),
                *(name.partition("-")[0], "--config", str(self.folder / "channelsync.yaml")),
                *("--port", str(self.ports[name])),
                env=self.environment | clock_set_off(self.clocks.get(name, 0)),
                stdout=log,
                stderr=log,
                stdin=asyncio.subprocess.DEVNULL,
            )
        async with httpx.AsyncClient() as client, asyncio.timeout(READY_SECONDS_MAX):
            while True:
                with contextlib.suppress(httpx.HTTPError):
                    if (await client.get(f"http://127.0.0.1:{self.ports[name]}/livez")).is_success:
                        return
                if process.returncode is not None:
                    pytest.fail(f"{name} ended by itself:\n{path.read_text()}")
                await asyncio.sleep(0.05)

    async def kill(self, *names: str, how: signal.Signals = signal.SIGKILL) -> list[int]:
        """End processes."""
        for name in names:
            self.processes[name].send_signal(how)
        return [await self.processes[name].wait() for name in names]

    async def command(self, *arguments: str) -> str:
        """Run a command of ours beside them; it must succeed."""
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "channelsync", *arguments),
            *("--config", str(self.folder / "channelsync.yaml")),
            env=self.environment,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
            stdin=asyncio.subprocess.DEVNULL,
        )
        output, _ = await process.communicate()
        assert process.returncode == 0, output.decode()
        return output.decode()

    async def require_alive(self) -> None:
        """Nobody has ended by himself."""
        for name, process in self.processes.items():
            if process.returncode is not None:
                logs = sorted(
                    self.folder.glob(f"{name}-*.log"), key=lambda log: log.stat().st_mtime
                )
                pytest.fail(f"{name} ended by itself:\n{logs[-1].read_text()[-4000:]}")

    # ------------------------------------------------------------ shoppers

    async def shop_for(self, seconds: float) -> None:
        """Shoppers buy, and some cancel."""
        shoppers = Shoppers(
            shops=self.shops, rng=self.rng, items=ITEMS, cancel_share=0.15, pause_seconds_max=0.15
        )
        await shoppers.shop_for(seconds)
        self.orders += shoppers.orders

    async def restock(self) -> None:
        """Goods arrive of what is nearly sold out."""
        sold = accepted(self.shops, ITEMS)
        left = {sku: self.stock[sku] - sum(sold[name, sku] for name in self.shops) for sku in SKUS}
        sku = min(SKUS, key=lambda one: left[one])
        await self.command("stock", "adjust", sku, str(UNITS), "--reason", "goods arrived")
        self.stock[sku] += UNITS

    async def shop_until_heard(self) -> None:
        """Until the first webhook is acknowledged: the shops are listed and subscribed by then."""
        async with asyncio.timeout(QUIET_SECONDS_MAX):
            while not self.acknowledged:
                await self.shop_for(1.0)

    # ------------------------------------------------------------ what must hold

    async def rows(self, statement: str) -> list[Any]:
        """Ask the database behind everybody's back."""
        return list(await self.postgres.execute(statement, database=DATABASE))

    async def until_counted(self) -> None:
        """Wait until the books hold exactly what the shops have sold."""
        statement = (
            "SELECT channel, sku, SUM(ordered - cancelled) AS units FROM order_lines"
            " GROUP BY channel, sku"
        )
        truth, loop = accepted(self.shops, ITEMS), asyncio.get_running_loop()
        end = loop.time() + QUIET_SECONDS_MAX
        while True:
            books = {
                (row["channel"], row["sku"]): row["units"] for row in await self.rows(statement)
            }
            wrong = {
                key: (units, books.get(key, 0))
                for key, units in truth.items()
                if units != books.get(key, 0)
            }
            if not wrong:
                return
            await self.require_alive()
            assert loop.time() < end, f"sold and counted differ: {wrong}"
            await asyncio.sleep(0.5)

    async def require_sound(self) -> None:
        """Nothing acknowledged is lost, nothing counted twice, nothing oversold."""
        statement = "SELECT body_sha256 FROM deliveries"
        stored = {row["body_sha256"] for row in await self.rows(statement)}
        lost = self.acknowledged - stored
        assert self.acknowledged
        assert not lost, f"{len(lost)} of {len(self.acknowledged)} webhooks"
        await self.command("verify", "--json")
        sold = accepted(self.shops, ITEMS)
        for sku in SKUS:
            units = sum(sold[name, sku] for name in self.shops)
            assert units <= self.stock[sku], f"{sku}: {units} sold of {self.stock[sku]}"
        assert sum(sold.values()) > 0


@asynccontextmanager
async def fleet(
    folder: Path, postgres: Postgres, redis: Redis, *, seed: int, held_seconds: float = 3.0
) -> AsyncIterator[Fleet]:
    """Shops with stock, a database with counted stock, and nobody running yet."""
    rng = Random(seed)
    shops = two_shops(rng, items=ITEMS, delay_seconds_max=1.0)
    ports = {name: free_port() for name in ("web", "worker-1", "run-2")}
    async with contextlib.AsyncExitStack() as stack:
        urls = {name: await stack.enter_async_context(served(s.app)) for name, s in shops.items()}
        (folder / "channelsync.yaml").write_text(
            CONFIG.format(
                a=shop_settings(shops["shop-a"], urls["shop-a"]),
                b=shop_settings(shops["shop-b"], urls["shop-b"]),
            )
        )
        environment = {
            **os.environ,
            **SECRETS,
            "CHANNELSYNC_DATA_DIR": str(folder / "data"),
            "CHANNELSYNC_DATABASE_URL": postgres.url(DATABASE),
            "CHANNELSYNC_REDIS_URL": redis.url,
            "CHANNELSYNC_PUBLIC_URL": f"http://127.0.0.1:{ports['web']}",
            "CHANNELSYNC_ALLOW_HOSTS": ",".join(u.removeprefix("http://") for u in urls.values()),
        }
        built = Fleet(folder, postgres, redis, shops, environment, ports, rng)
        built.held_seconds = held_seconds
        await _prepare(built)
        await stack.enter_async_context(_couriers(built))
        try:
            yield built
        finally:
            for process in built.processes.values():
                if process.returncode is None:
                    process.send_signal(signal.SIGCONT)
                    process.kill()
                    await process.wait()


async def _prepare(built: Fleet) -> None:
    await built.postgres.execute(f"CREATE DATABASE {DATABASE}")
    await built.command("db", "upgrade")
    rows = "".join(f"{sku},dc,{UNITS}\n" for sku in SKUS)
    sheet = built.folder / "stock.csv"
    sheet.write_text("sku,location,on_hand\n" + rows)
    await built.command("stock", "import", "--create-items", str(sheet))


@asynccontextmanager
async def _couriers(built: Fleet) -> AsyncIterator[None]:
    """Webhooks are delivered meanwhile, and those that were acknowledged are remembered."""

    async def remember(response: httpx.Response) -> None:
        if response.is_success:
            built.acknowledged.add(hashlib.sha256(response.request.content).hexdigest())

    hooks = {"response": [remember]}
    async with (
        httpx.AsyncClient(timeout=5, event_hooks=hooks) as client,
        delivering(built.shops.values(), client),
    ):
        yield
