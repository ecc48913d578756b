"""The API on PostgreSQL: every read, edits that meet, events in order, one trail for two."""

from __future__ import annotations

import asyncio

from channelsync.domain.permissions import Permission, Role
from channelsync.domain.vocabulary import PushSemantics
from channelsync.engine.bookkeeping import verify_books
from channelsync.engine.events import read_events, sequence
from channelsync.engine.work import WorkKind
from channelsync.store import tables
from tests.support.house import Build, neighbour
from tests.support.signed_in import PASSWORD, Door

V1 = "/api/v1"
CAS = PushSemantics.KEYED_COMPARE_AND_SET
READS = [
    "me",
    "items",
    "items?q=m%25",
    "items/MUG",
    "locations",
    "stock",
    "stock?sku=MUG",
    "stock/dc/MUG",
    "transfers",
    "channels",
    "channels/a",
    "listings",
    "listings?sku=MUG",
    "orders?sku=MUG",
    "orders?state=parked",
    "shortfalls",
    "movements?sku=MUG&location=dc",
    "movements?channel=a",
    "audit?subject=user:root",
    "alarms?state=open",
    "drift",
    "assumptions",
    "allocations/MUG",
    "metrics",
    "holds",
    "dead-letters",
    "users",
    "keys",
    "endpoints",
]
EDIT = {"sku": "MUG", "location": "dc", "reason": "x"}


async def test_everything_is_read_and_edits_of_two_processes_stand_in_one_trail(
    build: Build,
) -> None:
    house = await build(stock={"MUG": {"dc": 60}}, quotas={"a": 5_000}, semantics={"a": CAS})
    handlers = {**house.supervisor.handlers, WorkKind.SEQUENCE: sequence}
    house.supervisor.handlers = handlers
    await house.settle_down(30)
    house.markets["a"].sell("MUG", 2)
    await house.settle_down(600)
    other = neighbour(house, "two-00000002")
    one, two = Door(house), Door(other)
    async with one.as_user("root", Role.ADMIN) as first, two.as_key(*Permission) as second:
        for path in READS:
            answer = await first.get(f"{V1}/{path}")
            assert answer.status_code == 200, (path, answer.text)
        assert (await first.get(f"{V1}/items?q=%00")).status_code == 400
        assert (await first.post(f"{V1}/plan", json={})).status_code == 200
        answers = await asyncio.gather(
            *(
                client.post(f"{V1}/stock/adjustments", json=EDIT | {"delta": 1})
                for client in (first, second) * 6
            )
        )
        assert [answer.status_code for answer in answers] == [200] * 12
        seen = (await first.get(f"{V1}/stock/dc/MUG")).headers["etag"]
        met = await asyncio.gather(
            *(
                client.post(
                    f"{V1}/stock/counts", json=EDIT | {"on_hand": 70}, headers={"if-match": seen}
                )
                for client in (first, second) * 3
            )
        )
        assert sorted(answer.status_code for answer in met) == [200] + [412] * 5
        key = {"idempotency-key": "once"}
        twice = await asyncio.gather(
            *(
                first.post(f"{V1}/stock/adjustments", json=EDIT | {"delta": -5}, headers=key)
                for _ in range(3)
            )
        )
        assert {answer.status_code for answer in twice} <= {200, 409}
    await house.settle_down(5)
    report = await verify_books(house.engine.database)
    assert not report.findings
    assert report.audit.ok
    async with house.engine.database.read() as tx:
        told = await read_events(tx, after=0, limit=1_000)
    assert [event.position for event in told] == list(range(1, len(told) + 1))
    assert told[-1].data["levels"][0]["on_hand"] == 65
    await other.engine.database.close()


async def test_of_two_first_users_at_once_one_is_made(build: Build) -> None:
    house = await build(stock={}, quotas={}, semantics={})
    other = neighbour(house, "two-00000002")
    doors = (Door(house), Door(other))

    async def first(door: Door, name: str) -> object:
        try:
            return await door.users.add(
                name, PASSWORD, Role.ADMIN, actor="test", only_as_first=True
            )
        except Exception as error:  # noqa: BLE001 - which of them is refused is looked at below
            return type(error).__name__

    made = await asyncio.gather(first(doors[0], "ada"), first(doors[1], "bob"))
    assert sum(one == "UserRefused" for one in made) == 1
    assert len(await house.rows(tables.users)) == 1
    await other.engine.database.close()
