"""Who is there, who is dead, and what time it is, for processes on several machines."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import pytest
import sqlalchemy as sa

from channelsync.domain.vocabulary import PushSemantics
from channelsync.engine.leases import lease_owners
from channelsync.engine.recover import GRACE_SECONDS, recover
from channelsync.engine.work import WorkKind, claim, mark
from channelsync.store import presence as presence_module
from channelsync.store import tables
from channelsync.store.clock import DatabaseClock
from channelsync.store.database import Database
from channelsync.store.errors import StoreUnavailable
from channelsync.store.presence import DatabasePresence
from tests.support.house import Build, House
from tests.support.servers import Postgres, ServerMissing, running_postgres

ONE, OTHER = "here-1-00000001", "there-2-fffffffe"
SOON = 20.0


@asynccontextmanager
async def present(url: str, owner: str) -> AsyncIterator[DatabasePresence]:
    made = DatabasePresence(url, owner)
    await made.start()
    try:
        yield made
    finally:
        await made.close()


def is_held(one: DatabasePresence) -> bool:
    """It changes by itself, which a type checker cannot know of a property."""
    return one.held


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Who is missed once is gone."""
    monkeypatch.setattr(presence_module, "ABSENT_SECONDS", 0.0)


async def test_who_is_there_is_not_dead(postgres_url: str, quick: None) -> None:
    async with present(postgres_url, ONE) as one:
        async with present(postgres_url, OTHER) as other:
            assert await one.absent({OTHER}) == set()
            assert await other.absent({ONE}) == set()
            assert await one.count() == 2
        assert await one.absent({OTHER}) == {OTHER}
        assert await one.count() == 1


async def test_a_moment_away_is_not_death(postgres_url: str) -> None:
    async with present(postgres_url, ONE) as one:
        assert await one.absent({OTHER}) == set()
        async with present(postgres_url, OTHER):
            assert await one.absent({OTHER}) == set()


async def test_two_stores_on_one_server_do_not_see_each_other(
    new_database: Callable[[], str], quick: None
) -> None:
    async with present(new_database(), ONE) as one, present(new_database(), OTHER):
        assert await one.absent({OTHER}) == {OTHER}


async def test_nothing_is_sent_while_the_others_cannot_see_us(
    postgres_url: str, postgres_server: Postgres
) -> None:
    async with present(postgres_url, ONE) as one:
        assert is_held(one)
        statement = (
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
            " WHERE datname = current_database() AND application_name = 'channelsync presence'"
        )
        name = sa.make_url(postgres_url).database
        await postgres_server.execute(statement, database=str(name))
        async with asyncio.timeout(SOON):
            while is_held(one):  # noqa: ASYNC110 - it learns by itself
                await asyncio.sleep(0.05)
            while not is_held(one):  # noqa: ASYNC110
                await asyncio.sleep(0.05)


async def test_an_unreachable_database_says_so() -> None:
    gone = DatabasePresence("postgresql+asyncpg://nobody@/nothing?host=/nowhere", ONE)
    with pytest.raises(StoreUnavailable, match="cannot be reached"):
        await gone.start()
    await gone.close()


class Others:
    """A presence in which some are known to be gone."""

    is_alone = False
    held = True

    def __init__(self, *gone: str) -> None:
        self.gone = set(gone)

    async def absent(self, owners: Any) -> set[str]:
        return set(owners) & self.gone

    async def count(self) -> int:
        return 2


async def leave_an_attempt_open(house: House, owner: str) -> None:
    """As a sender leaves it that was killed between its commit and its answer."""
    async with house.engine.database.write() as tx:
        (request,) = (await tx.execute(sa.select(tables.requests.c.id).limit(1))).scalars()
        values = {
            "request_id": request,
            "started_at": house.clock.at,
            "deadline": house.clock.at + 10,
            "owner": owner,
        }
        await tx.execute(sa.insert(tables.attempts).values(values))


async def open_attempts(house: House) -> int:
    return sum(row.ended_at is None for row in await house.rows(tables.attempts))


async def test_only_the_dead_are_recovered_and_not_before_their_deadline(build: Build) -> None:
    house = await build(
        stock={"MUG": 4}, quotas={"a": 10_000}, semantics={"a": PushSemantics.KEYED_DELTA}
    )
    await house.settle_down(60)
    await leave_an_attempt_open(house, OTHER)
    house.engine.presence = Others()
    house.clock.at += 1_000
    assert await recover(house.engine) == 0
    house.clock.at -= 1_000
    house.engine.presence = Others(OTHER)
    assert await recover(house.engine) == 0
    house.clock.at += 10 + GRACE_SECONDS + 1
    assert await recover(house.engine) == 1
    assert await open_attempts(house) == 0
    await house.require_clean_books()


