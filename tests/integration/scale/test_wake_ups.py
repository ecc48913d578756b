"""Wake-ups through arq on a real Redis: each thing that arq does is shown not to hurt."""

from __future__ import annotations

import asyncio
import pickle
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress

import pytest
from arq.connections import ArqRedis
from arq.worker import Worker
from typing_extensions import override

from channelsync.engine.work import WorkKind
from channelsync.queue import arq_bus
from channelsync.queue.arq_bus import JOBS_MAX, QUEUE, ArqBus, from_json, tell, to_json
from tests.support.servers import Redis

SOON = 10.0
"""A wake-up takes a tenth of a second; the machine may be busy."""


@pytest.fixture
async def pool(redis_server: Redis) -> AsyncIterator[ArqRedis]:
    """A client on an empty Redis."""
    client = ArqRedis(
        unix_socket_path=str(redis_server.socket),
        job_serializer=to_json,
        job_deserializer=from_json,
        default_queue_name=QUEUE,
    )
    await client.flushall()
    yield client
    await client.aclose()


@asynccontextmanager
async def running(bus: ArqBus, *, listens: bool = True) -> AsyncIterator[ArqBus]:
    task = asyncio.create_task(bus.run(listens=listens))
    try:
        yield bus
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


async def woken(bus: ArqBus, kind: str) -> bool:
    """Whether a wake-up comes before the time is over."""
    loop = asyncio.get_running_loop()
    began = loop.time()
    await bus.wait(kind, SOON)
    return loop.time() - began < SOON


async def until(holds: Callable[[], bool]) -> None:
    async with asyncio.timeout(SOON):
        # What is waited for happens in another process's memory: nothing tells of it.
        while not holds():  # noqa: ASYNC110
            await asyncio.sleep(0.01)


async def _woken_within_half_a_second(web: ArqBus, worker: ArqBus, kind: str) -> bool:
    loop = asyncio.get_running_loop()
    web.wake(kind)
    began = loop.time()
    await worker.wait(kind, 0.5)
    return loop.time() - began < 0.5


async def test_a_mark_in_one_process_wakes_a_worker_in_another(
    redis_server: Redis, pool: ArqRedis
) -> None:
    web, worker = ArqBus(redis_server.url), ArqBus(redis_server.url)
    async with running(web, listens=False), running(worker):
        web.wake(WorkKind.INTAKE)
        assert await woken(worker, WorkKind.INTAKE)


async def test_the_same_kind_wakes_again_and_again(redis_server: Redis, pool: ArqRedis) -> None:
    """Pitfalls 1 and 2: arq refuses an id while its job or result exists. Ours have none."""
    web, worker = ArqBus(redis_server.url), ArqBus(redis_server.url)
    async with running(web, listens=False), running(worker):
        for _ in range(5):
            web.wake(WorkKind.INTAKE)
            assert await woken(worker, WorkKind.INTAKE)
    assert await pool.keys("arq:result:*") == []


async def test_a_job_that_fails_takes_no_work_with_it(redis_server: Redis, pool: ArqRedis) -> None:
    """Pitfalls 3 and 4: arq forgets what fails. A later mark wakes all the same."""
    worker = ArqBus(redis_server.url)
    async with running(worker):
        await pool.enqueue_job("look", 17)
        await pool.enqueue_job("no such function")
        await tell(pool, [WorkKind.INTAKE])
        assert await woken(worker, WorkKind.INTAKE)


async def test_jobs_expire_and_are_bounded_while_nobody_takes_them(pool: ArqRedis) -> None:
    """Pitfall 5, and a queue that would grow without an end."""
    await pool.zadd(QUEUE, {f"job-{n}": 1 for n in range(JOBS_MAX - 1)})
    assert await tell(pool, [WorkKind.INTAKE])
    assert not await tell(pool, [WorkKind.INTAKE])
    assert await pool.zcard(QUEUE) == JOBS_MAX
    (key,) = await pool.keys("arq:job:*")
    assert 0 < await pool.pttl(key) <= arq_bus.EXPIRES_SECONDS * 1_000


async def test_keys_of_a_killed_worker_block_nobody(redis_server: Redis, pool: ArqRedis) -> None:
    """Pitfalls 6 and 8: ids in progress elsewhere stay; the others are read past them."""
    jobs = {f"stuck-{n}": 1 for n in range(150)}
    await pool.zadd(QUEUE, jobs)
    for job in jobs:
        await pool.psetex(f"arq:in-progress:{job}", 300_000, b"1")
    worker = ArqBus(redis_server.url)
    async with running(worker):
        await tell(pool, [WorkKind.INTAKE])
        assert await woken(worker, WorkKind.INTAKE)


async def test_an_abort_in_redis_kills_no_job(redis_server: Redis, pool: ArqRedis) -> None:
    """Pitfall 7: an abort of an id is remembered and would kill a later job of that id."""
    worker = ArqBus(redis_server.url)
    await pool.zadd("arq:abort", {"known": 1})
    async with running(worker):
        await pool.enqueue_job("look", [WorkKind.INTAKE], _job_id="known")
        assert await woken(worker, WorkKind.INTAKE)
    assert not worker.worker(pool).allow_abort_jobs


async def test_a_worker_outlives_the_death_of_redis(own_redis: Redis) -> None:
    """Pitfalls 9 and 14: arq's worker ends and its pool retries once; ours begin anew."""
    web, worker = ArqBus(own_redis.url), ArqBus(own_redis.url)
    async with running(web, listens=False), running(worker):
        web.wake(WorkKind.INTAKE)
        assert await woken(worker, WorkKind.INTAKE)
        own_redis.kill()
        web.wake(WorkKind.INTAKE)
        await until(lambda: worker.troubles > 0 and web.troubles > 0)
        own_redis.start()
        async with asyncio.timeout(SOON):
            while not await _woken_within_half_a_second(web, worker, WorkKind.SETTLE):
                pass


