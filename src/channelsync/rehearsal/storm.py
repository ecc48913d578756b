"""The storm: what breaks, how often, until it is over."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field
from random import Random
from typing import Final

from channelsync.rehearsal.auditor import Auditor
from channelsync.rehearsal.life import Daemon, House
from channelsync.rehearsal.markets import Markets
from channelsync.rehearsal.people import People
from channelsync.rehearsal.process import Process
from channelsync.rehearsal.stage import Stage
from channelsync.rehearsal.wire import Network

__all__ = ["Storm"]

EVERY_SECONDS: Final = 600.0
"""Between two blows, on average."""
GATES: Final = (
    "begin",
    "statement",
    "before commit",
    "after commit",
    "before request",
    "after request",
)


def _die(process: Process, where: str) -> None:
    process.stage.happened(f"crash at {where}")
    process.kill(where)


@dataclass(slots=True)
class Storm:
    """Faults of every kind, at times that a seed draws."""

    stage: Stage
    house: House
    network: Network
    markets: Markets
    auditor: Auditor
    people: People
    rng: Random = field(init=False)

    def __post_init__(self) -> None:
        self.rng = self.stage.chance("storm")

    async def rage(self, seconds: float) -> None:
        """Let it blow for so long; afterwards everything works."""
        self._rise()
        end = self.stage.loop.time() + seconds
        blows: dict[Callable[[], None], int] = {self._crash: 10}
        while True:
            pause = self.rng.expovariate(1 / EVERY_SECONDS)
            if self.stage.loop.time() + pause >= end:
                break
            await asyncio.sleep(pause)
            [blow] = self.rng.choices(list(blows), list(blows.values()))
            blow()
        await asyncio.sleep(end - self.stage.loop.time())
        self._fall()

    def _rise(self) -> None:
        network = self.network
        network.late = network.doubled = network.slow = 0.01
        network.garbled = network.emptied = 0.004
        for market in self.markets.all():
            answers, deliveries = market.faults.answers, market.faults.deliveries
            answers.throttled = answers.server_error_before = answers.server_error_after = 0.008
            answers.timeout_before = answers.timeout_after = 0.008
            deliveries.lose = deliveries.double = 0.1
            deliveries.delay_seconds_min, deliveries.delay_seconds_max = 0.2, 60.0
        self.markets.amazon.simulator.world.application.never = 0.03

    def _fall(self) -> None:
        self.network.calm()
        for market in self.markets.all():
            plan = market.faults
            plan.answers, plan.deliveries = type(plan.answers)(), type(plan.deliveries)()
        self.markets.amazon.simulator.world.application.never = 0.0
        for process in self.house.alive():
            process.troubles.clear()
            process.thaw()

    def _somebody(self) -> Daemon:
        return self.rng.choice(self.house.daemons)

    def _crash(self) -> None:
        process = self._somebody().process
        if process is not None:
            process.troubles[self.rng.choice(GATES)].append(_die)
