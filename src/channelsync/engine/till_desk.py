"""The till desk: batches that a till posts, and the numbers that it asks for."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection

from channelsync.domain.vocabulary import Instant
from channelsync.engine.inbox import lay_in, note_delivery
from channelsync.engine.work import WorkKind, mark
from channelsync.sdk.connector import AcceptsSales
from channelsync.sdk.errors import BadDelivery
from channelsync.store import tables
from channelsync.store.tables import ListingState

__all__ = ["ROWS_MAX", "RowResult", "ShopItem", "ShopStock", "store_batch", "view_shop_stock"]

ROWS_MAX: Final = 500


@dataclass(frozen=True, slots=True, kw_only=True)
class RowResult:
    """What became of one row of a batch: accepted, duplicate, or refused with the reason."""

    status: str
    detail: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class ShopItem:
    """What a till is told of one SKU."""

    sku: str
    available: int
    """What it may sell now: its slice."""
    on_hand: int
    """Physical units at its location."""
    version: int


@dataclass(frozen=True, slots=True, kw_only=True)
class ShopStock:
    """What changed since a version, and the version that holds now."""

    items: tuple[ShopItem, ...]
    version: int


async def store_batch(
    tx: AsyncConnection,
    channel: str,
    door: AcceptsSales,
    rows: Sequence[Mapping[str, Any]],
    *,
    now: Instant,
) -> list[RowResult]:
    """Commit the good rows of a batch as deliveries, all in the caller's transaction."""
    results = [await _store_row(tx, channel, door, row, now) for row in rows]
    await note_delivery(tx, channel, now)
    if any(result.status == "accepted" for result in results):
        await mark(tx, WorkKind.INTAKE, channel, not_before=now)
    return results


async def _store_row(
    tx: AsyncConnection, channel: str, door: AcceptsSales, row: Mapping[str, Any], now: Instant
) -> RowResult:
    try:
        delivery = door.accept_sale(row)
    except BadDelivery as error:
        return RowResult(status="refused", detail=str(error))
    canonical = json.dumps(row, sort_keys=True, separators=(",", ":")).encode()
    stored = {
        "channel": channel,
        "dedupe_key": delivery.dedupe_key,
        "topic": delivery.topic,
        "received_at": now,
        "body_sha256": hashlib.sha256(canonical).hexdigest(),
        "reduced": dict(delivery.reduced),
    }
    fresh = await lay_in(tx, [stored])
    return RowResult(status="accepted" if fresh else "duplicate")


# ------------------------------------------------------------------ numbers


async def view_shop_stock(
    tx: AsyncConnection, channel: str, location: str | None, *, since: int = 0
) -> ShopStock | None:
    """A till's numbers, those that changed after version `since`. None: no such location.

    The version is the number of the newest movement: whatever changes a number leaves one behind.
    """
    place = None
    if location is not None:
        query = sa.select(tables.locations.c.id).where(tables.locations.c.code == location)
        place = (await tx.execute(query)).scalar()
        if place is None:
            return None
    movements = tables.movements
    newest = (await tx.execute(sa.select(sa.func.max(movements.c.id)))).scalar() or 0
    rows = (await tx.execute(_shop_items(channel, place))).all()
    items = (
        ShopItem(
            sku=row.sku,
            available=max(row.exposure or 0, 0),
            on_hand=int(row.on_hand or 0),
            version=max(row.listing_version or 0, row.stock_version or 0),
        )
        for row in rows
    )
    changed = (item for item in items if since == 0 or item.version > since)
    return ShopStock(items=tuple(changed), version=int(newest))


def _shop_items(channel: str, place: int | None) -> sa.Select[Any]:
    listings, recipes, movements, stock = (
        tables.listings,
        tables.recipes,
        tables.movements,
        tables.stock,
    )
    here = sa.true() if place is None else stock.c.location_id == place
    on_hand = (
        sa.select(sa.func.sum(stock.c.on_hand))
        .where(stock.c.item_id == recipes.c.item_id, here)
        .scalar_subquery()
    )
    listing_version = (
        sa.select(sa.func.max(movements.c.id))
        .where(movements.c.listing_id == listings.c.id)
        .scalar_subquery()
    )
    stock_version = (
        sa.select(sa.func.max(movements.c.id))
        .where(movements.c.item_id == recipes.c.item_id)
        .scalar_subquery()
    )
    return (
        sa.select(
            listings.c.sku,
            listings.c.exposure,
            on_hand.label("on_hand"),
            listing_version.label("listing_version"),
            stock_version.label("stock_version"),
        )
        .join(recipes, recipes.c.listing_id == listings.c.id)
        .where(listings.c.channel == channel, listings.c.state == ListingState.ACTIVE)
        .order_by(listings.c.sku)
    )
