"""The pages of a large merchant with years of orders: how long a browser waits for them."""

from __future__ import annotations

import asyncio
import random
from dataclasses import dataclass
from pathlib import Path
from time import perf_counter, time

import httpx
import sqlalchemy as sa

from bench.books import CHANNELS, open_books
from bench.figure import Figure, percentile
from bench.house import skus
from bench.scale import Scale
from channelsync.domain.allocation_rules import Rule
from channelsync.domain.vocabulary import CancelEffect, PushKind
from channelsync.engine.core import Engine
from channelsync.store import tables
from channelsync.store.database import Database
from channelsync.store.tables import MovementKind, PushState, Quantity
from channelsync.web.app import WebOptions, build_app

__all__ = ["measure"]

RULE = Rule(name="default", quotas={CHANNELS[0]: 6_000, CHANNELS[1]: 4_000})
SECONDS_MAX = 0.1
SHARE = 0.95
BETWEEN_SECONDS = 0.3
"""Pages that are asked for sooner share a look at the store."""
LINES_A_PUSH = 4
HOT = 3
"""Of so many orders and movements one is of the same item, whose pages are looked at."""
_ROWS_AT_ONCE = 20_000


@dataclass(frozen=True, slots=True)
class _Page:
    """One that is asked for again and again, and what it must say."""

    name: str
    path: str
    says: str


_BARE = _Page("bare", "/locations", "Locations")


def _pages(sku: str) -> tuple[_Page, ...]:
    return (
        _Page("overview", "/", "What every channel may sell"),
        _Page("page of the hottest item", f"/items/{sku}", sku),
        _Page("page of a channel", f"/channels/{CHANNELS[0]}", "Last order lines"),
        _Page("its orders", f"/orders?sku={sku}", sku),
        _Page("its pushes", f"/pushes?sku={sku}", sku),
        _Page("its movements", f"/movements?sku={sku}", sku),
        _Page("readiness", "/readyz", "ok"),
        _Page("metrics", "/metrics", "channelsync_oversold_units 0.0"),
    )


async def measure(scale: Scale, folder: Path) -> list[Figure]:
    """A figure a page: the 95th percentile of loads, every one of which looks anew."""
    pages = _pages(skus(scale.plan_items)[0])
    found: dict[_Page, list[float]] = {page: [] for page in pages}
    bare = []
    async with open_books(folder, scale.plan_items, RULE) as engine:
        await _move(engine.database, scale.plan_items, scale.movements)
        await _trade(engine.database, scale.plan_items, scale.movements)
        for _ in range(scale.rounds):
            for page in pages:
                found[page].append(await _p95(engine, page, scale.page_loads))
            bare.append(await _p95(engine, _BARE, scale.page_loads))
    return [
        Figure(
            name=f"{page.name}: {scale.plan_items:,} items, {scale.movements:,} orders, p95",
            unit="seconds",
            better="less",
            values=tuple(seconds),
            limits=tuple(bare),
            limit_is="a page of the same application that asks the store for nothing but who asks",
            target=SECONDS_MAX,
        )
        for page, seconds in found.items()
    ]


async def _move(database: Database, items: int, movements: int) -> None:
    """A ledger of that length; its numbers end where they began, so the books agree."""
    draw, now = random.Random(1), time()
    for first in range(0, movements, _ROWS_AT_ONCE):
        rows = []
        for number in range(first, min(first + _ROWS_AT_ONCE, movements), 2):
            item = _drawn(draw, number, items)
            rows += [_movement(item, delta, now - movements + number) for delta in (1, -1)]
        async with database.write() as tx:
            await tx.execute(sa.insert(tables.movements), rows)


def _drawn(draw: random.Random, number: int, items: int) -> int:
    return 1 if number % HOT == 0 else draw.randint(1, items)


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


async def _trade(database: Database, items: int, lines: int) -> None:
    """Orders of years, all shipped, and the pushes that they led to, all closed."""
    draw, now = random.Random(2), time()
    for first in range(0, lines, _ROWS_AT_ONCE):
        sold, pushed = [], []
        for number in range(first, min(first + _ROWS_AT_ONCE, lines)):
            item, place = _drawn(draw, number, items), draw.randrange(len(CHANNELS))
            at = now - lines + number
            sold.append(_line(number, item, place, at))
            if number % LINES_A_PUSH == 0:
                pushed.append(_push(number, item, place, at))
        async with database.write() as tx:
            await tx.execute(sa.insert(tables.order_lines), sold)
            await tx.execute(sa.insert(tables.pushes), pushed)


def _line(number: int, item_id: int, place: int, at: float) -> dict[str, object]:
    return {
        "channel": CHANNELS[place],
        "order_id": f"O{number}",
        "line_id": "1",
        "sku": f"ITEM-{item_id - 1:06}",
        "listing_id": len(CHANNELS) * item_id + place,
        "ordered": 1,
        "shipped": 1,
        "version": at,
        "sold_at": at,
        "shipped_at": at,
        "cancel_effect": CancelEffect.UNSURE,
        "state": "shipped",
        "first_heard_at": at,
        "heard_after": 1.0,
        "heard_at": at,
    }


def _push(number: int, item_id: int, place: int, at: float) -> dict[str, object]:
    return {
        "id": f"P{number}",
        "listing_id": len(CHANNELS) * item_id + place,
        "channel": CHANNELS[place],
        "kind": PushKind.CUT,
        "units": 1,
        "state": PushState.CLOSED,
        "copies": 1,
        "retry_until": at,
        "opened_at": at,
        "closed_at": at,
        "result": "settled",
    }


async def _p95(engine: Engine, page: _Page, loads: int) -> float:
    """Of loads after the first, which counts the sums; later ones have that done beside them."""
    app = build_app(engine, WebOptions())
    transport = httpx.ASGITransport(app, client=("127.0.0.1", 1))
    found = []
    async with httpx.AsyncClient(transport=transport, base_url="http://localhost") as client:
        for load in range(loads + 1):
            await asyncio.sleep(BETWEEN_SECONDS)
            began = perf_counter()
            answer = await client.get(page.path)
            if load:
                found.append(perf_counter() - began)
            if answer.status_code != httpx.codes.OK or page.says not in answer.text:
                raise RuntimeError(f"{page.path} answered {answer.status_code}")
    return percentile(found, SHARE)
