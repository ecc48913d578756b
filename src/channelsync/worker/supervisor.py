"""The supervisor: one loop a kind of work, a lease a key, bounded everywhere.

A loop sleeps until a wake-up or until the next key is due, whichever comes first, so that a lost
wake-up costs at most `SWEEP_SECONDS`.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field

import structlog

from channelsync.domain.vocabulary import Instant
from channelsync.engine.core import Engine
from channelsync.engine.health import note_failure, note_success
from channelsync.engine.work import (
    Claim,
    LeaseLost,
    WorkKind,
    claim,
    due_kinds,
    fail,
    finish,
    next_due,
)
from channelsync.sdk.errors import ConnectorError, Resting

__all__ = ["Handler", "Supervisor"]

_log = structlog.get_logger("channelsync.worker")

Handler = Callable[[Engine, Claim], Awaitable[Instant | None]]

LEASE_SECONDS = 60.0
SWEEP_SECONDS = 5.0
RUNS_MAX = 32
"""Keys of one kind worked on at once."""


@dataclass(slots=True)
class Supervisor:
    """Runs handlers over due keys until told to stop."""

    engine: Engine
    handlers: Mapping[WorkKind, Handler]
    _stopping: asyncio.Event = field(default_factory=asyncio.Event)
    _runs: set[asyncio.Task[None]] = field(default_factory=set)

    async def run(self) -> None:
        """Work until `stop`, then let what is under way finish."""
        async with asyncio.TaskGroup() as loops:
            for kind in self.handlers:
                loops.create_task(self._loop(kind), name=f"loop:{kind}")
        if self._runs:
            await asyncio.wait(self._runs)

    def stop(self) -> None:
        """Take no new key. `run` returns when the last run has ended."""
        self._stopping.set()
        for kind in self.handlers:
            self.engine.bus.wake(kind)

    async def run_until_idle(self, *, horizon: Instant) -> None:
        """Work every key that is due before `horizon`, one after the other (tests, one-shots)."""
        while await self._run_one_round(horizon):
            pass

    # ------------------------------------------------------------ loops

    async def _loop(self, kind: WorkKind) -> None:
        mine: set[asyncio.Task[None]] = set()
        while not self._stopping.is_set():
            room = RUNS_MAX - len(mine)
            claims = await self._claim(kind, room) if room else []
            for held in claims:
                task = asyncio.create_task(self._work(held), name=f"{kind}:{held.key}")
                for group in (mine, self._runs):
                    group.add(task)
                    task.add_done_callback(group.discard)
                task.add_done_callback(lambda _task: self.engine.bus.wake(kind))
            if not claims:
                await self.engine.bus.wait(kind, await self._pause(kind))

    async def _pause(self, kind: WorkKind) -> float:
        now = self.engine.now()
        async with self.engine.database.read() as connection:
            due = await next_due(connection, kind, now=now)
        if due is None:
            return SWEEP_SECONDS
        return min(max(due - now, 0.01), SWEEP_SECONDS)

    async def _claim(self, kind: WorkKind, limit: int) -> list[Claim]:
        now = self.engine.now()
        async with self.engine.database.read() as connection:
            due = await next_due(connection, kind, now=now)
        if due is None or due > now:
            return []
        async with self.engine.database.write() as tx:
            return await claim(
                tx,
                kind,
                now=now,
                lease_seconds=LEASE_SECONDS,
                token=self.engine.environment.new_id(),
                limit=limit,
            )

    async def _run_one_round(self, horizon: Instant) -> bool:
        async with self.engine.database.read() as connection:
            due = await due_kinds(connection, now=self.engine.now())
        wanted = [kind for kind in self.handlers if kind in due]
        for kind in wanted:
            for held in await self._claim(kind, RUNS_MAX):
                await self._work(held)
        return bool(wanted) and self.engine.now() <= horizon

    # ------------------------------------------------------------ one key

    async def _work(self, held: Claim) -> None:
        try:
            again_at = await self.handlers[held.kind](self.engine, held)
        except LeaseLost:
            _log.warning("lease lost", kind=held.kind, key=held.key)
        except Resting as rest:
            async with self.engine.database.write() as tx:
                await finish(tx, held, again_at=self.engine.now() + rest.after_seconds)
        except ConnectorError as error:
            await self._failed(held, str(error) or type(error).__name__, expected=True)
        except Exception as error:  # noqa: BLE001 - one bad key must not stop the others
            _log.exception("work failed", kind=held.kind, key=held.key)
            await self._failed(held, f"{type(error).__name__}: {error}", expected=False)
        else:
            async with self.engine.database.write() as tx:
                await finish(tx, held, again_at=again_at)
                await note_success(tx, held, now=self.engine.now())

    async def _failed(self, held: Claim, error: str, *, expected: bool) -> None:
        async with self.engine.database.write() as tx:
            now = self.engine.now()
            await fail(tx, held, now=now, error=error)
            await note_failure(tx, held, error, now=now, expected=expected)