async def test_an_end_that_could_not_be_recorded_is_made_up_for(build: Build) -> None:
    """Ours alone, late, and not while it is still being sent."""
    house = await build(
        stock={"MUG": 4}, quotas={"a": 10_000}, semantics={"a": PushSemantics.KEYED_DELTA}
    )
    await house.settle_down(60)
    await leave_an_attempt_open(house, "test")
    (request,) = {row.request_id for row in await house.rows(tables.attempts)}
    house.clock.at += 10 + GRACE_SECONDS + 1
    house.engine.sending.add(request)
    assert await recover(house.engine) == 0
    house.engine.sending.discard(request)
    assert await recover(house.engine) == 1
    assert await open_attempts(house) == 0


async def test_leases_of_the_dead_are_free_at_once(build: Build) -> None:
    house = await build(stock={"MUG": 1}, quotas={}, semantics={})
    async with house.engine.database.write() as tx:
        for key in ("one", "other"):
            await mark(tx, WorkKind.WATCH, key, not_before=0.0)
    for owner in (ONE, OTHER):
        async with house.engine.database.write() as tx:
            await claim(tx, WorkKind.WATCH, now=house.clock(), lease_seconds=60, token=f"{owner}/x")
    house.engine.presence = Others(OTHER)
    await recover(house.engine)
    async with house.engine.database.read() as connection:
        assert await lease_owners(connection) == {ONE}


async def test_machines_whose_clocks_differ_agree_on_the_database_s(postgres_url: str) -> None:
    """Ten minutes apart, one of them set back meanwhile."""
    loop = asyncio.get_running_loop()
    shift = {"fast": 600.0, "slow": -600.0}
    database = Database(postgres_url)
    clocks = {
        name: await DatabaseClock.of(database, counted=lambda name=name: loop.time() + shift[name])  # type: ignore[misc]
        for name in shift
    }
    assert clocks["fast"]() == pytest.approx(clocks["slow"](), abs=1.0)
    shift["slow"] -= 3_600.0
    await clocks["slow"].synchronise(database)
    assert clocks["fast"]() == pytest.approx(clocks["slow"](), abs=1.0)
    await database.close()


async def test_a_clock_is_believed_from_a_quick_answer_on_and_never_before(
    postgres_url: str,
) -> None:
    """A process that went by its own clock until then could prove what is not proven."""
    database, slow_answers = Database(postgres_url), [3.0, 0.8]
    at, asked = -600.0, 0

    def counted() -> float:
        nonlocal at, asked
        asked += 1
        at += slow_answers.pop(0) if slow_answers and asked % 2 == 0 else 0.0
        return at

    async def at_once(seconds: float) -> None:
        assert seconds > 0

    clock = await DatabaseClock.of(database, counted=counted, pause=at_once)
    assert not slow_answers
    assert clock() == pytest.approx(await seconds_of(database), abs=5.0)
    await database.close()


async def test_who_is_never_told_the_time_quickly_does_not_start(postgres_url: str) -> None:
    database, seconds = Database(postgres_url), itertools.count(step=0.6)
    pauses: list[float] = []

    async def at_once(seconds: float) -> None:
        pauses.append(seconds)

    with pytest.raises(StoreUnavailable, match="to say what time it is"):
        await DatabaseClock.of(database, counted=lambda: next(seconds), pause=at_once)
    assert sum(pauses) == pytest.approx(30.0)
    await database.close()


async def seconds_of(database: Database) -> float:
    async with database.read() as connection:
        told = await connection.execute(sa.text("SELECT extract(epoch FROM clock_timestamp())"))
        return float(told.scalar_one())


async def until_refused(database: Database) -> None:
    """Look until no connection is to be had."""
    async with asyncio.timeout(SOON):
        while True:
            with contextlib.suppress(sa.exc.DBAPIError):
                async with database.read() as connection:
                    await connection.exec_driver_sql("SELECT 1")
            await asyncio.sleep(0.02)


async def test_a_server_that_is_killed_is_reached_again(tmp_path: Any) -> None:
    """Statements fail, the transaction is tried again, and what was committed is there."""
    try:
        with running_postgres() as server:
            url = server.url("postgres").replace("postgresql://", "postgresql+asyncpg://", 1)
            database = Database(url)

            async def add(tx: Any) -> None:
                await tx.exec_driver_sql("INSERT INTO kept (at) VALUES (now())")

            async with database.write() as tx:
                await tx.exec_driver_sql("CREATE TABLE kept (at timestamptz)")
            await database.transact(add)
            server.kill()
            # Its children take a moment to notice; then nobody is reached.
            with pytest.raises(StoreUnavailable):
                await until_refused(database)
            await asyncio.to_thread(server.start)
            await database.transact(add)
            async with database.read() as connection:
                rows = await connection.exec_driver_sql("SELECT count(*) FROM kept")
                assert rows.scalar_one() == 2
            await database.close()
    except ServerMissing as missing:
        pytest.skip(str(missing))
