"""What one more order costs with a short ledger behind it, and with a long one."""

from __future__ import annotations

from pathlib import Path
from time import perf_counter

import sqlalchemy as sa

from bench.backlog import opened, require_applied, settings_of, store_orders
from bench.figure import Figure
from bench.house import House
from bench.scale import Scale
from channelsync.engine.core import Engine
from channelsync.engine.work import WorkKind
from channelsync.worker.daemon import handlers
from channelsync.worker.supervisor import Supervisor

__all__ = ["measure"]

REACH = 1 / 1.5
"""At most half as much again."""
ROWS_AT_ONCE = 1_000_000
GROW = sa.text(
    """\
INSERT INTO movements
  (item_id, location_id, listing_id, quantity, delta, kind, actor, at, moved_at, reference, note)
WITH RECURSIVE counted(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM counted WHERE n < :rows)
SELECT 1 + n % :items, 1, NULL, 'on_hand', CASE n % 2 WHEN 0 THEN 1 ELSE -1 END, 'adjustment',
  'bench', :at - 86400 + n * 0.001, :at - 86400 + n * 0.001, 'growth-' || (:first + n), ''
FROM counted
"""
)


async def measure(scale: Scale, folder: Path) -> list[Figure]:
    """A figure for each length of the ledger; of every round the same orders, in small batches."""
    short, *longer = scale.ledger_rows
    costs = {}
    for rows in scale.ledger_rows:
        place = folder / str(rows)
        place.mkdir()
        costs[rows] = await _costs(place, scale, rows)
    return [
        Figure(
            name=f"one more order after {rows:,} movements, SQLite",
            unit="seconds",
            better="less",
            values=costs[rows],
            limits=costs[short],
            limit_is=f"after {short:,} movements",
            reach=REACH,
        )
        for rows in longer
    ]


async def _costs(folder: Path, scale: Scale, rows: int) -> tuple[float, ...]:
    """Seconds an order, in every round."""
    house = House.build(folder, items=scale.order_items, units=scale.orders * (scale.rounds + 1))
    address = f"sqlite:///{folder / 'data' / 'channelsync.db'}"
    async with opened(house, settings_of(house, database_url=address)) as application:
        engine = application.engine
        await _grow(engine, rows, scale.order_items)
        costs = []
        for applied in range(scale.rounds + 1):
            await store_orders(engine, house, scale.orders, items=scale.order_items)
            costs.append(await _seconds(engine) / scale.orders)
            await require_applied(engine, scale.orders * (applied + 1))
    return tuple(costs[1:])  # the first warms caches


async def _grow(engine: Engine, rows: int, items: int) -> None:
    """Movements that add up to nothing, so that the books stay right."""
    for first in range(0, rows, ROWS_AT_ONCE):
        count = min(ROWS_AT_ONCE, rows - first)
        async with engine.database.write() as tx:
            given = {"rows": count, "items": items, "at": engine.now(), "first": first}
            await tx.execute(GROW, given)


async def _seconds(engine: Engine) -> float:
    intake = {WorkKind.INTAKE: handlers(None)[WorkKind.INTAKE]}
    supervisor = Supervisor(engine=engine, handlers=intake)
    began = perf_counter()
    await supervisor.run_until_idle(horizon=engine.now() + 3_600)
    return perf_counter() - began
