"""Counting: what one order line's change moves in the books and in stock, and writing a batch."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection

from channelsync.domain.escrow import (
    SettleReason,
    count_cancel,
    count_relisted_return,
    count_sale,
    want_settle,
)
from channelsync.domain.orders import LineChange, LineState, diff, state_of
from channelsync.domain.vocabulary import Assumption, CancelEffect, Instant
from channelsync.engine import demand
from channelsync.engine.alarms import Shortfall, raise_alarm, record_shortfalls
from channelsync.engine.books import StockBooks
from channelsync.engine.grants import Grants
from channelsync.engine.inspections import note_told
from channelsync.engine.lines import KnownLine
from channelsync.engine.measure import BEYOND_GRANT
from channelsync.engine.oversold import note_oversold
from channelsync.engine.work import WorkKind, mark, mark_items
from channelsync.store import tables
from channelsync.store.ledger import StockMove, move_stock
from channelsync.store.many import among, inserting
from channelsync.store.tables import MovementKind, Quantity

__all__ = ["Batch", "HeldLine", "count_line", "flush", "load_held", "state_values"]


LONG_AGO: Final[Instant] = 0.0
"""Earlier than any count."""
_WRITE_HELD: Final = inserting(
    tables.line_stock,
    *("line_id", "item_id", "location_id", "units", "reserved", "shipped"),
    conflict=lambda insert: insert.on_conflict_do_update(
        index_elements=["line_id", "item_id", "location_id"],
        set_={"reserved": insert.excluded.reserved, "shipped": insert.excluded.shipped},
    ),
)
_ADD_EVENTS: Final = inserting(
    tables.line_events, "line_id", "listing_id", "kind", "units", "moved_at", "heard_at"
)


@dataclass(slots=True)
class HeldLine:
    """What one order line has of the stock, and the recipe that it was sold by."""

    places: dict[tuple[int, int], list[int]] = field(default_factory=dict)
    """[reserved, shipped] by item and location."""
    recipe: dict[int, int] = field(default_factory=dict)
    """Units by item. It stays what it was when the offer is given another one."""


@dataclass(slots=True, kw_only=True)
class Batch:
    """What one call of `apply_orders` works on, and what it did."""

    tx: AsyncConnection
    channel: str
    pool: str
    baseline_at: Instant
    watermark: Instant | None
    """Before this batch; None while the channel's orders are being imported."""
    now: Instant
    grants: Grants
    stock: StockBooks
    moves: list[StockMove] = field(default_factory=list)
    events: list[dict[str, Any]] = field(default_factory=list)
    held: Mapping[int, HeldLine] = field(default_factory=dict)
    """What lines known before have of the stock."""
    moved: dict[int, HeldLine] = field(default_factory=dict)
    """The same for every line that this batch has moved."""
    late: set[tuple[str, str]] = field(default_factory=set)
    """Lines that showed when every order of their time was thought counted."""
    shortfalls: list[Shortfall] = field(default_factory=list)
    covered: dict[int, int] = field(default_factory=dict)
    """Units sold within the grant, by listing."""
    touched_items: set[int] = field(default_factory=set)
    changed_lines: int = 0
    parked_lines: int = 0

    @property
    def actor(self) -> str:
        """Who the movements name."""
        return f"order:{self.channel}"


async def load_held(tx: AsyncConnection, line_ids: Iterable[int]) -> dict[int, HeldLine]:
    """What lines have of the stock, by line."""
    held, wanted = tables.line_stock, sorted(line_ids)
    found: dict[int, HeldLine] = {}
    if not wanted:
        return found
    query = sa.select(held).where(among(tx, held.c.line_id, wanted))
    for row in await tx.execute(query):
        line = found.setdefault(row.line_id, HeldLine())
        line.places[row.item_id, row.location_id] = [row.reserved, row.shipped]
        line.recipe[row.item_id] = row.units
    return found


def state_values(state: LineState) -> dict[str, Any]:
    """A line's state as columns."""
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
        "returned_at": state.returned_at,
        "pending": state.pending,
        "moves_counter": state.moves_counter,
        "cancel_effect": state.cancel_effect,
        "state": state_of(state),
    }


