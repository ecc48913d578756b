"""The real daemon on a simulated Amazon over HTTP and a real queue, with faults on every wire."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import sqlite3
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, closing
from dataclasses import dataclass
from pathlib import Path
from random import Random

import pytest

from channelsync.sdk.testing.faults import AnswerFault, DeliveryPlan, FaultPlan
from channelsync_amazon.buckets import Plan
from channelsync_amazon.simulator import CANARY, AmazonSimulator
from channelsync_amazon.simulator.state import Application
from tests.support.served import free_port, served
from tests.support.sqs import KEY, SECRET, new_queue, sqs_client, sqs_server

SKUS = tuple(f"SKU-{number}" for number in range(4))
UNITS = 12
BUYERS = 25
WAIT_SECONDS_MAX = 60.0


@dataclass
class Stage:
    """A seller account, its queue, and the daemon that keeps it in step."""

    folder: Path
    simulator: AmazonSimulator
    environment: dict[str, str]

    async def command(self, *arguments: str) -> str:
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "channelsync", *arguments),
            env=self.environment,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
        )
        said, _ = await process.communicate()
        assert process.returncode == 0, said.decode()
        return said.decode()

    @asynccontextmanager
    async def daemon(self) -> AsyncIterator[None]:
        with (self.folder / "daemon.log").open("wb") as log:
            process = await asyncio.create_subprocess_exec(
                *(sys.executable, "-m", "channelsync", "run", "--port", str(free_port())),
                env=self.environment,
                stdout=log,
                stderr=log,
            )
        try:
            yield
            process.send_signal(signal.SIGTERM)
            assert await process.wait() == 0, self.log
        finally:
            if process.returncode is None:
                process.kill()
                await process.wait()

    @property
    def log(self) -> str:
        return (self.folder / "daemon.log").read_text("utf-8")

    async def until(self, holds: Callable[[], bool], what: str) -> None:
        try:
            async with asyncio.timeout(WAIT_SECONDS_MAX):
                while not holds():  # noqa: ASYNC110 - a simulated world has no events to wait for
                    await asyncio.sleep(0.1)
        except TimeoutError:
            pytest.fail(f"not {what} within {WAIT_SECONDS_MAX:g} s:\n{self.log[-4_000:]}")

    def reserved(self) -> int:
        """Units promised to orders, as the books say."""
        store = f"file:{self.folder / 'data' / 'channelsync.db'}?mode=ro"
        with closing(sqlite3.connect(store, uri=True)) as books:
            [[units]] = books.execute("SELECT sum(reserved) FROM stock").fetchall()
        return int(units)


def write_files(stage: Stage, url: str, queue: str) -> None:
    settings = stage.simulator.settings(
        base_url=url,
        token_url=f"{url}/auth/o2/token",
        client_secret="${LWA_SECRET}",
        refresh_token="${LWA_REFRESH}",
        visibility_lag_seconds=1,
        queue_url=queue,
        queue_region="eu-west-1",
        aws_access_key_id=KEY,
        aws_secret_access_key="${AWS_SECRET}",
        feed_above=3,
    )
    (stage.folder / "channelsync.yaml").write_text(
        "version: 1\n"
        "locations: {dc: {name: Warehouse}}\n"
        "channels:\n"
        "  amazon: {connector: amazon, poll_interval_seconds: 2, apply_limit_seconds: 5,\n"
        f"    settings: {json.dumps(settings)}}}\n"
        "allocation: {quotas: {amazon: 100%}}\n",
        encoding="utf-8",
    )
    rows = "".join(f"{sku},dc,{UNITS}\n" for sku in SKUS)
    (stage.folder / "stock.csv").write_text(f"sku,location,on_hand\n{rows}", encoding="utf-8")


def an_account() -> AmazonSimulator:
    faults = FaultPlan(
        answers=AnswerFault(server_error_before=0.02, server_error_after=0.02, throttled=0.01),
        deliveries=DeliveryPlan(lose=0.1, double=0.3, delay_seconds_max=2.0),
    )
    simulator = AmazonSimulator(rng=Random(11), faults=faults, unlimited=True)
    simulator.quota.set_plan("searchOrders", Plan(5.0, 20))
    simulator.world.application = Application(seconds_median=0.5, sigma=0.5)
    simulator.world.feed_application = Application(seconds_median=0.5, sigma=0.5)
    simulator.feeds.seconds = (0.5, 2.0)
    simulator.orders.search_delay_seconds = 0.5
    simulator.seller.pending_seconds = 1.0
    simulator.notifications.eventbridge = True
    for sku in SKUS:
        simulator.seller.add_offer(sku, 0)
    simulator.seller.add_offer("FBA", 0, code="AMAZON_EU")
    return simulator


@asynccontextmanager
async def a_stage(folder: Path) -> AsyncIterator[Stage]:
    simulator = an_account()
    with sqs_server() as origin:
        async with sqs_client(origin) as client, served(simulator.app) as url:
            queue = await new_queue(client)

            async def post(body: str) -> None:
                await client.send_message(QueueUrl=queue, MessageBody=body)

            hosts = ",".join(one.removeprefix("http://") for one in (url, origin))
            environment = {
                **os.environ,
                "LWA_SECRET": simulator.account.client_secret,
                "LWA_REFRESH": simulator.account.refresh_token,
                "AWS_SECRET": SECRET,
                "CHANNELSYNC_ALLOW_HOSTS": hosts,
                "CHANNELSYNC_DATA_DIR": str(folder / "data"),
                "CHANNELSYNC_CONFIG": str(folder / "channelsync.yaml"),
            }
            stage = Stage(folder, simulator, environment)
            write_files(stage, url, queue)
            courier = asyncio.create_task(simulator.notifications.run(post))
            try:
                yield stage
            finally:
                courier.cancel()
                await asyncio.gather(courier, return_exceptions=True)


async def shop(stage: Stage, rng: Random) -> None:
    """Buyers come, more of them than there is stock; some change their mind."""
    seller = stage.simulator.seller
    for _ in range(BUYERS):
        order = await seller.buy(rng.choice(SKUS), rng.choice((1, 1, 2, 3)))
        if order is not None and rng.random() < 0.1:
            await seller.cancel(order)
        await asyncio.sleep(0.1)


@pytest.mark.slow
async def test_a_day_at_amazon_with_faults_on_every_wire_sells_no_unit_twice(
    tmp_path: Path,
) -> None:
    async with a_stage(tmp_path) as stage:
        await stage.command("stock", "import", str(tmp_path / "stock.csv"), "--create-items")
        offers = stage.simulator.world.offers
        async with stage.daemon():
            await stage.until(
                lambda: all(offers[sku].live == UNITS for sku in SKUS), "granted everything"
            )
            await shop(stage, Random(5))
            sold = sum(stage.simulator.seller.net_sold(sku) for sku in SKUS)
            await stage.until(lambda: stage.reserved() == sold, "counted every order")
        for sku in SKUS:
            assert stage.simulator.seller.net_sold(sku) <= UNITS
        assert offers["FBA"].code == "AMAZON_EU"
        names = {call.operation for call in stage.simulator.server.calls}
        assert names >= {"createFeed", "createSubscription", "searchOrders"}
        assert sum(stage.simulator.faults.injected.values()) > 0
        assert "The books add up" in await stage.command("verify")
        stored = b"".join(path.read_bytes() for path in (tmp_path / "data").iterdir())
        assert CANARY.encode() not in stored
        assert CANARY not in stage.log
