"""A loop on which waiting takes no time: its clock jumps to the next thing that is due.

Whatever would overlap on a real clock overlaps here as well. Nothing may wait for a thread or a
socket: there is neither, marketplaces are called in process and the store runs where it is awaited.
"""

from __future__ import annotations

import asyncio
import selectors
from collections.abc import Coroutine
from typing import Any, TypeVar

from typing_extensions import override

__all__ = ["MORNING", "VirtualLoop", "run_virtually"]

MORNING = 1_795_600_000.0
"""POSIX seconds at which every virtual day begins."""

_Result = TypeVar("_Result")


class _Jumping(selectors.DefaultSelector):
    """Waits for nothing: the time that would pass is added up."""

    def __init__(self) -> None:
        super().__init__()
        self.passed = 0.0

    @override
    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        if timeout is None:
            raise RuntimeError("everybody waits, and nothing is due")
        self.passed += max(timeout, 0.0)
        return []


class VirtualLoop(asyncio.SelectorEventLoop):
    """An event loop on virtual time."""

    def __init__(self) -> None:
        self._jumping = _Jumping()
        super().__init__(self._jumping)

    @override
    def time(self) -> float:
        return self._jumping.passed

    def now(self) -> float:
        """POSIX seconds of the virtual day."""
        return MORNING + self._jumping.passed


def run_virtually(main: Coroutine[Any, Any, _Result], loop: VirtualLoop) -> _Result:
    """Run to the end on a loop of virtual time, and close it."""
    try:
        return loop.run_until_complete(main)
    finally:
        loop.close()
