"""The real daemon, killed again and again while shoppers buy and webhooks misbehave.

Each start is a fork that has its modules already: a dozen imports would take longer than the rest.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import sqlite3
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from random import Random

import httpx
import pytest

from channelsync_shopify.simulator import ShopifySimulator
from tests.support.fleet import CONFIG, SECRETS, shop_settings
from tests.support.preloaded import Fork, commands, start
from tests.support.served import free_port, served
from tests.support.shops import Shoppers, accepted, delivering, two_shops

KILLS = int(os.environ.get("CHANNELSYNC_SIGKILLS", "12"))
ITEMS = 8
UNITS = 3 * KILLS
"""Of each item: enough that shoppers find something between any two kills."""
SECONDS_BETWEEN_KILLS = (1.5, 4.0)
QUIET_SECONDS_MAX = 60.0


@dataclass
class Stage:
    """Two shops, their shoppers, and a daemon that somebody keeps killing."""

    folder: Path
    shops: dict[str, ShopifySimulator]
    port: int
    rng: Random
    environment: dict[str, str]
    commands: Path
    shoppers: Shoppers
    process: Fork | None = None
    starts: int = field(default=0)

    async def start(self) -> None:
        """Start the daemon and wait until it answers."""
        self.starts += 1
        log = self.folder / f"daemon-{self.starts}.log"
        config = str(self.folder / "channelsync.yaml")
        arguments = ["run", "--config", config, "--port", str(self.port)]
        self.process = await start(self.commands, arguments, self.environment, log)
        async with httpx.AsyncClient() as client:
            async with asyncio.timeout(60):
                while True:
                    with contextlib.suppress(httpx.HTTPError):
                        if (await client.get(f"http://127.0.0.1:{self.port}/livez")).is_success:
                            return
                    if self.process.returncode is not None:
                        pytest.fail(f"the daemon ended by itself:\n{log.read_text()}")
                    await asyncio.sleep(0.05)

    async def kill(self, how: signal.Signals = signal.SIGKILL) -> int:
        """End the daemon."""
        assert self.process is not None
        self.process.send_signal(how)
        return await self.process.wait()

    async def command(self, *arguments: str) -> tuple[int, str]:
        """Run a command of ours beside it."""
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

    async def until_enough_is_on_sale(self) -> None:
        """Wait until the shops show more units than there are kills."""
        async with asyncio.timeout(QUIET_SECONDS_MAX):
            while self._on_sale() <= KILLS:  # noqa: ASYNC110 - a shop tells nobody
                await asyncio.sleep(0.05)

    def _on_sale(self) -> int:
        items = [f"SKU-{number}" for number in range(ITEMS)]
        return sum(one.shop.available(sku) for one in self.shops.values() for sku in items)

    async def shop_for(self, seconds: float) -> None:
        """Shoppers buy, and some cancel."""
        await self.shoppers.shop_for(seconds)


@asynccontextmanager
async def stage(folder: Path, seed: int) -> AsyncIterator[Stage]:
    rng = Random(seed)
    shops = two_shops(rng, items=ITEMS, delay_seconds_max=2.0)
    port = free_port()
    async with contextlib.AsyncExitStack() as stack:
        found = folder / "bin"
        found.mkdir()
        stack.enter_context(commands(found))
        urls = {name: await stack.enter_async_context(served(s.app)) for name, s in shops.items()}
        (folder / "channelsync.yaml").write_text(
            CONFIG.format(
                a=shop_settings(shops["shop-a"], urls["shop-a"]),
                b=shop_settings(shops["shop-b"], urls["shop-b"]),
            )
        )
        environment = (
            os.environ
            | SECRETS
            | {
                "CHANNELSYNC_DATA_DIR": str(folder / "data"),
                "CHANNELSYNC_PUBLIC_URL": f"http://127.0.0.1:{port}",
                "CHANNELSYNC_ALLOW_HOSTS": ",".join(
                    url.removeprefix("http://") for url in urls.values()
                ),
            }
        )
        client = await stack.enter_async_context(httpx.AsyncClient(timeout=5))
        await stack.enter_async_context(delivering(shops.values(), client))
        shoppers = Shoppers(
            shops=shops, rng=rng, items=ITEMS, cancel_share=0.1, pause_seconds_max=0.2
        )
        built = Stage(folder, shops, port, rng, environment, found, shoppers)
        try:
            yield built
        finally:
            if built.process is not None and built.process.returncode is None:
                await built.kill()


def counted_units(folder: Path) -> dict[tuple[str, str], int]:
    """Net units that the books hold, by channel and SKU."""
    with contextlib.closing(sqlite3.connect(folder / "data" / "channelsync.db")) as database:
        rows = database.execute(
            "SELECT channel, sku, SUM(ordered - cancelled) FROM order_lines GROUP BY channel, sku"
        )
        return {(channel, sku): units for channel, sku, units in rows}


@pytest.mark.timeout(300 + 20 * KILLS)
async def test_kills_lose_nothing_and_count_nothing_twice(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    async with stage(tmp_path, seed=7) as scene:
        header = "sku,location,on_hand\n"
        rows = "".join(f"SKU-{n},dc,{UNITS}\n" for n in range(ITEMS))
        (tmp_path / "stock.csv").write_text(header + rows)
        code, output = await scene.command(
            "stock", "import", "--create-items", str(tmp_path / "stock.csv")
        )
        assert code == 0, output
        killed = 0
        for number in range(KILLS):
            await scene.start()
            if number == KILLS // 2:  # on a slow machine the first lives end before they offer much
                await scene.until_enough_is_on_sale()
            await scene.shop_for(scene.rng.uniform(*SECONDS_BETWEEN_KILLS))
            killed += await scene.kill() == -signal.SIGKILL
            await scene.shop_for(0.3)
        await scene.start()
        seconds = await _until_counted(scene)
        assert await scene.kill(signal.SIGTERM) == 0
        code, output = await scene.command("verify", "--json")
        assert code == 0, output
        assert killed == KILLS
        sold = accepted(scene.shops, ITEMS)
        for number in range(ITEMS):
            assert sum(sold[name, f"SKU-{number}"] for name in scene.shops) <= UNITS
        total = sum(sold.values())
        assert total > KILLS
        shoppers = scene.shoppers
        with capsys.disabled():
            sys.stdout.write(
                f"\n{killed} SIGKILLs: {shoppers.orders} orders, {shoppers.cancels} cancelled,"
                f" {total} of {ITEMS * UNITS} units sold, oversold 0, every order in the books"
                f" {seconds:.1f} s after the last start, verify clean\n"
            )


async def _until_counted(scene: Stage) -> float:
    """Wait until the books hold exactly what the shops have sold. Returns how long that took."""
    truth = accepted(scene.shops, ITEMS)
    loop = asyncio.get_running_loop()
    end = loop.time() + QUIET_SECONDS_MAX
    while True:
        books = counted_units(scene.folder)
        wrong = {
            key: (units, books.get(key, 0))
            for key, units in truth.items()
            if units != books.get(key, 0)
        }
        if not wrong:
            return loop.time() - (end - QUIET_SECONDS_MAX)
        assert loop.time() < end, f"sold and counted differ: {wrong}"
        await asyncio.sleep(0.5)
