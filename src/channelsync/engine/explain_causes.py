"""The last causes of an item's numbers: movements of the ledger and pushes, newest first."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Final

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection

from channelsync.domain.vocabulary import Instant
from channelsync.store.newest import newest
from channelsync.store.tables import MovementKind, Quantity, locations, movements, pushes, stock

__all__ = ["CAUSES_MAX", "Cause", "Sources", "moved_of", "view_causes"]

CAUSES_MAX: Final = 20
TOLD_BY_PUSHES: Final = (MovementKind.CHARGE, MovementKind.UNCHARGE)
"""Movements that say nothing which the push beside them does not say better."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Cause:
    """One thing that happened."""

    at: Instant
    what: str
    """A movement's kind, `push opened` or `push closed`."""
    subject: str
    """The location or the channel (with its own SKU where that differs)."""
    quantity: str
    """Which number it changed; empty for a push."""
    delta: int
    """By how much; the units of a push."""
    actor: str
    reference: str
    """What it belongs to: an order line, a hold; a push's kind."""
    note: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Sources:
    """Whose causes: the stock of an item (unless None), and listings by id with their names."""

    item_id: int | None
    listings: Mapping[int, str]


async def view_causes(
    tx: AsyncConnection, sources: Sources, *, limit: int = CAUSES_MAX
) -> tuple[Cause, ...]:
    """The last `limit` of them."""
    found = [*await _movements(tx, sources, limit), *await _pushes(tx, sources, limit)]
    # Sorting is stable: movements of one transaction keep the order in which they were written.
    return tuple(sorted(found, key=lambda cause: -cause.at)[:limit])


async def _movements(tx: AsyncConnection, sources: Sources, limit: int) -> Iterable[Cause]:
    own = [movements.c.listing_id == key for key in sources.listings]
    if sources.item_id is not None:
        own += await moved_of(tx, sources.item_id)
    query = (
        sa.select(movements, locations.c.code)
        .outerjoin(locations, locations.c.id == movements.c.location_id)
        .where(movements.c.kind.not_in(TOLD_BY_PUSHES))
    )
    return [
        Cause(
            at=row.at,
            what=row.kind,
            subject=_subject(row, sources),
            quantity=row.quantity,
            delta=row.delta,
            actor=row.actor,
            reference=row.reference,
            note=row.note,
        )
        for row in await newest(tx, query, own, by=[movements.c.id], limit=limit)
    ]


async def moved_of(tx: AsyncConnection, item_id: int) -> list[sa.ColumnElement[bool]]:
    """The parts of the ledger that tell of an item's stock: one a location, as it is indexed."""
    kept_at = sa.select(stock.c.location_id).where(stock.c.item_id == item_id)
    places = (await tx.execute(kept_at)).scalars()
    return [
        sa.and_(movements.c.item_id == item_id, movements.c.location_id == place)
        for place in places
    ]


def _subject(row: Any, sources: Sources) -> str:
    if row.quantity == Quantity.EXPOSURE:
        return sources.listings[row.listing_id]
    return str(row.code)


async def _pushes(tx: AsyncConnection, sources: Sources, limit: int) -> list[Cause]:
    # One that was planned anew before it was sent changed nothing anywhere.
    query = sa.select(pushes).where(sa.func.coalesce(pushes.c.result, "") != "withdrawn")
    own = [pushes.c.listing_id == key for key in sources.listings]
    # A listing has one at a time: those closed last are among those opened last.
    found = await newest(tx, query, own, by=[pushes.c.opened_at], limit=limit)
    return [
        *[_push(row, sources, row.opened_at, "push opened", row.cause) for row in found],
        *[
            _push(row, sources, row.closed_at, "push closed", f"{row.result}: {row.reason}")
            for row in found
            if row.closed_at is not None
        ],
    ]


def _push(row: Any, sources: Sources, at: Instant, what: str, note: str) -> Cause:
    return Cause(
        at=at,
        what=what,
        subject=sources.listings[row.listing_id],
        quantity="",
        delta=row.units,
        actor="",
        reference=row.kind,
        note=note.strip(": "),
    )
