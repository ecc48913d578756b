"""Orders applied a second: webhooks that were stored, through the real intake into the books."""

from __future__ import annotations

import asyncio
import sqlite3
from contextlib import closing
from pathlib import Path
from time import perf_counter

from pydantic import SecretStr

from bench.bare import reservations_per_second
from bench.figure import Figure
from bench.house import House
from bench.scale import Scale
from channelsync.bootstrap import Application, open_application, setup_of
from channelsync.engine.core import Engine
from channelsync.engine.inbox import Inbox, Received
from channelsync.engine.setup import apply_setup
from channelsync.engine.stock_csv import import_stock
from channelsync.engine.work import WorkKind
from channelsync.sdk.connector import ReceivesWebhooks
from channelsync.sdk.types import WebhookRequest
from channelsync.settings import Settings
from channelsync.worker.daemon import handlers
from channelsync.worker.supervisor import Supervisor

__all__ = ["measure"]

PUBLIC_URL = "http://127.0.0.1:8484"
SHOP_HOST = "127.0.0.1:9"
"""Never connected to: the shop answers in process."""


async def measure(scale: Scale, folder: Path) -> list[Figure]:
    """One figure: orders of one line each, over many items."""
    ours: list[float] = []
    bare: list[float] = []
    for number in range(scale.rounds):
        place = folder / str(number)
        place.mkdir()
        ours.append(await _orders_per_second(place, scale))
        bare.append(reservations_per_second(place, items=scale.order_items, count=scale.orders))
    return [
        Figure(
            name="orders applied, SQLite",
            unit="a second",
            better="more",
            values=tuple(ours),
            limits=tuple(bare),
            limit_is="bare sqlite3, a reservation a transaction",
            target=500.0,
        )
    ]


async def _orders_per_second(folder: Path, scale: Scale) -> float:
    house = House.build(folder, items=scale.order_items, units=scale.orders)
    path = house.write(shop_url=f"http://{SHOP_HOST}")
    database = folder / "data" / "channelsync.db"
    settings = Settings(
        config=path,
        data_dir=folder / "data",
        database_url=SecretStr(f"sqlite:///{database}"),
        secrets_dir=folder / "secrets",
        allow_hosts=(SHOP_HOST,),
    )
    async with open_application(settings, transport=house.shop.transport()) as application:
        await _adopt(application, house)
        await _store_orders(application.engine, house, scale.orders)
        intake = {WorkKind.INTAKE: handlers(PUBLIC_URL)[WorkKind.INTAKE]}
        supervisor = Supervisor(engine=application.engine, handlers=intake)
        began = perf_counter()
        await supervisor.run_until_idle(horizon=application.engine.now() + 3_600)
        seconds = perf_counter() - began
    _require_counted(database, scale.orders)
    return scale.orders / seconds


async def _adopt(application: Application, house: House) -> None:
    """Count the stock, find the listings, subscribe to webhooks."""
    engine = application.engine
    await apply_setup(engine, setup_of(application.configuration))
    await import_stock(
        engine.database,
        engine.environment,
        (house.folder / "stock.csv").read_text(encoding="ascii"),
        source="stock.csv",
        counted_at=engine.now(),
        reason="stock-take",
        create_missing=True,
    )
    first = (WorkKind.DISCOVER, WorkKind.POLL, WorkKind.SUBSCRIBE)
    every = handlers(PUBLIC_URL)
    supervisor = Supervisor(engine=engine, handlers={kind: every[kind] for kind in first})
    await supervisor.run_until_idle(horizon=engine.now() + 60)


async def _store_orders(engine: Engine, house: House, count: int) -> None:
    """Shoppers buy, and the receiver verifies and stores the shop's webhooks; none is applied."""
    for number in range(count):
        await house.shop.shop.buy(house.names[number % len(house.names)])
    running = engine.channels.get("shop")
    if running is None or not isinstance(running.channel, ReceivesWebhooks):
        raise TypeError("the shop sends webhooks")
    inbox = []
    for url, body, headers in house.shop.deliveries.pending_requests():
        now = engine.now()
        names = {name.lower(): value for name, value in headers.items()}
        request = WebhookRequest(url=url, headers=names, body=body, received_at=now)
        delivery = running.channel.verify_webhook(request)
        inbox.append(Received(channel=running.name, delivery=delivery, body=body, at=now))
    store = Inbox(engine).store
    await asyncio.gather(*(store(received) for received in inbox))


def _require_counted(database: Path, count: int) -> None:
    """A figure counts only if the work was done."""
    with closing(sqlite3.connect(database)) as connection:
        [(counted,)] = connection.execute("SELECT sum(reserved) FROM stock")
        [(waiting,)] = connection.execute("SELECT count(*) FROM deliveries WHERE done_at IS NULL")
    if counted != count or waiting:
        raise RuntimeError(f"{counted} of {count} orders were counted, {waiting} wait")
