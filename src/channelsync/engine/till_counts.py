"""Stock-takes that a channel reports: counts like any other, with the instant they were taken."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby
from operator import attrgetter

import structlog
from sqlalchemy.ext.asyncio import AsyncConnection

from channelsync.domain.vocabulary import Instant
from channelsync.engine.alarms import raise_alarm
from channelsync.engine.stock_changes import (
    CountPlan,
    count_move,
    plan_count,
    spoken_instant,
    write_changes,
)
from channelsync.engine.stock_checks import check_units
from channelsync.engine.stock_errors import (
    StockError,
    StockRefused,
    UnknownItem,
    UnknownLocation,
)
from channelsync.engine.stock_places import require_unfolded
from channelsync.sdk.types import StockCount
from channelsync.store.locks import lock_orders
from channelsync.store.stock_queries import (
    Item,
    Location,
    Place,
    StoredLevel,
    closest,
    find_items,
    load_items,
    load_levels,
    load_locations,
    units_moved_since,
)

__all__ = ["apply_counts"]

_log = structlog.get_logger("channelsync.intake")


async def apply_counts(
    tx: AsyncConnection, channel: str, counts: Sequence[StockCount], *, now: Instant
) -> None:
    """Take counts into the books, in the caller's transaction. Once more changes nothing.

    A count that does not fit (unknown SKU or location) is alarmed and left out; one that is older
    than the last is of no use any more. The counts of one instant are worked out together, so that
    a stock-take of a whole warehouse costs a few statements.
    """
    if not counts:
        return
    await lock_orders(tx, channel)
    by_time = attrgetter("counted_at")
    for _, taken in groupby(sorted(counts, key=by_time), by_time):
        await _apply(tx, channel, tuple(taken), now)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Books:
    """What the counts of one instant are held against."""

    too_old: StockRefused | None
    """The ledger does not tell any more what moved since then."""
    items: Mapping[str, Item]
    locations: Mapping[str, Location]
    levels: Mapping[Place, StoredLevel]
    moved: Mapping[Place, int]
    all_skus: Sequence[str]


async def _apply(
    tx: AsyncConnection, channel: str, counts: Sequence[StockCount], now: Instant
) -> None:
    at = counts[0].counted_at
    books = await _load(tx, counts, at)
    plans: dict[Place, tuple[StockCount, CountPlan]] = {}
    for count in counts:
        try:
            place = _place(books, count, now)
        except StockError as error:
            subject = f"{channel}/{count.sku}/{count.location}"
            await raise_alarm(tx, "count_refused", subject, str(error), now=now, channel=channel)
            continue
        stored, moved = books.levels.get(place, StoredLevel()), books.moved.get(place, 0)
        plan = plan_count(stored, count.on_hand, counted_at=at, moved_since=moved)
        if plan.stale:
            _log.info("stale count left out", channel=channel, sku=count.sku)
        else:
            plans[place] = (count, plan)
    moves = [
        count_move(
            place,
            plan,
            counted_at=at,
            reason=f"counted at the till, {count.reference}",
            actor=f"order:{channel}",
            now=now,
        )
        for place, (count, plan) in sorted(plans.items(), key=lambda one: one[0])
    ]
    await write_changes(tx, moves, now=now, counted=dict.fromkeys(plans, at))


async def _load(tx: AsyncConnection, counts: Sequence[StockCount], at: Instant) -> _Books:
    wanted = {count.sku for count in counts}
    known = await find_items(tx, wanted)
    item_ids = [item.id for item in known.values()]
    missing = wanted - known.keys()
    too_old = None
    try:
        await require_unfolded(tx, at)
    except StockRefused as refused:
        too_old = refused
    return _Books(
        too_old=too_old,
        items=known,
        locations=await load_locations(tx),
        levels=await load_levels(tx, item_ids, for_update=True),
        moved=await units_moved_since(tx, item_ids, at),
        all_skus=[item.sku for item in await load_items(tx)] if missing else (),
    )


def _place(books: _Books, count: StockCount, now: Instant) -> Place:
    """Where it was counted.

    Raises:
        StockError: there is no such place, or the count cannot be.
    """
    check_units("a count", count.on_hand)
    if count.sku not in books.items:
        raise UnknownItem(count.sku, closest(count.sku, books.all_skus))
    if count.location not in books.locations:
        raise UnknownLocation(count.location, closest(count.location, books.locations))
    if books.too_old is not None:
        raise books.too_old
    if count.counted_at > now:
        when = spoken_instant(count.counted_at)
        raise StockRefused(f"the count of {count.sku} lies in the future, at {when}")
    return books.items[count.sku].id, books.locations[count.location].id
