"""Changes of stock worked out and written inside one transaction, one item or thousands alike.

A *count* says how many units were there at an instant. Units that came or went after it are
applied again: `on_hand` becomes the counted units plus what the movements since then say.
Corrections of the books (earlier counts, repairs) moved no unit and are left out.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import lru_cache

from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.ext.asyncio import AsyncConnection

from channelsync.domain.vocabulary import Instant
from channelsync.engine.work import mark_items
from channelsync.store.ledger import StockMove, move_stock
from channelsync.store.stock_queries import Place, StoredLevel
from channelsync.store.tables import MovementKind, Quantity, stock

__all__ = [
    "CountPlan",
    "count_move",
    "plan_count",
    "spoken_instant",
    "write_changes",
]


@dataclass(frozen=True, slots=True, kw_only=True)
class CountPlan:
    """What a count does to one item at one location."""

    before: int
    counted: int
    moved_since: int
    """Units that came or went between the count and now."""
    last_counted_at: Instant | None
    stale: bool
    """A later count is already in the books."""

    @property
    def after(self) -> int:
        """What `on_hand` becomes."""
        return self.counted + self.moved_since


def plan_count(
    stored: StoredLevel, counted: int, *, counted_at: Instant, moved_since: int
) -> CountPlan:
    """Work out a count against the present level."""
    last = stored.counted_at
    return CountPlan(
        before=stored.level.on_hand,
        counted=counted,
        moved_since=moved_since,
        last_counted_at=last,
        stale=last is not None and counted_at < last,
    )


async def write_changes(
    tx: AsyncConnection,
    moves: Sequence[StockMove],
    *,
    now: Instant,
    counted: Mapping[Place, Instant] | None = None,
) -> None:
    """Write the movements and the instants of counts, and have the items looked at."""
    await move_stock(tx, moves)
    if counted:
        insert = (sqlite if tx.dialect.name == "sqlite" else postgresql).insert(stock)
        statement = insert.on_conflict_do_update(
            index_elements=[stock.c.item_id, stock.c.location_id],
            set_={"counted_at": insert.excluded.counted_at},
        )
        rows = [
            {"item_id": item_id, "location_id": location_id, "counted_at": at}
            for (item_id, location_id), at in sorted(counted.items())
        ]
        await tx.execute(statement, rows)
    await mark_items(tx, {move.item_id for move in moves if move.delta}, now)


def count_move(
    place: Place, plan: CountPlan, *, counted_at: Instant, reason: str, actor: str, now: Instant
) -> StockMove:
    """The movement that brings `on_hand` to what a count says."""
    item_id, location_id = place
    return StockMove(
        item_id=item_id,
        location_id=location_id,
        quantity=Quantity.ON_HAND,
        delta=plan.after - plan.before,
        kind=MovementKind.COUNT,
        actor=actor,
        at=now,
        reference=f"count at {spoken_instant(counted_at)}",
        note=reason,
    )


@lru_cache(maxsize=16)
def spoken_instant(at: Instant) -> str:
    """An instant for people and files: ISO 8601 in UTC, to the second."""
    return datetime.fromtimestamp(at, UTC).isoformat(timespec="seconds").replace("+00:00", "Z")
