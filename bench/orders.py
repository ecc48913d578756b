"""Orders applied a second: webhooks that were stored, through the real intake into the books."""

from __future__ import annotations

from pathlib import Path
from time import perf_counter
from typing import Final

from bench.backlog import opened, require_applied, settings_of, store_orders
from bench.bare import postgres_reservations_per_second, reservations_per_second
from bench.figure import Figure
from bench.house import House
from bench.process import collecting_as_the_program_does
from bench.scale import Scale
from bench.servers import empty_database, postgres
from channelsync.engine.work import WorkKind
from channelsync.worker.daemon import handlers
from channelsync.worker.supervisor import Supervisor

__all__ = ["applied_per_second", "measure", "measure_postgres"]

REACH_SQLITE: Final = 0.5
REACH_UNIFORM: Final = 0.75
REACH_HOT: Final = 3.0
FIRST_ORDERS: Final = 5
"""Before the clock is started."""


async def measure(scale: Scale, folder: Path) -> list[Figure]:
    """One figure: orders of one line each, over many items."""
    ours: list[float] = []
    bare: list[float] = []
    for number in range(scale.rounds):
        place = folder / str(number)
        place.mkdir()
        address = f"sqlite:///{place / 'data' / 'channelsync.db'}"
        ours.append(await applied_per_second(place, address, scale, items=scale.order_items))
        bare.append(reservations_per_second(place, items=scale.order_items, count=scale.orders))
    return [
        Figure(
            name="orders applied, SQLite",
            unit="a second",
            better="more",
            values=tuple(ours),
            limits=tuple(bare),
            limit_is="bare sqlite3, a reservation a transaction",
            reach=REACH_SQLITE,
        )
    ]


async def measure_postgres(scale: Scale, folder: Path) -> list[Figure]:
    """Two figures: the same on PostgreSQL, over many items and over a single one."""
    figures = []
    with postgres() as server:
        for name, items, reach in (
            ("", scale.order_items, REACH_UNIFORM),
            (", one hot item", 1, REACH_HOT),
        ):
            ours: list[float] = []
            bare: list[float] = []
            for number in range(scale.rounds):
                place = folder / f"{items}-{number}"
                place.mkdir()
                address = await empty_database(server)
                ours.append(await applied_per_second(place, address, scale, items=items))
                bare.append(
                    await postgres_reservations_per_second(
                        server, items=items, seconds=scale.bare_seconds
                    )
                )
            figures.append(
                Figure(
                    name=f"orders applied, PostgreSQL{name}",
                    unit="a second",
                    better="more",
                    values=tuple(ours),
                    limits=tuple(bare),
                    limit_is="pgbench, a reservation a transaction, 8 clients",
                    reach=reach,
                )
            )
    return figures


async def applied_per_second(folder: Path, address: str, scale: Scale, *, items: int) -> float:
    """One trial: the whole backlog, by one process."""
    house = House.build(folder, items=items, units=FIRST_ORDERS + scale.orders)
    async with opened(house, settings_of(house, database_url=address)) as application:
        engine = application.engine
        intake = {WorkKind.INTAKE: handlers(None)[WorkKind.INTAKE]}
        supervisor = Supervisor(engine=engine, handlers=intake)
        # A daemon makes its statements once in its life, and so do the clients of the limit.
        await store_orders(engine, house, FIRST_ORDERS, items=items)
        await supervisor.run_until_idle(horizon=engine.now() + 3_600)
        await store_orders(engine, house, scale.orders, items=items)
        with collecting_as_the_program_does():
            began = perf_counter()
            await supervisor.run_until_idle(horizon=engine.now() + 3_600)
            seconds = perf_counter() - began
        await require_applied(engine, FIRST_ORDERS + scale.orders)
    return scale.orders / seconds
