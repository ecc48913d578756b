"""Wake-ups between processes, through arq on Redis. A speed-up and nothing else.

A job says which kinds of work to look at; what there is to do stands in the database alone. So a
job may be lost, doubled or come late, Redis may be emptied or die for good: the sweep of every
worker finds what no job told of, a few seconds later.

What arq does that must not hurt, and why it cannot:

- it refuses an id that it has a job or a result of: jobs have no ids, results are not kept;
- it drops a job that fails, times out or was killed with its worker: no job holds work;
- it drops a job a day after its time: jobs expire after a minute on purpose;
- it lets an abort of an unknown id kill a later job: aborts are off;
- it reads the first 100 ids only: the queue is bounded and read whole;
- it ends its worker when Redis does not answer: another one is made, here;
- it pickles: jobs are JSON, so whoever can write to Redis cannot run code.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import logging
from collections.abc import Callable, Collection, Coroutine, Iterable
from math import ceil
from typing import Any, Final, TypeVar, cast

import structlog
from arq.connections import ArqRedis, RedisSettings, create_pool
from arq.worker import Worker, func
from redis.exceptions import RedisError

from channelsync.queue.in_process import InProcessBus

__all__ = ["QUEUE", "ArqBus"]

_log = structlog.get_logger("channelsync.queue")

QUEUE: Final = "channelsync:wake"
JOB: Final = "look"
JOBS_MAX: Final = 1_000
"""Waiting jobs; while nobody takes them, no more are added: those that wait say it already."""
EXPIRES_SECONDS: Final = 60.0
JOB_SECONDS_MAX: Final = 10.0
TAKEN_AT_ONCE_MAX: Final = 10
POLL_SECONDS: Final = 0.02
COALESCE_SECONDS: Final = 0.02
"""What is marked within this time of the last job goes into the next one."""
ANSWER_SECONDS_MAX: Final = 5.0
ASKED_AGAIN_SECONDS: Final = 0.2
RETRY_SECONDS_FIRST: Final = 0.25
RETRY_SECONDS_MAX: Final = 10.0
T = TypeVar("T")
_TROUBLE: Final = (RedisError, OSError, TimeoutError)


def to_json(job: dict[str, Any]) -> bytes:
    """A job as arq stores it; what it would store of a failure is text, and not kept anyway."""
    return json.dumps(job, separators=(",", ":"), default=str).encode()


def from_json(stored: bytes) -> dict[str, Any]:
    """The reverse."""
    job: dict[str, Any] = json.loads(stored)
    return job


class ArqBus:
    """Wakes this process at once and the others through Redis."""

    def __init__(self, url: str, *, answer_seconds: float = ANSWER_SECONDS_MAX) -> None:
        self._answer_seconds = answer_seconds
        self._settings = RedisSettings.from_dsn(url)
        # Pauses between tries are ours, so that they are bounded and said once.
        self._settings.conn_retries = 0
        self._settings.conn_timeout = ceil(answer_seconds)
        self._here = InProcessBus()
        self._untold: set[str] = set()
        self._stir = asyncio.Event()
        self.troubles = 0
        """How often Redis could not be used since the start."""

    def wake(self, kind: str) -> None:
        """Some work of this kind was just committed."""
        self._here.wake(kind)
        self._untold.add(kind)
        self._stir.set()

    async def wait(self, kind: str, timeout_seconds: float) -> bool:
        """Return after a wake-up of this kind, or after the time; whether it was a wake-up."""
        return await self._here.wait(kind, timeout_seconds)

    async def run(self, *, listens: bool) -> None:
        """Tell the others and, where there is somebody to wake, hear them; until cancelled."""
        # What goes wrong with Redis is said here, once, and without a traceback.
        logging.getLogger("arq").setLevel(logging.CRITICAL)
        async with asyncio.TaskGroup() as group:
            group.create_task(self._again_and_again(self._tell), name="wake:tell")
            if listens:
                group.create_task(self._again_and_again(self._hear), name="wake:hear")

    # ------------------------------------------------------------ one connection's life

    async def _again_and_again(self, action: Callable[[], Coroutine[Any, Any, None]]) -> None:
        """An end is Redis' trouble, said once; it is tried again, less and less often."""
        failed = 0
        while True:
            began = asyncio.get_running_loop().time()
            try:
                await action()
            except _TROUBLE as error:
                self.troubles += 1
                if asyncio.get_running_loop().time() - began > RETRY_SECONDS_MAX:
                    failed = 0
                if failed == 0:
                    _log.warning("Redis cannot be used; workers look by themselves", why=str(error))
                failed += 1
            await asyncio.sleep(min(RETRY_SECONDS_FIRST * 2.0**failed, RETRY_SECONDS_MAX))

    async def _tell(self) -> None:
        pool = await _to_its_end(self._connect())
        try:
            while True:
                await self._stir.wait()
                self._stir.clear()
                kinds, self._untold = sorted(self._untold), set()
                # Cut short in the midst of its transaction, the client would lose the connection.
                await _to_its_end(self._tell_by(pool, kinds), grace_seconds=self._answer_seconds)
                await asyncio.sleep(COALESCE_SECONDS)
        finally:
            await _close(pool)

    async def _tell_by(self, pool: ArqRedis, kinds: list[str]) -> None:
        async with asyncio.timeout(self._answer_seconds):
            await tell(pool, kinds)

    async def _hear(self) -> None:
        pool = await _to_its_end(self._connect())
        worker = self.worker(pool)
        try:
            await _to_its_end(
                worker.async_run(),
                asked=lambda: _end_after_this_look(worker),
                grace_seconds=self._answer_seconds,
            )
        finally:
            await self._let_finish(worker.tasks.values())
            await _close(pool)

    async def _let_finish(self, jobs: Collection[asyncio.Task[Any]]) -> None:
        """Jobs only set events, and tidy up in Redis, which arq does not let anybody cut short.

        They need the pool for it; one that is not answered is given up.
        """
        if jobs:
            _, late = await asyncio.wait(jobs, timeout=self._answer_seconds)
            for job in late:
                job.cancel()
            await asyncio.gather(*jobs, return_exceptions=True)

    async def _connect(self) -> ArqRedis:
        async with asyncio.timeout(self._answer_seconds):
            pool = await create_pool(
                self._settings,
                job_serializer=to_json,
                job_deserializer=from_json,
                default_queue_name=QUEUE,
            )
            # A connection that is only half there would be waited for without an end.
            pool.connection_pool.connection_kwargs["socket_timeout"] = self._answer_seconds
            await pool.connection_pool.disconnect()
            # Else the connection that it tried first is used again, as it was.
            pool.connection_pool.reset()  # type: ignore[no-untyped-call]
            return pool

    def worker(self, pool: ArqRedis) -> Worker:
        """Arq's own worker, with everything switched off that it is not needed for."""

        async def look(_context: dict[Any, Any], kinds: Iterable[str]) -> None:
            for kind in kinds:
                self._here.wake(kind)

        return Worker(
            [
                func(
                    cast("Any", look), name=JOB, keep_result=0, timeout=JOB_SECONDS_MAX, max_tries=1
                )
            ],
            queue_name=QUEUE,
            redis_pool=pool,
            handle_signals=False,
            max_jobs=TAKEN_AT_ONCE_MAX,
            job_timeout=JOB_SECONDS_MAX,
            keep_result=0,
            poll_delay=POLL_SECONDS,
            queue_read_limit=JOBS_MAX,
            max_tries=1,
            retry_jobs=False,
            allow_abort_jobs=False,
            health_check_interval=15,
            log_results=False,
            job_serializer=to_json,
            job_deserializer=from_json,
        )


