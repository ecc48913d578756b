"""Items with their stock and who may sell it, page by page, within somebody's reach."""

from __future__ import annotations

from typing import Any, Final

from sqlalchemy.ext.asyncio import AsyncConnection

from channelsync.engine.browse import Rows, Wanted, found_items
from channelsync.engine.core import Engine
from channelsync.engine.overview import ItemRow, item_rows

__all__ = ["stocked_items_page"]


async def stocked_items_page(engine: Engine, tx: AsyncConnection, wanted: Wanted) -> Rows:
    """Items by SKU, a row for every pool that has some of it. `limit` counts items.

    Numbers are of the locations and channels within reach.
    """
    found = await found_items(tx, wanted)
    by_item: dict[int, list[ItemRow]] = {}
    for one in await item_rows(engine, tx, found, wanted.reach):
        by_item.setdefault(one.item_id, []).append(one)
    rows: list[dict[str, Any]] = []
    for item in found:
        own = by_item.get(item.id, [])
        rows += [_row(one) for one in own] or [{**_EMPTY, "sku": item.sku, "name": item.name}]
    return rows


_NUMBERS: Final = ("on_hand", "reserved", "safety_stock", "on_order", "atp", "exposure", "free")
_EMPTY: Final = {**dict.fromkeys(_NUMBERS, 0), "pool": None, "listings": 0, "adopting": False}
"""Of an item that lies nowhere and is listed nowhere."""


def _row(item: ItemRow) -> dict[str, Any]:
    return {
        "sku": item.sku,
        "name": item.name,
        "pool": item.pool,
        "on_hand": item.stock.on_hand,
        "reserved": item.stock.reserved,
        "safety_stock": item.stock.safety_stock,
        "on_order": item.stock.on_order,
        "atp": item.stock.atp,
        "exposure": item.exposure,
        "free": item.free,
        "listings": len(item.shares),
        "adopting": item.adopting,
    }
