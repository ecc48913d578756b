"""The real daemon against the simulated seller, over loopback HTTP, with webhooks and faults."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import signal
import sqlite3
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from random import Random
from typing import Any

import httpx
import pytest

from channelsync.sdk.testing.faults import AnswerFault, DeliveryPlan, FaultPlan
from channelsync_shopify.simulator import ShopifySimulator
from channelsync_square.simulator import SquareSimulator
from tests.support.served import free_port, served

UNITS = 20
SECONDS_MAX = 60.0
SECRETS = {
    "SQUARE_TOKEN": "EAAA-simulated",
    "SQUARE_APPLICATION": "EAAA-application",
    "SHOP_TOKEN": "shpat_simulated",
    "SHOP_SECRET": "simulated-secret",
}
CONFIG = """\
version: 1
locations:
  soho: {{name: Shop}}
channels:
  web:
    {{connector: shopify, poll_interval_seconds: 1, quarantine_seconds: 1800, settings: {web}}}
  till:
    {{connector: square, poll_interval_seconds: 1, quarantine_seconds: 300, settings: {till}}}
allocation:
  quotas: {{web: 50%, till: 50%}}
"""


@dataclass
class Stage:
    """A web shop, a Square seller, and the daemon between them."""

    folder: Path
    web: ShopifySimulator
    square: SquareSimulator
    port: int
    environment: dict[str, str]
    process: asyncio.subprocess.Process | None = None

    def log(self) -> str:
        return (self.folder / "daemon.log").read_text()

    async def command(self, *arguments: str) -> tuple[int, str]:
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "channelsync", *arguments),
            *("--config", str(self.folder / "channelsync.yaml")),
            env=self.environment,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
            stdin=asyncio.subprocess.DEVNULL,
        )
        output, _ = await process.communicate()
        return process.returncode or 0, output.decode()

    async def start(self) -> None:
        with (self.folder / "daemon.log").open("wb") as log:
            self.process = await asyncio.create_subprocess_exec(
                *(sys.executable, "-m", "channelsync", "run"),
                *("--config", str(self.folder / "channelsync.yaml")),
                *("--port", str(self.port)),
                env=self.environment,
                stdout=log,
                stderr=log,
                stdin=asyncio.subprocess.DEVNULL,
            )

    async def stop(self) -> int:
        assert self.process is not None
        self.process.send_signal(signal.SIGTERM)
        return await self.process.wait()

    async def until(self, what: str, holds: Callable[[], bool]) -> None:
        """Wait for something that the daemon is to bring about."""
        loop = asyncio.get_running_loop()
        end = loop.time() + SECONDS_MAX
        while not holds():
            assert self.process is not None
            assert self.process.returncode is None, self.log()
            assert loop.time() < end, f"{what}: not within {SECONDS_MAX:.0f} s\n{self.log()}"
            await asyncio.sleep(0.1)

    def rows(self, query: str, *values: str) -> list[tuple[Any, ...]]:
        path = self.folder / "data" / "channelsync.db"
        if not path.exists():
            return []
        with contextlib.closing(sqlite3.connect(path)) as database:
            return database.execute(query, values).fetchall()

    def counted(self, channel: str) -> int:
        query = (
            "SELECT COALESCE(SUM(ordered - cancelled - returned), 0) FROM order_lines"
            " WHERE channel = ? AND listing_id IS NOT NULL"
        )
        [(units,)] = self.rows(query, channel)
        return int(units)


@asynccontextmanager
async def stage(folder: Path) -> AsyncIterator[Stage]:
    faults = FaultPlan(
        answers=AnswerFault(throttled=0.02, server_error_after=0.05, server_error_before=0.03),
        deliveries=DeliveryPlan(lose=0.1, double=0.1, delay_seconds_max=0.5),
    )
    square = SquareSimulator(rng=Random(5), faults=faults)
    square.shop.add_item("MUG")
    web = ShopifySimulator(rng=Random(6))
    web.shop.add_item("MUG", 0)
    port = free_port()
    async with contextlib.AsyncExitStack() as stack:
        urls = [await stack.enter_async_context(served(one.app)) for one in (web, square)]
        (folder / "channelsync.yaml").write_text(_config(web, square, *urls))
        (folder / "stock.csv").write_text(f"sku,location,on_hand\nMUG,soho,{UNITS}\n")
        environment = (
            os.environ
            | SECRETS
            | {
                "CHANNELSYNC_DATA_DIR": str(folder / "data"),
                "CHANNELSYNC_PUBLIC_URL": f"http://127.0.0.1:{port}",
                "CHANNELSYNC_ALLOW_HOSTS": ",".join(u.removeprefix("http://") for u in urls),
            }
        )
        client = await stack.enter_async_context(httpx.AsyncClient(timeout=5))
        for one in (web, square):
            one.deliveries.client = client
        couriers = [asyncio.create_task(one.deliveries.run()) for one in (web, square)]
        built = Stage(folder, web, square, port, environment)
        try:
            yield built
        finally:
            for courier in couriers:
                courier.cancel()
            await asyncio.gather(*couriers, return_exceptions=True)
            if built.process is not None and built.process.returncode is None:
                built.process.kill()
                await built.process.wait()


def _config(web: ShopifySimulator, square: SquareSimulator, web_url: str, square_url: str) -> str:
    shop = {
        "shop": web.world.shop,
        "access_token": "${SHOP_TOKEN}",
        "webhook_secret": "${SHOP_SECRET}",
        "location_id": web.location_id,
        "base_url": web_url,
        "visibility_lag_seconds": 0.2,
    }
    till = {
        "access_token": "${SQUARE_TOKEN}",
        "application_token": "${SQUARE_APPLICATION}",
        "location_id": square.location_id,
        "location": "soho",
        "base_url": square_url,
        "visibility_lag_seconds": 0.2,
    }
    return CONFIG.format(web=json.dumps(shop), till=json.dumps(till))


@pytest.mark.slow
@pytest.mark.timeout(240)
async def test_the_daemon_keeps_a_till_and_a_web_shop_in_step(tmp_path: Path) -> None:
    async with stage(tmp_path) as scene:
        code, output = await scene.command(
            "stock", "import", "--create-items", str(tmp_path / "stock.csv")
        )
        assert code == 0, output
        await scene.start()
        shop, web = scene.square.shop, scene.web.shop
        await scene.until("a share each", lambda: shop.shown("MUG") == 10)
        await scene.until("a share each", lambda: web.available("MUG") == 10)
        await scene.until("a subscription", lambda: bool(scene.square.world.subscriptions))
        order = shop.sell({"MUG": 3})
        online = shop.order_online("MUG", 2)
        assert online is not None
        shop.sell_offline({"MUG": 1})
        await web.buy("MUG", 2)
        await scene.until("the sales", lambda: scene.counted("till") == 5)
        await scene.until("the sales", lambda: scene.counted("web") == 2)
        shop.upload()
        shop.return_goods("MUG", 1, of=order)
        shop.cancel(online)
        await scene.until(
            "the upload, the return and the cancel",
            lambda: scene.counted("till") == 3 == shop.accepted()["MUG"],
        )
        await scene.until(
            "a delivery", lambda: bool(scene.rows("SELECT id FROM deliveries WHERE channel='till'"))
        )
        assert shop.shown("MUG") + web.available("MUG") <= UNITS - 3 - 2
        assert await scene.stop() == 0, scene.log()
        code, output = await scene.command("verify", "--json")
        assert code == 0, output
