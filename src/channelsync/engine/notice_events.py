"""What happened that somebody may want to be told of: alarms, their ends, shortfalls, low stock."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Final

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection

from channelsync.domain.notices import Happening
from channelsync.domain.stock import StockLevel, pool_stock
from channelsync.domain.vocabulary import Instant
from channelsync.engine.core import Engine
from channelsync.store import tables
from channelsync.store.locks import in_parts

__all__ = ["Short", "happenings", "note_short_items", "short_items"]

NEWS_SECONDS: Final = 86_400.0
"""Shortfalls and ends of alarms are news for so long."""
EVENTS_MAX: Final = 5_000
"""Looked at in one pass; the newest."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Short:
    """An item with little left."""

    pool: str
    item_id: int
    atp: int


async def happenings(
    tx: AsyncConnection, now: Instant, *, with_low_stock: bool
) -> dict[str, Happening]:
    """Everything, by a name of its own that never changes."""
    return {
        **await _alarms(tx, now),
        **await _shortfalls(tx, now),
        **(await _low_stock(tx) if with_low_stock else {}),
    }


async def _alarms(tx: AsyncConnection, now: Instant) -> dict[str, Happening]:
    alarms = tables.alarms
    query = (
        sa.select(alarms)
        .where(sa.or_(alarms.c.cleared_at.is_(None), alarms.c.cleared_at > now - NEWS_SECONDS))
        .order_by(alarms.c.id.desc())
        .limit(EVENTS_MAX)
    )
    found = {}
    for row in await tx.execute(query):
        over = row.cleared_at is not None
        found[f"alarm/{row.id}" + ("/over" if over else "")] = Happening(
            kind=row.kind,
            message=row.message,
            at=row.cleared_at if over else row.raised_at,
            channel=row.channel,
            subject=row.subject,
            is_over=over,
        )
    return found


async def _shortfalls(tx: AsyncConnection, now: Instant) -> dict[str, Happening]:
    shortfalls, items = tables.shortfalls, tables.items
    query = (
        sa.select(shortfalls, items.c.sku)
        .join(items, items.c.id == shortfalls.c.item_id)
        .where(shortfalls.c.at > now - NEWS_SECONDS)
        .order_by(shortfalls.c.id.desc())
        .limit(EVENTS_MAX)
    )
    return {
        f"shortfall/{row.id}": Happening(
            kind="shortfall",
            message=f"{row.units} of {row.sku}: {row.cause.replace('_', ' ')}",
            at=row.at,
            channel=row.channel,
            subject=row.sku,
        )
        for row in await tx.execute(query)
    }


async def _low_stock(tx: AsyncConnection) -> dict[str, Happening]:
    low, items = tables.low_stock, tables.items
    query = (
        sa.select(low, items.c.sku)
        .join(items, items.c.id == low.c.item_id)
        .order_by(low.c.since.desc())
        .limit(EVENTS_MAX)
    )
    return {
        f"low_stock/{row.pool}/{row.item_id}/{row.since:.3f}": Happening(
            kind="low_stock",
            message=f"{row.atp} of {row.sku} can be promised in {row.pool}",
            at=row.since,
            subject=row.sku,
        )
        for row in await tx.execute(query)
    }


# ------------------------------------------------------------------ low stock


async def short_items(engine: Engine, tx: AsyncConnection, limit: int) -> list[Short]:
    """Items of which at most `limit` units can be promised, by pool."""
    stock, locations = tables.stock, tables.locations
    least = sa.func.sum(stock.c.on_hand - stock.c.reserved)
    most_kept = sa.func.sum(stock.c.safety_stock)
    query = (
        sa.select(locations.c.pool, stock.c.item_id)
        .join(locations, locations.c.id == stock.c.location_id)
        .where(locations.c.active)
        .group_by(locations.c.pool, stock.c.item_id)
        .having(least - most_kept <= limit + _most_default(engine))
    )
    wanted = {(pool, item_id) for pool, item_id in await tx.execute(query)}
    levels = await _levels(tx, {item_id for _, item_id in wanted})
    found = []
    for pool, item_id in sorted(wanted):
        default = engine.policy.safety_stock_in(pool)
        atp = pool_stock(levels.get((pool, item_id), ()), default_safety_stock=default).atp
        if atp <= limit:
            found.append(Short(pool=pool, item_id=item_id, atp=atp))
    return found


def _most_default(engine: Engine) -> int:
    return max(engine.policy.safety_stock.values(), default=0)


async def _levels(
    tx: AsyncConnection, item_ids: Iterable[int]
) -> Mapping[tuple[str, int], list[StockLevel]]:
    stock, locations = tables.stock, tables.locations
    found: dict[tuple[str, int], list[StockLevel]] = {}
    for part in in_parts(sorted(item_ids)):
        query = (
            sa.select(stock, locations.c.pool)
            .join(locations, locations.c.id == stock.c.location_id)
            .where(locations.c.active, stock.c.item_id.in_(part))
        )
        for row in await tx.execute(query):
            level = StockLevel(
                on_hand=row.on_hand,
                reserved=row.reserved,
                safety_stock=row.safety_stock,
                on_order=row.on_order,
            )
            found.setdefault((row.pool, row.item_id), []).append(level)
    return found


async def note_short_items(tx: AsyncConnection, found: Iterable[Short], now: Instant) -> None:
    """Remember which items are short, since when; those that are no longer are forgotten."""
    low = tables.low_stock
    query = sa.select(low.c.pool, low.c.item_id)
    known = {(row.pool, row.item_id) for row in await tx.execute(query)}
    short = {(one.pool, one.item_id): one for one in found}
    for pool, item_id in sorted(known - short.keys()):
        await tx.execute(sa.delete(low).where(low.c.pool == pool, low.c.item_id == item_id))
    fresh = [
        {"pool": one.pool, "item_id": one.item_id, "since": now, "atp": one.atp}
        for place, one in sorted(short.items())
        if place not in known
    ]
    if fresh:
        await tx.execute(sa.insert(low), fresh)
