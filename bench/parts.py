"""The parts of the measurement, by name."""

from __future__ import annotations

from collections.abc import Callable, Coroutine, Mapping
from pathlib import Path
from typing import Final

from bench import (
    busy,
    first_load,
    growth,
    holds,
    memory,
    orders,
    overview,
    plan,
    push,
    pushes,
    receiver,
    start,
    streams,
    wakeup,
    workers,
)
from bench.figure import Figure
from bench.scale import Scale

__all__ = ["GROUPS", "PARTS"]

PARTS: Final[Mapping[str, Callable[[Scale, Path], Coroutine[None, None, list[Figure]]]]] = {
    "orders": orders.measure,
    "orders-postgresql": orders.measure_postgres,
    "workers": workers.measure,
    "wake-up": wakeup.measure,
    "receiver": receiver.measure,
    "busy": busy.measure,
    "holds": holds.measure,
    "push": push.measure,
    "push-scaled": push.measure_scaled,
    "pushes": pushes.measure,
    "growth": growth.measure,
    "plan": plan.measure,
    "overview": overview.measure,
    "memory": memory.measure,
    "first-load": first_load.measure,
    "streams": streams.measure,
    "start": start.measure,
}
GROUPS: Final[Mapping[str, tuple[str, ...]]] = {"intake": ("orders", "orders-postgresql")}
"""Parts that belong together, under one name."""
