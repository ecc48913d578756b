"""One life of one daemon process: its clock, its name, its gates and its death.

Death is a freeze: from then on no gate opens again for anything that the process had under way, so
that no `except` and no `finally` tidies up. Its connections are closed, which rolls back whatever
it had not committed, as an operating system does.
"""

from __future__ import annotations

import asyncio
import sqlite3
from collections import defaultdict, deque
from collections.abc import Callable
from dataclasses import dataclass, field
from random import Random
from typing import Final

from channelsync.domain.vocabulary import Instant
from channelsync.rehearsal.driver import Connection
from channelsync.rehearsal.stage import Stage

__all__ = ["Process", "Trouble"]

COMMIT_SECONDS_MAX: Final = 0.004
YIELDS: Final = 0.1
"""How often a statement lets others go first."""

Trouble = Callable[["Process", str], BaseException | None]
"""What happens at a gate: it may kill or freeze the process, or return what the gate raises."""


@dataclass(slots=True, eq=False)
class Process:
    """A process of the daemon `name`; the `life`-th of them."""

    stage: Stage
    name: str
    life: int
    rng: Random
    on_commit: Callable[[Process, set[str]], None]
    ahead_seconds: float = 0.0
    """How wrong its machine's clock is."""
    booted_at: Instant = 0.0
    alive: bool = True
    over: bool = False
    """The rehearsal has ended: whoever is still at a gate is sent home."""
    died: asyncio.Event = field(default_factory=asyncio.Event)
    troubles: defaultdict[str, deque[Trouble]] = field(default_factory=lambda: defaultdict(deque))
    """What is to happen at the next gates of a kind, one each."""
    refuses: BaseException | None = None
    """What the database says to whoever wants to write, for as long as it stands here."""
    answer_seconds: Callable[[], float] = lambda: 0.0
    """How long the database takes over one way, there or back, just now."""
    _thawed: asyncio.Event | None = None
    _connections: list[Connection] = field(default_factory=list)

    @property
    def owner(self) -> str:
        """As leases and attempts name it."""
        number = int.from_bytes(self.name.encode()[-2:], "big")
        return f"{self.name}-{number:04x}{self.life:04x}"

    def now(self) -> Instant:
        """What its machine's clock says."""
        return self.stage.now() + self.ahead_seconds

    def counted(self) -> float:
        """Seconds since its machine was started, which nobody sets."""
        return self.stage.now() - self.booted_at

    def new_id(self) -> str:
        """A fresh identifier in the form of a UUID."""
        return _uuid_of(self.rng)

    # ------------------------------------------------------------ gates

    async def at_gate(self, where: str) -> None:
        """Pass, sooner or later, or never. Raises what a driver or a network would."""
        await self._open()
        if self.refuses is not None and where == "statement":
            raise self.refuses
        waiting = self.troubles.get(where)
        if waiting:
            error = waiting.popleft()(self, where)
            await self._open()
            if error is not None:
                raise error
        if where.endswith("commit"):
            await asyncio.sleep(self.rng.random() * COMMIT_SECONDS_MAX)
            await self._open()
        elif self.rng.random() < YIELDS:
            await asyncio.sleep(0)
            await self._open()

    async def travel(self) -> None:
        """One way to the database or back, which takes time where it is slow."""
        seconds = self.answer_seconds()
        if seconds:
            await asyncio.sleep(seconds)
            await self._open()

    async def _open(self) -> None:
        while not self.alive or self._thawed is not None:
            if self.over:
                raise asyncio.CancelledError
            if not self.alive:
                await asyncio.get_running_loop().create_future()
            elif self._thawed is not None:
                await self._thawed.wait()

    def opened(self, connection: Connection) -> None:
        """A connection is closed when its process dies."""
        self._connections.append(connection)

    def committed(self, touched: set[str]) -> None:
        """Tell whoever audits which tables were written."""
        self.on_commit(self, touched)

    # ------------------------------------------------------------ life and death

    def kill(self, where: str) -> None:
        """Die now."""
        if not self.alive:
            return
        self.alive = False
        self.stage.trace(self.owner, "dies", where)
        self.hang_up()
        self.thaw()
        self.died.set()

    def freeze(self) -> None:
        """Stand still, as after SIGSTOP, connections and locks held."""
        if self.alive and self._thawed is None:
            self._thawed = asyncio.Event()
            self.stage.trace(self.owner, "freezes")

    def thaw(self) -> None:
        """Go on as if nothing had been."""
        if self._thawed is not None:
            self.stage.trace(self.owner, "thaws")
            self._thawed.set()
            self._thawed = None

    @property
    def frozen(self) -> bool:
        """Whether it stands still."""
        return self._thawed is not None

    def hang_up(self) -> None:
        """Close every connection, in the midst of whatever."""
        for connection in self._connections:
            try:
                connection.cut()
            except sqlite3.Error:
                continue
        self._connections.clear()


def _uuid_of(rng: Random) -> str:
    """An identifier in the form of a UUID."""
    number = f"{rng.getrandbits(128):032x}"
    return "-".join((number[:8], number[8:12], number[12:16], number[16:20], number[20:]))
