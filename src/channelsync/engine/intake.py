"""Intake: order facts become movements, each line exactly once, in whatever order they arrive.

All facts of a batch are applied in the caller's one transaction: rows are read in bulk, changed in
memory and written with multi-row statements, so that a hot item costs one row update a batch.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.ext.asyncio import AsyncConnection

from channelsync.domain.escrow import (
    SettleReason,
    count_cancel,
    count_relisted_return,
    count_sale,
    want_settle,
)
from channelsync.domain.orders import LineChange, LineState, diff, merge, state_of
from channelsync.domain.vocabulary import CancelEffect, Instant
from channelsync.engine import demand
from channelsync.engine.alarms import clear_alarm, raise_alarm, record_shortfall
from channelsync.engine.books import StockBooks, load_stock
from channelsync.engine.grants import Grants
from channelsync.engine.lines import (
    KnownLine,
    line_state,
    load_lines,
    load_voids,
    match_listings,
    voided,
)
from channelsync.engine.work import WorkKind, mark, mark_items
from channelsync.sdk.types import OrderFact, OrderVoid
from channelsync.store import tables
from channelsync.store.ledger import StockMove, move_stock
from channelsync.store.tables import MovementKind, Quantity

__all__ = ["Batch", "apply_orders", "reapply_parked"]

UNMAPPED = "unmapped"


@dataclass(slots=True, kw_only=True)
class Batch:
    """What one call of `apply_orders` works on, and what it did."""

    tx: AsyncConnection
    channel: str
    pool: str
    baseline_at: Instant
    now: Instant
    grants: Grants
    stock: StockBooks
    moves: list[StockMove] = field(default_factory=list)
    events: list[dict[str, Any]] = field(default_factory=list)
    line_stock: dict[tuple[int, int, int], list[int]] = field(default_factory=dict)
    touched_items: set[int] = field(default_factory=set)
    changed_lines: int = 0
    parked_lines: int = 0

    @property
    def actor(self) -> str:
        """Who the movements name."""
        return f"order:{self.channel}"


async def apply_orders(
    tx: AsyncConnection,
    channel: str,
    facts: Sequence[OrderFact],
    voids: Sequence[OrderVoid],
    *,
    now: Instant,
) -> Batch:
    """Bring the books to what the facts say. Facts heard before change nothing.

    A line of an offer that we do not know is kept, parked and alarmed; it is applied as soon as the
    offer is mapped (`reapply_parked`).
    """
    await _remember_voids(tx, channel, voids, now)
    order_ids = {fact.order_id for fact in facts} | {void.order_id for void in voids}
    known = await load_lines(tx, channel, order_ids)
    all_voids = await load_voids(tx, channel, order_ids)
    heard = _newest(facts)
    listing_ids = await match_listings(tx, channel, list(heard.values()))
    batch = await _open_batch(tx, channel, known, listing_ids, now)
    rows = []
    for key in sorted(heard.keys() | {k for k in known if k[0] in all_voids}):
        row = _line_row(batch, key, heard.get(key), known.get(key), all_voids, listing_ids)
        if row is not None:
            rows.append(row)
    ids = await _write_lines(tx, channel, rows)
    for row, key in ((row, (row["order_id"], row["line_id"])) for row in rows):
        await _count(batch, ids[key], row, known.get(key))
    await _flush(batch)
    return batch


async def reapply_parked(tx: AsyncConnection, channel: str, *, now: Instant) -> int:
    """Count parked lines whose offers are mapped by now. Returns how many."""
    lines = tables.order_lines
    query = sa.select(lines).where(lines.c.channel == channel, lines.c.parked.is_not(None))
    facts = [_fact_of(row) for row in await tx.execute(query)]
    if not facts:
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
    """One fact a line: the newest heard in this batch (equal versions are merged with the row)."""
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
    item_ids = {item for listing in grants.all() for item in listing.recipe}
    return Batch(
        tx=tx,
        channel=channel,
        pool=row.pool,
        baseline_at=row.baseline_at,
        now=now,
        grants=grants,
        stock=await load_stock(tx, row.pool, item_ids),
    )


# ------------------------------------------------------------------ one line


def _line_row(  # noqa: PLR0913 - everything known of one line
    batch: Batch,
    key: tuple[str, str],
    fact: OrderFact | None,
    known: KnownLine | None,
    voids: Mapping[str, OrderVoid],
    listing_ids: Mapping[tuple[str, str], int],
) -> dict[str, Any] | None:
    """The row to store for a line, or None where nothing is new."""
    state = known.state if known else None
    if fact is not None:
        state = merge(state, line_state(fact))
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
        **_state_values(state),
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


def _state_values(state: LineState) -> dict[str, Any]:
    return {
        "ordered": state.ordered,
        "cancelled": state.cancelled,
        "shipped": state.shipped,
        "returned": state.returned,
        "restocked": state.restocked,
        "relisted": state.relisted,
        "version": state.version,
        "sold_at": state.sold_at,
        "cancelled_at": state.cancelled_at,
        "shipped_at": state.shipped_at,
        "pending": state.pending,
        "moves_counter": state.moves_counter,
        "cancel_effect": state.cancel_effect,
        "state": state_of(state),
    }


def _state_from(row: Mapping[str, Any]) -> LineState:
    names = _state_values(LineState(ordered=0)).keys() - {"state"}
    return LineState(**{name: row[name] for name in names})


async def _write_lines(
    tx: AsyncConnection, channel: str, rows: Sequence[Mapping[str, Any]]
) -> dict[tuple[str, str], int]:
    """Insert new lines, update known ones. Returns their ids."""
    lines = tables.order_lines
    fresh = [dict(row) | {"first_heard_at": row["heard_at"]} for row in rows if "id" not in row]
    if fresh:
        await tx.execute(sa.insert(lines), fresh)
    for row in rows:
        if "id" in row:
            values = {name: value for name, value in row.items() if name != "id"}
            await tx.execute(sa.update(lines).where(lines.c.id == row["id"]).values(values))
    order_ids = sorted({row["order_id"] for row in rows})
    query = sa.select(lines.c.id, lines.c.order_id, lines.c.line_id).where(
        lines.c.channel == channel, lines.c.order_id.in_(order_ids)
    )
    return {(row.order_id, row.line_id): row.id for row in await tx.execute(query)}


async def _count(
    batch: Batch, line_id: int, row: Mapping[str, Any], known: KnownLine | None
) -> None:
    """Move what the difference to the counted state moves."""
    listing_id = row["listing_id"]
    if listing_id is None:
        await _park(batch, row)
        return
    counted = known.state if known is not None and known.listing_id is not None else None
    listing = batch.grants[listing_id]
    change = diff(
        counted,
        _state_from(row),
        settled_from=listing.settled_from,
        baseline_at=batch.baseline_at,
    )
    if not change.moves:
        return
    batch.changed_lines += 1
    batch.touched_items.update(listing.recipe)
    reference = f"{row['order_id']}/{row['line_id']}"
    await _count_exposure(batch, listing_id, change, row, reference)
    location = row.get("location") or (known.location if known else None)
    await _move_stock(batch, line_id, listing_id, change, reference, location)
    batch.events += [
        {
            "line_id": line_id,
            "listing_id": listing_id,
            "kind": event.kind,
            "units": event.units,
            "moved_at": event.moved_at,
            "heard_at": batch.now,
        }
        for event in change.events
        if event.effect is not CancelEffect.NOT_RELISTED
    ]


async def _park(batch: Batch, row: Mapping[str, Any]) -> None:
    batch.parked_lines += 1
    what = row.get("sku") or row.get("external") or "an unnamed offer"
    message = (
        f"order {row['order_id']} sold {row['ordered']} of {what}, which no listing of ours covers;"
        " it is kept and will be counted once the SKU exists or is mapped under `listings:`"
    )
    await raise_alarm(
        batch.tx, "unmapped_sale", batch.channel, message, now=batch.now, channel=batch.channel
    )
    await mark(batch.tx, WorkKind.DISCOVER, batch.channel, not_before=batch.now)


async def _count_exposure(
    batch: Batch, listing_id: int, change: LineChange, row: Mapping[str, Any], reference: str
) -> None:
    listing = batch.grants[listing_id]
    grant, remote = listing.grant, listing.remote
    excess = 0
    if change.sold:
        grant, excess = count_sale(grant, change.sold)
        batch.grants.put(listing_id, grant, MovementKind.SALE, reference=reference)
        exposed = bool(listing.grant.exposure)
        learnt = demand.record_sale(
            listing.demand, change.sold, now=batch.now, exposed=exposed
        )
        batch.grants.update(listing_id, demand=learnt)
    if change.cancelled:
        effect = CancelEffect(row["cancel_effect"])
        grant = count_cancel(grant, change.cancelled, effect)
        batch.grants.put(listing_id, grant, MovementKind.CANCEL, reference=reference)
    if change.relisted:
        grant = count_relisted_return(grant, change.relisted)
        if change.sold_outside:
            grant = want_settle(grant, SettleReason.UNSURE_CANCEL)
        batch.grants.put(listing_id, grant, MovementKind.RELIST, reference=reference)
    if remote is not None:
        shown = remote - change.sold + change.cancelled + change.relisted
        batch.grants.update(listing_id, remote=shown)
    outside = excess + change.sold_outside
    if outside and listing.grant.settled:
        cause = "beyond_grant" if excess else "outside_counter"
        for item_id, units in listing.recipe.items():
            await record_shortfall(
                batch.tx,
                item_id=item_id,
                units=outside * units,
                cause=cause,
                now=batch.now,
                channel=batch.channel,
                listing_id=listing_id,
                reference=reference,
            )


# ------------------------------------------------------------------ stock


async def _move_stock(  # noqa: PLR0913 - one line's facts
    batch: Batch,
    line_id: int,
    listing_id: int,
    change: LineChange,
    reference: str,
    location: str | None,
) -> None:
    if not (change.sold or change.sold_outside or change.cancelled or change.cancelled_outside
            or change.shipped or change.restocked):
        return
    kept = await _load_line_stock(batch, line_id)
    for item_id, units in sorted(batch.grants[listing_id].recipe.items()):
        sold = (change.sold + change.sold_outside) * units
        if sold:
            for place, count in batch.stock.route(item_id, sold, preferred=location).items():
                kept.setdefault((item_id, place), [0, 0])[0] += count
                _move(batch, item_id, place, Quantity.RESERVED, count, MovementKind.SALE, reference)
        _take(batch, kept, item_id, change.shipped * units, MovementKind.SHIPMENT, reference)
        gone = (change.cancelled + change.cancelled_outside) * units
        _take(batch, kept, item_id, gone, MovementKind.CANCEL, reference)
        if change.restocked:
            _restock(batch, kept, item_id, change.restocked * units, reference, location)
    for (item_id, place), counts in kept.items():
        batch.line_stock[line_id, item_id, place] = counts


async def _load_line_stock(batch: Batch, line_id: int) -> dict[tuple[int, int], list[int]]:
    held = tables.line_stock
    query = sa.select(held).where(held.c.line_id == line_id)
    return {
        (row.item_id, row.location_id): [row.reserved, row.shipped]
        for row in await batch.tx.execute(query)
    }


def _move(  # noqa: PLR0913 - a movement has this many facts
    batch: Batch,
    item_id: int,
    place: int,
    quantity: Quantity,
    delta: int,
    kind: MovementKind,
    reference: str,
) -> None:
    if quantity is Quantity.RESERVED:
        batch.stock.reserve(item_id, place, delta)
    batch.moves.append(
        StockMove(
            item_id=item_id,
            location_id=place,
            quantity=quantity,
            delta=delta,
            kind=kind,
            actor=batch.actor,
            at=batch.now,
            reference=reference,
        )
    )


def _take(  # noqa: PLR0913 - a movement has this many facts
    batch: Batch,
    kept: dict[tuple[int, int], list[int]],
    item_id: int,
    units: int,
    kind: MovementKind,
    reference: str,
) -> None:
    """End the line's reservations of `units`: shipped, or cancelled."""
    left = units
    for (item, place), counts in sorted(kept.items(), reverse=kind is MovementKind.CANCEL):
        take = min(left, counts[0]) if item == item_id else 0
        if not take:
            continue
        left -= take
        counts[0] -= take
        _move(batch, item_id, place, Quantity.RESERVED, -take, kind, reference)
        if kind is MovementKind.SHIPMENT:
            counts[1] += take
            _move(batch, item_id, place, Quantity.ON_HAND, -take, kind, reference)


