"""Holds over HTTP: all of the stock, none of it twice."""

from __future__ import annotations

import asyncio
from collections import Counter
from typing import Any

import pytest
import sqlalchemy as sa

from channelsync.domain.vocabulary import PushSemantics
from channelsync.engine.discover import discover
from channelsync.engine.expire import expire
from channelsync.engine.work import WorkKind
from channelsync.store import tables
from tests.support.house import Build, House
from tests.web.conftest import Client

CAS = PushSemantics.KEYED_COMPARE_AND_SET
LIVE = PushSemantics.LIVE


async def quiet_house(build: Build, units: int) -> House:
    """Stock that no channel claims."""
    return await build(stock={"MUG": units}, quotas={}, semantics={})


def cart(owner: str = "cart-1", units: int = 1, **more: Any) -> dict[str, Any]:
    return {"owner": owner, "lines": [{"sku": "MUG", "units": units}], **more}


async def reserved(house: House) -> int:
    query = sa.select(sa.func.sum(tables.stock.c.reserved))
    async with house.engine.database.read() as connection:
        return int((await connection.execute(query)).scalar_one())


async def run_expiry(house: House) -> None:
    house.supervisor.handlers = {**house.supervisor.handlers, WorkKind.EXPIRE: expire}
    await house.settle_down()


@pytest.mark.parametrize("units", [1, 50])
async def test_of_200_holds_at_once_exactly_the_stock_succeeds(
    build: Build, visit: Client, units: int
) -> None:
    house = await quiet_house(build, units)
    client = await visit(house, served=True)
    answers = await asyncio.gather(
        *(client.post("/api/v1/holds", json=cart(f"cart-{number}")) for number in range(200))
    )
    assert Counter(answer.status_code for answer in answers) == {201: units, 409: 200 - units}
    assert await reserved(house) == units
    await house.require_clean_books()


async def test_a_hold_takes_what_no_channel_may_sell(build: Build, visit: Client) -> None:
    house = await build(stock={"MUG": 10}, quotas={"a": 6_000}, semantics={"a": CAS})
    await house.settle_down(60)
    client = await visit(house)
    refused = await client.post("/api/v1/holds", json=cart(units=5))
    assert refused.status_code == 409
    assert refused.headers["content-type"] == "application/problem+json"
    assert refused.json()["available"] == 4
    assert refused.json()["sku"] == "MUG"
    held = await client.post("/api/v1/holds", json=cart(units=4))
    assert held.status_code == 201
    await house.settle_down(600)
    assert house.markets["a"].counters["MUG"] <= 6
    await house.require_clean_books()


async def test_nothing_is_held_while_a_listing_is_unsettled(build: Build, visit: Client) -> None:
    house = await build(stock={"MUG": 10}, quotas={"a": 5_000}, semantics={"a": CAS})
    house.supervisor.handlers = {WorkKind.DISCOVER: discover}
    await house.settle_down()
    assert await house.exposures("MUG") == {"a": None}
    client = await visit(house)
    assert (await client.post("/api/v1/holds", json=cart())).status_code == 409
    assert await reserved(house) == 0


async def test_a_live_channels_hold_draws_its_own_slice_first(build: Build, visit: Client) -> None:
    house = await build(
        stock={"MUG": 10}, quotas={"shop": 5_000, "a": 5_000}, semantics={"shop": LIVE, "a": CAS}
    )
    await house.settle_down(120)
    assert await house.exposures("MUG") == {"a": 5, "shop": 5}
    client = await visit(house)
    assert (await client.post("/api/v1/holds", json=cart())).status_code == 409
    held = await client.post("/api/v1/holds", json=cart(units=3, channel="shop"))
    assert held.status_code == 201
    assert await house.exposures("MUG") == {"a": 5, "shop": 2}
    refused = await client.post("/api/v1/holds", json=cart(units=3, channel="shop"))
    assert refused.json()["available"] == 2
    await house.require_clean_books()


