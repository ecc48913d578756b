"""What every route of the API keeps, each route tried: keys, the trail, errors, the document."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from typing import Any

import httpx
import pytest
import sqlalchemy as sa

from channelsync.domain.permissions import Role
from channelsync.engine.bookkeeping import verify_books
from channelsync.store import tables
from channelsync.web.access import TABLE
from tests.support.house import House
from tests.support.signed_in import PASSWORD, Door

PLACE = {"sku": "MUG", "location": "dc", "reason": "because"}
SEND = {"sku": "MUG", "source": "dc", "target": "soho", "units": 1, "reason": "because"}
HOLD = {"owner": "cart", "lines": [{"sku": "MUG", "units": 1}]}
USER = {"name": "eve", "password": PASSWORD, "role": "viewer"}
V1 = "/api/v1"

BODIES: Mapping[tuple[str, str], tuple[str, dict[str, Any] | None]] = {
    ("POST", "/items"): ("/items", {"sku": "CUP"}),
    ("PATCH", "/items/{sku:path}"): ("/items/PLATE%2FXL", {"name": "Large plate"}),
    ("POST", "/stock/counts"): ("/stock/counts", PLACE | {"on_hand": 61}),
    ("POST", "/stock/adjustments"): ("/stock/adjustments", PLACE | {"delta": -1}),
    ("POST", "/stock/safety-stock"): ("/stock/safety-stock", PLACE | {"units": 2}),
    ("POST", "/stock/on-order"): ("/stock/on-order", PLACE | {"units": 9}),
    ("POST", "/holds"): ("/holds", HOLD),
    ("POST", "/holds/{hold_id}/extend"): ("/holds/{0}/extend", {"ttl_seconds": 3_600}),
    ("POST", "/holds/{hold_id}/confirm"): ("/holds/{0}/confirm", {"reference": "A-1"}),
    ("POST", "/holds/{hold_id}/ship"): ("/holds/{0}/ship", None),
    ("POST", "/holds/{hold_id}/release"): ("/holds/{1}/release", None),
    ("POST", "/transfers"): ("/transfers", SEND),
    ("POST", "/transfers/{transfer_id}/ship"): ("/transfers/2/ship", {"force": True}),
    ("POST", "/transfers/{transfer_id}/cancel"): ("/transfers/3/cancel", None),
    ("POST", "/transfers/{transfer_id}/receive"): (
        "/transfers/1/receive",
        {"arrived": 1, "reason": "came"},
    ),
    ("POST", "/channels/{channel}/pause"): ("/channels/a/pause", {"reason": "stocktaking"}),
    ("POST", "/channels/{channel}/resume"): ("/channels/a/resume", None),
    ("POST", "/channels/{channel}/look-again"): ("/channels/a/look-again", None),
    ("POST", "/alarms/{number}/acknowledge"): ("/alarms/3/acknowledge", None),
    ("POST", "/dead-letters/{number}/replay"): ("/dead-letters/1/replay", None),
    ("POST", "/dead-letters/{number}/drop"): ("/dead-letters/2/drop", None),
    ("POST", "/endpoints"): ("/endpoints", {"url": "https://erp.example.com/hook"}),
    ("POST", "/endpoints/{endpoint_id}/rotate"): ("/endpoints/{3}/rotate", None),
    ("POST", "/endpoints/{endpoint_id}/enable"): ("/endpoints/{3}/enable", None),
    ("POST", "/endpoints/{endpoint_id}/test"): ("/endpoints/{3}/test", None),
    ("DELETE", "/endpoints/{endpoint_id}"): ("/endpoints/{3}", None),
    ("POST", "/notifications/test"): ("/notifications/test", {"target": "owner"}),
    ("POST", "/users"): ("/users", USER),
    ("PATCH", "/users/{name}"): ("/users/eve", {"role": "operator"}),
    ("DELETE", "/users/{name}"): ("/users/eve", None),
    ("POST", "/keys"): ("/keys", {"name": "till", "scopes": ["read"]}),
    ("DELETE", "/keys/{key_id}"): ("/keys/{2}", None),
}
"""A right request of every unsafe route, in an order in which they fit one after the other."""
WITHOUT_A_TRACE = {("POST", "/plan")}
"""It changes nothing."""


@pytest.fixture
async def admin(busy: House, door: Door) -> AsyncIterator[httpx.AsyncClient]:
    async with door.as_user("root", Role.ADMIN) as client:
        yield client


async def ids(client: httpx.AsyncClient) -> tuple[str, ...]:
    """Two holds, a key and an endpoint, for the routes that want one."""
    holds = [(await client.post(f"{V1}/holds", json=HOLD)).json()["id"] for _ in range(2)]
    key = (await client.post(f"{V1}/keys", json={"name": "x", "scopes": ["read"]})).json()["id"]
    hook = {"url": "https://erp.example.com/other"}
    endpoint = (await client.post(f"{V1}/endpoints", json=hook)).json()["id"]
    return (*holds, key, endpoint)


async def prepare(client: httpx.AsyncClient) -> None:
    """Two transfers that wait for their shipping, for too much of them is on sale."""
    for units in (50, 45):
        made = await client.post(f"{V1}/transfers", json=SEND | {"units": units})
        assert made.json()["state"] == "preparing", made.text


async def entries(house: House) -> int:
    query = sa.select(sa.func.count()).select_from(tables.audit)
    async with house.engine.database.read() as tx:
        return int((await tx.execute(query)).scalar_one())


def test_every_unsafe_route_is_tried_here() -> None:
    unsafe = {
        (method, path.removeprefix(V1))
        for method, path in TABLE
        if method != "GET" and path.startswith(V1)
    }
    assert unsafe == BODIES.keys() | WITHOUT_A_TRACE


async def test_a_repeated_request_is_answered_alike_and_done_and_told_once(
    admin: httpx.AsyncClient, busy: House
) -> None:
    given = await ids(admin)
    for number, ((method, path), (where, body)) in enumerate(BODIES.items()):
        if path == "/transfers/{transfer_id}/ship":
            await prepare(admin)
        key, url = {"idempotency-key": f"key-{number}"}, V1 + where.format(*given)
        before = await entries(busy)
        first = await admin.request(method, url, json=body, headers=key)
        assert first.status_code in {200, 201}, (path, first.text)
        assert await entries(busy) == before + 1, path
        again = await admin.request(method, url, json=body, headers=key)
        assert again.status_code == first.status_code
        hidden = {name: None for name in ("text", "secret") if name in first.json()}
        expected = first.json() | hidden
        assert again.json() == expected
        assert await entries(busy) == before + 1, path
        other = await admin.request(method, f"{url}x", json=body, headers=key)
        if body is not None:
            other = await admin.request(method, url, json=_other(body), headers=key)
            assert other.status_code == 422, path
        assert other.status_code >= 400
        assert await entries(busy) == before + 1, path
    trail = await busy.rows(tables.audit)
    assert {row.actor for row in trail[2:]} == {"user:root"}
    assert all(row.request for row in trail[1:])
    assert PASSWORD not in str(trail)
    assert (await verify_books(busy.engine.database)).ok


def _other(body: dict[str, Any]) -> dict[str, Any]:
    """Another right body of the same route."""
    for name, value in (("reason", "another"), ("name", "another"), ("owner", "another")):
        if name in body:
            return body | {name: value}
    changes = {"role": "viewer", "force": False, "sku": "SAUCER", "ttl_seconds": 1.0}
    changes |= {"target": "boss", "reference": "A-2", "url": "https://erp.example.com/another"}
    name = next(one for one in changes if one in body)
    return body | {name: changes[name]}


async def test_item_17_nothing_unknown_is_taken(admin: httpx.AsyncClient, busy: House) -> None:
    for (method, path), (where, body) in BODIES.items():
        if body is None:
            continue
        url = V1 + where.format(*"wxyz")
        before = await entries(busy)
        answer = await admin.request(method, url, json=body | {"role_": "admin", "id": 7})
        assert answer.status_code == 422, path
        assert "role_" in answer.json()["detail"]
        assert await entries(busy) == before


async def test_item_7_a_body_is_bounded(admin: httpx.AsyncClient) -> None:
    for (method, path), (where, body) in BODIES.items():
        if body is None:
            continue
        url = V1 + where.format(*"wxyz")
        large = b'{"reason": "' + b"x" * 1_048_600 + b'"}'
        answer = await admin.request(method, url, content=large)
        assert answer.status_code == 413, path
        packed = await admin.request(method, url, content=b"x", headers={"content-encoding": "br"})
        assert packed.status_code == 415, path


UNREADABLE = (b"", b"{", b"[" * 100_000, b"\xff\xfe", b'{"delta": NaN}', b"null", b'"x"', b"[]")


async def test_item_29_what_cannot_be_read_is_said_in_general_words(
    admin: httpx.AsyncClient,
) -> None:
    headers = {"content-type": "application/json"}
    for content in UNREADABLE:
        answer = await admin.post(f"{V1}/stock/adjustments", content=content, headers=headers)
        assert answer.status_code in {400, 422}
        assert answer.headers["content-type"] == "application/problem+json"
        assert answer.json()["request_id"] == answer.headers["x-request-id"]
        assert "Traceback" not in answer.text
        assert ".py" not in answer.text


async def test_item_20_who_asks_too_often_is_slowed_down(busy: House) -> None:
    door = Door(busy, {"requests_burst": 3})
    async with door.as_user("root", Role.ADMIN) as client, door.as_user("ada", Role.VIEWER) as ada:
        said = [(await client.get(f"{V1}/me")).status_code for _ in range(4)]
        assert said == [200, 200, 200, 429]
        refused = await client.get(f"{V1}/me")
        assert int(refused.headers["retry-after"]) >= 1
        assert (await ada.get(f"{V1}/me")).status_code == 200


# ------------------------------------------------------------------ the document


async def test_the_document_tells_of_every_route_with_its_errors_and_shapes(
    admin: httpx.AsyncClient,
) -> None:
    document = (await admin.get(f"{V1}/openapi.json")).json()
    told = {
        (method.upper(), path) for path, methods in document["paths"].items() for method in methods
    }
    routes = {
        (method, path.replace(":path}", "}"))
        for method, path in TABLE
        if path.startswith(V1) and path != f"{V1}/openapi.json"
    }
    assert told == routes
    wrong: list[str] = []
    for path, methods in document["paths"].items():
        for method, operation in methods.items():
            wrong += [f"{method} {path}: {what}" for what in _missing(operation)]
    assert wrong == []
    assert document["components"]["schemas"]["ProblemDocument"]["properties"]["request_id"]


def _missing(operation: dict[str, Any]) -> list[str]:
    found = [] if operation.get("description") else ["says nothing"]
    for status in ("400", "401", "403", "404", "409", "412", "413", "415", "422", "429", "503"):
        content = operation["responses"].get(status, {}).get("content", {})
        if "example" not in content.get("application/problem+json", {}):
            found.append(f"no example of {status}")
    answered = [one for status, one in operation["responses"].items() if status in {"200", "201"}]
    shapes = [
        content["schema"]
        for one in answered
        for media, content in one.get("content", {}).items()
        if media == "application/json" and content.get("schema")
    ]
    streams = [one for one in answered if "text/event-stream" in one.get("content", {})]
    if not shapes and not streams:
        found.append("no shape of its answer")
    return found
