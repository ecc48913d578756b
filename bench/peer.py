"""Holds as peers keep them: the same API framework, and one row lock a request.

`python -m bench.peer URL` serves until SIGTERM; it says on standard error where it listens.
"""

from __future__ import annotations

import asyncio
import os
import sys
import uuid

import sqlalchemy as sa
import uvicorn
from fastapi import FastAPI, HTTPException
from pydantic import BaseModel
from sqlalchemy.ext.asyncio import AsyncEngine, create_async_engine

from channelsync.web.serving import listen

__all__ = ["main"]

POOL = 20
"""Connections, as many as ours may open."""
WAIT_SECONDS_MAX = 120.0
"""For one of them: a busy machine must not end the measurement."""
UNITS = 1_000_000_000

metadata = sa.MetaData(schema="peer")
items = sa.Table(
    "items",
    metadata,
    sa.Column("sku", sa.Text, primary_key=True),
    sa.Column("on_hand", sa.BigInteger, nullable=False),
    sa.Column("reserved", sa.BigInteger, nullable=False),
)
holds = sa.Table(
    "holds",
    metadata,
    sa.Column("id", sa.Text, primary_key=True),
    sa.Column("sku", sa.Text, nullable=False),
    sa.Column("units", sa.Integer, nullable=False),
    sa.Column("owner", sa.Text, nullable=False),
    sa.Column("state", sa.Text, nullable=False),
    sa.Column("reference", sa.Text, nullable=False),
)
movements = sa.Table(
    "movements",
    metadata,
    sa.Column("id", sa.BigInteger, primary_key=True),
    sa.Column("sku", sa.Text, nullable=False),
    sa.Column("delta", sa.Integer, nullable=False),
    sa.Column("reference", sa.Text, nullable=False),
)


class Line(BaseModel):
    """Units of a SKU."""

    sku: str
    units: int


class NewHold(BaseModel):
    """What a cart wants."""

    owner: str
    lines: list[Line]


class Confirmation(BaseModel):
    """The order that it became."""

    reference: str


class Shown(BaseModel):
    """A hold."""

    id: str
    state: str


def build(engine: AsyncEngine) -> FastAPI:
    """Create and confirm, each in a transaction that locks its row first."""
    app = FastAPI()

    @app.post("/api/v1/holds", status_code=201)
    async def create(wanted: NewHold) -> Shown:
        line, hold_id = wanted.lines[0], uuid.uuid4().hex
        mine = items.c.sku == line.sku
        async with engine.begin() as tx:
            row = (await tx.execute(sa.select(items).where(mine).with_for_update())).one()
            if row.on_hand - row.reserved < line.units:
                raise HTTPException(409)
            taken = sa.update(items).where(mine).values(reserved=row.reserved + line.units)
            await tx.execute(taken)
            hold = {"id": hold_id, "sku": line.sku, "units": line.units, "owner": wanted.owner}
            await tx.execute(sa.insert(holds).values(**hold, state="active", reference=""))
            moved = {"sku": line.sku, "delta": line.units, "reference": hold_id}
            await tx.execute(sa.insert(movements).values(moved))
        return Shown(id=hold_id, state="active")

    @app.post("/api/v1/holds/{hold_id}/confirm")
    async def confirm(hold_id: str, given: Confirmation) -> Shown:
        mine = holds.c.id == hold_id
        async with engine.begin() as tx:
            row = (await tx.execute(sa.select(holds).where(mine).with_for_update())).one()
            if row.state != "active":
                raise HTTPException(409)
            ended = {"state": "confirmed", "reference": given.reference}
            await tx.execute(sa.update(holds).where(mine).values(ended))
        return Shown(id=hold_id, state="confirmed")

    return app


def main(url: str, sku: str) -> None:
    """Serve until SIGTERM."""
    asyncio.run(_serve(url, sku))


async def _serve(url: str, sku: str) -> None:
    engine = create_async_engine(url, pool_size=POOL, max_overflow=0, pool_timeout=WAIT_SECONDS_MAX)
    async with engine.begin() as tx:
        await tx.execute(sa.schema.CreateSchema("peer"))
        await tx.run_sync(metadata.create_all)
        await tx.execute(sa.insert(items).values(sku=sku, on_hand=UNITS, reserved=0))
    door = listen("127.0.0.1", 0)
    config = uvicorn.Config(build(engine), log_level="warning", access_log=False)
    server = uvicorn.Server(config)
    door.listen()
    os.write(2, b'{"url": "http://127.0.0.1:%d"}\n' % door.getsockname()[1])
    await server.serve(sockets=[door])
    await engine.dispose()


if __name__ == "__main__":
    main(*sys.argv[1:])