def _restock(  # noqa: PLR0913 - a movement has this many facts
    batch: Batch,
    kept: dict[tuple[int, int], list[int]],
    item_id: int,
    units: int,
    reference: str,
    location: str | None,
) -> None:
    """Inspected units go back where they were shipped from, else where the channel says."""
    homes = [place for (item, place), counts in sorted(kept.items()) if item == item_id]
    named = batch.stock.route(item_id, units, preferred=location)
    home = homes[0] if homes else min(named)
    _move(batch, item_id, home, Quantity.ON_HAND, units, MovementKind.RETURN, reference)


async def _flush(batch: Batch) -> None:
    tx = batch.tx
    await move_stock(tx, batch.moves)
    if batch.line_stock:
        held = tables.line_stock
        insert = (sqlite if tx.dialect.name == "sqlite" else postgresql).insert(held)
        statement = insert.on_conflict_do_update(
            index_elements=[held.c.line_id, held.c.item_id, held.c.location_id],
            set_={"reserved": insert.excluded.reserved, "shipped": insert.excluded.shipped},
        )
        rows = [
            {
                "line_id": line_id,
                "item_id": item_id,
                "location_id": place,
                "reserved": counts[0],
                "shipped": counts[1],
            }
            for (line_id, item_id, place), counts in sorted(batch.line_stock.items())
        ]
        await tx.execute(statement, rows)
    if batch.events:
        await tx.execute(sa.insert(tables.line_events), batch.events)
    await batch.grants.flush()
    await mark_items(tx, batch.touched_items, batch.now)
    settle = any(batch.grants[i].grant.settle_reasons for i in _changed_ids(batch))
    if settle:
        await mark(tx, WorkKind.SETTLE, batch.channel, not_before=batch.now)


def _changed_ids(batch: Batch) -> set[int]:
    return {event["listing_id"] for event in batch.events}
