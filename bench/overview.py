"""The overview page of a large merchant: how long a browser waits for it."""

from __future__ import annotations

import asyncio
import random
from pathlib import Path
from time import perf_counter, time

import httpx
import sqlalchemy as sa

from bench.books import CHANNELS, open_books
from bench.figure import Figure, percentile
from bench.scale import Scale
from channelsync.domain.allocation_rules import Rule
from channelsync.engine.core import Engine
from channelsync.store import tables
from channelsync.store.database import Database
from channelsync.store.tables import MovementKind, Quantity
from channelsync.web.app import WebOptions, build_app

__all__ = ["measure"]

RULE = Rule(name="default", quotas={CHANNELS[0]: 6_000, CHANNELS[1]: 4_000})
SECONDS_MAX = 0.1
SHARE = 0.95
BETWEEN_SECONDS = 0.3
"""Pages that are asked for sooner share a look at the store."""
_ROWS_AT_ONCE = 20_000


async def measure(scale: Scale, folder: Path) -> list[Figure]:
    """One figure: the 95th percentile of loads of the page, every one of which looks anew."""
    pages, bare = [], []
    async with open_books(folder, scale.plan_items, RULE) as engine:
        await _move(engine.database, scale.plan_items, scale.movements)
        for _ in range(scale.rounds):
            pages.append(await _page_seconds(engine, scale.page_loads))
            bare.append(await _bare_seconds(engine, scale.page_loads))
    return [
        Figure(
            name=f"overview of {scale.plan_items:,} items, {scale.movements:,} movements, p95",
            unit="seconds",
            better="less",
            values=tuple(pages),
            limits=tuple(bare),
            limit_is="a page of the same application that asks the store for nothing but who asks",
            target=SECONDS_MAX,
        )
    ]


async def _move(database: Database, items: int, movements: int) -> None:
    """A ledger of that length; its numbers end where they began, so the books agree."""
    draw, now = random.Random(1), time()
    for first in range(0, movements, _ROWS_AT_ONCE):
        rows = []
        for number in range(first, min(first + _ROWS_AT_ONCE, movements), 2):
            item = draw.randint(1, items)
            rows += [_movement(item, delta, now - movements + number) for delta in (1, -1)]
        async with database.write() as tx:
            await tx.execute(sa.insert(tables.movements), rows)


def _movement(item_id: int, delta: int, at: float) -> dict[str, object]:
    return {
        "at": at,
        "item_id": item_id,
        "location_id": 1,
        "quantity": Quantity.ON_HAND,
        "delta": delta,
        "kind": MovementKind.ADJUSTMENT,
        "actor": "bench",
        "reference": "",
        "note": "",
    }


async def _page_seconds(engine: Engine, loads: int) -> float:
    """Of loads after the first, which counts the sums; later ones have that done beside them."""
    return await _p95(build_app(engine, WebOptions()), "/", loads, "What every channel may sell")


async def _bare_seconds(engine: Engine, loads: int) -> float:
    return await _p95(build_app(engine, WebOptions()), "/locations", loads, "Locations")


async def _p95(app: object, path: str, loads: int, expected: str) -> float:
    transport = httpx.ASGITransport(app, client=("127.0.0.1", 1))  # type: ignore[arg-type]
    found = []
    async with httpx.AsyncClient(transport=transport, base_url="http://localhost") as client:
        for load in range(loads + 1):
            await asyncio.sleep(BETWEEN_SECONDS)
            began = perf_counter()
            answer = await client.get(path)
            if load:
                found.append(perf_counter() - began)
            if answer.status_code != httpx.codes.OK or expected not in answer.text:
                raise RuntimeError(f"{path} answered {answer.status_code}")
    return percentile(found, SHARE)
