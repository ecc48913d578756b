"""Business figures: how well the stock is used, each a number with one definition.

docs/reference/business-metrics.md defines them; rates of nothing are None, not 0.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection

from channelsync.domain.vocabulary import Instant
from channelsync.engine.alarms import IS_SHORT
from channelsync.engine.business_days import DAY_SECONDS, HAS_LEFT
from channelsync.engine.core import Engine
from channelsync.engine.sums import proof_coverage
from channelsync.store.tables import (
    ListingState,
    holds,
    items,
    listings,
    movements,
    order_lines,
    recipes,
    shortfalls,
    stock,
)

__all__ = ["DAYS_MAX", "BusinessFigures", "at_rest", "view_business", "view_stockout_ratio"]

DAYS_MAX: Final = 400


@dataclass(frozen=True, slots=True, kw_only=True)
class BusinessFigures:
    """Over the last `days`, up to `at`; what is not said to be of a time is of now."""

    at: Instant
    days: int
    units_sold: int
    units_oversold: int
    """Accepted beyond what the books allowed, whatever the cause."""
    oversell_ratio: float | None
    stockout_ratio: float | None
    """Share of listed items of which no channel may sell a unit now."""
    atp_accuracy_ratio: float | None
    """Share of settled listings whose shown number is what the books say."""
    turnover_ratio: float | None
    """Units that left the house over units on hand now."""
    hold_expiry_ratio: float | None
    """Share of the holds made in this time, and decided, that ran out."""
    stranded_units: int
    """Units on hand of items that no active listing offers."""
    proof_coverage_ratio: float | None
    """Share of listings for which every assumption of the guarantee stands."""


async def view_business(engine: Engine, tx: AsyncConnection, *, days: int) -> BusinessFigures:
    """All of them, from the caller's read transaction."""
    now = engine.now()
    since = now - days * DAY_SECONDS
    sold = await _number(tx, _sum(order_lines.c.ordered, order_lines.c.first_heard_at > since))
    beyond = _sum(shortfalls.c.units, sa.and_(shortfalls.c.at > since, IS_SHORT))
    oversold = await _number(tx, beyond)
    covered = await proof_coverage(tx)
    return BusinessFigures(
        at=now,
        days=days,
        units_sold=sold,
        units_oversold=oversold,
        oversell_ratio=_ratio(oversold, sold),
        stockout_ratio=await view_stockout_ratio(tx),
        atp_accuracy_ratio=await _accuracy(tx),
        turnover_ratio=await _turnover(tx, since),
        hold_expiry_ratio=await _expiries(tx, since),
        stranded_units=await _stranded(tx),
        proof_coverage_ratio=_ratio(covered.proven, covered.listings),
    )


def _sum(column: Any, condition: sa.ColumnElement[bool]) -> sa.Select[Any]:
    return sa.select(sa.func.coalesce(sa.func.sum(column), 0)).where(condition)


async def _number(tx: AsyncConnection, query: sa.Select[Any]) -> int:
    return int((await tx.execute(query)).scalar() or 0)


def _ratio(part: int, whole: int) -> float | None:
    return part / whole if whole else None


async def view_stockout_ratio(tx: AsyncConnection) -> float | None:
    """Items nobody can buy. Active listings alone: what is refused could not sell anyhow."""
    by_item = (
        sa.select(
            recipes.c.item_id,
            # A listing that was never settled may still sell: it counts as more than nothing.
            sa.func.max(sa.func.coalesce(listings.c.exposure, 1)).label("most"),
        )
        .join(listings, listings.c.id == recipes.c.listing_id)
        .where(listings.c.state == ListingState.ACTIVE)
        .group_by(recipes.c.item_id)
        .subquery()
    )
    out = sa.func.sum(sa.case((by_item.c.most == 0, 1), else_=0))
    row = (await tx.execute(sa.select(out.label("out"), sa.func.count().label("listed")))).one()
    return _ratio(int(row.out or 0), int(row.listed))


def at_rest() -> sa.ColumnElement[bool]:
    """Only listings at rest are judged: a push under way has two right numbers."""
    return sa.and_(
        listings.c.state == ListingState.ACTIVE,
        listings.c.exposure.is_not(None),
        listings.c.remote.is_not(None),
        listings.c.settle_wanted.is_(False),
        listings.c.attempts_open == 0,
    )


async def _accuracy(tx: AsyncConnection) -> float | None:
    count = sa.select(sa.func.count()).where(at_rest())
    right = count.where(listings.c.remote == listings.c.exposure)
    return _ratio(await _number(tx, right), await _number(tx, count))


async def _turnover(tx: AsyncConnection, since: Instant) -> float | None:
    shipped = -await _number(tx, _sum(movements.c.delta, sa.and_(HAS_LEFT, movements.c.at > since)))
    on_hand = await _number(tx, _sum(stock.c.on_hand, stock.c.on_hand > 0))
    return _ratio(shipped, on_hand)


async def _expiries(tx: AsyncConnection, since: Instant) -> float | None:
    decided = sa.select(sa.func.count()).where(
        holds.c.created_at > since, holds.c.state != "active"
    )
    expired = decided.where(holds.c.state == "expired")
    return _ratio(await _number(tx, expired), await _number(tx, decided))


async def _stranded(tx: AsyncConnection) -> int:
    offered = (
        sa.select(recipes.c.item_id)
        .join(listings, listings.c.id == recipes.c.listing_id)
        .where(listings.c.state == ListingState.ACTIVE)
    )
    stranded = sa.and_(stock.c.on_hand > 0, items.c.id.not_in(offered))
    query = _sum(stock.c.on_hand, stranded).join(items, items.c.id == stock.c.item_id)
    return await _number(tx, query.select_from(stock))
