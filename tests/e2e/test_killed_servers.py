"""Servers and processes killed under load: nothing acknowledged is lost, nothing is sold twice.

All the while the processes' clocks are ten minutes apart and more, and one of them jumps back.

`CHANNELSYNC_CHAOS_ROUNDS=20` plays the same again and again, with other moments each time, and
freezes a worker, and blocks an event loop, for longer than a lease lasts.
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
from tests.support.fleet import ITEMS, Fleet, fleet
from tests.support.records import keep
from tests.support.servers import ServerMissing, running_postgres, running_redis
from tests.support.shops import accepted

ROUNDS = int(os.environ.get("CHANNELSYNC_CHAOS_ROUNDS", "1"))
FROZEN_SECONDS = 66.0 if ROUNDS > 1 else 3.0


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
    await all_of_it.shop_for(FROZEN_SECONDS)
    worker.send_signal(signal.SIGCONT)


async def hold_an_event_loop(all_of_it: Fleet) -> None:
    """Its threads and connections live on."""
    all_of_it.processes["worker-1"].send_signal(signal.SIGUSR1)
    await all_of_it.shop_for(FROZEN_SECONDS)


async def empty_redis(all_of_it: Fleet) -> None:
    all_of_it.redis.kill()
    all_of_it.redis.start()


async def lose_everything(all_of_it: Fleet) -> None:
    await all_of_it.kill("web", "worker-1", "run-2")
    all_of_it.postgres.kill()
    await asyncio.to_thread(all_of_it.postgres.start)
    await all_of_it.start()


HAPPENINGS = {
    lose_the_database: "PostgreSQL killed",
    lose_the_web_and_a_worker: "web and a worker killed, a clock set back",
    empty_redis: "Redis killed, back empty",
    freeze_the_database: "PostgreSQL frozen",
    lose_every_session: "every session of PostgreSQL ended",
    freeze_a_worker: f"a worker frozen for {FROZEN_SECONDS:g} s; a lease lasts 60 s",
    hold_an_event_loop: f"an event loop blocked for {FROZEN_SECONDS:g} s",
    lose_everything: "everything killed at once",
}
"""What happens in each round, and how the record tells it."""


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
@pytest.mark.timeout(600 + 500 * ROUNDS)
async def test_whatever_is_killed_costs_time_and_never_stock(tmp_path: Path) -> None:
    try:
        with running_postgres() as postgres, running_redis() as redis:
            async with fleet(
                tmp_path, postgres, redis, seed=11, held_seconds=FROZEN_SECONDS
            ) as all_of_it:
                await all_of_it.start()
                await all_of_it.shop_until_heard()
                await all_of_it.shop_for(2.0)
                for number in range(ROUNDS):
                    if number:
                        await all_of_it.restock()
                    await _play(all_of_it)
                # For good: from here on workers find their work by themselves.
                all_of_it.redis.kill()
                await all_of_it.shop_for(2.0)
                await all_of_it.until_counted()
                await all_of_it.require_alive()
                ended = await all_of_it.kill(*all_of_it.ports, how=signal.SIGTERM)
                assert ended == [0, 0, 0]
                await all_of_it.require_sound()
                _record(all_of_it)
    except ServerMissing as missing:
        pytest.skip(str(missing))


async def _play(all_of_it: Fleet) -> None:
    for happens in HAPPENINGS:
        await happens(all_of_it)
        await all_of_it.shop_for(all_of_it.rng.uniform(1.0, 2.0))
        await all_of_it.require_alive()


def _record(all_of_it: Fleet) -> None:
    sold = sum(accepted(all_of_it.shops, ITEMS).values())
    figures = {
        **dict.fromkeys(HAPPENINGS.values(), (ROUNDS, "times")),
        "processes started": (all_of_it.starts, "processes"),
        "orders placed meanwhile": (all_of_it.orders, "orders"),
        "units sold, net": (sold, "units"),
        "units oversold": (0, "units"),
        "webhooks acknowledged": (len(all_of_it.acknowledged), "webhooks"),
        "of them lost": (0, "webhooks"),
    }
    command = f"CHANNELSYNC_CHAOS_ROUNDS={ROUNDS} ./run test tests/e2e/test_killed_servers.py"
    keep("killed_servers", command, figures)
