"""Memory of the daemon with a large catalogue: with nothing to do, and while all of it changes."""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import Sequence
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
    """Resident memory after a start with a full store, once nothing is due; and the most of it.

    The load is a count of every item, imported beside the daemon: all are reconciled at once.
    """
    large, small = folder / "large", folder / "small"
    idle, loaded, bare = [], [], []
    for place, items in ((large, scale.listings), (small, 1)):
        _write_house(place)
        await _import(place, items, 20)
        await _at_rest(place, items)  # the first start finds the listings
    for number in range(scale.rounds):
        at_rest, at_most = await _under_load(large, scale.listings, 30 + number)
        idle.append(at_rest)
        loaded.append(at_most)
        bare.append(await _at_rest(small, 1))
    return [
        _figure(f"memory, {scale.listings:,} listings", idle, bare, "the same daemon, one listing"),
        _figure("the same, at most, while every item changes", loaded, idle, "the same at rest"),
    ]


def _figure(name: str, ours: Sequence[float], limits: Sequence[float], limit_is: str) -> Figure:
    return Figure(
        name=name,
        unit="MB",
        better="less",
        values=tuple(ours),
        limits=tuple(limits),
        limit_is=limit_is,
        target=MEGABYTES_MAX,
    )


def _write_house(folder: Path) -> None:
    """Write the merchant's file and his secrets."""
    folder.mkdir()
    House.build(folder, items=1, units=1).write(shop_urls=["http://127.0.0.1:9"])
    (folder / "channelsync.yaml").write_text(CONFIGURATION, encoding="ascii")


async def _import(folder: Path, items: int, units: int) -> None:
    """So many units of every item were counted."""
    stock = folder / "stock.csv"
    stock.write_text(sheet(skus(items), units, "dc"), encoding="ascii")
    await run_cli(environment(folder), "stock", "import", str(stock), "--create-items")


async def _at_rest(folder: Path, items: int) -> float:
    async with running(("-m", "channelsync", "run"), environment(folder)) as daemon:
        await _until_idle(folder, items)
        return daemon.resident_megabytes()


async def _under_load(folder: Path, items: int, units: int) -> tuple[float, float]:
    """Memory at rest, and the most of it until a count of every item is worked off."""
    async with running(("-m", "channelsync", "run"), environment(folder)) as daemon:
        await _until_idle(folder, items)
        at_rest = daemon.resident_megabytes()
        await _import(folder, items, units)
        await _until_idle(folder, items)
        return at_rest, daemon.peak_megabytes()


async def _until_idle(folder: Path, items: int) -> None:
    async with asyncio.timeout(IDLE_SECONDS_MAX):
        # Another process has nothing to wait for but its database.
        while not _is_idle(folder, items):  # noqa: ASYNC110
            await asyncio.sleep(LOOK_SECONDS)


def _is_idle(folder: Path, items: int) -> bool:
    with closing(sqlite3.connect(folder / "data" / "channelsync.db")) as connection:
        [(listed, due)] = connection.execute(IDLE)
    return bool(listed == items and not due)
