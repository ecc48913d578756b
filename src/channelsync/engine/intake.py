"""Intake: order facts become movements, each line exactly once, in whatever order they arrive.

All facts of a batch are applied in the caller's one transaction: rows are read in bulk, changed in
memory and written with multi-row statements, so that a hot item costs one row update a batch.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.ext.asyncio import AsyncConnection

from channelsync.domain.orders import LineState, merge
from channelsync.domain.vocabulary import CancelEffect, Instant
from channelsync.engine.alarms import clear_alarm
from channelsync.engine.books import load_stock
from channelsync.engine.counting import Batch, count_line, flush, load_held, state_values
from channelsync.engine.grants import Grants
from channelsync.engine.lines import (
    KnownLine,
    line_state,
    load_lines,
    load_voids,
    match_listings,
    voided,
)
from channelsync.engine.measure import note_late_orders
from channelsync.sdk.types import OrderFact, OrderVoid
from channelsync.store import tables
from channelsync.store.locks import lock_orders

__all__ = ["apply_orders", "reapply_parked"]

UNMAPPED = "unmapped"


async def apply_orders(
    tx: AsyncConnection,
    channel: str,
    facts: Sequence[OrderFact],
    voids: Sequence[OrderVoid],
    *,
    now: Instant,
) -> None:
    """Bring the books to what the facts say. Facts heard before change nothing.

    A line of an offer that we do not know is kept, parked and alarmed; it is applied as soon as the
    offer is mapped (`reapply_parked`).
    """
    # Locked even for nothing: the caller's page is then all that its instant says it is.
    await lock_orders(tx, channel)
    if not facts and not voids:
        return
    await _remember_voids(tx, channel, voids, now)
    order_ids = {fact.order_id for fact in facts} | {void.order_id for void in voids}
    known = await load_lines(tx, channel, order_ids)
    all_voids = await load_voids(tx, channel, order_ids)
    heard, told = _newest(facts), _merged(facts)
    listing_ids = await match_listings(tx, channel, list(heard.values()))
    batch = await _open_batch(tx, channel, known, listing_ids, now)
    rows = []
    for key in sorted(heard.keys() | {k for k in known if k[0] in all_voids}):
        row = _line_row(
            batch, key, heard.get(key), told.get(key), known.get(key), all_voids, listing_ids
        )
        if row is not None:
            rows.append(row)
    ids = await _write_lines(tx, channel, rows, imported=batch.watermark is None)
    heard_before = {order_id for order_id, _ in known}
    fresh = [row for row in rows if row["order_id"] not in heard_before]
    batch.late = await note_late_orders(
        tx, batch.grants, channel, fresh, watermark=batch.watermark, now=now
    )
    for row, key in ((row, (row["order_id"], row["line_id"])) for row in rows):
        await count_line(batch, ids[key], row, known.get(key))
    await flush(batch)


async def reapply_parked(tx: AsyncConnection, channel: str, *, now: Instant) -> int:
    """Count parked lines whose offers are mapped by now. Returns how many."""
    await lock_orders(tx, channel)
    lines = tables.order_lines
    query = sa.select(lines).where(lines.c.channel == channel, lines.c.parked.is_not(None))
    facts = [_fact_of(row) for row in await tx.execute(query)]
    if not facts:
        await clear_alarm(tx, "unmapped_sale", channel, now=now)
        return 0
    mapped = await match_listings(tx, channel, facts)
    ready = [fact for fact in facts if (fact.order_id, fact.line_id) in mapped]
    if ready:
        await apply_orders(tx, channel, ready, (), now=now)
    if len(ready) == len(facts):
        await clear_alarm(tx, "unmapped_sale", channel, now=now)
    return len(ready)


def _fact_of(row: Any) -> OrderFact:
    return OrderFact(
        order_id=row.order_id,
        line_id=row.line_id,
        sku=row.sku,
        external=row.external,
        ordered=row.ordered,
        cancelled=row.cancelled,
        shipped=row.shipped,
        returned=row.returned,
        restocked=row.restocked,
        relisted=row.relisted,
        version=row.version,
        sold_at=row.sold_at,
        cancelled_at=row.cancelled_at,
        shipped_at=row.shipped_at,
        returned_at=row.returned_at,
        cancel_effect=CancelEffect(row.cancel_effect),
        pending=row.pending,
        moves_counter=row.moves_counter,
        location=row.location,
        origin=row.origin,
    )


# ------------------------------------------------------------------ reading


async def _remember_voids(
    tx: AsyncConnection, channel: str, voids: Sequence[OrderVoid], now: Instant
) -> None:
    if not voids:
        return
    insert = (sqlite if tx.dialect.name == "sqlite" else postgresql).insert(tables.order_voids)
    rows = [
        {
            "channel": channel,
            "order_id": void.order_id,
            "at": void.at,
            "cancel_effect": void.cancel_effect,
            "heard_at": now,
        }
        for void in voids
    ]
    await tx.execute(insert.on_conflict_do_nothing(), rows)


def _newest(facts: Iterable[OrderFact]) -> dict[tuple[str, str], OrderFact]:
    """One fact a line for the words beside its counts: the newest heard in this batch."""
    newest: dict[tuple[str, str], OrderFact] = {}
    for fact in facts:
        key = (fact.order_id, fact.line_id)
        if key not in newest or fact.version >= newest[key].version:
            newest[key] = fact
    return newest


async def _open_batch(
    tx: AsyncConnection,
    channel: str,
    known: Mapping[tuple[str, str], KnownLine],
    listing_ids: Mapping[tuple[str, str], int],
    now: Instant,
) -> Batch:
    row = (
        await tx.execute(sa.select(tables.channels).where(tables.channels.c.name == channel))
    ).one()
    grants = Grants(tx, now, f"order:{channel}")
    old = {line.listing_id for line in known.values() if line.listing_id is not None}
    await grants.load(old | set(listing_ids.values()))
    held = await load_held(tx, (line.id for line in known.values()))
    item_ids = {item for listing in grants.all() for item in listing.recipe}
    item_ids |= {item for line in held.values() for item in line.recipe}
    return Batch(
        tx=tx,
        channel=channel,
        pool=row.pool,
        baseline_at=row.baseline_at,
        watermark=row.watermark,
        now=now,
        grants=grants,
        stock=await load_stock(tx, row.pool, item_ids),
        held=held,
    )


def _merged(facts: Iterable[OrderFact]) -> dict[tuple[str, str], LineState]:
    """Everything this batch says of each line."""
    told: dict[tuple[str, str], LineState] = {}
    for fact in facts:
        key = (fact.order_id, fact.line_id)
        told[key] = merge(told.get(key), line_state(fact))
    return told


# ------------------------------------------------------------------ one line


def _line_row(
    batch: Batch,
    key: tuple[str, str],
    fact: OrderFact | None,
    told: LineState | None,
    known: KnownLine | None,
    voids: Mapping[str, OrderVoid],
    listing_ids: Mapping[tuple[str, str], int],
) -> dict[str, Any] | None:
    """The row to store for a line, or None where nothing is new."""
    state = known.state if known else None
    if told is not None:
        state = merge(state, told)
    if state is None:
        return None
    if (void := voids.get(key[0])) is not None:
        state = voided(state, void)
    listing_id = known.listing_id if known else None
    if listing_id is None:
        listing_id = listing_ids.get(key)
    if known is not None and state == known.state and listing_id == known.listing_id:
        return None
    row = {
        "channel": batch.channel,
        "order_id": key[0],
        "line_id": key[1],
        "listing_id": listing_id,
        "parked": None if listing_id is not None else UNMAPPED,
        "heard_at": batch.now,
        **state_values(state),
    }
    if fact is not None:
        row |= {
            "sku": fact.sku,
            "external": dict(fact.external),
            "location": fact.location,
            "origin": fact.origin,
        }
    if known is not None:
        row["id"] = known.id
    return row


async def _update_lines(tx: AsyncConnection, rows: Sequence[Mapping[str, Any]]) -> None:
    """One statement for all lines with the same columns: those heard of now, those only voided."""
    lines = tables.order_lines
    forms: dict[tuple[str, ...], list[Mapping[str, Any]]] = {}
    for row in rows:
        forms.setdefault(tuple(name for name in row if name != "id"), []).append(row)
    for names, alike in forms.items():
        statement = sa.update(lines).where(lines.c.id == sa.bindparam("_id"))
        values: dict[str, Any] = {name: sa.bindparam(f"_{name}") for name in names}
        await tx.execute(
            statement.values(values),
            [{f"_{name}": value for name, value in row.items()} for row in alike],
        )


async def _write_lines(
    tx: AsyncConnection, channel: str, rows: Sequence[Mapping[str, Any]], *, imported: bool
) -> dict[tuple[str, str], int]:
    """Insert new lines, update known ones. Returns their ids."""
    lines = tables.order_lines
    fresh = [
        dict(row)
        | {
            "first_heard_at": row["heard_at"],
            "heard_after": None
            if imported or row["sold_at"] is None
            else row["heard_at"] - row["sold_at"],
        }
        for row in rows
        if "id" not in row
    ]
    if fresh:
        await tx.execute(sa.insert(lines), fresh)
    await _update_lines(tx, [row for row in rows if "id" in row])
    order_ids = sorted({row["order_id"] for row in rows})
    query = sa.select(lines.c.id, lines.c.order_id, lines.c.line_id).where(
        lines.c.channel == channel, lines.c.order_id.in_(order_ids)
    )
    return {(row.order_id, row.line_id): row.id for row in await tx.execute(query)}
