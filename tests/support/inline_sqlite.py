"""SQLite without a thread: statements run where they are awaited.

A test that hammers the store spends most of its time handing statements to aiosqlite's thread and
back. The rehearsal's connection has the same methods and no thread, so runs are quick and, on a
clock in hand, the same every time. The database is a real file under real SQLite.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any, Final

from channelsync.rehearsal.driver import Connection

__all__ = ["inline_connections"]

COMMITS: Final = frozenset({"before commit", "after commit"})


class _Keeper:
    """Tells of commits; everything else passes."""

    def __init__(self, gate: Callable[[str], None]) -> None:
        self._gate = gate

    async def at_gate(self, where: str) -> None:
        if where in COMMITS:
            self._gate(where)

    def opened(self, connection: Connection) -> None:
        """One more; nobody counts them."""

    def committed(self, touched: set[str]) -> None:
        """The gate told already."""


def inline_connections(
    path: Path, gate: Callable[[str], None] = lambda _which: None
) -> Callable[[], Awaitable[Any]]:
    """What `Database(connect=…)` wants: a maker of such connections to one file.

    `gate` is told `before commit` and `after commit` of every commit that changes something.
    """

    async def connect() -> Any:
        return Connection(path, _Keeper(gate))

    return connect
