"""Order lines as they are stored: which listing a fact belongs to, and its state so far."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Final

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection

from channelsync.domain.orders import LineState
from channelsync.domain.vocabulary import CancelEffect
from channelsync.sdk.types import OrderFact, OrderVoid
from channelsync.store import tables
from channelsync.store.prepared import Prepared

__all__ = ["KnownLine", "line_state", "load_lines", "load_voids", "match_listings", "voided"]

LineKey = tuple[str, str]

_LINES: Final = Prepared(
    lambda listed: sa.select(tables.order_lines).where(
        tables.order_lines.c.channel == sa.bindparam("channel"),
        listed(tables.order_lines.c.order_id, "order_ids"),
    )
)
_VOIDS: Final = Prepared(
    lambda listed: sa.select(tables.order_voids).where(
        tables.order_voids.c.channel == sa.bindparam("channel"),
        listed(tables.order_voids.c.order_id, "order_ids"),
    )
)
_OFFERS: Final = Prepared(
    lambda listed: sa.select(
        tables.listings.c.id, tables.listings.c.sku, tables.listings.c.external
    ).where(
        tables.listings.c.channel == sa.bindparam("channel"), listed(tables.listings.c.sku, "skus")
    )
)


@dataclass(frozen=True, slots=True, kw_only=True)
class KnownLine:
    """One stored line."""

    id: int
    state: LineState
    listing_id: int | None
    parked: str | None
    location: str | None


def line_state(fact: OrderFact) -> LineState:
    """The domain's view of a fact."""
    return LineState(
        ordered=fact.ordered,
        cancelled=fact.cancelled,
        shipped=fact.shipped,
        returned=fact.returned,
        restocked=fact.restocked,
        relisted=fact.relisted,
        version=fact.version,
        sold_at=fact.sold_at,
        cancelled_at=fact.cancelled_at,
        shipped_at=fact.shipped_at,
        returned_at=fact.returned_at,
        pending=fact.pending,
        moves_counter=fact.moves_counter,
        cancel_effect=fact.cancel_effect,
    )


def voided(state: LineState, void: OrderVoid) -> LineState:
    """The line once its whole order is void: unshipped units cancelled, shipped ones back."""
    return LineState(
        ordered=state.ordered,
        cancelled=max(state.cancelled, state.ordered - state.shipped),
        shipped=state.shipped,
        returned=max(state.returned, state.shipped),
        restocked=max(state.restocked, state.shipped),
        relisted=max(state.relisted, state.shipped),
        version=max(state.version, void.at),
        sold_at=state.sold_at,
        cancelled_at=void.at,
        shipped_at=state.shipped_at,
        returned_at=void.at,
        pending=False,
        moves_counter=state.moves_counter,
        cancel_effect=void.cancel_effect,
    )


async def load_lines(
    tx: AsyncConnection, channel: str, order_ids: Iterable[str]
) -> dict[LineKey, KnownLine]:
    """Every stored line of some orders."""
    rows = await _LINES.rows(tx, channel=channel, order_ids=sorted(set(order_ids)))
    return {(row.order_id, row.line_id): _known(row) for row in rows}


def _known(row: Any) -> KnownLine:
    state = LineState(
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
        pending=row.pending,
        moves_counter=row.moves_counter,
        cancel_effect=CancelEffect(row.cancel_effect),
    )
    return KnownLine(
        id=row.id,
        state=state,
        listing_id=row.listing_id,
        parked=row.parked,
        location=row.location,
    )


async def load_voids(
    tx: AsyncConnection, channel: str, order_ids: Iterable[str]
) -> dict[str, OrderVoid]:
    """Orders known to be void, by id."""
    rows = await _VOIDS.rows(tx, channel=channel, order_ids=sorted(set(order_ids)))
    return {
        row.order_id: OrderVoid(
            order_id=row.order_id, at=row.at, cancel_effect=CancelEffect(row.cancel_effect)
        )
        for row in rows
    }


async def match_listings(
    tx: AsyncConnection, channel: str, facts: Sequence[OrderFact]
) -> dict[LineKey, int]:
    """The listing that each fact sells, where there is one.

    The channel's own identifiers decide; the SKU does where they do not contradict it.
    """
    skus = sorted({fact.sku for fact in facts if fact.sku})
    by_sku = {row.sku: row for row in await _OFFERS.rows(tx, channel=channel, skus=skus)}
    found: dict[LineKey, int] = {}
    for fact in facts:
        row = by_sku.get(fact.sku or "")
        if row is None or _contradicts(fact.external, row.external):
            row = await _by_external(tx, channel, fact)
        if row is not None:
            found[fact.order_id, fact.line_id] = row.id
    return found


def _contradicts(told: Any, known: Any) -> bool:
    if told.items() <= known.items():
        return False  # nearly always
    return any(known[name] != value for name, value in told.items() if name in known)


async def _by_external(tx: AsyncConnection, channel: str, fact: OrderFact) -> Any:
    if not fact.external:
        return None
    listings = tables.listings
    query = sa.select(listings.c.id, listings.c.sku, listings.c.external).where(
        listings.c.channel == channel,
        sa.or_(
            *(
                listings.c.external[name].as_string() == value
                for name, value in fact.external.items()
            )
        ),
    )
    rows = [row for row in await tx.execute(query) if not _contradicts(fact.external, row.external)]
    return rows[0] if len(rows) == 1 else None
