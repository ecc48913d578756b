"""A trace goes on in another process: what a web process took in, a worker does.

Switched on as `docs/how-to/production/traces.md` says.
"""

from __future__ import annotations

import asyncio
import os
import sys
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from random import Random

import httpx
import pytest
import sqlalchemy as sa

from channelsync.bootstrap import Application, Part, open_application
from channelsync.daemon import run_daemon
from channelsync.engine.stock_csv import import_stock
from channelsync.settings import read_settings
from channelsync.store import tables
from channelsync.telemetry.traces import open_tracing
from channelsync.web.serving import listen
from channelsync_shopify.simulator import ShopifySimulator
from tests.support.fleet import SECRETS, shop_settings
from tests.support.served import free_port, served
from tests.support.shops import delivering
from tests.support.traces import Collector, Seen, collector

CONFIG = """\
version: 1
locations: {{dc: {{name: Warehouse}}}}
channels:
  shop-a: {{connector: shopify, quarantine_seconds: 1, settings: {a}}}
  shop-b: {{connector: shopify, quarantine_seconds: 1, settings: {b}}}
allocation: {{quotas: {{shop-a: 50%, shop-b: 50%}}}}
"""
SHEET = b"sku,location,on_hand\nMUG,dc,40\n"


@asynccontextmanager
async def web_process(config: Path, port: int) -> AsyncIterator[Application]:
    """The receivers of this process, and nobody who works."""
    settings, stop, ready = read_settings(config=config), asyncio.Event(), asyncio.Event()
    async with AsyncExitStack() as stack:
        tracing = open_tracing(os.environ)
        stack.push_async_callback(tracing.close)
        opened = open_application(settings, tracing=tracing)
        application = await stack.enter_async_context(opened)
        door = listen("127.0.0.1", port)
        running = asyncio.create_task(
            run_daemon(application, door, stop=stop, on_ready=ready.set, part=Part.WEB)
        )
        await ready.wait()
        try:
            yield application
        finally:
            stop.set()
            await running


@asynccontextmanager
async def worker_process(config: Path, log: Path) -> AsyncIterator[None]:
    """A process of its own that works, and answers nobody."""
    with log.open("wb") as written:
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "channelsync", "worker"),
            *("--config", str(config), "--port", "0"),
            stdout=written,
            stderr=written,
            stdin=asyncio.subprocess.DEVNULL,
        )
    try:
        yield
    finally:
        if process.returncode is None:
            process.terminate()
        await process.wait()


async def until_both_sell(application: Application) -> None:
    query = sa.select(sa.func.count()).where(tables.listings.c.remote == 20)
    async with asyncio.timeout(60):
        while True:
            async with application.engine.database.read() as tx:
                if (await tx.execute(query)).scalar() == 2:
                    return
            await asyncio.sleep(0.1)


async def until_attempted(traced: Collector) -> list[Seen]:
    """From an attempt back to the webhook that it came of, once all of that has come."""
    async with asyncio.timeout(60):
        while True:
            by_id = {one.id: one for one in traced.spans}
            for attempt in (one for one in by_id.values() if one.name == "attempt"):
                way = [attempt]
                while way[-1].parent in by_id:
                    way.append(by_id[way[-1].parent])
                if way[-1].name.startswith("POST /webhooks"):
                    return way
            await asyncio.sleep(0.1)


async def test_one_trace_from_a_webhook_here_to_an_attempt_of_another_process(
    postgres_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    config, port = tmp_path / "channelsync.yaml", free_port()
    shops = {
        name: ShopifySimulator(domain=f"{name}.myshopify.com", rng=Random(name)) for name in "ab"
    }
    for shop in shops.values():
        shop.shop.add_item("MUG")
    async with AsyncExitStack() as stack:
        traced = stack.enter_context(collector())
        urls = {name: await stack.enter_async_context(served(s.app)) for name, s in shops.items()}
        config.write_text(
            CONFIG.format(**{name: shop_settings(shop, urls[name]) for name, shop in shops.items()})
        )
        environment = {
            **SECRETS,
            "CHANNELSYNC_DATA_DIR": str(tmp_path / "data"),
            "CHANNELSYNC_DATABASE_URL": postgres_url,
            "CHANNELSYNC_PUBLIC_URL": f"http://127.0.0.1:{port}",
            "CHANNELSYNC_ALLOW_HOSTS": ",".join(u.removeprefix("http://") for u in urls.values()),
            "OTEL_EXPORTER_OTLP_ENDPOINT": traced.url,
            "OTEL_BSP_SCHEDULE_DELAY": "100",
        }
        for name, value in environment.items():
            monkeypatch.setenv(name, value)
        client = await stack.enter_async_context(httpx.AsyncClient(timeout=20))
        await stack.enter_async_context(delivering(shops.values(), client))
        web = await stack.enter_async_context(web_process(config, port))
        engine = web.engine
        await import_stock(
            engine.database,
            engine.environment,
            SHEET,
            source="sheet",
            counted_at=None,
            reason="count",
            create_missing=True,
        )
        await stack.enter_async_context(worker_process(config, tmp_path / "worker.log"))
        await until_both_sell(web)
        await shops["a"].shop.buy("MUG", 16)
        way = await until_attempted(traced)
    names = [one.name for one in way]
    assert names == ["attempt", "publish", "reconcile", "intake", "POST /webhooks/{channel}"]
    assert len({one.trace for one in way}) == 1
    assert way[0].sender != way[-1].sender
