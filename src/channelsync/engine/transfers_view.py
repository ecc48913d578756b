"""Transfers as people read them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection

from channelsync.domain.transfers import TransferState
from channelsync.domain.vocabulary import Instant
from channelsync.engine.stock_errors import StockRefused
from channelsync.store.locks import lock_items
from channelsync.store.tables import items, locations, transfer_differences, transfers

__all__ = ["TransferView", "transfer_row", "view_transfer"]


@dataclass(frozen=True, slots=True, kw_only=True)
class TransferView:
    """One transfer."""

    id: int
    sku: str
    source: str
    target: str
    state: str
    units: int
    received: int
    """Units that arrived, a surplus left out."""
    in_transit: int
    differences: Mapping[str, int]
    """Units by the cause of their difference."""
    waits: str | None
    """Why its units may not leave yet; None once they may, or have."""
    created_at: Instant
    shipped_at: Instant | None
    closed_at: Instant | None
    actor: str
    note: str


async def transfer_row(tx: AsyncConnection, transfer_id: int, *, lock: bool = False) -> Any:
    """A transfer with its SKU, its places and their pools.

    With `lock` nobody else may write it: every writer of transfers locks the item first.

    Raises:
        StockRefused: there is no such transfer.
    """
    source, target = locations.alias("source"), locations.alias("target")
    query = (
        sa.select(
            transfers,
            items.c.sku,
            source.c.code.label("source"),
            source.c.pool.label("source_pool"),
            target.c.code.label("target"),
        )
        .join(items, items.c.id == transfers.c.item_id)
        .join(source, source.c.id == transfers.c.source_id)
        .join(target, target.c.id == transfers.c.target_id)
        .where(transfers.c.id == transfer_id)
    )
    if lock:
        item = sa.select(transfers.c.item_id).where(transfers.c.id == transfer_id)
        await lock_items(tx, (await tx.execute(item)).scalars())
    row = (await tx.execute(query)).one_or_none()
    if row is None:
        raise StockRefused(
            f"there is no transfer {transfer_id}: `channelsync transfers list --all` shows them"
        )
    return row


async def view_transfer(tx: AsyncConnection, transfer_id: int, waits: str | None) -> TransferView:
    """A transfer as it stands.

    Raises:
        StockRefused: there is no such transfer.
    """
    row = await transfer_row(tx, transfer_id)
    cause, units = transfer_differences.c.cause, sa.func.sum(transfer_differences.c.units)
    query = (
        sa.select(cause, units.label("units"))
        .where(transfer_differences.c.transfer_id == transfer_id)
        .group_by(cause)
        .order_by(cause)
    )
    differences = {one.cause: int(one.units) for one in await tx.execute(query)}
    outstanding = row.units - row.received - row.written_off
    return TransferView(
        id=row.id,
        sku=row.sku,
        source=row.source,
        target=row.target,
        state=row.state,
        units=row.units,
        received=row.received,
        in_transit=outstanding if row.state == TransferState.IN_TRANSIT else 0,
        differences=differences,
        waits=waits,
        created_at=row.created_at,
        shipped_at=row.shipped_at,
        closed_at=row.closed_at,
        actor=row.actor,
        note=row.note,
    )
