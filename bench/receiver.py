"""Webhooks received a second: signed bodies of 4 KB, each committed before it is answered."""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable
from functools import partial
from pathlib import Path
from time import time

import sqlalchemy as sa

from bench.client import Request, post_all
from bench.figure import Figure
from bench.house import TILL_SECRET, House
from bench.process import environment, running
from bench.scale import Scale
from bench.servers import empty_database, postgres, with_driver
from channelsync.sdk.signatures import decode_standard_secret, standard_webhook_signature
from channelsync.store import tables
from channelsync.store.database import Database, sqlite_url
from tests.support.servers import Postgres

__all__ = ["measure", "sale"]

BODY_BYTES = 4_096
REACH = 0.4


async def measure(scale: Scale, folder: Path) -> list[Figure]:
    """Two figures: requests over many connections, until the last is answered, on each engine."""
    with postgres() as server:
        return [
            await _measured(scale, folder / "sqlite", "SQLite", _on_sqlite),
            await _measured(
                scale, folder / "postgresql", "PostgreSQL", partial(_on_postgres, server)
            ),
        ]


async def _on_sqlite(folder: Path) -> str:
    return sqlite_url(folder / "data" / "channelsync.db")


async def _on_postgres(server: Postgres, _folder: Path) -> str:
    return await empty_database(server)


async def _measured(
    scale: Scale, folder: Path, title: str, database: Callable[[Path], Awaitable[str]]
) -> Figure:
    ours: list[float] = []
    bare: list[float] = []
    for number in range(scale.rounds):
        for kind, figures in (("own", ours), ("bare", bare)):
            place = folder / f"{kind}-{number}"
            place.mkdir(parents=True)
            address = await database(place)
            figures.append(await _requests_per_second(place, address, kind, scale))
            stored = scale.requests + scale.connections if kind == "own" else 0
            await _require_stored(address, stored)
    return Figure(
        name=f"webhooks received, {title}",
        unit="a second",
        better="more",
        values=tuple(ours),
        limits=tuple(bare),
        limit_is="the same server, nothing stored",
        reach=REACH,
    )


async def _requests_per_second(folder: Path, address: str, kind: str, scale: Scale) -> float:
    House.build(folder, items=1, units=1).write(shop_urls=["http://127.0.0.1:9"])
    variables = environment(folder, "127.0.0.1:9") | {"CHANNELSYNC_DATABASE_URL": address}
    requests = [sale(number) for number in range(scale.requests)]
    async with running(("-m", "bench.server", kind), variables) as server:
        warm = [sale(number) for number in range(-scale.connections, 0)]
        await post_all(server.url, warm, connections=scale.connections)
        seconds = await post_all(server.url, requests, connections=scale.connections)
    return scale.requests / seconds


def sale(number: int) -> Request:
    """What a till tells of one sale, with as much around it as marketplaces send."""
    sequence = number % 1_000_000 + 1
    data = {
        "register_id": "T1",
        "sequence": sequence,
        "sale_id": f"T1-{sequence:06d}",
        "location": "dc",
        "occurred_at": "2026-11-14T22:13:20Z",
        "lines": [{"line_id": "1", "sku": "ITEM-000000", "quantity": "1"}],
        "note": "",
    }
    envelope = {"type": "pos.sale.completed", "timestamp": "2026-11-14T22:13:20Z", "data": data}
    data["note"] = "x" * (BODY_BYTES - len(json.dumps(envelope)))
    body = json.dumps(envelope).encode()
    message, timestamp = f"msg_{sequence:024x}", int(time())
    secret = decode_standard_secret(TILL_SECRET)
    headers = {
        "Content-Type": "application/json",
        "webhook-id": message,
        "webhook-timestamp": str(timestamp),
        "webhook-signature": standard_webhook_signature(secret, message, timestamp, body),
    }
    return Request("/webhooks/till", headers, body)


async def _require_stored(address: str, count: int) -> None:
    """A figure counts only if the work was done."""
    database = Database(with_driver(address))
    try:
        async with database.read() as tx:
            stored = await tx.scalar(sa.select(sa.func.count()).select_from(tables.deliveries))
    finally:
        await database.close()
    if stored != count:
        raise RuntimeError(f"{stored} of {count} webhooks were stored")
