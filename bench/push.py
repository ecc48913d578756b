"""From a sale on one channel to the push that another channel receives, under a steady load.

The till sells units that the shop has on sale: each sale leaves more promised than there is, so
each commit of a sale opens one push, the cut of that item at the shop. What is measured is what a
merchant would feel: from the till's webhook leaving until the cut has arrived at the shop.
"""

from __future__ import annotations

import asyncio
import json
import sqlite3
from collections.abc import Sequence
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from time import perf_counter

import httpx

from bench.figure import Figure, percentile
from bench.house import TILL_SECRET, House
from bench.process import environment, run_cli, running
from bench.scale import Scale
from bench.serving import Watched, served
from channelsync_pos.simulator.courier import Courier

__all__ = ["measure"]

SECONDS_MAX = {"p50": 0.15, "p99": 1.0}
ADOPT_SECONDS_MAX = 180.0
QUIET_SECONDS_MAX = 60.0
LOOK_SECONDS = 0.1
UNITS = 20
SHARES = {"p50": 0.50, "p95": 0.95, "p99": 0.99}
MUTATION = b"inventorySetQuantities"


async def measure(scale: Scale, folder: Path) -> list[Figure]:
    """Three figures: percentiles over all sales of a round."""
    items = scale.sales * scale.rounds
    house = House.build(folder, items=items, units=UNITS)
    watched = Watched(house.shop.app, MUTATION)
    rounds: list[list[float]] = []
    bare: list[list[float]] = []
    async with served(watched) as host:
        house.write(shop_urls=[f"http://{host}"])
        variables = environment(folder, host)
        await run_cli(variables, "stock", "import", str(folder / "stock.csv"), "--create-items")
        async with running(("-m", "channelsync", "run"), variables) as daemon:
            await _adopted(folder, items)
            async with httpx.AsyncClient(trust_env=False, timeout=30.0) as client:
                url = f"{daemon.url}/webhooks/till"
                courier = house.till.post_webhooks_to(url, client=client, secrets=[TILL_SECRET])
                for number in range(scale.rounds):
                    names = house.names[number * scale.sales : (number + 1) * scale.sales]
                    trial = _Round(house, courier, watched, names)
                    rounds.append(await trial.run(scale.sales_per_second))
                    bare.append(await _bare(client, f"http://{host}", len(names)))
    return [
        Figure(
            name=f"sale to push, {name}",
            unit="seconds",
            better="less",
            values=tuple(percentile(one, share) for one in rounds),
            limits=tuple(percentile(one, share) for one in bare),
            limit_is="two requests to the shop, nothing between",
            target=SECONDS_MAX.get(name),
        )
        for name, share in SHARES.items()
    ]


async def _adopted(folder: Path, items: int) -> None:
    """Wait until the shop's listings are settled and nothing is due."""
    listings = "SELECT count(*) FROM listings WHERE channel = 'shop' AND exposure IS NOT NULL"
    work = (
        "SELECT count(*) FROM work WHERE done_version < want_version"
        " AND kind IN ('reconcile', 'publish', 'intake') AND not_before < unixepoch()"
    )
    async with asyncio.timeout(ADOPT_SECONDS_MAX):
        while True:
            with closing(sqlite3.connect(folder / "data" / "channelsync.db")) as connection:
                [(settled,)] = connection.execute(listings)
                [(waiting,)] = connection.execute(work)
            if settled == items and not waiting:
                return
            await asyncio.sleep(LOOK_SECONDS)


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
