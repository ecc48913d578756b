"""Figures: the counts of the books that monitoring asks for, in one read."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Final

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection

from channelsync.domain.vocabulary import Instant
from channelsync.engine.core import Engine
from channelsync.engine.latest import Latest
from channelsync.engine.status import Status, view_status
from channelsync.engine.sums import Sums
from channelsync.engine.workings import (
    ListingFigures,
    Workings,
    view_listing_figures,
    view_workings,
)
from channelsync.store import tables

__all__ = [
    "Count",
    "Figures",
    "Lag",
    "Totals",
    "latest_totals",
    "view_apply_lags",
    "view_figures",
    "view_totals",
]

LAGS_OF_SECONDS = 86_400.0
LAGS_MAX = 5_000
"""So many of the latest are looked at."""
SMALL_ROWS: Final = 50_000
"""Totals of no more rows are counted at every look."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Count:
    """How many, by channel and, where it matters, by cause or outcome."""

    channel: str
    count: int
    cause: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Lag:
    """How late something was over the last day, on one channel. Seconds."""

    channel: str
    median: float
    p99: float
    longest: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Totals:
    """What only a look at every row of a long table tells."""

    pushes: tuple[Count, ...]
    """Closed ones, by outcome."""
    order_lines: tuple[Count, ...]
    expired_holds: int
    listings: ListingFigures

    @property
    def rows(self) -> int:
        """Of how many rows, about."""
        counted = sum(one.count for one in (*self.pushes, *self.order_lines))
        return counted + self.expired_holds + self.listings.listings


@dataclass(frozen=True, slots=True, kw_only=True)
class Figures:
    """Totals since the books began, unless they say otherwise."""

    status: Status
    oversold: int
    """Units promised now that are not there, over all items and pools."""
    shortfalls: tuple[Count, ...]
    totals: Totals
    oldest_push_seconds: float
    order_lags: tuple[Lag, ...]
    """From a sale until it was heard of."""
    apply_lags: tuple[Lag, ...]
    """From a set that was taken in until it was seen applied."""
    workings: Workings = field(default_factory=Workings)
    pruned: tuple[Count, ...] = ()
    """Rows that were let go of; the cause is their kind."""


async def view_totals(tx: AsyncConnection, now: Instant) -> Totals:
    """All of them, from the caller's read transaction."""
    lines = tables.order_lines.c.channel
    counted = sa.func.count().label("count")
    return Totals(
        pushes=await _counts(tx, _closed_pushes()),
        order_lines=await _counts(
            tx, sa.select(lines, sa.literal("").label("cause"), counted).group_by(lines)
        ),
        expired_holds=await _expired(tx),
        listings=await view_listing_figures(tx, now),
    )


def latest_totals(engine: Engine, *, small_rows: int = SMALL_ROWS) -> Latest[Totals]:
    """They as whoever asks again and again is told. Of a small house always those of now."""
    return Latest(
        engine.database,
        lambda tx: view_totals(tx, engine.now()),
        is_small=lambda totals: totals.rows <= small_rows,
    )


async def view_figures(
    engine: Engine,
    tx: AsyncConnection,
    *,
    sums: Sums | None = None,
    totals: Totals | None = None,
) -> Figures:
    """Everything, from the caller's read transaction; `sums` and `totals` may be a little older.

    What is oversold is always counted anew.
    """
    status = await view_status(engine, tx, sums)
    totals = totals or await view_totals(tx, status.at)
    shortfalls, lines = tables.shortfalls, tables.order_lines
    return Figures(
        status=status,
        oversold=await _oversold(tx),
        shortfalls=await _counts(
            tx,
            sa.select(
                sa.func.coalesce(shortfalls.c.channel, "").label("channel"),
                shortfalls.c.cause,
                sa.func.sum(shortfalls.c.units).label("count"),
            ).group_by(shortfalls.c.channel, shortfalls.c.cause),
        ),
        totals=totals,
        oldest_push_seconds=await _oldest_push(tx, status.at),
        order_lags=await _lags(
            tx,
            sa.select(lines.c.channel, lines.c.heard_after)
            .where(
                lines.c.heard_after.is_not(None),
                lines.c.first_heard_at > status.at - LAGS_OF_SECONDS,
            )
            .order_by(lines.c.first_heard_at.desc()),
        ),
        apply_lags=await view_apply_lags(tx, status.at - LAGS_OF_SECONDS),
        pruned=await _counts(tx, _pruned()),
        workings=await view_workings(engine, tx, status.channels, status.at),
    )