async def tell(pool: ArqRedis, kinds: Iterable[str]) -> bool:
    """Add a job for these kinds, unless enough of them wait already."""
    if await pool.zcard(QUEUE) >= JOBS_MAX:
        return False
    await pool.enqueue_job(JOB, list(kinds), _expires=EXPIRES_SECONDS)
    return True


def _end_after_this_look(worker: Worker) -> None:
    """Arq's own way to an end between two looks: as one that came for no more jobs than it has."""
    worker.burst, worker.max_burst_jobs = True, 0


async def _to_its_end(
    action: Coroutine[Any, Any, T],
    *,
    asked: Callable[[], None] | None = None,
    grace_seconds: float = 0.0,
) -> T:
    """Await what uses the client of Redis, so that a cancellation ends it cleanly, and really.

    Who is cancelled first asks the action to end by itself, for as long as it is given. Then it is
    cancelled, and again: the client sends through `asyncio.wait_for`, which on Python 3.11 drops a
    cancellation that comes in the moment the send is done. Asked again and again, it hears one.
    """
    task = asyncio.create_task(action)
    try:
        await asyncio.wait({task})
    except asyncio.CancelledError:
        if asked is not None:
            asked()
        await asyncio.wait({task}, timeout=grace_seconds)
        raise
    finally:
        while not task.done():
            task.cancel()
            await asyncio.wait({task}, timeout=ASKED_AGAIN_SECONDS)
        with contextlib.suppress(asyncio.CancelledError):
            task.exception()  # of one that ends because we do, nobody asks
    return task.result()


async def _close(pool: ArqRedis) -> None:
    with contextlib.suppress(*_TROUBLE):
        await pool.aclose()
