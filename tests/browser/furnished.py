"""What the pages beside the tables show, so that none of them is looked at empty."""

from __future__ import annotations

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection

from channelsync.domain.escrow import SettleReason
from channelsync.engine.hold_types import HoldRequest
from channelsync.engine.holds_desk import HoldsDesk
from channelsync.engine.stock_desk import StockDesk
from channelsync.engine.transfer_desk import Begin, TransferDesk
from channelsync.store import tables
from tests.support.house import House

__all__ = ["furnish"]

ENDPOINT = "endpoint-1"


async def furnish(house: House) -> dict[str, str]:
    """A transfer, a hold of what nobody lists, an endpoint, and trouble of every kind.

    Returns an address of each page that is about one thing, by its route.
    """
    engine, now = house.engine, house.clock()
    sent = Begin(sku="PLATE/XL", source="dc", target="soho", units=1, reason="shown", actor="ada")
    transfer = await TransferDesk(engine).begin(sent)
    stock = StockDesk(engine.database, engine.environment)
    await stock.create_item("SAUCER", actor="ada")
    await stock.adjust("SAUCER", "dc", 5, reason="found", actor="ada")
    async with engine.database.write() as tx:
        request = HoldRequest(owner="cart", lines={"SAUCER": 1})
        hold = await HoldsDesk(engine).create(tx, request)
        await _trouble(tx, now)
        endpoint = {"id": ENDPOINT, "url": "https://erp.example.com/hook", "description": "ERP"}
        made = {"created_at": now, "created_by": "ada"}
        await tx.execute(sa.insert(tables.endpoints).values(endpoint | made))
        push = (await tx.execute(sa.select(tables.pushes.c.id).limit(1))).scalar_one()
    return {
        "/change/channels/{channel}": "/change/channels/soho-till",
        "/change/holds/{hold_id}": f"/change/holds/{hold.id}",
        "/change/stock": "/change/stock?sku=MUG",
        "/change/transfers/{number}": f"/change/transfers/{transfer.id}",
        "/channels/{channel}": "/channels/soho-till",
        "/endpoints/{endpoint_id}": f"/endpoints/{ENDPOINT}",
        "/items/{sku:path}": "/items/MUG",
        "/pushes/{push}": f"/pushes/{push}",
    }


async def _trouble(tx: AsyncConnection, now: float) -> None:
    letter = {"kind": "delivery", "reference": "1", "channel": "amazon-us"}
    told = {"reason": "line_items is missing", "created_at": now}
    await tx.execute(sa.insert(tables.dead_letters).values(letter | told))
    drifts = {"settle_wanted": True, "settle_reasons": [SettleReason.DRIFT]}
    await tx.execute(sa.update(tables.listings).where(tables.listings.c.id == 1).values(drifts))
    unkept = {"holds": False, "why": "oversell is allowed", "since": now, "checked_at": now}
    about = {"channel": "shopify-us", "assumption": "enforces", "listing_id": 2}
    await tx.execute(sa.delete(tables.assumptions).where(_is(about)))
    await tx.execute(sa.insert(tables.assumptions).values(about | unkept))


def _is(row: dict[str, object]) -> sa.ColumnElement[bool]:
    return sa.and_(*(tables.assumptions.c[name] == value for name, value in row.items()))