async def test_without_redis_from_the_start_this_process_is_woken_all_the_same(
    own_redis: Redis,
) -> None:
    own_redis.kill()
    async with running(ArqBus(own_redis.url)) as bus:
        bus.wake(WorkKind.INTAKE)
        assert await woken(bus, WorkKind.INTAKE)


async def test_an_emptied_redis_is_nothing_new(redis_server: Redis, pool: ArqRedis) -> None:
    web, worker = ArqBus(redis_server.url), ArqBus(redis_server.url)
    async with running(web, listens=False), running(worker):
        web.wake(WorkKind.INTAKE)
        assert await woken(worker, WorkKind.INTAKE)
        await pool.flushall()
        web.wake(WorkKind.SETTLE)
        assert await woken(worker, WorkKind.SETTLE)


async def test_a_redis_that_is_full_costs_wake_ups_and_nothing_else(own_redis: Redis) -> None:
    """It refuses to add jobs. This process is woken, the others look by themselves."""
    web, worker = ArqBus(own_redis.url), ArqBus(own_redis.url)
    async with (
        ArqRedis(unix_socket_path=str(own_redis.socket)) as operator,
        running(web, listens=False),
        running(worker),
    ):
        web.wake(WorkKind.INTAKE)
        assert await woken(worker, WorkKind.INTAKE)
        await operator.config_set("maxmemory", "1")
        web.wake(WorkKind.SETTLE)
        assert await woken(web, WorkKind.SETTLE)
        await until(lambda: web.troubles > 0)
        await operator.config_set("maxmemory", "0")
        async with asyncio.timeout(SOON):
            while not await _woken_within_half_a_second(web, worker, WorkKind.SETTLE):
                pass


async def test_nothing_runs_at_the_start_of_a_job_and_no_clock_starts_one(pool: ArqRedis) -> None:
    """Pitfalls 10, 11 and 13: no hooks that could raise, a health key that is fresh, no cron."""
    worker = ArqBus("redis://localhost").worker(pool)
    assert (worker.on_job_start, worker.on_startup, worker.after_job_end) == (None, None, None)
    assert worker.health_check_interval == 15
    assert not worker.cron_jobs


async def test_a_job_is_json_and_pickles_are_not_read(redis_server: Redis, pool: ArqRedis) -> None:
    """Pitfall 12: whoever can write to Redis must not run code here."""
    ran: list[str] = []

    class Bomb:
        @override
        def __reduce__(self) -> tuple[Callable[[str], None], tuple[str]]:
            return ran.append, ("boom",)

    await pool.psetex("arq:job:evil", 60_000, pickle.dumps({"f": "look", "a": Bomb()}))
    await pool.zadd(QUEUE, {"evil": 1})
    worker = ArqBus(redis_server.url)
    async with running(worker):
        await tell(pool, [WorkKind.INTAKE])
        assert await woken(worker, WorkKind.INTAKE)
    assert ran == []


class HardOfHearing(ArqBus):
    """Drops a cancellation, as the client of Redis does when the moment is bad."""

    @override
    def worker(self, pool: ArqRedis) -> Worker:
        worker = super().worker(pool)
        work = worker.main

        async def main() -> None:
            try:
                await work()
            finally:
                with suppress(asyncio.CancelledError):
                    await asyncio.Event().wait()
                await asyncio.Event().wait()

        worker.main = main  # type: ignore[method-assign]
        return worker


async def test_a_worker_that_missed_its_cancellation_ends_all_the_same(
    redis_server: Redis, pool: ArqRedis
) -> None:
    worker = HardOfHearing(redis_server.url, answer_seconds=0.2)
    async with asyncio.timeout(SOON), running(worker):
        await tell(pool, [WorkKind.INTAKE])
        assert await woken(worker, WorkKind.INTAKE)


class Slow:
    """Takes its time before an action, and tells whether it was let finish."""

    def __init__(self) -> None:
        self.begun, self.finished = asyncio.Event(), False

    async def __call__(self, action: Callable[[], Awaitable[object]]) -> None:
        self.begun.set()
        await asyncio.sleep(0.1)
        await action()
        self.finished = True


async def test_telling_is_let_finish_at_the_end(
    redis_server: Redis, pool: ArqRedis, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Cut short in the midst of a transaction, the client of Redis forgets its connection."""
    slow = Slow()
    monkeypatch.setattr(arq_bus, "tell", lambda *asked: slow(lambda: tell(*asked)))
    async with running(ArqBus(redis_server.url), listens=False) as bus:
        bus.wake(WorkKind.INTAKE)
        await slow.begun.wait()
    assert slow.finished
    assert await pool.zcard(QUEUE) == 1


class SlowToStart(ArqBus):
    """Takes its time to start what it found."""

    def __init__(self, url: str) -> None:
        super().__init__(url)
        self.slow = Slow()

    @override
    def worker(self, pool: ArqRedis) -> Worker:
        worker = super().worker(pool)
        start = worker.start_jobs

        async def start_slowly(job_ids: list[bytes]) -> None:
            await self.slow(lambda: start(job_ids))

        worker.start_jobs = start_slowly  # type: ignore[method-assign]
        return worker


async def test_a_look_is_let_finish_at_the_end(redis_server: Redis, pool: ArqRedis) -> None:
    """With the jobs that it started."""
    await tell(pool, [WorkKind.INTAKE])
    worker = SlowToStart(redis_server.url)
    async with running(worker):
        await worker.slow.begun.wait()
    assert worker.slow.finished
    assert await worker.wait(WorkKind.INTAKE, SOON)
    assert await pool.zcard(QUEUE) == 0
