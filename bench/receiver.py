"""Webhooks received a second: signed bodies of 4 KB, each committed before it is answered."""

from __future__ import annotations

import json
import sqlite3
from contextlib import closing
from pathlib import Path
from time import time

from bench.client import Request, post_all
from bench.figure import Figure
from bench.house import TILL_SECRET, House
from bench.process import environment, running
from bench.scale import Scale
from channelsync.sdk.signatures import decode_standard_secret, standard_webhook_signature

__all__ = ["measure", "sale"]

BODY_BYTES = 4_096


async def measure(scale: Scale, folder: Path) -> list[Figure]:
    """One figure: requests over many connections, until the last is answered."""
    ours: list[float] = []
    bare: list[float] = []
    for number in range(scale.rounds):
        for kind, figures in (("own", ours), ("bare", bare)):
            place = folder / f"{kind}-{number}"
            place.mkdir()
            figures.append(await _requests_per_second(place, kind, scale))
            _require_stored(place, scale.requests if kind == "own" else 0)
    return [
        Figure(
            name="webhooks received, SQLite",
            unit="a second",
            better="more",
            values=tuple(ours),
            limits=tuple(bare),
            limit_is="the same server, nothing stored",
            reach=0.4,
        )
    ]


async def _requests_per_second(folder: Path, kind: str, scale: Scale) -> float:
    House.build(folder, items=1, units=1).write(shop_urls=["http://127.0.0.1:9"])
    variables = environment(folder, "127.0.0.1:9")
    requests = [sale(number) for number in range(scale.requests)]
    async with running(("-m", "bench.server", kind), variables) as server:
        warm = [sale(number) for number in range(-scale.connections, 0)]
        if kind == "bare":
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


def _require_stored(folder: Path, count: int) -> None:
    """A figure counts only if the work was done."""
    with closing(sqlite3.connect(folder / "data" / "channelsync.db")) as connection:
        [(stored,)] = connection.execute("SELECT count(*) FROM deliveries")
    if stored != count:
        raise RuntimeError(f"{stored} of {count} webhooks were stored")
