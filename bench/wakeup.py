"""From a commit in one process to the start of the work in another, told through arq on Redis."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable
from contextlib import AsyncExitStack
from pathlib import Path
from time import perf_counter
from typing import cast

from redis.asyncio import Redis as Client

from bench.backlog import settings_of
from bench.figure import Figure, percentile
from bench.house import House
from bench.scale import Scale
from bench.servers import empty_database, postgres
from channelsync.bootstrap import Application, open_application
from channelsync.domain.vocabulary import Instant
from channelsync.engine.core import Engine
from channelsync.engine.work import Claim, WorkKind, mark
from channelsync.worker.supervisor import Supervisor
from tests.support.servers import Redis, running_redis

__all__ = ["measure"]

SHARES = {"p50": 0.50, "p99": 0.99}
PAUSE_SECONDS = 0.02
STARTED_SECONDS_MAX = 30.0


async def measure(scale: Scale, folder: Path) -> list[Figure]:
    """Two figures: percentiles over all wake-ups of a round."""
    ours: list[list[float]] = []
    bare: list[list[float]] = []
    with postgres() as server, running_redis() as redis:
        for number in range(scale.rounds):
            place = folder / str(number)
            place.mkdir()
            house = House.build(place, items=1, units=1)
            address = await empty_database(server)
            settings = settings_of(house, database_url=address, redis_url=redis.url)
            async with AsyncExitStack() as stack:
                web, worker = [
                    await stack.enter_async_context(open_application(settings, with_channels=False))
                    for _ in range(2)
                ]
                ours.append(await _wake_ups(web, worker, scale.wake_ups))
            bare.append(await _bare(redis, scale.wake_ups))
    return [
        Figure(
            name=f"commit to start of work, arq, {name}",
            unit="seconds",
            better="less",
            values=tuple(percentile(one, share) for one in ours),
            limits=tuple(percentile(one, share) for one in bare),
            limit_is="a list of Redis, one pushes, one waits",
        )
        for name, share in SHARES.items()
    ]


async def _wake_ups(web: Application, worker: Application, count: int) -> list[float]:
    """One key after the other is marked on one side; the other side says when it began."""
    began: dict[str, float] = {}
    come = asyncio.Event()

    async def note(_engine: Engine, held: Claim) -> Instant | None:
        began[held.key] = perf_counter()
        come.set()
        return None

    supervisor = Supervisor(engine=worker.engine, handlers={WorkKind.RECONCILE: note})
    beside = [asyncio.create_task(supervisor.run())]
    for application, listens in ((web, False), (worker, True)):
        if application.far_bus is None:
            raise RuntimeError("there is no Redis to tell the worker by")
        beside.append(asyncio.create_task(application.far_bus.run(listens=listens)))
    waits = []
    try:
        # The first one waits until everybody is connected; it does not count.
        for number in range(-1, count):
            come.clear()
            async with web.engine.database.write() as tx:
                await mark(tx, WorkKind.RECONCILE, str(number))
            committed = perf_counter()
            async with asyncio.timeout(STARTED_SECONDS_MAX):
                await come.wait()
            if number >= 0:
                waits.append(began[str(number)] - committed)
            await asyncio.sleep(PAUSE_SECONDS)
    finally:
        supervisor.stop()
        for task in beside[1:]:
            task.cancel()
        await asyncio.gather(*beside, return_exceptions=True)
    return waits


async def _bare(redis: Redis, count: int) -> list[float]:
    """What Redis itself needs to wake somebody who waits."""
    waits = []
    async with (
        Client(unix_socket_path=str(redis.socket)) as teller,
        Client(unix_socket_path=str(redis.socket)) as hearer,
    ):
        for _ in range(count):
            hears = cast("Awaitable[object]", hearer.blpop(["bare"], timeout=5))
            waiting = asyncio.ensure_future(hears)
            await asyncio.sleep(PAUSE_SECONDS)
            pushed = perf_counter()
            await cast("Awaitable[int]", teller.rpush("bare", b"look"))
            await waiting
            waits.append(perf_counter() - pushed)
    return waits
