"""The parts of the measurement, by name."""

from __future__ import annotations

from collections.abc import Callable, Coroutine, Mapping
from pathlib import Path
from typing import Final

from bench import memory, orders, plan, push, receiver, start
from bench.figure import Figure
from bench.scale import Scale

__all__ = ["PARTS"]

PARTS: Final[Mapping[str, Callable[[Scale, Path], Coroutine[None, None, list[Figure]]]]] = {
    "orders": orders.measure,
    "receiver": receiver.measure,
    "push": push.measure,
    "plan": plan.measure,
    "memory": memory.measure,
    "start": start.measure,
}
