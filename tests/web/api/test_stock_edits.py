"""Edits of stock over HTTP: what was seen, what is done, what is refused."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest

from channelsync.domain.permissions import Permission
from channelsync.store import tables
from tests.support.house import House
from tests.support.signed_in import Door

V1 = "/api/v1"
LEVEL = f"{V1}/stock/dc/MUG"
PLACE = {"sku": "MUG", "location": "dc", "reason": "because"}


@pytest.fixture
async def client(house: House, door: Door) -> AsyncIterator[httpx.AsyncClient]:
    async with door.as_key(Permission.READ, Permission.STOCK_WRITE) as program:
        yield program


async def adjust(client: httpx.AsyncClient, delta: int, etag: str | None = None) -> httpx.Response:
    headers = {} if etag is None else {"if-match": etag}
    body: dict[str, Any] = PLACE | {"delta": delta}
    return await client.post(f"{V1}/stock/adjustments", json=body, headers=headers)


async def test_an_edit_of_what_was_seen_is_done_and_of_what_is_no_more_refused(
    client: httpx.AsyncClient,
) -> None:
    seen = (await client.get(LEVEL)).headers["etag"]
    same = await client.get(LEVEL, headers={"if-none-match": seen})
    assert (same.status_code, same.content) == (304, b"")
    done = await adjust(client, -1, seen)
    assert (done.status_code, done.json()["after"]) == (200, 59)
    late = await adjust(client, -1, seen)
    assert late.status_code == 412
    fresh = await client.get(LEVEL)
    assert fresh.json()["on_hand"] == 59
    assert fresh.headers["etag"] == f'"{done.json()["version"]}"'
    assert (await adjust(client, -1, fresh.headers["etag"])).status_code == 200
    assert (await adjust(client, -1, "*")).status_code == 200


async def test_of_many_edits_of_the_same_sight_one_is_done(client: httpx.AsyncClient) -> None:
    seen = (await client.get(LEVEL)).headers["etag"]
    answers = await asyncio.gather(*(adjust(client, -1, seen) for _ in range(8)))
    assert sorted(one.status_code for one in answers) == [200] + [412] * 7
    assert (await client.get(LEVEL)).json()["on_hand"] == 59


async def test_a_count_that_confirms_what_was_there_is_another_version(
    client: httpx.AsyncClient,
) -> None:
    seen = (await client.get(LEVEL)).headers["etag"]
    done = await client.post(f"{V1}/stock/counts", json=PLACE | {"on_hand": 60})
    assert done.json()["before"] == done.json()["after"] == 60
    assert (await client.get(LEVEL)).headers["etag"] != seen


async def test_a_movement_says_whose_key_it_was(client: httpx.AsyncClient, house: House) -> None:
    await adjust(client, -3)
    [key] = await house.rows(tables.api_keys)
    moved = (await house.rows(tables.movements))[-1]
    kinds = [one for one in await house.rows(tables.movements) if one.kind == "adjustment"]
    assert (kinds[-1].actor, kinds[-1].delta, kinds[-1].note) == (f"key:{key.id}", -3, "because")
    assert moved.id >= kinds[-1].id
    await house.require_clean_books()


WRONG: tuple[tuple[str, dict[str, Any], int], ...] = (
    ("adjustments", {"delta": 0}, 422),
    ("adjustments", {"delta": -61}, 422),
    ("adjustments", {"delta": 1.5}, 422),
    ("adjustments", {"delta": 1, "reason": " "}, 422),
    ("adjustments", {"delta": 1, "sku": "MUGG"}, 404),
    ("adjustments", {"delta": 1, "location": "dcc"}, 404),
    ("counts", {"on_hand": -1}, 422),
    ("counts", {"on_hand": 10**12}, 422),
    ("counts", {"on_hand": 1, "counted_at": "2199-01-01T00:00:00Z"}, 422),
    ("counts", {"on_hand": 1, "counted_at": "2023-11-14T22:00:00"}, 422),
    ("counts", {"on_hand": 1, "counted_at": "0001-01-01T00:00:00Z"}, 422),
    ("safety-stock", {"units": -1}, 422),
    ("on-order", {"units": "7"}, 422),
)


async def test_an_edit_that_makes_no_sense_is_refused_with_the_reason(
    client: httpx.AsyncClient, house: House
) -> None:
    before = await house.rows(tables.movements)
    for path, change, status in WRONG:
        answer = await client.post(f"{V1}/stock/{path}", json=PLACE | change)
        assert answer.status_code == status, (change, answer.text)
        assert answer.json()["detail"]
    assert await house.rows(tables.movements) == before


async def test_a_transfer_goes_from_one_place_to_the_other(
    client: httpx.AsyncClient, house: House
) -> None:
    wanted = {"sku": "MUG", "source": "dc", "target": "soho", "units": 5, "reason": "weekend"}
    begun = await client.post(f"{V1}/transfers", json=wanted)
    assert begun.status_code == 201
    where = f"{V1}/transfers/{begun.json()['id']}"
    assert begun.json()["state"] == "in_transit"
    assert (await client.post(f"{where}/cancel")).status_code == 409
    arrival = {"arrived": 4, "written_off": {"lost": 1}, "reason": "one fell off"}
    done = await client.post(f"{where}/receive", json=arrival)
    assert (done.json()["state"], done.json()["differences"]) == ("received", {"lost": 1})
    assert (await client.get(f"{V1}/transfers")).json()["items"] == []
    [listed] = (await client.get(f"{V1}/transfers?state=all")).json()["items"]
    assert listed == done.json()
    assert (await client.get(f"{V1}/stock/soho/MUG")).json()["on_hand"] == 44
    await house.require_clean_books()


async def test_a_refused_step_leaves_no_trace(client: httpx.AsyncClient, house: House) -> None:
    wanted = {"sku": "MUG", "source": "dc", "target": "soho", "units": 61, "reason": "x"}
    assert (await client.post(f"{V1}/transfers", json=wanted)).status_code == 422
    assert (await client.post(f"{V1}/items", json={"sku": "MUG"})).status_code == 409
    assert await house.rows(tables.transfers) == []
    actions = [row.action for row in await house.rows(tables.audit)]
    assert actions == ["key.create"]
