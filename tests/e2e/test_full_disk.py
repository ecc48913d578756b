"""A disk that is full: nothing is acknowledged that is not committed, and work goes on after it."""

from __future__ import annotations

import asyncio
import contextlib
import os
import resource
import signal
import sqlite3
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

import httpx
import pytest

from channelsync_shopify.simulator import ShopifySimulator
from tests.support.fleet import CONFIG, SECRETS, shop_settings
from tests.support.served import free_port, served
from tests.support.shops import delivering

SECONDS_MAX = 60.0
SALES = 15


@dataclass
class Till:
    """One shop, its daemon on SQLite, and what the daemon answered to webhooks."""

    folder: Path
    simulator: ShopifySimulator
    port: int
    environment: dict[str, str]
    answers: list[int] = field(default_factory=list)

    async def start(self, *arguments: str) -> asyncio.subprocess.Process:
        """A process of ours, whose log cannot be written either while the disk is full."""
        with (self.folder / "log").open("ab") as log:
            return await asyncio.create_subprocess_exec(
                *(sys.executable, "-m", "channelsync", *arguments),
                *("--config", str(self.folder / "channelsync.yaml")),
                env=self.environment,
                stdout=log,
                stderr=log,
            )

    async def command(self, *arguments: str) -> None:
        """Run a command of ours; it must succeed."""
        assert await (await self.start(*arguments)).wait() == 0, (self.folder / "log").read_text()

    async def buy(self) -> bool:
        """A shopper buys one unit, if there is one."""
        return await self.simulator.shop.buy("SKU-0") is not None

    def accepted(self) -> int:
        """Units that the shop has sold."""
        return self.simulator.world.accepted()["SKU-0"]

    def counted(self) -> int:
        """Units that the books know."""
        with contextlib.closing(sqlite3.connect(self.folder / "data" / "channelsync.db")) as store:
            query = "SELECT COALESCE(SUM(ordered), 0) FROM order_lines"
            return int(store.execute(query).fetchone()[0])


async def until(holds: Callable[[], bool]) -> None:
    async with asyncio.timeout(SECONDS_MAX):
        # Other processes bring it about, and nothing tells of it.
        while not holds():  # noqa: ASYNC110
            await asyncio.sleep(0.1)


@asynccontextmanager
async def till(folder: Path) -> AsyncIterator[Till]:
    shops = [ShopifySimulator(domain=f"shop-{name}.myshopify.com") for name in "ab"]
    port = free_port()
    async with contextlib.AsyncExitStack() as stack:
        urls = [await stack.enter_async_context(served(one.app)) for one in shops]
        for one in shops:
            one.shop.add_item("SKU-0")
        a, b = (shop_settings(one, url) for one, url in zip(shops, urls, strict=True))
        (folder / "channelsync.yaml").write_text(CONFIG.format(a=a, b=b))
        (folder / "stock.csv").write_text("sku,location,on_hand\nSKU-0,dc,60\n")
        environment = {
            **os.environ,
            **SECRETS,
            "CHANNELSYNC_DATA_DIR": str(folder / "data"),
            "CHANNELSYNC_PUBLIC_URL": f"http://127.0.0.1:{port}",
            "CHANNELSYNC_ALLOW_HOSTS": ",".join(url.removeprefix("http://") for url in urls),
        }
        made = Till(folder, shops[0], port, environment)

        async def remember(response: httpx.Response) -> None:
            made.answers.append(response.status_code)

        hooks = {"response": [remember]}
        client = await stack.enter_async_context(httpx.AsyncClient(timeout=5, event_hooks=hooks))
        async with delivering([made.simulator], client):
            yield made


@asynccontextmanager
async def working(shop: Till) -> AsyncIterator[asyncio.subprocess.Process]:
    """The daemon, for as long as the block lasts; it has put units on sale."""
    daemon = await shop.start("run", "--port", str(shop.port))
    try:
        async with asyncio.timeout(SECONDS_MAX):
            while not await shop.buy():
                assert daemon.returncode is None, (shop.folder / "log").read_text()
                await asyncio.sleep(0.1)
        yield daemon
    finally:
        if daemon.returncode is None:
            daemon.kill()
            await daemon.wait()


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="needs prlimit, which Linux has")
async def test_a_full_disk_costs_time_and_no_order(tmp_path: Path) -> None:
    no_limit = (resource.RLIM_INFINITY, resource.RLIM_INFINITY)
    async with till(tmp_path) as shop:
        await shop.command("stock", "import", "--create-items", str(tmp_path / "stock.csv"))
        async with working(shop) as daemon:
            await until(lambda: shop.counted() == shop.accepted())
            before = shop.counted()
            # From now on no file of the daemon may grow: what a full disk does to it.
            resource.prlimit(daemon.pid, resource.RLIMIT_FSIZE, (1, resource.RLIM_INFINITY))
            for _ in range(SALES):
                await shop.buy()
            await until(lambda: httpx.codes.SERVICE_UNAVAILABLE in shop.answers)
            assert daemon.returncode is None
            assert shop.counted() == before
            resource.prlimit(daemon.pid, resource.RLIMIT_FSIZE, no_limit)
            await until(lambda: shop.counted() == shop.accepted())
            daemon.send_signal(signal.SIGTERM)
            assert await daemon.wait() == 0
        await shop.command("verify")
        assert httpx.codes.INTERNAL_SERVER_ERROR not in shop.answers
        assert shop.accepted() > before
