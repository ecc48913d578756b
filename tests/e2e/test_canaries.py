"""Canary secrets and canary people turn up nowhere: the real daemon, everything that goes wrong.

What is kept, written, told, counted and copied is searched for them, in whatever place it lies.
"""

from __future__ import annotations

import asyncio
import io
import json
import logging
import os
import sys
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from random import Random
from typing import Any

import httpx
import pytest
import sqlalchemy as sa
from starlette.types import ASGIApp, Receive, Scope, Send

from channelsync.bootstrap import Application, open_application
from channelsync.cli.logs import start_logs
from channelsync.daemon import run_daemon
from channelsync.engine.stock_csv import import_stock
from channelsync.settings import Settings
from channelsync.store import tables
from channelsync.store.backup import backup
from channelsync.telemetry.traces import open_tracing
from channelsync.web.serving import listen
from channelsync_shopify.simulator import CANARY, ShopifySimulator
from tests.support.room import room_open
from tests.support.served import free_port, served
from tests.support.shops import delivering
from tests.support.traces import Collector, collector, way_to

TOKEN = "shpat_canary0123456789abcdef"
WEBHOOKS = "canary-of-the-webhooks"
ADDRESS = "canary-of-the-owners-address"
PASSWORD = "canary of a passphrase"
OPERATORS = "canary-of-the-operators-own-key-0123"
COLLECTORS = "canary-of-the-collectors-key"
CONFIG = """\
version: 1
locations: {dc: {name: Warehouse}}
channels:
  shop:
    connector: shopify
    poll_interval_seconds: 1
    quarantine_seconds: 1
    settings:
      shop: acme.myshopify.com
      access_token: "${SHOP_TOKEN}"
      webhook_secret: "${SHOP_SECRET}"
      location_id: "@location@"
      base_url: "@url@"
      visibility_lag_seconds: 0
allocation: {quotas: {shop: 60%}}
notifications:
  targets: {owner: "${OWNER_URL}"}
  rules: [{name: everything, to: [owner]}]
"""


@pytest.fixture
def told(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[bytes]]:
    with room_open() as room:
        monkeypatch.setenv("OWNER_URL", f"json://{room.address}/{ADDRESS}")
        yield room.posted


@pytest.fixture
def traced(monkeypatch: pytest.MonkeyPatch) -> Iterator[Collector]:
    with collector() as built:
        monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", built.url)
        monkeypatch.setenv("OTEL_EXPORTER_OTLP_HEADERS", f"api-key={COLLECTORS}")
        yield built


@dataclass
class Stage:
    """The daemon, a shop, and everything that it wrote on standard error."""

    application: Application
    shop: ShopifySimulator
    client: httpx.AsyncClient
    folder: Path
    log: io.StringIO
    sent: list[bytes]
    """Everything that the daemon was sent."""
    heard: set[str]
    """Names of the headers that the shop was sent."""
    answers: list[str] = field(default_factory=list)
    """Bodies of whatever the daemon answered."""

    async def ask(self, method: str, path: str, **more: Any) -> httpx.Response:
        answer = await self.client.request(method, path, **more)
        self.answers.append(answer.text)
        return answer

    async def until(self, query: sa.Select[Any]) -> None:
        async with asyncio.timeout(45):
            while True:
                async with self.application.engine.database.read() as tx:
                    if (await tx.execute(query)).first():
                        return
                await asyncio.sleep(0.05)


def listening(app: ASGIApp, heard: set[str]) -> ASGIApp:
    """The application, and the names of all headers that it is sent."""

    async def listen_too(scope: Scope, receive: Receive, send: Send) -> None:
        heard.update(name.decode() for name, _ in scope.get("headers", ()))
        await app(scope, receive, send)

    return listen_too


@asynccontextmanager
async def stage(folder: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Stage]:
    log = io.StringIO()
    monkeypatch.setattr(sys, "stderr", log)
    start_logs(logging.DEBUG, "json")
    monkeypatch.setenv("SHOP_TOKEN", TOKEN)
    monkeypatch.setenv("SHOP_SECRET", WEBHOOKS)
    shop = ShopifySimulator(rng=Random(1), access_token=TOKEN, client_secret=WEBHOOKS)
    shop.shop.add_item("MUG")
    port, stop, ready = free_port(), asyncio.Event(), asyncio.Event()
    async with AsyncExitStack() as stack:
        heard: set[str] = set()
        url = await stack.enter_async_context(served(listening(shop.app, heard)))
        config = folder / "channelsync.yaml"
        config.write_text(CONFIG.replace("@location@", shop.location_id).replace("@url@", url))
        settings = Settings(
            config=config,
            data_dir=folder / "data",
            secret_key=OPERATORS,  # type: ignore[arg-type]
            public_url=f"http://127.0.0.1:{port}",
            allow_hosts=(url.removeprefix("http://"),),
        )
        client = httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}", timeout=20)
        await stack.enter_async_context(client)
        sent: list[bytes] = []

        async def note(request: httpx.Request) -> None:
            sent.append(await request.aread())

        client.event_hooks = {"request": [note]}
        await stack.enter_async_context(delivering([shop], client))
        tracing = open_tracing(os.environ)
        stack.push_async_callback(tracing.close)
        application = await stack.enter_async_context(open_application(settings, tracing=tracing))
        door = listen("127.0.0.1", port)
        running = asyncio.create_task(run_daemon(application, door, stop=stop, on_ready=ready.set))
        await ready.wait()
        await import_stock(
            application.engine.database,
            application.engine.environment,
            b"sku,location,on_hand\nMUG,dc,20\n",
            source="sheet",
            counted_at=None,
            reason="count",
            create_missing=True,
        )
        try:
            yield Stage(application, shop, client, folder, log, sent, heard)
        finally:
            stop.set()
            await running


