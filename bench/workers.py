"""Two workers against one, on PostgreSQL: the same backlog of several shops, applied.

Each shop has as many orders as one has in `orders`: a worker makes its statements once in its life,
and two of them must not be compared by that.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from time import perf_counter

import sqlalchemy as sa

from bench.backlog import opened, require_applied, settings_of, store_orders
from bench.figure import Figure
from bench.house import House
from bench.process import environment, running
from bench.scale import Scale
from bench.servers import empty_database, postgres
from channelsync.bootstrap import Application
from channelsync.engine.core import Engine
from channelsync.engine.work import WorkKind
from channelsync.store import tables
from tests.support.servers import Postgres, Redis, running_redis

__all__ = ["measure"]

REACH = 1.3
SHOPS = 4
"""A channel's deliveries are applied by one worker at a time: two need two channels at least."""
HELD_BACK_SECONDS = 3_600.0
LOOK_SECONDS = 0.02
DONE_SECONDS_MAX = 300.0


async def measure(scale: Scale, folder: Path) -> list[Figure]:
    """One figure; PostgreSQL works on the same cores."""
    rates: dict[int, list[float]] = {1: [], 2: []}
    with postgres() as server, running_redis() as redis:
        for number in range(scale.rounds):
            for workers, found in rates.items():
                place = folder / f"{workers}-{number}"
                place.mkdir()
                found.append(await _orders_per_second(server, redis, place, scale, workers))
    return [
        Figure(
            name="orders applied, PostgreSQL, two workers",
            unit="a second",
            better="more",
            values=tuple(rates[2]),
            limits=tuple(rates[1]),
            limit_is="one worker",
            reach=REACH,
        )
    ]


async def _orders_per_second(
    server: Postgres, redis: Redis, folder: Path, scale: Scale, workers: int
) -> float:
    count = scale.orders * SHOPS
    house = House.build(folder, items=scale.order_items, units=count, shops=SHOPS)
    address = await empty_database(server)
    settings = settings_of(house, database_url=address, redis_url=redis.url)
    variables = environment(folder, *settings.allow_hosts) | {
        "CHANNELSYNC_DATABASE_URL": address,
        "CHANNELSYNC_REDIS_URL": redis.url,
    }
    async with opened(house, settings) as application:
        engine = application.engine
        await store_orders(engine, house, count, items=scale.order_items)
        await _hold_back(engine, HELD_BACK_SECONDS)
        async with AsyncExitStack() as stack:
            await stack.enter_async_context(_telling(application))
            for _ in range(workers):
                await stack.enter_async_context(running(("-m", "bench.worker"), variables))
            began = perf_counter()
            await _hold_back(engine, 0.0)
            engine.wake([WorkKind.INTAKE])
            await _until_applied(engine)
            seconds = perf_counter() - began
        await require_applied(engine, count)
    return count / seconds


@asynccontextmanager
async def _telling(application: Application) -> AsyncIterator[None]:
    """Wake-ups of this process reach the workers meanwhile."""
    if application.far_bus is None:
        raise RuntimeError("there is no Redis to tell the workers by")
    task = asyncio.create_task(application.far_bus.run(listens=False))
    try:
        yield
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


async def _hold_back(engine: Engine, seconds: float) -> None:
    """Nobody looks at deliveries for so long; with 0 everybody may."""
    async with engine.database.write() as tx:
        await tx.execute(
            sa.update(tables.work)
            .where(tables.work.c.kind == "intake")
            .values(not_before=engine.now() + seconds)
        )


async def _until_applied(engine: Engine) -> None:
    left = sa.select(tables.inbox.c.delivery_id).limit(1)
    async with asyncio.timeout(DONE_SECONDS_MAX):
        while True:
            async with engine.database.read() as connection:
                if await connection.scalar(left) is None:
                    return
            await asyncio.sleep(LOOK_SECONDS)