async def count_line(
    batch: Batch,
    line_id: int,
    row: Mapping[str, Any],
    state: LineState,
    known: KnownLine | None,
) -> None:
    """Move what the difference to the counted state moves. `row` is what is stored of `state`."""
    listing_id = row["listing_id"]
    if listing_id is None:
        await _park(batch, row)
        return
    counted = known.state if known is not None and known.listing_id is not None else None
    listing = batch.grants[listing_id]
    change = diff(
        counted,
        state,
        settled_from=listing.settled_from,
        settled_to=listing.settled_to,
        baseline_at=batch.baseline_at,
    )
    if not change.moves:
        return
    batch.changed_lines += 1
    batch.touched_items.update(listing.recipe)
    reference = f"{row['order_id']}/{row['line_id']}"
    _count_exposure(batch, listing_id, change, row, reference)
    location = row.get("location") or (known.location if known else None)
    await _move_stock(batch, line_id, listing_id, change, row, location)
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


def _count_exposure(
    batch: Batch, listing_id: int, change: LineChange, row: Mapping[str, Any], reference: str
) -> None:
    listing = batch.grants[listing_id]
    grant, remote = listing.grant, listing.remote
    excess = 0
    if change.sold:
        grant, excess = count_sale(grant, change.sold)
        batch.covered[listing_id] = batch.covered.get(listing_id, 0) + change.sold - excess
        exposed = bool(listing.grant.exposure)
        learnt = demand.record_sale(listing.demand, change.sold, now=batch.now, exposed=exposed)
        batch.grants.put(
            listing_id,
            grant,
            MovementKind.SALE,
            reference=reference,
            remote=None if remote is None else remote - change.sold,
            demand=learnt,
        )
    if change.cancelled:
        effect = CancelEffect(row["cancel_effect"])
        grant = count_cancel(grant, change.cancelled, effect)
        batch.grants.put(listing_id, grant, MovementKind.CANCEL, reference=reference)
    if change.relisted:
        grant = count_relisted_return(grant, change.relisted)
        batch.grants.put(listing_id, grant, MovementKind.RELIST, reference=reference)
    if change.settle_wanted:
        grant = want_settle(grant, SettleReason.UNSURE_CANCEL)
        batch.grants.put(listing_id, grant, MovementKind.RELIST, reference=reference)
    if remote is not None and (put_back := change.cancelled + change.relisted):
        batch.grants.update(listing_id, remote=remote - change.sold + put_back)
    outside = excess + change.sold_outside
    if outside and listing.grant.settled:
        late = (row["order_id"], row["line_id"]) in batch.late
        within = BEYOND_GRANT if excess else "outside_counter"
        cause = Assumption.FEED_COMPLETE if late else within
        batch.shortfalls += [
            Shortfall(
                item_id=item_id,
                units=outside * units,
                cause=cause,
                channel=batch.channel,
                listing_id=listing_id,
                reference=reference,
            )
            for item_id, units in listing.recipe.items()
        ]


# ------------------------------------------------------------------ stock


async def _move_stock(
    batch: Batch,
    line_id: int,
    listing_id: int,
    change: LineChange,
    row: Mapping[str, Any],
    location: str | None,
) -> None:
    if not change.moves_stock:
        return
    reference = f"{row['order_id']}/{row['line_id']}"
    line = batch.held.get(line_id) or HeldLine(recipe=dict(batch.grants[listing_id].recipe))
    kept = line.places
    batch.touched_items.update(line.recipe)
    for item_id, units in sorted(line.recipe.items()):
        sold = (change.sold + change.sold_outside) * units
        if sold:
            for place, count in batch.stock.route(item_id, sold, preferred=location).items():
                kept.setdefault((item_id, place), [0, 0])[0] += count
                _move(batch, item_id, place, Quantity.RESERVED, count, MovementKind.SALE, reference)
        if change.shipped:
            _ship(batch, kept, item_id, change.shipped * units, row["shipped_at"], reference)
        gone = (change.cancelled + change.cancelled_outside) * units
        for place, count in _end_reservations(kept, item_id, gone, last_first=True):
            _move(batch, item_id, place, Quantity.RESERVED, -count, MovementKind.CANCEL, reference)
        if change.restocked:
            home = _home(batch, kept, item_id, change.restocked * units, location)
            told = row["restocked"] * units
            fresh = await note_told(
                batch.tx, line_id, item_id, home, told=told, actor=batch.actor, now=batch.now
            )
            back = min(change.restocked * units, fresh)
            _restock(batch, item_id, home, back, row["returned_at"], reference)
    batch.moved[line_id] = line


