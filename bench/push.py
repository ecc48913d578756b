"""From a sale on one channel to the push that another channel receives, under a steady load.

The till sells units that the shop has on sale: each sale leaves more promised than there is, so
each commit of a sale opens one push, the cut of that item at the shop. What is measured is what a
merchant would feel: from the till's webhook leaving until the cut has arrived at the shop.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from time import perf_counter, time

import httpx
import sqlalchemy as sa

from bench.figure import Figure, percentile
from bench.house import TILL_SECRET, House
from bench.process import environment, run_cli, running
from bench.scale import Scale
from bench.servers import empty_database, postgres, with_driver
from bench.serving import Watched, served
from channelsync.store import tables
from channelsync.store.database import Database, sqlite_url
from channelsync_pos.simulator.courier import Courier
from tests.support.servers import running_redis

__all__ = ["measure", "measure_scaled"]

SECONDS_MAX = {"p50": 0.15, "p99": 1.0}
SCALED_SECONDS_MAX = {"p50": 0.2, "p99": 1.5}
WORKERS = 2
ADOPT_SECONDS_MAX = 180.0
QUIET_SECONDS_MAX = 60.0
LOOK_SECONDS = 0.1
UNITS = 20
SHARES = {"p50": 0.50, "p95": 0.95, "p99": 0.99}
MUTATION = b"inventorySetQuantities"


async def measure(scale: Scale, folder: Path) -> list[Figure]:
    """Three figures of one process on SQLite: percentiles over all sales of a round."""
    programs = _Programs(
        variables={}, database_url=sqlite_url(folder / "data" / "channelsync.db"), alone=True
    )
    return await _measured(scale, folder, programs, SECONDS_MAX, "sale to push")


async def measure_scaled(scale: Scale, folder: Path) -> list[Figure]:
    """The same of a web process, two workers, arq on Redis and PostgreSQL."""
    with postgres() as server, running_redis() as redis:
        address = await empty_database(server)
        variables = {"CHANNELSYNC_DATABASE_URL": address, "CHANNELSYNC_REDIS_URL": redis.url}
        programs = _Programs(variables=variables, database_url=with_driver(address), alone=False)
        name = f"sale to push, web and {WORKERS} workers"
        return await _measured(scale, folder, programs, SCALED_SECONDS_MAX, name)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Programs:
    """What of ours runs, and on which database."""

    variables: Mapping[str, str]
    database_url: str
    alone: bool
    """One process for everything, rather than one for the web and others that work."""

    @asynccontextmanager
    async def running(self, variables: Mapping[str, str]) -> AsyncIterator[str]:
        """Yields the address that takes webhooks."""
        parts = ["run"] if self.alone else ["web", *["worker"] * WORKERS]
        async with AsyncExitStack() as stack:
            urls = [
                (
                    await stack.enter_async_context(running(("-m", "channelsync", one), variables))
                ).url
                for one in parts
            ]
            yield urls[0]


async def _measured(
    scale: Scale, folder: Path, programs: _Programs, targets: Mapping[str, float], title: str
) -> list[Figure]:
    items = scale.sales * scale.rounds
    house = House.build(folder, items=items, units=UNITS)
    watched = Watched(house.shop.app, MUTATION)
    rounds: list[list[float]] = []
    bare: list[list[float]] = []
    async with served(watched) as host:
        house.write(shop_urls=[f"http://{host}"])
        variables = environment(folder, host) | dict(programs.variables)
        await run_cli(variables, "stock", "import", str(folder / "stock.csv"), "--create-items")
        async with programs.running(variables) as address:
            await _adopted(programs.database_url, items)
            await _rested(house)
            async with httpx.AsyncClient(trust_env=False, timeout=30.0) as client:
                url = f"{address}/webhooks/till"
                courier = house.till.post_webhooks_to(url, client=client, secrets=[TILL_SECRET])
                for number in range(scale.rounds):
                    names = house.names[number * scale.sales : (number + 1) * scale.sales]
                    trial = _Round(house, courier, watched, names)
                    rounds.append(await trial.run(scale.sales_per_second))
                    bare.append(await _bare(client, f"http://{host}", len(names)))
    return [
        Figure(
            name=f"{title}, {name}",
            unit="seconds",
            better="less",
            values=tuple(percentile(one, share) for one in rounds),
            limits=tuple(percentile(one, share) for one in bare),
            limit_is="two requests to the shop, nothing between",
            target=targets.get(name),
        )
        for name, share in SHARES.items()
    ]


async def _adopted(database_url: str, items: int) -> None:
    """Wait until the shop's listings are settled and nothing is due."""
    listings, work = tables.listings, tables.work
    known = sa.select(sa.func.count()).where(
        listings.c.channel == "shop", listings.c.exposure.is_not(None)
    )
    due = sa.select(sa.func.count()).where(
        work.c.done_version < work.c.want_version,
        work.c.kind.in_(("discover", "reconcile", "publish", "intake")),
        work.c.not_before < sa.bindparam("now", type_=sa.Double()),
    )
    database = Database(database_url)
    try:
        async with asyncio.timeout(ADOPT_SECONDS_MAX):
            while True:
                async with database.read() as tx:
                    settled = await tx.scalar(known)
                    waiting = await tx.scalar(due, {"now": time()})
                if settled == items and not waiting:
                    return
                await asyncio.sleep(LOOK_SECONDS)
    finally:
        await database.close()


async def _rested(house: House) -> None:
    """Wait until the shop has forgotten what its first load cost."""
    bucket = house.shop.server.bucket
    await asyncio.sleep((bucket.maximum - bucket.left()) / bucket.rate)


@dataclass(slots=True)
class _Round:
    """Sales at a steady pace, whether or not the daemon keeps up."""

    house: House
    courier: Courier
    watched: Watched
    names: Sequence[str]
    sold_at: dict[str, float] = field(default_factory=dict)

    async def run(self, per_second: float) -> list[float]:
        """Returns the seconds from sale to push, one a sale."""
        first = len(self.watched.seen)
        began = perf_counter()
        async with asyncio.TaskGroup() as posting:
            for number, sku in enumerate(self.names):
                await asyncio.sleep(began + number / per_second - perf_counter())
                self.sold_at[sku] = perf_counter()
                self.house.till.sell(sku)
                posting.create_task(self.courier.deliver_due())
        pushed_at: dict[str, float] = {}
        async with asyncio.timeout(QUIET_SECONDS_MAX):
            while True:
                pushed_at = self._pushed_since(first)
                if pushed_at.keys() >= self.sold_at.keys():
                    break
                await asyncio.sleep(LOOK_SECONDS)
        return [pushed_at[sku] - at for sku, at in self.sold_at.items()]

    def _pushed_since(self, first: int) -> dict[str, float]:
        """When each SKU's first cut came in."""
        world = self.house.shop.world
        found: dict[str, float] = {}
        for at, body in self.watched.seen[first:]:
            for entry in json.loads(body)["variables"]["input"]["quantities"]:
                number = int(entry["inventoryItemId"].rpartition("/")[2])
                found.setdefault(world.items[number].sku or "", at)
        return found


async def _bare(client: httpx.AsyncClient, url: str, count: int) -> list[float]:
    """What two requests cost by themselves: one in, one out."""
    seconds = []
    for _ in range(count):
        began = perf_counter()
        for _ in range(2):
            await client.post(f"{url}/admin/api/2026-10/graphql.json", content=b"{}")
        seconds.append(perf_counter() - began)
    return seconds
