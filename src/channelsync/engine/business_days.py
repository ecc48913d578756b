"""Business figures day by day: what was sold, shipped, oversold and pushed on each of them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection

from channelsync.domain.vocabulary import Instant
from channelsync.engine.alarms import IS_SHORT
from channelsync.store.tables import movements, order_lines, pushes, shortfalls

__all__ = ["DAY_SECONDS", "HAS_LEFT", "Day", "view_days"]

DAY_SECONDS: Final = 86_400.0
DAY: Final = 86_400
HAS_LEFT: Final = sa.and_(
    movements.c.kind == sa.literal_column("'shipment'"),
    movements.c.quantity == sa.literal_column("'on_hand'"),
)
"""Movements of units that left the house, in the words of the index over their times."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Day:
    """One day, as UTC counts them."""

    begins_at: Instant
    sold: int
    """Units of the offers that were ordered."""
    shipped: int
    """Item units that left the house."""
    oversold: int
    """Units accepted beyond what the books allowed."""
    pushes: int
    """Pushes that were sent."""

    @property
    def pushes_a_unit(self) -> float | None:
        """Pushes for every unit sold; None where none was."""
        return self.pushes / self.sold if self.sold else None


async def view_days(tx: AsyncConnection, *, now: Instant, days: int) -> Sequence[Day]:
    """The last `days` days with today, the oldest first; days without anything are there too."""
    first = (now // DAY_SECONDS - days + 1) * DAY_SECONDS
    sent = pushes.c.copies > 0
    sold = await _sums(tx, order_lines.c.first_heard_at, order_lines.c.ordered, first)
    shipped = await _sums(tx, movements.c.at, -movements.c.delta, first, HAS_LEFT)
    short = await _sums(tx, shortfalls.c.at, shortfalls.c.units, first, IS_SHORT)
    pushed = await _sums(tx, pushes.c.opened_at, sa.literal_column("1", sa.Integer), first, sent)
    return [
        Day(
            begins_at=first + number * DAY_SECONDS,
            sold=sold.get(number, 0),
            shipped=shipped.get(number, 0),
            oversold=short.get(number, 0),
            pushes=pushed.get(number, 0),
        )
        for number in range(days)
    ]


async def _sums(
    tx: AsyncConnection,
    at: Any,
    units: Any,
    first: Instant,
    condition: sa.ColumnElement[bool] | None = None,
) -> Mapping[int, int]:
    """Units by day, counted from the first."""
    # Whole seconds first: only integers are divided alike everywhere.
    number = (sa.cast(at - first, sa.BigInteger) // DAY).label("number")
    query = sa.select(number, sa.func.sum(units)).where(at >= first).group_by(number)
    if condition is not None:
        query = query.where(condition)
    return {int(day): int(total) for day, total in await tx.execute(query)}
