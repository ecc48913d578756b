"""Carts at a checkout: holds of one hot item, created and confirmed over the API by many buyers."""

from __future__ import annotations

import json
from pathlib import Path

import sqlalchemy as sa

from bench.client import Post, Request, converse
from bench.figure import Figure
from bench.house import House, sheet
from bench.process import environment, run_cli, running
from bench.scale import Scale
from bench.servers import empty_database, postgres, with_driver
from channelsync.store import tables
from channelsync.store.database import Database
from tests.support.servers import Postgres

__all__ = ["measure"]

SKU = "ITEM-000000"
REACH = 3.0


async def measure(scale: Scale, folder: Path) -> list[Figure]:
    """One figure: whole carts a second, on PostgreSQL."""
    ours, peers = [], []
    with postgres() as server:
        for number in range(scale.rounds):
            place = folder / str(number)
            place.mkdir()
            ours.append(await _own(server, place, scale))
            peers.append(await _peer(server, scale))
    return [
        Figure(
            name=f"holds confirmed, one hot item, {scale.clients} clients, PostgreSQL",
            unit="a second",
            better="more",
            values=tuple(ours),
            limits=tuple(peers),
            limit_is="the same API framework, a row lock a request",
            reach=REACH,
        )
    ]


async def _own(server: Postgres, folder: Path, scale: Scale) -> float:
    House.build(folder, items=1, units=1).write(shop_urls=["http://127.0.0.1:9"])
    address = await empty_database(server)
    variables = environment(folder, "127.0.0.1:9") | {"CHANNELSYNC_DATABASE_URL": address}
    stock = folder / "stock.csv"
    stock.write_text(sheet((SKU,), 2 * scale.holds, "dc"), encoding="ascii")
    await run_cli(variables, "stock", "import", str(stock), "--create-items")
    async with running(("-m", "bench.server", "own"), variables) as program:
        rate = await _carts_per_second(program.url, scale)
    await _require_confirmed(address, scale.holds)
    return rate


async def _peer(server: Postgres, scale: Scale) -> float:
    address = await empty_database(server)
    command = ("-m", "bench.peer", with_driver(address), SKU)
    async with running(command, environment(Path())) as program:
        return await _carts_per_second(program.url, scale)


async def _carts_per_second(url: str, scale: Scale) -> float:
    left = iter(range(scale.holds))

    async def buy(number: int, post: Post) -> None:
        for cart in left:
            wanted = {"owner": f"buyer-{number}", "lines": [{"sku": SKU, "units": 1}]}
            held = json.loads(await post(_request("/api/v1/holds", wanted)))
            order = {"reference": f"order-{cart}"}
            await post(_request(f"/api/v1/holds/{held['id']}/confirm", order))

    return scale.holds / await converse(url, buy, connections=scale.clients)


def _request(path: str, body: object) -> Request:
    return Request(path, {"Content-Type": "application/json"}, json.dumps(body).encode())


async def _require_confirmed(address: str, count: int) -> None:
    """A figure counts only if the work was done."""
    database = Database(with_driver(address))
    confirmed = sa.select(sa.func.count()).where(tables.holds.c.state == "confirmed")
    try:
        async with database.read() as tx:
            found = await tx.scalar(confirmed)
            reserved = await tx.scalar(sa.select(sa.func.sum(tables.stock.c.reserved)))
    finally:
        await database.close()
    if found != count or reserved != count:
        raise RuntimeError(f"{found} of {count} holds were confirmed, {reserved} units reserved")
