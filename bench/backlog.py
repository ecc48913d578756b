"""Orders that shops have told of and nobody has applied yet: the start of every trial of intake."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager

import httpx
import sqlalchemy as sa
from pydantic import SecretStr
from typing_extensions import override

from bench.house import House
from channelsync.bootstrap import Application, open_application, setup_of
from channelsync.engine.core import Engine
from channelsync.engine.inbox import Inbox, Received
from channelsync.engine.setup import apply_setup
from channelsync.engine.stock_csv import import_stock
from channelsync.engine.work import WorkKind
from channelsync.sdk.connector import ReceivesWebhooks
from channelsync.sdk.types import WebhookRequest
from channelsync.settings import Settings
from channelsync.store import tables
from channelsync.worker.daemon import handlers
from channelsync.worker.supervisor import Supervisor

__all__ = ["opened", "require_applied", "settings_of", "store_orders"]

PUBLIC_URL = "http://127.0.0.1:8484"
PORT_FIRST = 9
"""Never connected to: the shops answer in process."""


class _Street(httpx.AsyncBaseTransport):
    """The way to several shops, each at an address of its own."""

    def __init__(self, shops: Mapping[int, httpx.AsyncBaseTransport]) -> None:
        self._shops = shops

    @override
    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        return await self._shops[request.url.port or 0].handle_async_request(request)


def settings_of(house: House, *, database_url: str, redis_url: str | None = None) -> Settings:
    """The operator's settings over a merchant's house, whose file is written here."""
    hosts = [f"127.0.0.1:{PORT_FIRST + number}" for number in range(len(house.shops))]
    path = house.write(shop_urls=[f"http://{host}" for host in hosts])
    return Settings(
        config=path,
        data_dir=house.folder / "data",
        database_url=SecretStr(database_url),
        redis_url=SecretStr(redis_url) if redis_url else None,
        secrets_dir=house.folder / "secrets",
        allow_hosts=tuple(hosts),
    )


@asynccontextmanager
async def opened(house: House, settings: Settings) -> AsyncIterator[Application]:
    """The program over that house: the stock counted, the listings found, subscribed."""
    shops = {
        PORT_FIRST + number: shop.transport() for number, shop in enumerate(house.shops.values())
    }
    async with open_application(settings, transport=_Street(shops)) as application:
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
        yield application


async def store_orders(engine: Engine, house: House, count: int, *, items: int) -> None:
    """Shoppers buy `count` times, each a unit of one of the first `items` items, in turn.

    The receiver verifies and stores the webhooks; none is applied.
    """
    shops = list(house.shops.values())
    for number in range(count):
        shop = shops[number % len(shops)]
        await shop.shop.buy(house.names[number // len(shops) % items])
    store = Inbox(engine).store
    await asyncio.gather(
        *(
            store(received)
            for channel in house.shops
            for received in _verified(engine, house, channel)
        )
    )


def _verified(engine: Engine, house: House, channel: str) -> list[Received]:
    running = engine.channels.get(channel)
    if running is None or not isinstance(running.channel, ReceivesWebhooks):
        raise TypeError("a shop sends webhooks")
    verified = []
    for url, body, headers in house.shops[channel].deliveries.pending_requests():
        now = engine.now()
        names = {name.lower(): value for name, value in headers.items()}
        request = WebhookRequest(url=url, headers=names, body=body, received_at=now)
        delivery = running.channel.verify_webhook(request)
        verified.append(Received(channel=channel, delivery=delivery, body=body, at=now))
    return verified


async def require_applied(engine: Engine, count: int) -> None:
    """A figure counts only if the work was done.

    Raises:
        RuntimeError: the books hold another number of units, or something waits.
    """
    waiting = sa.select(sa.func.count()).select_from(tables.inbox)
    async with engine.database.read() as connection:
        counted = await connection.scalar(sa.select(sa.func.sum(tables.stock.c.reserved)))
        left = await connection.scalar(waiting)
    if (counted or 0) != count or left:
        raise RuntimeError(f"{counted} of {count} orders were counted, {left} wait")
