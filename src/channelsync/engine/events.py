"""Events: what merchants' own systems are told, each once in one order.

Whoever raises an alarm or records a shortfall writes the event in the same transaction, without a
place in the stream. One sequencer gives places to what is committed, tells of every item whose
stock has moved (level-triggered: its present numbers, however often it moved), and makes a delivery
for every endpoint that asked for it. So a reader who has seen a place has seen all before it.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection

from channelsync.domain.vocabulary import Instant
from channelsync.engine.core import Engine
from channelsync.engine.emit import EventType
from channelsync.engine.seal import complete
from channelsync.engine.stock_changes import spoken_instant
from channelsync.engine.work import Claim, WorkKind, mark_many, require_lease
from channelsync.store.chain import read_horizon
from channelsync.store.stock_queries import load_levels, load_locations
from channelsync.store.tables import endpoints, event_deliveries, events, items, movements

__all__ = ["EVENTS_KEY", "KEEP_SECONDS", "Event", "read_events", "sequence"]

EVENTS_KEY: Final = "events"
EVERY_SECONDS: Final = 1.0
IDLE_SECONDS_MAX: Final = 5.0
IDLE_PART: Final = 0.1
"""While nothing happens, looks become rarer: after so large a part of the time since the last."""
ITEMS_MAX: Final = 200
"""Items that are told of in one transaction; the rest follows at once."""
EVENTS_MAX: Final = 500
KEEP_SECONDS: Final = 7 * 86_400.0
"""So long an event can be asked for again; longer than any delivery is tried."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    """One event in the stream."""

    position: int
    at: Instant
    type: str
    data: Any

    def payload(self) -> dict[str, Any]:
        """As it is sent and streamed."""
        return {"type": self.type, "timestamp": spoken_instant(self.at), "data": self.data}


async def read_events(
    tx: AsyncConnection, *, after: int, limit: int, types: Sequence[str] | None = None
) -> Sequence[Event]:
    """Events behind a place of the stream, in order. Those for one endpoint alone are left out."""
    query = (
        sa.select(events)
        .where(events.c.position > after, events.c.endpoint_id.is_(None))
        .order_by(events.c.position)
        .limit(limit)
    )
    if types is not None:
        query = query.where(events.c.type.in_(types))
    return tuple(
        Event(position=row.position, at=row.at, type=row.type, data=json.loads(row.data))
        for row in await tx.execute(query)
    )


async def sequence(engine: Engine, held: Claim) -> Instant | None:
    """Give every committed event its place. Returns when to look again."""
    async with engine.database.read() as tx:
        told, horizon = await _told_up_to(tx), await read_horizon(tx)
        pending = await _pending(tx)
        newest_at = await _newest_at(tx)
    moved = horizon.movement_id > told and await complete(engine, horizon)
    if not moved and not pending:
        return engine.now() + _idle_seconds(engine.now() - newest_at)
    async with engine.database.write() as tx:
        now = engine.now()
        await require_lease(tx, held, now=now)
        more = moved and await _tell_stock(tx, told, horizon.movement_id, now)
        woken = await _give_places(tx, now)
        await mark_many(tx, WorkKind.DELIVER, sorted(woken), not_before=now)
        await _forget_old(tx, now)
    return now if more else now + EVERY_SECONDS


async def _told_up_to(tx: AsyncConnection) -> int:
    last = sa.select(sa.func.max(events.c.movement_id)).where(events.c.movement_id.is_not(None))
    return int((await tx.execute(last)).scalar() or 0)


async def _pending(tx: AsyncConnection) -> bool:
    """Whether an event waits for its place; the note of how far stock is told never gets one."""
    unplaced = events.c.position.is_(None), events.c.type != EventType.MARK
    query = sa.select(events.c.id).where(*unplaced).limit(1)
    return (await tx.execute(query)).first() is not None


async def _newest_at(tx: AsyncConnection) -> Instant:
    newest = sa.select(events.c.at).order_by(events.c.id.desc()).limit(1)
    return float((await tx.execute(newest)).scalar() or 0.0)


def _idle_seconds(quiet_seconds: float) -> float:
    return min(max(EVERY_SECONDS, IDLE_PART * quiet_seconds), IDLE_SECONDS_MAX)


# ------------------------------------------------------------------ stock


async def _tell_stock(tx: AsyncConnection, told: int, up_to: int, now: Instant) -> bool:
    """An event for every item that moved since; whether there may be more."""
    query = (
        sa.select(movements.c.item_id, sa.func.min(movements.c.id).label("first"))
        .where(movements.c.id > told, movements.c.id <= up_to, movements.c.item_id.is_not(None))
        .group_by(movements.c.item_id)
        .order_by(sa.text("first"))
        .limit(ITEMS_MAX + 1)
    )
    found = (await tx.execute(query)).all()
    more = len(found) > ITEMS_MAX
    # Only up to the first movement of the first item that is left: it comes next time.
    reached = found[ITEMS_MAX].first - 1 if more else up_to
    rows = await _stock_events(tx, [row.item_id for row in found[:ITEMS_MAX]], now)
    if rows:
        await tx.execute(sa.insert(events), rows)
    note = {"at": now, "type": EventType.MARK, "data": "{}", "movement_id": reached}
    # No other event has the number of a movement, and only these are in the index.
    noted = events.c.movement_id.is_not(None), events.c.type == EventType.MARK
    await tx.execute(sa.delete(events).where(*noted))
    await tx.execute(sa.insert(events).values(note))
    return more


async def _stock_events(
    tx: AsyncConnection, item_ids: Sequence[int], now: Instant
) -> list[dict[str, Any]]:
    places = {place.id: place for place in (await load_locations(tx)).values()}
    levels = await load_levels(tx, item_ids)
    query = sa.select(items.c.id, items.c.sku).where(items.c.id.in_(item_ids))
    skus = {row.id: row.sku for row in await tx.execute(query)}
    found = []
    for item_id in item_ids:
        own = [
            {
                "location": places[location_id].code,
                "pool": places[location_id].pool,
                "on_hand": stored.level.on_hand,
                "reserved": stored.level.reserved,
                "safety_stock": stored.level.safety_stock,
                "on_order": stored.level.on_order,
                "in_transit": stored.level.in_transit,
            }
            for (item, location_id), stored in levels.items()
            if item == item_id
        ]
        data = json.dumps({"sku": skus[item_id], "levels": own})
        found.append({"at": now, "type": EventType.STOCK_CHANGED, "data": data})
    return found


# ------------------------------------------------------------------ places


async def _give_places(tx: AsyncConnection, now: Instant) -> set[str]:
    """Number what is new and hand it to the endpoints. Returns which of them have work."""
    fresh = (
        sa.select(events.c.id, events.c.type, events.c.endpoint_id)
        .where(events.c.position.is_(None), events.c.type != EventType.MARK)
        .order_by(events.c.id)
        .limit(EVENTS_MAX)
    )
    rows = (await tx.execute(fresh)).all()
    if not rows:
        return set()
    last = int((await tx.execute(sa.select(sa.func.max(events.c.position)))).scalar() or 0)
    numbered = [(last + offset, row) for offset, row in enumerate(rows, start=1)]
    await tx.execute(
        sa.update(events)
        .where(events.c.id == sa.bindparam("_id"))
        .values(position=sa.bindparam("_position")),
        [{"_id": row.id, "_position": position} for position, row in numbered],
    )
    wanted = [
        {"endpoint_id": key, "position": position, "not_before": now}
        for key, types in (await _listening(tx)).items()
        for position, row in numbered
        if _wants(key, types, row)
    ]
    if wanted:
        await tx.execute(sa.insert(event_deliveries), wanted)
    return {str(one["endpoint_id"]) for one in wanted}


def _wants(key: str, types: Iterable[str] | None, row: Any) -> bool:
    if row.endpoint_id is not None:
        return bool(row.endpoint_id == key)
    return types is None or row.type in types


async def _listening(tx: AsyncConnection) -> Mapping[str, Sequence[str] | None]:
    query = sa.select(endpoints.c.id, endpoints.c.types).where(
        endpoints.c.removed_at.is_(None), endpoints.c.disabled_at.is_(None)
    )
    return {row.id: row.types for row in await tx.execute(query)}


async def _forget_old(tx: AsyncConnection, now: Instant) -> None:
    """Drop what nobody can ask for any more; the last place stays, for places go on from it."""
    old = sa.select(events.c.position).where(
        events.c.at < now - KEEP_SECONDS, events.c.position.is_not(None)
    )
    last = sa.select(sa.func.max(events.c.position)).scalar_subquery()
    gone = old.where(events.c.position < last).order_by(events.c.at).limit(EVENTS_MAX)
    positions = (await tx.execute(gone)).scalars().all()
    if positions:
        mine = event_deliveries.c.position.in_(positions)
        await tx.execute(sa.delete(event_deliveries).where(mine))
        await tx.execute(sa.delete(events).where(events.c.position.in_(positions)))
