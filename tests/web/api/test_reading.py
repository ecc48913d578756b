"""What the API shows: pages without gaps, filters, and nothing out of reach."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import httpx
import pytest

from channelsync.configuration.problems import ConfigurationInvalid
from channelsync.configuration.problems import Problem as Mistake
from channelsync.domain.allocation_rules import Rule
from channelsync.domain.permissions import Permission, Reach, Role
from channelsync.engine.propose import Proposal
from channelsync.engine.stock_desk import StockDesk
from tests.support.house import House, setup_for
from tests.support.signed_in import Door

V1 = "/api/v1"
KEPT = Reach(channels=frozenset({"a"}), locations=frozenset({"dc"}))


@pytest.fixture
async def client(busy: House, door: Door) -> AsyncIterator[httpx.AsyncClient]:
    async with door.as_key(*Permission, days=30) as program:
        yield program


async def got(client: httpx.AsyncClient, path: str, **query: Any) -> Any:
    answer = await client.get(V1 + path, params=query)
    assert answer.status_code == 200, answer.text
    return answer.json()


PAGED = {
    "/items": "sku",
    "/stock": "sku",
    "/listings": "id",
    "/orders": "id",
    "/shortfalls": "id",
    "/movements": "id",
    "/alarms": "id",
    "/audit": "position",
}
FILTERS: tuple[tuple[str, dict[str, str], int], ...] = (
    ("/items", {"q": "mug"}, 1),
    ("/items", {"q": "%"}, 0),
    ("/items", {"q": "/x"}, 1),
    ("/stock", {"sku": "MUG"}, 2),
    ("/stock", {"location": "soho"}, 1),
    ("/listings", {"channel": "a", "sku": "MUG"}, 1),
    ("/listings", {"state": "gone"}, 0),
    ("/orders", {"sku": "MUG"}, 2),
    ("/orders", {"channel": "b"}, 1),
    ("/orders", {"state": "parked"}, 0),
    ("/shortfalls", {"channel": "b", "sku": "BOWL"}, 1),
    ("/movements", {"kind": "sale", "sku": "MUG"}, 2),
    ("/alarms", {"state": "open"}, 3),
    ("/alarms", {"state": "cleared"}, 0),
    ("/drift", {}, 0),
    ("/audit", {"action": "key.create"}, 1),
    ("/audit", {"actor": "user:nobody"}, 0),
)


@pytest.mark.parametrize("limit", [1, 500])
async def test_pages_miss_nothing_and_repeat_nothing(
    client: httpx.AsyncClient, door: Door, limit: int
) -> None:
    await door.keys.create("another", [Permission.READ], actor="test")
    for path, key in PAGED.items():
        whole = (await got(client, path, limit=499))["items"]
        assert len(whole) > 1
        newest_first = path not in {"/items", "/stock", "/listings"}
        keys = [one[key] for one in whole]
        assert keys == sorted(keys, reverse=newest_first)
        assert await all_pages(client, path, limit) == whole, path


async def all_pages(client: httpx.AsyncClient, path: str, limit: int) -> list[Any]:
    seen: list[Any] = []
    after: dict[str, Any] = {}
    for _ in range(100):
        page = await got(client, path, limit=limit, **after)
        seen += page["items"]
        if page["next"] is None:
            break
        after = {"after": page["next"]}
    return seen


async def test_filters_keep_what_is_asked_for(client: httpx.AsyncClient) -> None:
    for path, query, count in FILTERS:
        assert len((await got(client, path, **query))["items"]) == count, (path, query)


async def test_numbers_are_those_of_the_books(client: httpx.AsyncClient, busy: House) -> None:
    [pool] = (await got(client, "/items/MUG"))["pools"]
    assert (pool["on_hand"], pool["reserved"], pool["atp"]) == (100, 4, 96)
    assert {one["location"]: one["on_hand"] for one in pool["locations"]} == {"dc": 60, "soho": 40}
    [a, _] = (await got(client, "/listings", sku="MUG"))["items"]
    assert a["exposure"] == (await busy.exposures("MUG"))["a"]
    assert a["recipe"] == {"MUG": 1}
    why = await got(client, "/allocations/MUG")
    assert why["pools"][0]["rule"] == "default"
    assert why["pools"][0]["trace"]
    assert {one["channel"] for one in why["pools"][0]["listings"]} == {"a", "b"}
    line = (await got(client, "/orders", channel="a"))["items"][0]
    assert (line["ordered"], line["state"]) == (2, "open")
    sold_at = datetime.fromisoformat(line["sold_at"])
    assert sold_at.tzinfo == UTC
    slashed = await got(client, "/items/PLATE%2FXL")
    assert slashed["sku"] == "PLATE/XL"


async def test_what_is_not_there_is_not_found(client: httpx.AsyncClient) -> None:
    for path in (
        "/items/NOPE",
        "/stock/dc/NOPE",
        "/stock/nowhere/MUG",
        "/transfers/7",
        "/channels/c",
        "/allocations/NOPE",
        "/holds/nobody",
    ):
        answer = await client.get(V1 + path)
        assert answer.status_code == 404
        assert answer.json()["detail"]


# ------------------------------------------------------------------ business figures


async def test_business_figures_follow_their_definitions(
    client: httpx.AsyncClient, busy: House
) -> None:
    figures = await got(client, "/metrics")
    assert figures["units_sold"] == 4
    assert figures["units_oversold"] == 3
    assert figures["oversell_ratio"] == 0.75
    assert figures["stockout_ratio"] == 0.0
    assert figures["atp_accuracy_ratio"] == 1.0
    assert figures["stranded_units"] == 0
    assert figures["hold_expiry_ratio"] is None
    assert 0.0 < figures["proof_coverage_ratio"] <= 1.0
    desk = StockDesk(busy.engine.database, busy.engine.environment)
    await desk.create_item("LAMP", actor="test")
    await desk.count("LAMP", "dc", 12, reason="found", actor="test")
    assert (await got(client, "/metrics"))["stranded_units"] == 12
    busy.clock.at += 3 * 86_400
    later = await got(client, "/metrics", days=1)
    assert (later["units_sold"], later["oversell_ratio"]) == (0, None)


# ------------------------------------------------------------------ 16: out of reach


async def test_item_16_what_is_out_of_reach_is_not_there(busy: House, door: Door) -> None:
    async with door.as_user("half", Role.OPERATOR, KEPT) as client:
        for path in ("/channels", "/listings", "/orders", "/shortfalls", "/dead-letters"):
            found = (await got(client, path))["items"]
            assert {one["channel"] for one in found} == {"a"}, path
        assert {one["channel"] for one in (await got(client, "/alarms"))["items"]} == {"a"}
        assert {one["code"] for one in (await got(client, "/locations"))["items"]} == {"dc"}
        assert {one["location"] for one in (await got(client, "/stock"))["items"]} == {"dc"}
        [pool] = (await got(client, "/items/MUG"))["pools"]
        assert pool["on_hand"] == 60
        moved = (await got(client, "/movements", limit=500))["items"]
        assert {one["location"] for one in moved} == {None, "dc"}
        assert {one["channel"] for one in moved} == {None, "a"}
        for path in (
            "/channels/b",
            "/stock/soho/MUG",
            "/listings?channel=b",
            "/stock?location=soho",
        ):
            assert (await client.get(V1 + path)).status_code == 404, path
        for path in ("/allocations/MUG", "/metrics"):
            assert (await client.get(V1 + path)).status_code == 403, path


async def test_item_16_nothing_out_of_reach_is_changed(busy: House, door: Door) -> None:
    place = {"sku": "MUG", "location": "soho", "reason": "x"}
    send = {"sku": "MUG", "source": "dc", "target": "soho", "units": 1, "reason": "x"}
    hold = {"owner": "x", "lines": [{"sku": "MUG", "units": 1}]}
    async with door.as_user("half", Role.OPERATOR, KEPT) as client:
        for path, body, status in (
            ("/stock/counts", place | {"on_hand": 1}, 404),
            ("/stock/adjustments", place | {"delta": 1}, 404),
            ("/stock/safety-stock", place | {"units": 1}, 404),
            ("/stock/on-order", place | {"units": 1}, 404),
            ("/transfers", send, 404),
            ("/channels/b/pause", {}, 404),
            ("/channels/b/resume", None, 404),
            ("/dead-letters/2/replay", None, 404),
            ("/dead-letters/2/drop", None, 404),
            ("/holds", hold, 403),
            ("/holds", hold | {"channel": "b"}, 404),
        ):
            answer = await client.post(V1 + path, json=body)
            assert answer.status_code == status, (path, answer.text)
        assert (await client.post(f"{V1}/dead-letters/1/drop")).status_code == 200
        assert (await client.post(f"{V1}/channels/a/pause", json={})).status_code == 200
    async with door.as_key(*Permission) as whole, door.as_user("half", Role.OPERATOR, KEPT) as half:
        made = (await whole.post(f"{V1}/holds", json=hold)).json()["id"]
        assert (await half.get(f"{V1}/holds/{made}")).status_code == 404
        assert (await half.post(f"{V1}/holds/{made}/release")).status_code == 404
        sent = (await whole.post(f"{V1}/transfers", json=send)).json()["id"]
        assert (await half.get(f"{V1}/transfers/{sent}")).status_code == 404
        assert (await half.post(f"{V1}/transfers/{sent}/cancel")).status_code == 404
        assert (await half.get(f"{V1}/transfers")).json()["items"] == []


# ------------------------------------------------------------------ plans


async def test_a_proposed_configuration_is_planned_and_nothing_is_changed(busy: House) -> None:
    def read(content: bytes) -> Proposal:
        if content == b"wrong":
            raise ConfigurationInvalid([Mistake(file="proposed", message="no such key")])
        rules = {"main": (Rule(name="proposed", quotas={"a": 1_000, "b": 9_000}),)}
        policy = replace(busy.engine.policy, rules=rules)
        return Proposal(setup=setup_for(("a", "b"), ("dc", "soho")), policy=policy)

    door = Door(busy, {"read_proposal": read})
    async with door.as_user("boss", Role.MANAGER) as client:
        now = (await client.post(f"{V1}/plan", json={})).json()
        assert now["pushes"] == 0
        planned = await client.post(f"{V1}/plan", json={"configuration": "x", "skus": ["MUG"]})
        [item] = planned.json()["items"]
        assert item["rule"] == "proposed"
        assert {one["channel"]: one["target"] for one in item["listings"]} == {"a": 10, "b": 86}
        assert planned.json()["pushes"] > 0
        assert planned.json()["by_kind"]
        wrong = await client.post(f"{V1}/plan", json={"configuration": "wrong"})
        assert wrong.status_code == 422
        assert wrong.json()["problems"][0]["message"] == "no such key"
        assert (await client.post(f"{V1}/plan", json={"skus": ["NOPE"]})).status_code == 404
        again = (await client.post(f"{V1}/plan", json={})).json()
        assert [one["rule"] for one in again["items"]] == ["default"] * 3
