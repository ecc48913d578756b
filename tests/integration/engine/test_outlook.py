"""Looking for due work: once a sweep for all kinds, and a lost wake-up costs no more than one."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable
from pathlib import Path
from random import Random

import sqlalchemy as sa

from channelsync.domain.vocabulary import Instant
from channelsync.engine.core import Engine
from channelsync.engine.policy import Policy
from channelsync.engine.work import Claim, WorkKind, claim, mark
from channelsync.ports import Environment
from channelsync.queue.in_process import InProcessBus
from channelsync.rehearsal.loop import VirtualLoop
from channelsync.store import tables
from channelsync.store.database import Database, sqlite_url
from channelsync.worker.supervisor import Supervisor
from tests.support.house import Channels
from tests.support.inline_sqlite import inline_connections

SWEEP_SECONDS = 5.0
HOUR = 3_600.0


class Office:
    """A supervisor whose handlers note when they worked which key; nobody is ever woken."""

    def __init__(self, folder: Path, loop: VirtualLoop) -> None:
        path = folder / "office.db"
        self.loop = loop
        self.database = Database(sqlite_url(path), connect=inline_connections(path))
        self.statements: list[str] = []
        self.worked: list[tuple[Instant, str]] = []
        self.work_seconds = 0.0
        self.runs_of_a_key = 1
        self.running: Counter[WorkKind] = Counter()
        self.at_once: Counter[WorkKind] = Counter()
        """The most keys of a kind that were worked at once."""
        engine = Engine(
            database=self.database,
            channels=Channels(),
            environment=Environment(now=loop.time, new_id=lambda: "id", owner="office"),
            bus=InProcessBus(),
            policy=Policy(rules={}, safety_stock={}),
        )
        self.supervisor = Supervisor(
            engine=engine,
            handlers=dict.fromkeys(WorkKind, self._work),
            sweep_seconds=SWEEP_SECONDS,
        )

    async def _work(self, _engine: Engine, held: Claim) -> Instant | None:
        self.worked.append((self.loop.time(), held.key))
        self.running[held.kind] += 1
        self.at_once |= self.running
        await asyncio.sleep(self.work_seconds)
        self.running[held.kind] -= 1
        runs = sum(key == held.key for _, key in self.worked)
        return None if runs >= self.runs_of_a_key else self.loop.time()

    async def open(self) -> None:
        async with self.database.write() as tx:
            await tx.run_sync(tables.metadata.create_all)
        for engine in self.database.engines:
            sa.event.listen(engine.sync_engine, "before_cursor_execute", self._note)

    def _note(self, _c: object, _cursor: object, statement: str, *_rest: object) -> None:
        if statement.startswith("SELECT"):
            self.statements.append(statement)


def in_virtual_time(
    folder: Path, live: Callable[[Office], Awaitable[None]], *, seed: int = 1
) -> Office:
    loop = VirtualLoop(Random(seed))
    asyncio.set_event_loop(loop)

    async def act() -> Office:
        office = Office(folder, loop)
        await office.open()
        working = asyncio.create_task(office.supervisor.run())
        await live(office)
        office.supervisor.stop()
        await working
        await office.database.close()
        return office

    try:
        return loop.run_until_complete(act())
    finally:
        asyncio.set_event_loop(None)
        loop.close()


def test_an_idle_supervisor_asks_once_a_sweep_and_not_once_a_loop(tmp_path: Path) -> None:
    async def live(_office: Office) -> None:
        await asyncio.sleep(HOUR)

    office = in_virtual_time(tmp_path, live)
    sweeps = HOUR / SWEEP_SECONDS
    assert sweeps * 0.9 <= len(office.statements) <= sweeps * 1.1 + len(WorkKind)
    assert office.worked == []


def test_a_key_that_nobody_told_of_is_worked_within_a_sweep(tmp_path: Path) -> None:
    marked: list[Instant] = []

    async def live(office: Office) -> None:
        rng = Random(2)
        for number, kind in enumerate(WorkKind):
            await asyncio.sleep(rng.uniform(0.0, 30.0))
            async with office.database.write() as tx:
                await mark(tx, kind, str(number))
            marked.append(office.loop.time())
        await asyncio.sleep(30.0)

    office = in_virtual_time(tmp_path, live)
    assert [key for _, key in office.worked] == [str(number) for number in range(len(WorkKind))]
    for (at, _), since in zip(office.worked, marked, strict=True):
        assert at - since <= SWEEP_SECONDS + 0.1


def test_a_key_is_worked_when_its_time_comes_and_not_at_the_next_sweep(tmp_path: Path) -> None:
    async def live(office: Office) -> None:
        async with office.database.write() as tx:
            await mark(tx, WorkKind.POLL, "shop", not_before=103.0)
        await asyncio.sleep(200.0)

    office = in_virtual_time(tmp_path, live)
    [(at, _)] = office.worked
    assert 103.0 <= at <= 103.1


def test_a_key_whose_worker_was_lost_is_taken_over_when_its_lease_ends(tmp_path: Path) -> None:
    async def live(office: Office) -> None:
        async with office.database.write() as tx:
            await mark(tx, WorkKind.POLL, "shop")
        async with office.database.write() as tx:
            await claim(tx, WorkKind.POLL, now=1.0, lease_seconds=60.0, token="lost")
        await asyncio.sleep(100.0)

    office = in_virtual_time(tmp_path, live)
    [(at, _)] = office.worked
    assert 61.0 <= at <= 61.1


def test_a_key_that_another_worker_was_quicker_with_is_let_be(tmp_path: Path) -> None:
    """What was seen as due is claimed by somebody else: the loop looks again, once."""

    async def live(office: Office) -> None:
        async with office.database.write() as tx:
            await mark(tx, WorkKind.POLL, "shop", not_before=50.0)
        await asyncio.sleep(49.9)
        async with office.database.write() as tx:
            await claim(tx, WorkKind.POLL, now=50.0, lease_seconds=60.0, token="other")
        before = len(office.statements)
        await asyncio.sleep(4.0)
        assert len(office.statements) - before <= len(WorkKind)

    office = in_virtual_time(tmp_path, live)
    assert office.worked == []


def test_backlogs_are_worked_one_at_a_time_and_by_turns(tmp_path: Path) -> None:
    """Two would meet at the same items, and another process finds none left."""

    async def live(office: Office) -> None:
        office.work_seconds, office.runs_of_a_key = 1.0, 3
        async with office.database.write() as tx:
            for key in ("a", "b", "c"):
                await mark(tx, WorkKind.INTAKE, key)
        await asyncio.sleep(15.0)

    office = in_virtual_time(tmp_path, live)
    assert office.at_once == {WorkKind.INTAKE: 1}
    assert [key for _, key in office.worked] == ["a", "b", "c"] * 3
    began, ended = office.worked[0][0], office.worked[-1][0]
    assert ended - began <= 8.5, "a run's end takes the next key, without waiting for a sweep"


def test_what_waits_for_others_is_worked_at_once(tmp_path: Path) -> None:
    async def live(office: Office) -> None:
        office.work_seconds = 1.0
        async with office.database.write() as tx:
            for key in ("a", "b", "c"):
                await mark(tx, WorkKind.POLL, key)
        await asyncio.sleep(10.0)

    assert in_virtual_time(tmp_path, live).at_once == {WorkKind.POLL: 3}
