"""Memory of the daemon with a large catalogue: all of it listed, and nothing to do."""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import Mapping
from contextlib import closing
from pathlib import Path

from bench.figure import Figure
from bench.house import House, sheet, skus
from bench.process import environment, run_cli, running
from bench.scale import Scale

__all__ = ["measure"]

MEGABYTES_MAX = 250.0
IDLE_SECONDS_MAX = 1_800.0
LOOK_SECONDS = 0.5
CONFIGURATION = """\
version: 1
locations: {dc: {name: Warehouse}}
channels:
  till: {connector: pos, settings: {webhook_secret: "file:till", location: dc}}
allocation: {quotas: {till: 50%}}
"""
IDLE = """\
SELECT (SELECT count(*) FROM listings WHERE exposure IS NOT NULL)
     , (SELECT count(*) FROM work WHERE done_version < want_version AND not_before < unixepoch()
         AND kind IN ('reconcile', 'discover', 'poll', 'settle', 'seal'))
"""


async def measure(scale: Scale, folder: Path) -> list[Figure]:
    """One figure: resident memory after a start with a full store, once nothing is due."""
    large, small = folder / "large", folder / "small"
    ours, bare = [], []
    for place, items in ((large, scale.listings), (small, 1)):
        stock = _write_house(place, items)
        await run_cli(environment(place), "stock", "import", str(stock), "--create-items")
        await _megabytes(place, items)  # the first start finds the listings
    for _ in range(scale.rounds):
        ours.append(await _megabytes(large, scale.listings))
        bare.append(await _megabytes(small, 1))
    return [
        Figure(
            name=f"memory, {scale.listings:,} listings",
            unit="MB",
            better="less",
            values=tuple(ours),
            limits=tuple(bare),
            limit_is="the same daemon, one listing",
            target=MEGABYTES_MAX,
        )
    ]


def _write_house(folder: Path, items: int) -> Path:
    """Write the merchant's file, his secrets and the stock sheet. Returns the sheet."""
    folder.mkdir()
    House.build(folder, items=1, units=1).write(shop_urls=["http://127.0.0.1:9"])
    (folder / "channelsync.yaml").write_text(CONFIGURATION, encoding="ascii")
    stock = folder / "stock.csv"
    stock.write_text(sheet(skus(items), 20, "dc"), encoding="ascii")
    return stock


async def _megabytes(folder: Path, items: int) -> float:
    variables: Mapping[str, str] = environment(folder)
    async with running(("-m", "channelsync", "run"), variables) as daemon:
        async with asyncio.timeout(IDLE_SECONDS_MAX):
            # Another process has nothing to wait for but its database.
            while not _is_idle(folder, items):  # noqa: ASYNC110
                await asyncio.sleep(LOOK_SECONDS)
        return daemon.resident_megabytes()


def _is_idle(folder: Path, items: int) -> bool:
    with closing(sqlite3.connect(folder / "data" / "channelsync.db")) as connection:
        [(listed, due)] = connection.execute(IDLE)
    return bool(listed == items and not due)