async def test_a_shopper_is_not_blocked_by_his_own_hold(build: Build, visit: Client) -> None:
    house = await quiet_house(build, 5)
    client = await visit(house)
    first = (await client.post("/api/v1/holds", json=cart(units=4))).json()
    assert (await client.post("/api/v1/holds", json=cart(units=5))).status_code == 409
    stolen = await client.post("/api/v1/holds", json=cart("cart-2", 5, replaces=first["id"]))
    assert stolen.status_code == 422
    assert await reserved(house) == 4
    second = await client.post("/api/v1/holds", json=cart(units=5, replaces=first["id"]))
    assert second.status_code == 201
    assert (await client.get(f"/api/v1/holds/{first['id']}")).json()["state"] == "released"
    assert await reserved(house) == 5
    await house.require_clean_books()


async def test_a_refused_replacement_leaves_the_old_hold_as_it_was(
    build: Build, visit: Client
) -> None:
    house = await quiet_house(build, 5)
    client = await visit(house)
    first = (await client.post("/api/v1/holds", json=cart(units=4))).json()
    refused = await client.post("/api/v1/holds", json=cart(units=6, replaces=first["id"]))
    assert refused.status_code == 409
    assert refused.json()["available"] == 5
    assert (await client.get(f"/api/v1/holds/{first['id']}")).json()["state"] == "active"
    assert await reserved(house) == 4
    await house.require_clean_books()


async def test_a_hold_runs_out_and_its_units_come_back(build: Build, visit: Client) -> None:
    house = await quiet_house(build, 5)
    client = await visit(house)
    held = (await client.post("/api/v1/holds", json=cart(units=5, ttl_seconds=60))).json()
    await run_expiry(house)
    assert await reserved(house) == 5
    house.clock.at += 61
    await run_expiry(house)
    assert await reserved(house) == 0
    gone = (await client.get(f"/api/v1/holds/{held['id']}")).json()
    assert gone["state"] == "expired"
    assert gone["ended_at"] is not None
    await house.require_clean_books()


async def test_confirm_and_expiry_exclude_each_other(build: Build, visit: Client) -> None:
    house = await quiet_house(build, 5)
    client = await visit(house)
    kept = (await client.post("/api/v1/holds", json=cart(units=2, ttl_seconds=60))).json()
    late = (await client.post("/api/v1/holds", json=cart(units=2, ttl_seconds=60))).json()
    confirmed = await client.post(f"/api/v1/holds/{kept['id']}/confirm", json={"reference": "A-1"})
    assert confirmed.json()["state"] == "confirmed"
    house.clock.at += 61
    # Its time is over, whether or not the clean-up has run.
    refused = await client.post(f"/api/v1/holds/{late['id']}/confirm", json={"reference": "A-2"})
    assert refused.status_code == 409
    assert "over" in refused.json()["detail"]
    await run_expiry(house)
    assert (await client.get(f"/api/v1/holds/{kept['id']}")).json()["state"] == "confirmed"
    assert (await client.get(f"/api/v1/holds/{late['id']}")).json()["state"] == "expired"
    assert await reserved(house) == 2
    again = await client.post(f"/api/v1/holds/{kept['id']}/confirm", json={"reference": "A-1"})
    assert again.status_code == 409
    await house.require_clean_books()


async def test_an_extended_hold_outlives_its_first_end(build: Build, visit: Client) -> None:
    house = await quiet_house(build, 5)
    client = await visit(house)
    held = (await client.post("/api/v1/holds", json=cart(units=5, ttl_seconds=60))).json()
    house.clock.at += 50
    longer = await client.post(f"/api/v1/holds/{held['id']}/extend", json={"ttl_seconds": 60})
    assert longer.json()["expires_at"] > held["expires_at"]
    shorter = await client.post(f"/api/v1/holds/{held['id']}/extend", json={"ttl_seconds": 1})
    assert shorter.json()["expires_at"] == longer.json()["expires_at"]
    house.clock.at += 20
    await run_expiry(house)
    assert await reserved(house) == 5
    house.clock.at += 60
    await run_expiry(house)
    assert await reserved(house) == 0


async def test_a_confirmed_hold_ships_once(build: Build, visit: Client) -> None:
    house = await quiet_house(build, 5)
    client = await visit(house)
    held = (await client.post("/api/v1/holds", json=cart(units=2))).json()
    path = f"/api/v1/holds/{held['id']}"
    assert (await client.post(f"{path}/ship")).status_code == 409
    await client.post(f"{path}/confirm", json={"reference": "A-1"})
    assert (await client.post(f"{path}/ship")).status_code == 200
    assert (await client.post(f"{path}/ship")).status_code == 409
    assert (await client.post(f"{path}/release")).status_code == 409
    (level,) = await house.rows(tables.stock)
    assert (level.on_hand, level.reserved) == (3, 0)
    await house.require_clean_books()


