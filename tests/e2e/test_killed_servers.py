"""Servers and processes killed under load: nothing acknowledged is lost, nothing is sold twice.

All the while the processes' clocks are ten minutes apart and more, and one of them jumps back.

`CHANNELSYNC_CHAOS_ROUNDS=20` plays the same again and again, with other moments each time, and
freezes a worker for longer than its lease lasts.
"""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.support.clocks import clock_set_off
from tests.support.fleet import Fleet, fleet
from tests.support.servers import ServerMissing, running_postgres, running_redis

ROUNDS = int(os.environ.get("CHANNELSYNC_CHAOS_ROUNDS", "1"))
LEASE_AND_MORE_SECONDS = 70.0


async def lose_the_database(all_of_it: Fleet) -> None:
    all_of_it.postgres.kill()
    await all_of_it.shop_for(0.5)
    await asyncio.to_thread(all_of_it.postgres.start)


async def lose_every_session(all_of_it: Fleet) -> None:
    await all_of_it.postgres.execute(
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
        " WHERE backend_type = 'client backend' AND pid <> pg_backend_pid()"
    )


async def freeze_the_database(all_of_it: Fleet) -> None:
    all_of_it.postgres.suspend()
    await all_of_it.shop_for(2.0)
    all_of_it.postgres.resume()


async def lose_the_web_and_a_worker(all_of_it: Fleet) -> None:
    await all_of_it.kill("web", "worker-1")
    await all_of_it.shop_for(0.5)
    all_of_it.clocks["worker-1"] = all_of_it.clocks.get("worker-1", 0) - 1_200
    await all_of_it.start("web", "worker-1")


async def freeze_a_worker(all_of_it: Fleet) -> None:
    worker = all_of_it.processes["run-2"]
    worker.send_signal(signal.SIGSTOP)
    await all_of_it.shop_for(LEASE_AND_MORE_SECONDS if ROUNDS > 1 else 3.0)
    worker.send_signal(signal.SIGCONT)


async def empty_redis(all_of_it: Fleet) -> None:
    all_of_it.redis.kill()
    all_of_it.redis.start()


async def lose_everything(all_of_it: Fleet) -> None:
    await all_of_it.kill("web", "worker-1", "run-2")
    all_of_it.postgres.kill()
    await asyncio.to_thread(all_of_it.postgres.start)
    await all_of_it.start()


def test_the_clocks_are_really_wrong() -> None:
    try:
        environment = {**os.environ, **clock_set_off(600)}
    except ServerMissing as missing:
        pytest.skip(str(missing))
    told = "import time; print(time.time(), time.monotonic())"
    before = time.time(), time.monotonic()
    output = subprocess.check_output([sys.executable, "-c", told], env=environment)
    wall, span = map(float, output.split())
    assert wall - before[0] == pytest.approx(600, abs=60)
    assert span - before[1] == pytest.approx(0, abs=60)


@pytest.mark.slow
@pytest.mark.timeout(240 + 200 * ROUNDS)
async def test_whatever_is_killed_costs_time_and_never_stock(tmp_path: Path) -> None:
    try:
        with running_postgres() as postgres, running_redis() as redis:
            async with fleet(tmp_path, postgres, redis, seed=11) as all_of_it:
                await all_of_it.start()
                await all_of_it.shop_for(3.0)
                for _ in range(ROUNDS):
                    await _play(all_of_it)
                # For good: from here on workers find their work by themselves.
                all_of_it.redis.kill()
                await all_of_it.shop_for(2.0)
                await all_of_it.until_counted()
                await all_of_it.require_alive()
                ended = await all_of_it.kill(*all_of_it.ports, how=signal.SIGTERM)
                assert ended == [0, 0, 0]
                await all_of_it.require_sound()
    except ServerMissing as missing:
        pytest.skip(str(missing))


async def _play(all_of_it: Fleet) -> None:
    for happens in (
        lose_the_database,
        lose_the_web_and_a_worker,
        empty_redis,
        freeze_the_database,
        lose_every_session,
        freeze_a_worker,
        lose_everything,
    ):
        await happens(all_of_it)
        await all_of_it.shop_for(all_of_it.rng.uniform(1.0, 2.0))
        await all_of_it.require_alive()
