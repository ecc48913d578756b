"""Turns at the one writer of SQLite: what somebody waits for goes before what nobody waits for.

A sale on its way to the other channels meets the writer several times, and so do events, polls and
the sealing of the ledger. Whoever is patient lets the others go first, but no more than
`PASSED_OVER_MAX` of them in a row, so that nothing waits without an end.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field
from typing import Final, TypeAlias

__all__ = ["PASSED_OVER_MAX", "Turns", "be_patient"]

PASSED_OVER_MAX: Final = 10
"""Others that may go before the patient one that has waited for longest."""

_Waiting: TypeAlias = deque[asyncio.Future[None]]
_patient: Final[ContextVar[bool]] = ContextVar("patient", default=False)


def be_patient() -> None:
    """From here on this task, and those that it starts, let others write first."""
    _patient.set(True)


@dataclass(slots=True)
class Turns:
    """One turn at a time, in the order of asking among those who are equally patient."""

    _is_taken: bool = False
    _urgent: _Waiting = field(default_factory=deque)
    _patient: _Waiting = field(default_factory=deque)
    _passed_over: int = 0

    @asynccontextmanager
    async def one(self) -> AsyncIterator[None]:
        """Wait for a turn, and hold it until the block ends."""
        await self._take()
        try:
            yield
        finally:
            self._pass_on()

    async def _take(self) -> None:
        if not self._is_taken:
            self._is_taken = True
            return
        mine: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        waiting = self._patient if _patient.get() else self._urgent
        waiting.append(mine)
        try:
            await mine
        except asyncio.CancelledError:
            if not mine.cancelled():  # the turn had come already
                self._pass_on()
            elif mine in waiting:
                waiting.remove(mine)
            raise

    def _pass_on(self) -> None:
        while (following := self._following()) is not None:
            # Whoever was cancelled a moment ago has not gone away yet.
            if not following.cancelled():
                following.set_result(None)
                return
        self._is_taken = False

    def _following(self) -> asyncio.Future[None] | None:
        """Whose turn it is next; None: nobody waits."""
        if self._patient and (not self._urgent or self._passed_over == PASSED_OVER_MAX):
            self._passed_over = 0
            return self._patient.popleft()
        if not self._urgent:
            return None
        self._passed_over += bool(self._patient)
        return self._urgent.popleft()