async def test_a_hold_is_released_once(build: Build, visit: Client) -> None:
    house = await quiet_house(build, 5)
    client = await visit(house)
    held = (await client.post("/api/v1/holds", json=cart(units=2))).json()
    path = f"/api/v1/holds/{held['id']}/release"
    answers = [await client.post(path) for _ in range(2)]
    assert [answer.status_code for answer in answers] == [200, 409]
    assert await reserved(house) == 0
    await house.require_clean_books()


async def test_the_same_key_and_request_are_answered_alike(build: Build, visit: Client) -> None:
    house = await quiet_house(build, 5)
    client = await visit(house)
    key = {"idempotency-key": "order-77"}
    first = await client.post("/api/v1/holds", json=cart(units=2), headers=key)
    again = await client.post("/api/v1/holds", json=cart(units=2), headers=key)
    assert (first.status_code, first.json()) == (again.status_code, again.json())
    assert await reserved(house) == 2
    other = await client.post("/api/v1/holds", json=cart(units=1), headers=key)
    assert other.status_code == 422
    assert await reserved(house) == 2


async def test_a_refusal_is_repeated_for_its_key_even_once_there_is_stock(
    build: Build, visit: Client
) -> None:
    house = await quiet_house(build, 2)
    client = await visit(house)
    held = (await client.post("/api/v1/holds", json=cart(units=2))).json()
    key = {"idempotency-key": "order-78"}
    refused = await client.post("/api/v1/holds", json=cart(units=1), headers=key)
    await client.post(f"/api/v1/holds/{held['id']}/release")
    again = await client.post("/api/v1/holds", json=cart(units=1), headers=key)
    assert (refused.status_code, again.status_code) == (409, 409)
    assert await reserved(house) == 0


async def test_a_key_in_flight_is_held_off(build: Build, visit: Client) -> None:
    house = await quiet_house(build, 50)
    client = await visit(house, served=True)
    key = {"idempotency-key": "order-79"}
    async with house.engine.database.write():
        # Over two connections: either may come first.
        both = [
            asyncio.create_task(client.post("/api/v1/holds", json=cart(), headers=key))
            for _ in range(2)
        ]
        refused, held = await asyncio.wait(both, return_when=asyncio.FIRST_COMPLETED)
        assert [one.result().status_code for one in refused] == [409]
    assert [(await one).status_code for one in held] == [201]
    assert await reserved(house) == 1


@pytest.mark.parametrize(
    ("body", "words"),
    [
        ({"owner": "x", "lines": []}, "lines"),
        ({"owner": "x", "lines": [{"sku": "MUG", "units": 0}]}, "units"),
        ({"owner": "x", "lines": [{"sku": "MUG", "units": 1.5}]}, "units"),
        ({"owner": "x", "lines": [{"sku": "MUG", "units": 1}] * 2}, "two lines"),
        ({"owner": "x", "lines": [{"sku": "MUG", "units": 1}], "extra": 1}, "extra"),
        ({"owner": "x", "lines": [{"sku": "MUGG", "units": 1}]}, "MUG"),
        ({"owner": "x", "lines": [{"sku": "MUG", "units": 1}], "channel": "none"}, "channel"),
        ([], "body"),
    ],
)
async def test_a_wrong_request_is_told_where_and_what(
    build: Build, visit: Client, body: Any, words: str
) -> None:
    house = await quiet_house(build, 5)
    client = await visit(house)
    answer = await client.post("/api/v1/holds", json=body)
    assert answer.status_code == 422
    assert answer.headers["content-type"] == "application/problem+json"
    assert words in answer.json()["detail"]
    assert await reserved(house) == 0


async def test_an_unknown_hold_is_not_found(build: Build, visit: Client) -> None:
    client = await visit(await quiet_house(build, 5))
    assert (await client.get("/api/v1/holds/nobody")).status_code == 404
    assert (await client.post("/api/v1/holds/nobody/release")).status_code == 404
