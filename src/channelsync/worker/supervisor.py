"""The supervisor: one loop a kind of work, a lease a key, bounded everywhere.

A loop sleeps until a wake-up or until the next key is due, whichever comes first, so that a lost
wake-up costs at most `SWEEP_SECONDS`.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from typing import Final

import structlog
from sqlalchemy.ext.asyncio import AsyncConnection

from channelsync.domain.vocabulary import Instant
from channelsync.engine.core import Engine
from channelsync.engine.ends import Finished, fail, give_back
from channelsync.engine.health import note_failure, note_success
from channelsync.engine.leases import release
from channelsync.engine.outlook import Outlook
from channelsync.engine.work import (
    AWAITED,
    Claim,
    LeaseLost,
    WorkKind,
    claim,
    due_kinds,
    finish,
)
from channelsync.sdk.errors import ConnectorError, Resting
from channelsync.store.database import pause_before_retry
from channelsync.store.errors import OutcomeUnknown, is_passing, is_rolled_back
from channelsync.store.turns import be_patient
from channelsync.tracing import Span, SpanKind

__all__ = ["SWEEP_SECONDS", "Handler", "InBatches", "Supervisor"]

_log = structlog.get_logger("channelsync.worker")

Handler = Callable[[Engine, Claim], Awaitable[Instant | Finished | None]]
"""Works one key. Returns when it is due again by itself, or that it is finished already."""


@dataclass(frozen=True, slots=True)
class InBatches:
    """A handler that can also do many keys at once, which costs little more than one."""

    one: Handler
    together: Callable[[Engine, Sequence[Claim]], Awaitable[None]]
    """Works all of the keys and finishes them, or raises and has done nothing."""

    async def __call__(self, engine: Engine, held: Claim) -> Instant | Finished | None:
        """Work one key."""
        return await self.one(engine, held)


LEASE_SECONDS = 60.0
SWEEP_SECONDS = 5.0
PAUSE_SECONDS_MIN = 0.01
SOON_SECONDS = 0.05
"""After keys were claimed, until somebody looks when the next one is due."""
TROUBLE_SECONDS_FIRST = 0.05
PUT_OFF_SECONDS = 1.0
TRIES_MAX = 5
RUNS_MAX = 32
"""Keys of one kind worked on at once."""
RUNS_AT_ONCE: Final = {WorkKind.INTAKE: 1}
"""Of a kind that asks nobody outside. Two channels' deliveries would take turns at the same items
all the same, and what one of them waits for another process could have taken."""
BATCH_MAX = 100
"""Keys of one batch. It is one transaction, and every other writer waits for it."""


@dataclass(slots=True)
class Supervisor:
    """Runs handlers over due keys until told to stop."""

    engine: Engine
    handlers: Mapping[WorkKind, Handler]
    sweep_seconds: float = SWEEP_SECONDS
    """A lost wake-up costs no more than this."""
    _stopping: asyncio.Event = field(default_factory=asyncio.Event)
    _runs: set[asyncio.Task[None]] = field(default_factory=set)
    _outlook: Outlook = field(init=False)

    async def run(self) -> None:
        """Work until `stop`, then let what is under way finish."""
        self._outlook = Outlook(self.engine.database, tuple(self.handlers), self.sweep_seconds)
        async with asyncio.TaskGroup() as loops:
            for kind in self.handlers:
                loops.create_task(self._loop(kind), name=f"loop:{kind}")
            await self._stopping.wait()
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
        failed, told = 0, False
        if kind not in AWAITED:
            be_patient()  # with whatever this loop starts
        while not self._stopping.is_set():
            try:
                pause = await self._start_some(kind, mine, told=told)
            except Exception as error:
                if not is_passing(error):
                    raise
                failed += 1
                pause = self._trouble(error, failed)
                self._outlook.doubt(kind)
            else:
                failed = 0
            told = not pause or await self.engine.bus.wait(kind, pause)

    async def _start_some(
        self, kind: WorkKind, mine: set[asyncio.Task[None]], *, told: bool
    ) -> float:
        """Claim what is due and start it. Returns how long to wait before the next look."""
        room = self._room(kind, len(mine))
        if not room:
            return self.sweep_seconds  # the end of a run wakes us sooner
        now = self.engine.now()
        due = await self._outlook.next_due(kind, now=now, told=told)
        if due is None or due > now:
            return self._until(due, now)
        self._outlook.doubt(kind)  # whatever is claimed, by whomever, is due no more
        claims = await self._take(kind, room)
        for task in self._start(kind, claims):
            for group in (mine, self._runs):
                group.add(task)
                task.add_done_callback(group.discard)
            task.add_done_callback(lambda _task: self.engine.bus.wake(kind))
        # Most work ends before that, and its end looks for what is due next.
        return SOON_SECONDS if claims else PAUSE_SECONDS_MIN

    def _room(self, kind: WorkKind, running: int) -> int:
        """Keys that may be taken now: one batch at a time, or so many single ones."""
        if isinstance(self.handlers[kind], InBatches):
            return 0 if running else BATCH_MAX
        return RUNS_AT_ONCE.get(kind, RUNS_MAX) - running

    def _start(self, kind: WorkKind, claims: Sequence[Claim]) -> list[asyncio.Task[None]]:
        if claims and isinstance(self.handlers[kind], InBatches):
            return [asyncio.create_task(self._work_together(claims), name=f"{kind}:{len(claims)}")]
        return [asyncio.create_task(self._work(held), name=f"{kind}:{held.key}") for held in claims]

    def _trouble(self, error: BaseException, failed: int) -> float:
        """The database cannot be used. Said once; returns how long to leave it alone."""
        if failed == 1:
            _log.warning("the database cannot be used; work waits", why=str(error))
        return min(TROUBLE_SECONDS_FIRST * 2.0**failed, self.sweep_seconds)

    def _until(self, due: Instant | None, now: Instant) -> float:
        sweep = self._outlook.pause(now)
        return max(sweep if due is None else min(due - now, sweep), PAUSE_SECONDS_MIN)

    async def _take(self, kind: WorkKind, limit: int) -> list[Claim]:
        """Claim without having looked whether anything is due: that costs the write lock."""
        now = self.engine.now()
        environment = self.engine.environment
        token = f"{environment.owner}/{environment.new_id()}"
        try:
            async with self.engine.database.write() as tx:
                return await claim(
                    tx,
                    kind,
                    now=now,
                    lease_seconds=LEASE_SECONDS,
                    token=token,
                    limit=limit,
                )
        except OutcomeUnknown:
            # Nobody would work on what was claimed until the lease ends.
            await self._patiently(lambda tx: release(tx, token))
            return []

    async def _run_one_round(self, horizon: Instant) -> bool:
        async with self.engine.database.read() as connection:
            due = await due_kinds(connection, now=self.engine.now())
        wanted = [kind for kind in self.handlers if kind in due]
        for kind in wanted:
            claims = await self._take(kind, RUNS_MAX)
            if isinstance(self.handlers[kind], InBatches):
                await self._work_together(claims)
                continue
            for held in claims:
                await self._work(held)
        return bool(wanted) and self.engine.now() <= horizon

    # ------------------------------------------------------------ keys

    async def _work_together(self, claims: Sequence[Claim]) -> None:
        """All in one batch; where that fails, or one failed before, each on its own account."""
        handler = self.handlers[claims[0].kind] if claims else None
        apart = [held for held in claims if held.attempts]
        batch = [held for held in claims if not held.attempts]
        if isinstance(handler, InBatches) and batch:
            try:
                with self._span(batch):
                    await handler.together(self.engine, batch)
            except Exception as error:  # noqa: BLE001 - found out one by one whose it is
                _log.info("a batch failed", kind=batch[0].kind, keys=len(batch), why=str(error))
                apart = list(claims)
        for held in apart:
            await self._work(held)

    async def _work(self, held: Claim) -> None:
        try:
            with self._span((held,)):
                again_at = await self._handle(held)
        except LeaseLost:
            _log.warning("lease lost", kind=held.kind, key=held.key)
        except Resting as rest:
            rested_at = self.engine.now() + rest.after_seconds
            await self._patiently(lambda tx: finish(tx, held, again_at=rested_at))
        except ConnectorError as error:
            await self._failed(held, str(error) or type(error).__name__, expected=True)
        except Exception as error:  # noqa: BLE001 - one bad key must not stop the others
            if is_passing(error):
                _log.warning("work put off", kind=held.kind, key=held.key, why=str(error))
                await self._put_off(held)
                return
            _log.exception("work failed", kind=held.kind, key=held.key)
            await self._failed(held, f"{type(error).__name__}: {error}", expected=False)
        else:
            if not isinstance(again_at, Finished):
                await self._patiently(lambda tx: self._finish(tx, held, again_at))

    def _span(self, claims: Sequence[Claim]) -> AbstractContextManager[Span]:
        """What the work came of goes on here, whichever process that was in."""
        first, causes = claims[0], [cause for held in claims for cause in held.causes]
        said: dict[str, str | int] = {"channelsync.keys": len(claims)}
        if len(claims) == 1:
            # Behind a tab is what a marketplace calls its own: too many names for a trace.
            said["channelsync.key"] = first.key.partition("\t")[0]
        return self.engine.tracing.span(
            first.kind.value, SpanKind.CONSUMER, causes=causes, attributes=said
        )

    async def _handle(self, held: Claim) -> Instant | Finished | None:
        """Do the work; again at once where writers met. Whoever lost left no trace."""
        for tried in range(1, TRIES_MAX):
            try:
                return await self.handlers[held.kind](self.engine, held)
            except Exception as error:
                if not is_rolled_back(error):
                    raise
            await asyncio.sleep(pause_before_retry(tried))
        return await self.handlers[held.kind](self.engine, held)

    async def _finish(self, tx: AsyncConnection, held: Claim, again_at: Instant | None) -> None:
        await finish(tx, held, again_at=again_at)
        await note_success(tx, held, now=self.engine.now())

    async def _failed(self, held: Claim, error: str, *, expected: bool) -> None:
        async def act(tx: AsyncConnection) -> None:
            now = self.engine.now()
            await fail(tx, held, now=now, error=error)
            await note_failure(tx, held, error, now=now, expected=expected)

        await self._patiently(act)

    async def _put_off(self, held: Claim) -> None:
        """The database cannot do it now: nobody's failure, and no alarm."""
        again_at = self.engine.now() + PUT_OFF_SECONDS
        await self._patiently(lambda tx: give_back(tx, held, not_before=again_at))

    async def _patiently(self, act: Callable[[AsyncConnection], Awaitable[None]]) -> None:
        """Write, and for as long as a lease lasts try again while the database is away.

        After that the lease ends by itself, and somebody else finds the key due.
        """
        waited, failed = 0.0, 0
        while True:
            try:
                await self.engine.database.transact(act)
            except Exception as error:
                failed += 1
                if not is_passing(error):
                    raise
                if waited > LEASE_SECONDS:
                    _log.warning("the end of a piece of work could not be written", why=str(error))
                    return
                pause = self._trouble(error, failed)
            else:
                return
            waited += pause
            await asyncio.sleep(pause)
