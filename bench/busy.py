"""How long a marketplace waits for an answer while a worker applies a backlog, on PostgreSQL."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from bench.backlog import opened, settings_of, store_orders
from bench.client import post_all, post_paced
from bench.figure import Figure, percentile
from bench.house import House
from bench.process import environment, running
from bench.receiver import sale
from bench.scale import Scale
from bench.servers import empty_database, postgres
from tests.support.servers import Postgres

__all__ = ["measure"]

P99_SECONDS_MAX = 0.025
SHARES = {"p50": 0.50, "p99": 0.99}
LOAD = 0.5
"""Of the rate that the receiver reaches alone."""


async def measure(scale: Scale, folder: Path) -> list[Figure]:
    """Two figures: percentiles over all requests of a round, at half of the receiver's maximum."""
    ours: list[list[float]] = []
    bare: list[list[float]] = []
    with postgres() as server:
        for number in range(scale.rounds):
            place = folder / str(number)
            place.mkdir()
            async with _backlog(server, place, scale) as variables:
                rate = LOAD * await _maximum(variables, scale)
                async with running(("-m", "bench.worker"), variables):
                    ours.append(await _waits(variables, "own", scale, rate))
                bare.append(await _waits(variables, "bare", scale, rate))
    return [
        Figure(
            name=f"answer to a webhook while intake is busy, PostgreSQL, {name}",
            unit="seconds",
            better="less",
            values=tuple(percentile(one, share) for one in ours),
            limits=tuple(percentile(one, share) for one in bare),
            limit_is="the same server and pace, nothing stored, no intake",
            target=P99_SECONDS_MAX if name == "p99" else None,
        )
        for name, share in SHARES.items()
    ]


@asynccontextmanager
async def _backlog(server: Postgres, folder: Path, scale: Scale) -> AsyncIterator[dict[str, str]]:
    """A store with orders to apply. Yields the environment of the processes over it."""
    house = House.build(folder, items=scale.order_items, units=scale.orders)
    address = await empty_database(server)
    settings = settings_of(house, database_url=address)
    async with opened(house, settings) as application:
        await store_orders(application.engine, house, scale.orders, items=scale.order_items)
    yield environment(folder, *settings.allow_hosts) | {"CHANNELSYNC_DATABASE_URL": address}


async def _maximum(variables: dict[str, str], scale: Scale) -> float:
    """Requests a second that the receiver answers alone, as fast as they come."""
    requests = [sale(number) for number in range(scale.requests, 2 * scale.requests)]
    async with running(("-m", "bench.server", "own"), variables) as server:
        seconds = await post_all(server.url, requests, connections=scale.connections)
    return scale.requests / seconds


async def _waits(variables: dict[str, str], kind: str, scale: Scale, rate: float) -> list[float]:
    requests = [sale(number) for number in range(scale.requests)]
    warm = [sale(number) for number in range(-scale.connections, 0)]
    async with running(("-m", "bench.server", kind), variables) as server:
        await post_all(server.url, warm, connections=scale.connections)
        return await post_paced(
            server.url, requests, connections=scale.connections, per_second=rate
        )
