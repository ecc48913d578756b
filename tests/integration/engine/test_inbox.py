"""The inbox: committed before acknowledged, many at once, each on its own account."""

from __future__ import annotations

import asyncio

import pytest
import sqlalchemy as sa

from channelsync.domain.vocabulary import PushSemantics
from channelsync.engine.inbox import Inbox, Received
from channelsync.engine.work import WorkKind
from channelsync.sdk.types import Delivery
from channelsync.store import tables
from tests.support.house import Build, House


async def house_with_till(build: Build) -> House:
    return await build(
        stock={"MUG": 10}, quotas={"till": 10_000}, semantics={"till": PushSemantics.LIVE}
    )


def received(key: str, channel: str = "till") -> Received:
    delivery = Delivery(dedupe_key=key, topic="sale", reduced={"key": key})
    return Received(channel=channel, delivery=delivery, body=key.encode(), at=1_700_000_000.0)


async def stored_keys(house: House) -> list[str]:
    return [row.dedupe_key for row in await house.rows(tables.deliveries)]


async def test_deliveries_that_come_together_share_a_commit(build: Build) -> None:
    house = await house_with_till(build)
    commits: list[object] = []
    sa.event.listen(house.engine.database._writer.sync_engine, "commit", commits.append)
    inbox = Inbox(house.engine)
    fresh = await asyncio.gather(*(inbox.store(received(f"d{n:02}")) for n in range(50)))
    assert fresh == [True] * 50
    assert await stored_keys(house) == [f"d{n:02}" for n in range(50)]
    assert len(commits) == 1


async def test_those_at_the_door_already_share_the_commit_of_the_first(build: Build) -> None:
    house = await house_with_till(build)
    commits: list[object] = []
    sa.event.listen(house.engine.database._writer.sync_engine, "commit", commits.append)
    inbox = Inbox(house.engine)

    async def store(number: int) -> bool:
        for _ in range(number):  # a socket is read in one turn of the loop, its request in the next
            await asyncio.sleep(0)
        return await inbox.store(received(f"d{number}"))

    assert await asyncio.gather(*map(store, range(4))) == [True] * 4
    assert len(commits) == 1


async def test_each_is_in_the_store_before_it_is_acknowledged(build: Build) -> None:
    house = await house_with_till(build)
    inbox = Inbox(house.engine)

    async def store(key: str) -> bool:
        await inbox.store(received(key))
        return key in await stored_keys(house)

    assert all(await asyncio.gather(*(store(f"d{n}") for n in range(20))))


async def test_one_that_comes_twice_at_once_is_new_once(build: Build) -> None:
    house = await house_with_till(build)
    inbox = Inbox(house.engine)
    fresh = await asyncio.gather(*(inbox.store(received("same")) for _ in range(3)))
    assert sorted(fresh) == [False, False, True]
    assert await inbox.store(received("same")) is False
    assert await stored_keys(house) == ["same"]


async def test_what_the_store_refuses_does_not_keep_its_neighbours_out(build: Build) -> None:
    house = await house_with_till(build)
    inbox = Inbox(house.engine)
    senders = [received("a"), received("b", channel="nobody"), received("c")]
    first, refused, last = await asyncio.gather(
        *(inbox.store(one) for one in senders), return_exceptions=True
    )
    assert (first, last) == (True, True)
    assert isinstance(refused, sa.exc.IntegrityError)
    assert await stored_keys(house) == ["a", "c"]


async def test_a_sender_who_hangs_up_takes_nobody_with_him(build: Build) -> None:
    house = await house_with_till(build)
    inbox = Inbox(house.engine)
    tasks = [asyncio.create_task(inbox.store(received(key))) for key in ("a", "b", "c")]
    await asyncio.sleep(0)
    tasks[1].cancel()
    assert await tasks[0] is True
    assert await tasks[2] is True
    with pytest.raises(asyncio.CancelledError):
        await tasks[1]
    assert await stored_keys(house) == ["a", "b", "c"]


async def test_a_commit_asks_for_the_intake_of_its_channels(build: Build) -> None:
    house = await house_with_till(build)
    async with house.engine.database.write() as tx:
        await tx.execute(sa.delete(tables.work))
    await Inbox(house.engine).store(received("a"))
    async with house.engine.database.read() as connection:
        query = sa.select(tables.work.c.key).where(
            tables.work.c.kind == WorkKind.INTAKE,
            tables.work.c.done_version < tables.work.c.want_version,
        )
        assert (await connection.execute(query)).scalars().all() == ["till"]
