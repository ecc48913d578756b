"""An event loop without a clock and without chance: time jumps, a seed decides who runs first."""

from __future__ import annotations

import asyncio
import selectors
from collections.abc import Callable
from random import Random
from typing import Any

from typing_extensions import override

__all__ = ["Deadlock", "VirtualLoop"]


class Deadlock(Exception):
    """Everybody waits, and nothing is going to happen."""


class _NoFiles(selectors.SelectSelector):
    """Waits for nothing but time, which passes at once."""

    def __init__(self, pass_time: Callable[[float], None]) -> None:
        super().__init__()
        self._pass_time = pass_time

    @override
    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        """Let the time pass."""
        if timeout is None:
            raise Deadlock("everybody waits, and nothing is going to happen")
        if timeout > 0:
            self._pass_time(timeout)
        return []


class VirtualLoop(asyncio.SelectorEventLoop):
    """Runs whatever is ready in an order that `rng` draws; when nobody is, time jumps.

    Threads would bring chance back: what asks for one is run where it stands.
    """

    def __init__(self, rng: Random) -> None:
        self._virtual = 0.0
        self._rng = rng
        super().__init__(_NoFiles(self._pass))

    def _pass(self, seconds: float) -> None:
        self._virtual += seconds

    @override
    def time(self) -> float:
        """Seconds since this loop was made, none of which anybody waited for."""
        return self._virtual

    def _run_once(self) -> None:
        ready: Any = self._ready  # type: ignore[attr-defined]
        if len(ready) > 1:
            waiting = list(ready)
            self._rng.shuffle(waiting)
            ready.clear()
            ready.extend(waiting)
        super()._run_once()  # type: ignore[misc]

    @override
    def run_in_executor(  # type: ignore[override]
        self, executor: Any, func: Any, *args: Any
    ) -> asyncio.Future[Any]:
        """Run it at once."""
        future = self.create_future()
        try:
            future.set_result(func(*args))
        except Exception as error:  # noqa: BLE001 - whoever waits for the result is told
            future.set_exception(error)
        return future
