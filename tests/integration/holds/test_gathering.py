"""Callers that come together share a transaction, and no one's failure is another's."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterator, Sequence
from contextvars import ContextVar
from pathlib import Path

import pytest
import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection

from channelsync.domain.vocabulary import Instant
from channelsync.engine.gather import Claims, Gatherer
from channelsync.engine.hold_types import HoldRequest
from channelsync.engine.holds_desk import HoldsDesk
from channelsync.store import tables
from channelsync.store.database import Database
from channelsync.store.errors import OutcomeUnknown
from tests.support.house import build_house

NOTHING = Claims()
Act = Callable[[AsyncConnection], Awaitable[str]]
caller: ContextVar[str] = ContextVar("caller", default="nobody")


@pytest.fixture
def commits(any_database: Database) -> Iterator[list[None]]:
    """One entry for every commit of a writer."""
    seen: list[None] = []
    writer = any_database.engines[0].sync_engine

    def note(_connection: object) -> None:
        seen.append(None)

    sa.event.listen(writer, "commit", note)
    yield seen
    sa.event.remove(writer, "commit", note)


def writes(name: str) -> Act:
    async def act(tx: AsyncConnection) -> str:
        values = {"name": name, "connector": "memory", "pool": "main", "baseline_at": 0.0}
        await tx.execute(sa.insert(tables.channels).values(values))
        return name

    return act


def fails(error: Exception) -> Act:
    async def act(_tx: AsyncConnection) -> str:
        raise error

    return act


async def names(database: Database) -> set[str]:
    async with database.read() as tx:
        return set((await tx.execute(sa.select(tables.channels.c.name))).scalars())


async def test_a_rush_takes_a_few_commits(any_database: Database, commits: list[None]) -> None:
    gatherer = Gatherer(any_database, together_max=50)
    rush = [f"c{number:03}" for number in range(100)]
    answers = await asyncio.gather(*(gatherer.run(writes(name), NOTHING) for name in rush))
    assert answers == rush
    assert await names(any_database) == set(rush)
    assert len(commits) == 2


async def test_one_that_fails_takes_nobody_along(any_database: Database) -> None:
    gatherer = Gatherer(any_database)
    acts = (writes("a"), fails(LookupError("no such thing")), writes("b"))
    answers = await asyncio.gather(
        *(gatherer.run(act, NOTHING) for act in acts), return_exceptions=True
    )
    assert [answers[0], answers[2]] == ["a", "b"]
    assert isinstance(answers[1], LookupError)
    assert await names(any_database) == {"a", "b"}


async def test_one_that_fails_in_a_rush_costs_a_few_transactions(
    any_database: Database, commits: list[None]
) -> None:
    gatherer, rush = Gatherer(any_database), [f"c{number:03}" for number in range(64)]
    acts = [writes(name) for name in rush]
    acts[41] = fails(LookupError("no such thing"))
    answers = await asyncio.gather(
        *(gatherer.run(act, NOTHING) for act in acts), return_exceptions=True
    )
    assert isinstance(answers.pop(41), LookupError)
    assert answers == rush[:41] + rush[42:]
    assert await names(any_database) == set(rush) - {"c041"}
    assert len(commits) == 6  # 32, 16, 8, 4, 2 and 1 of his neighbours


async def test_what_may_be_committed_is_not_done_again(any_database: Database) -> None:
    gatherer, done = Gatherer(any_database), []

    async def counts(_tx: AsyncConnection) -> None:
        done.append(1)

    both = await asyncio.gather(
        gatherer.run(counts, NOTHING),
        gatherer.run(fails(OutcomeUnknown("the connection broke during a commit")), NOTHING),
        return_exceptions=True,
    )
    assert [type(one) for one in both] == [OutcomeUnknown, OutcomeUnknown]
    assert done == [1]


async def test_who_hangs_up_before_his_turn_asked_for_nothing(any_database: Database) -> None:
    gatherer, begun, goes_on = Gatherer(any_database), asyncio.Event(), asyncio.Event()

    async def takes_long(_tx: AsyncConnection) -> None:
        begun.set()
        await goes_on.wait()

    first = asyncio.ensure_future(gatherer.run(takes_long, NOTHING))
    await begun.wait()
    gone = asyncio.ensure_future(gatherer.run(writes("gone"), NOTHING))
    stays = asyncio.ensure_future(gatherer.run(writes("stays"), NOTHING))
    await asyncio.sleep(0)
    gone.cancel()
    goes_on.set()
    await first
    assert await stays == "stays"
    assert await names(any_database) == {"stays"}


async def test_each_acts_in_its_own_context(any_database: Database) -> None:
    gatherer = Gatherer(any_database)

    async def who(_tx: AsyncConnection) -> str:
        return caller.get()

    async def ask(name: str) -> str:
        caller.set(name)
        return await gatherer.run(who, NOTHING)

    assert list(await asyncio.gather(ask("ann"), ask("bob"))) == ["ann", "bob"]


async def test_callers_of_one_kind_are_answered_at_once(any_database: Database) -> None:
    gatherer = Gatherer(any_database)
    batches: list[list[int]] = []

    async def double(_tx: AsyncConnection, asked: Sequence[int]) -> list[int]:
        batches.append(list(asked))
        if 3 in asked:
            raise LookupError("three")
        return [2 * one for one in asked]

    acts = [gatherer.run(writes(name), NOTHING) for name in ("a", "b")]
    numbers = [gatherer.run_together(double, one, NOTHING) for one in (1, 2)]
    assert await asyncio.gather(*numbers, *acts) == [2, 4, "a", "b"]
    assert batches == [[1, 2]]
    told = await asyncio.gather(
        *(gatherer.run_together(double, one, NOTHING) for one in (4, 3, 5)), return_exceptions=True
    )
    assert [told[0], told[2]] == [8, 10]
    assert isinstance(told[1], LookupError)


async def test_carts_of_several_items_meet_in_two_processes(
    any_database: Database, tmp_path: Path
) -> None:
    """Whatever order their lines are in, neither waits for the other."""
    stock = {"A": 60, "B": 60, "C": 60}
    house = await build_house(tmp_path, stock=stock, quotas={}, semantics={}, database=any_database)
    desk, other = HoldsDesk(house.engine), Database(any_database.url)

    def cart(
        first: str, second: str, number: int
    ) -> Callable[[AsyncConnection], Awaitable[Instant]]:
        request = HoldRequest(owner=f"cart-{number}", lines={first: 1, second: 1})

        async def act(tx: AsyncConnection) -> Instant:
            return (await desk.create(tx, request)).created_at

        return act

    gatherers = (Gatherer(any_database), Gatherer(other))
    pairs = [("A", "B"), ("B", "C"), ("C", "A")]
    carts = [(gatherers[n % 2], pairs[n % 3], n) for n in range(60)]
    try:
        await asyncio.gather(
            *(
                gatherer.run(cart(*pair, number), Claims(skus=pair))
                for gatherer, pair, number in carts
            )
        )
    finally:
        await other.close()
    held = {row.item_id: row.reserved for row in await house.rows(tables.stock)}
    assert sorted(held.values()) == [40, 40, 40]
    await house.require_clean_books()