async def use_everything(stage: Stage) -> list[str]:
    """Sales, strangers, a wrong body, people, keys, endpoints. Secrets that were shown once."""
    shown: list[str] = []
    listings, lines, letters = tables.listings.c, tables.order_lines.c, tables.deliveries.c
    await stage.until(sa.select(listings.id).where(listings.remote > 0))
    await stage.shop.shop.buy("MUG")
    await stage.until(sa.select(lines.id))
    await stage.until(sa.select(letters.id))
    person = {"id": CANARY, "customer": {"email": f"{CANARY}@example.com"}, "line_items": CANARY}
    headers = {"x-shopify-topic": "orders/create", "x-shopify-hmac-sha256": WEBHOOKS}
    refused = await stage.ask("POST", "/webhooks/shop", json=person, headers=headers)
    assert refused.status_code == 401
    endpoint = await stage.ask("POST", "/api/v1/endpoints", json={"url": "https://erp.example/h"})
    key = await stage.ask("POST", "/api/v1/keys", json={"name": "till", "scopes": ["read"]})
    for answer, name in ((endpoint, "secret"), (key, "text")):
        assert answer.status_code == 201, answer.text
        stage.answers.remove(answer.text)  # the one place where it is meant to stand
        shown.append(answer.json()[name])
    stage.shop.account.access_token = None  # the shop takes our token no more
    await stage.shop.shop.buy("MUG")
    failing = tables.channels.c.failing_since.is_not(None)
    await stage.until(sa.select(tables.channels.c.name).where(failing))
    test = await stage.ask("POST", "/api/v1/notifications/test", json={})
    assert test.json()["ok"], test.text
    for path in ("/", "/metrics", "/api/v1/audit", "/api/v1/orders", "/readyz?verbose=1"):
        assert (await stage.ask("GET", path)).status_code in {200, 503}, path
    user = {"name": "ada", "password": PASSWORD, "role": "admin"}
    assert (await stage.ask("POST", "/api/v1/users", json=user)).status_code == 201
    await stage.ask("POST", "/login", data={"name": "ada", "password": f"{PASSWORD}?"})
    return shown


def files(folder: Path) -> dict[str, bytes]:
    """Every file below, by its name."""
    return {one.name: one.read_bytes() for one in folder.rglob("*") if one.is_file()}


async def test_items_24_to_26_canaries_turn_up_nowhere(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, told: list[bytes], traced: Collector
) -> None:
    async with stage(tmp_path, monkeypatch) as built:
        shown = await use_everything(built)
        copy = await backup(built.application.settings.database, tmp_path / "backup.db")
        assert copy.size_bytes > 0
        places = {f"{name} while open": content for name, content in files(tmp_path).items()}
    places |= files(tmp_path)
    places |= {"log": built.log.getvalue().encode(), "notices": b"\n".join(told)}
    places["answers"] = "\n".join(built.answers).encode()
    places["traces"] = b"\n".join(traced.bodies)
    canaries = (CANARY, TOKEN, WEBHOOKS, ADDRESS, PASSWORD, OPERATORS, COLLECTORS, *shown)
    found = {
        (place, canary) for canary in canaries for place in places if holds(places[place], canary)
    }
    assert found == set()
    # The search itself finds what is there, and the canaries were.
    assert {"backup.db", "channelsync.db", "channelsync.db-wal while open", "answers"} <= {
        place for place, content in places.items() if holds(content, "MUG")
    }
    assert holds(b"".join(built.sent), CANARY)
    assert holds(places["log"], "sign-in refused")
    assert holds(places["notices"], "a test")
    webhooks = [span for span in traced.spans if span.name == "POST /webhooks/{channel}"]
    intake = next(span for span in traced.spans if span.parent in {one.id for one in webhooks})
    assert way_to(intake, traced.spans) == ["POST /webhooks/{channel}", "intake"]
    # What was asked of the shop is told, but not where, nor with what.
    asked = [span for span in traced.spans if "server.address" in span.attributes]
    assert {span.name for span in asked} == {"POST"}
    assert "x-shopify-access-token" in built.heard
    assert not {"traceparent", "tracestate", "baggage"} & built.heard


def holds(content: bytes, text: str) -> bool:
    """Whether it holds the text, as it is or as JSON writes it."""
    return text.encode() in content or json.dumps(text)[1:-1].encode() in content
