"""How quick a run was, read from the books at its end."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from statistics import quantiles
from typing import Any

import sqlalchemy as sa

from channelsync.store import tables
from channelsync.store.database import Database

__all__ = ["Pace", "view_pace"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Pace:
    """Counts, and durations in seconds; None where nothing was measured."""

    pushes: int
    orders: int
    counted_p50: float | None
    counted_p95: float | None
    push_p50: float | None
    push_p95: float | None


async def view_pace(database: Database) -> Pace:
    """From sale to books, and from a push's decision to its answer."""
    lines, pushes, attempts = tables.order_lines, tables.pushes, tables.attempts
    counted = sa.select(lines.c.first_heard_at - lines.c.sold_at).where(
        lines.c.sold_at.is_not(None)
    )
    answered = (
        sa.select(attempts.c.ended_at - pushes.c.opened_at)
        .join(pushes, pushes.c.request_id == attempts.c.request_id)
        .where(attempts.c.ended_at.is_not(None), pushes.c.copies == 1)
    )
    sent = sa.select(sa.func.count()).select_from(pushes).where(pushes.c.copies > 0)
    async with database.read() as connection:
        heard = _values((await connection.execute(counted)).scalars().all())
        taken = _values((await connection.execute(answered)).scalars().all())
        return Pace(
            pushes=int((await connection.execute(sent)).scalar_one()),
            orders=len(heard),
            counted_p50=_quantile(heard, 50),
            counted_p95=_quantile(heard, 95),
            push_p50=_quantile(taken, 50),
            push_p95=_quantile(taken, 95),
        )


def _values(found: Sequence[Any]) -> list[float]:
    return [max(float(value), 0.0) for value in found]


def _quantile(values: Sequence[float], percent: int) -> float | None:
    if len(values) < 2:  # noqa: PLR2004 - of fewer there is none
        return round(values[0], 3) if values else None
    return round(quantiles(values, n=100, method="inclusive")[percent - 1], 3)