async def view_apply_lags(
    tx: AsyncConnection, since: Instant, *, latest: int = LAGS_MAX
) -> tuple[Lag, ...]:
    """From sets that were taken in until they were seen applied; of those seen since then."""
    pushes = tables.pushes
    query = (
        sa.select(pushes.c.channel, pushes.c.seen_at - pushes.c.accepted_at)
        .where(pushes.c.seen_at > since)
        .order_by(pushes.c.seen_at.desc())
    )
    return await _lags(tx, query, latest=latest)


async def _lags(
    tx: AsyncConnection, query: sa.Select[Any], *, latest: int = LAGS_MAX
) -> tuple[Lag, ...]:
    by_channel: dict[str, list[float]] = {}
    for channel, seconds in await tx.execute(query.limit(latest)):
        by_channel.setdefault(channel, []).append(float(seconds))
    return tuple(_lag(channel, sorted(found)) for channel, found in sorted(by_channel.items()))


def _lag(channel: str, found: list[float]) -> Lag:
    last = len(found) - 1
    return Lag(
        channel=channel,
        median=found[last // 2],
        p99=found[round(last * 0.99)],
        longest=found[last],
    )


async def _oversold(tx: AsyncConnection) -> int:
    """Over the active locations of a pool together: units may be carried from one to another."""
    stock, locations = tables.stock, tables.locations
    # Where units are missing in all, they are missing somewhere: few are to be added up.
    short = sa.select(stock.c.item_id).where(stock.c.reserved > stock.c.on_hand)
    missing = sa.func.sum(stock.c.reserved) - sa.func.sum(stock.c.on_hand)
    by_item = (
        sa.select(missing.label("missing"))
        .join(locations, locations.c.id == stock.c.location_id)
        .where(locations.c.active, stock.c.item_id.in_(short))
        .group_by(stock.c.item_id, locations.c.pool)
        .having(missing > 0)
        .subquery()
    )
    return int((await tx.execute(sa.select(sa.func.sum(by_item.c.missing)))).scalar() or 0)


async def _counts(tx: AsyncConnection, query: sa.Select[Any]) -> tuple[Count, ...]:
    return tuple(
        Count(channel=row.channel, cause=row.cause, count=int(row[2]))
        for row in await tx.execute(query)
    )


def _closed_pushes() -> sa.Select[Any]:
    """Those that were pruned since count as ever: a counter never falls."""
    pushes, pruned = tables.pushes, tables.pruned
    present = (
        sa.select(
            pushes.c.channel,
            sa.func.coalesce(pushes.c.result, "").label("cause"),
            sa.func.count().label("count"),
        )
        .where(pushes.c.closed_at.is_not(None))
        .group_by(pushes.c.channel, pushes.c.result)
    )
    gone = sa.select(pruned.c.channel, pruned.c.cause, pruned.c.rows).where(
        pruned.c.kind == "pushes"
    )
    both = sa.union_all(present, gone).subquery()
    return sa.select(both.c.channel, both.c.cause, sa.func.sum(both.c.count)).group_by(
        both.c.channel, both.c.cause
    )


def _pruned() -> sa.Select[Any]:
    pruned = tables.pruned
    kinds = sa.select(sa.literal("").label("channel"), pruned.c.kind.label("cause"))
    return kinds.add_columns(sa.func.sum(pruned.c.rows)).group_by(pruned.c.kind)


async def _expired(tx: AsyncConnection) -> int:
    pruned = tables.pruned
    present = sa.select(sa.func.count()).where(tables.holds.c.state == "expired")
    gone = sa.select(sa.func.coalesce(sa.func.sum(pruned.c.rows), 0)).where(
        pruned.c.kind == "holds", pruned.c.cause == "expired"
    )
    return int((await tx.execute(present)).scalar_one()) + int(
        (await tx.execute(gone)).scalar_one()
    )


async def _oldest_push(tx: AsyncConnection, now: Instant) -> float:
    pushes = tables.pushes.c
    # Not the bare column: by its index SQLite would pass every closed push before an open one.
    query = sa.select(sa.func.min(pushes.opened_at + 0.0)).where(pushes.closed_at.is_(None))
    oldest: Instant | None = (await tx.execute(query)).scalar()
    return 0.0 if oldest is None else now - oldest
