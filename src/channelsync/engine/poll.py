"""Poll: page through a channel's orders; the watermark is how far they are known to be counted."""

from __future__ import annotations

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection

from channelsync.domain.escrow import resize_slice
from channelsync.domain.vocabulary import Instant, PushSemantics
from channelsync.engine.core import Engine
from channelsync.engine.grants import Grants
from channelsync.engine.holdable import with_storable_texts
from channelsync.engine.intake import apply_orders, reapply_parked
from channelsync.engine.look import look
from channelsync.engine.registers import hear_sequences
from channelsync.engine.shelf import show_shelf
from channelsync.engine.till_counts import apply_counts
from channelsync.engine.work import Claim, WorkKind, mark, mark_items, require_lease
from channelsync.ports import RunningChannel
from channelsync.sdk.connector import FetchesOrders
from channelsync.sdk.types import OrderPage
from channelsync.store import tables
from channelsync.store.locks import lock_orders
from channelsync.store.tables import ChannelState, MovementKind

__all__ = ["fetch", "poll"]

PAGES_MAX = 200
"""Pages a call; a longer history goes on in the next, from the cursor that was committed."""


async def fetch(engine: Engine, held: Claim) -> Instant | None:
    """Look at one order that a webhook named."""
    channel, _, order_id = held.key.partition("\t")
    running = engine.channels.get(channel)
    if running is None or not isinstance(running.channel, FetchesOrders):
        return None
    page = with_storable_texts(await running.channel.orders_by_id((order_id,)))
    async with engine.database.write() as tx:
        await require_lease(tx, held, now=engine.now())
        await apply_orders(tx, channel, page.facts, page.voids, now=engine.now())
    return None


async def poll(engine: Engine, held: Claim) -> Instant | None:
    """Page to the end of a channel's orders. Returns when to poll again."""
    running = engine.channels.get(held.key)
    if running is None:
        return None
    if not isinstance(running.channel, FetchesOrders):
        async with engine.database.write() as tx:
            await _finish_import(tx, running, engine.now())
        return None
    cursor = await _cursor(engine, running, running.channel)
    for _ in range(PAGES_MAX):
        page = with_storable_texts(await running.channel.orders_since(cursor))
        async with engine.database.write() as tx:
            now = engine.now()
            await require_lease(tx, held, now=now)
            # Counts first: what was sold before one is no part of it any more.
            await apply_counts(tx, running.name, page.counts, now=now)
            await apply_orders(tx, running.name, page.facts, page.voids, now=now)
            await hear_sequences(tx, running.name, page.sequences, now=now)
            if page.look_at is not None:
                await look(tx, running.name, page.look_at, now=now)
            await _advance(tx, running, page, now)
        cursor = page.cursor
        if not page.more:
            # What was just counted is what the shelf holds by now.
            await show_shelf(engine, running)
            return engine.now() + running.poll_interval_seconds
    return engine.now()


async def _cursor(engine: Engine, running: RunningChannel, orders: FetchesOrders) -> str:
    columns = tables.channels.c
    async with engine.database.read() as connection:
        query = sa.select(columns.cursor, columns.baseline_at).where(columns.name == running.name)
        row = (await connection.execute(query)).one()
    return row.cursor if row.cursor is not None else orders.first_cursor(row.baseline_at)


async def _advance(
    tx: AsyncConnection, running: RunningChannel, page: OrderPage, now: Instant
) -> None:
    """The cursor moves in the transaction that counted its page, never before."""
    values: dict[str, object] = {
        "cursor": page.cursor,
        "last_poll_at": now,
    }
    if page.complete_to is not None and not page.more:
        held_back = await _oldest_uncounted(tx, running.name)
        values["watermark"] = min(page.complete_to, held_back or page.complete_to)
        values["watermark_lag"] = max(now - page.complete_to, 0.0)
    channels = tables.channels
    await tx.execute(sa.update(channels).where(channels.c.name == running.name).values(values))
    if page.complete_to is not None and not page.more:
        await _finish_import(tx, running, now)
        await mark(tx, WorkKind.SETTLE, running.name, not_before=now)


async def _oldest_uncounted(tx: AsyncConnection, channel: str) -> Instant | None:
    """The oldest line that may belong to a listing of ours and is not counted.

    A parked line stops holding the watermark back once the catalogue was searched after it was
    first heard of: what it sold is then known to be none of our offers.
    """
    lines, channels = tables.order_lines, tables.channels
    searched = sa.select(channels.c.discovered_at).where(channels.c.name == channel)
    query = sa.select(sa.func.min(sa.func.coalesce(lines.c.sold_at, lines.c.first_heard_at))).where(
        lines.c.channel == channel,
        lines.c.parked.is_not(None),
        lines.c.first_heard_at >= sa.func.coalesce(searched.scalar_subquery(), 0.0),
    )
    return (await tx.execute(query)).scalar()


async def _finish_import(tx: AsyncConnection, running: RunningChannel, now: Instant) -> None:
    """Every order since the baseline is counted: the channel may be settled, and become active."""
    await lock_orders(tx, running.name)
    channels = tables.channels
    query = sa.select(channels.c.orders_imported, channels.c.discovered_at, channels.c.state).where(
        channels.c.name == running.name
    )
    row = (await tx.execute(query)).one()
    adopted = row.state == ChannelState.ADOPTING and row.discovered_at is not None
    if adopted or not row.orders_imported:
        values: dict[str, object] = {"orders_imported": True}
        if adopted:
            values["state"] = ChannelState.ACTIVE
        await tx.execute(sa.update(channels).where(channels.c.name == running.name).values(values))
    await reapply_parked(tx, running.name, now=now)
    if running.manifest.push_semantics is PushSemantics.LIVE:
        await _open_slices(tx, running.name, now)


async def _open_slices(tx: AsyncConnection, channel: str, now: Instant) -> None:
    """A channel without numbers of its own has nothing to read: its slices begin at 0."""
    listings = tables.listings
    query = sa.select(listings.c.id).where(
        listings.c.channel == channel, listings.c.exposure.is_(None)
    )
    grants = Grants(tx, now, f"adopt:{channel}")
    await grants.load((await tx.execute(query)).scalars().all())
    items: set[int] = set()
    for listing in grants.all():
        grant = resize_slice(listing.grant, 0, takeable=0)
        grants.put(listing.id, grant, MovementKind.SLICE)
        grants.update(listing.id, settled_at=now)
        items.update(listing.recipe)
    await grants.flush()
    await mark_items(tx, items, now)