def _move(
    batch: Batch,
    item_id: int,
    place: int,
    quantity: Quantity,
    delta: int,
    kind: MovementKind,
    reference: str,
    *,
    moved_at: Instant | None = None,
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
            moved_at=moved_at,
        )
    )


def _end_reservations(
    kept: dict[tuple[int, int], list[int]], item_id: int, units: int, *, last_first: bool
) -> list[tuple[int, int]]:
    """Take up to `units` off the line's reservations. Returns pairs of location and units."""
    left, taken = units, []
    for (item, place), counts in sorted(kept.items(), reverse=last_first) if units else ():
        take = min(left, counts[0]) if item == item_id else 0
        if take:
            left -= take
            counts[0] -= take
            taken.append((place, take))
    return taken


def _ship(
    batch: Batch,
    kept: dict[tuple[int, int], list[int]],
    item_id: int,
    units: int,
    shipped_at: Instant | None,
    reference: str,
) -> None:
    """Units leave the house. A count taken after they had left does not hold them any more."""
    kind = MovementKind.SHIPMENT
    for place, count in _end_reservations(kept, item_id, units, last_first=False):
        kept[item_id, place][1] += count
        _move(batch, item_id, place, Quantity.RESERVED, -count, kind, reference)
        counted_at = batch.stock.counted_at.get((item_id, place))
        if shipped_at is None or counted_at is None or shipped_at >= counted_at:
            gone = (Quantity.ON_HAND, -count, kind, reference)
            _move(batch, item_id, place, *gone, moved_at=_until(shipped_at, batch.now))


def _home(
    batch: Batch,
    kept: dict[tuple[int, int], list[int]],
    item_id: int,
    units: int,
    location: str | None,
) -> int:
    """Where units go back to: where they were shipped from, else where the channel says."""
    homes = [place for (item, place), _ in sorted(kept.items()) if item == item_id]
    return homes[0] if homes else min(batch.stock.route(item_id, units, preferred=location))


def _restock(
    batch: Batch,
    item_id: int,
    home: int,
    units: int,
    returned_at: Instant | None,
    reference: str,
) -> None:
    """Inspected units are on the shelf again.

    A count taken after they had come back holds them already; where that is not known they are left
    out, which costs no more than the next count.
    """
    counted_at = batch.stock.counted_at.get((item_id, home))
    if counted_at is not None and (returned_at is None or returned_at < counted_at):
        return
    came = (Quantity.ON_HAND, units, MovementKind.RETURN, reference)
    # One of unknown time may have been there at whatever count is still to be entered.
    came_at = _until(LONG_AGO if returned_at is None else returned_at, batch.now)
    _move(batch, item_id, home, *came, moved_at=came_at)


def _until(told: Instant | None, now: Instant) -> Instant | None:
    """A time that a channel told, by whatever clock; nothing has moved in the future."""
    return None if told is None else min(told, now)


async def flush(batch: Batch) -> None:
    """Write everything the batch has collected, and mark what must be looked at."""
    tx = batch.tx
    await move_stock(tx, batch.moves, kept=batch.stock.kept)
    rows = [
        {
            "line_id": line_id,
            "item_id": item_id,
            "location_id": place,
            "units": line.recipe[item_id],
            "reserved": counts[0],
            "shipped": counts[1],
        }
        for line_id, line in sorted(batch.moved.items())
        for (item_id, place), counts in sorted(line.places.items())
    ]
    await _WRITE_HELD.run(tx, rows)
    await _ADD_EVENTS.run(tx, batch.events)
    await record_shortfalls(tx, batch.shortfalls, now=batch.now)
    await batch.grants.flush()
    await note_oversold(tx, batch.grants, batch.channel, batch.covered, now=batch.now)
    await mark_items(tx, batch.touched_items, batch.now)
    changed = {event["listing_id"] for event in batch.events}
    if any(batch.grants[listing_id].grant.settle_reasons for listing_id in changed):
        await mark(tx, WorkKind.SETTLE, batch.channel, not_before=batch.now)
