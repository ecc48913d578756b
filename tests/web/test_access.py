"""Security checklist 16: every route is listed, and every role has exactly what the table says."""

from __future__ import annotations

import re
from typing import Any

import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from channelsync.domain.permissions import UNBOUNDED, Permission, Reach, Role, permissions_of
from channelsync.engine.idempotency import Once
from channelsync.web.access import OPEN, SELF, TABLE, Table, UnlistedRoute, require_listed
from channelsync.web.access import routes_of as listed
from channelsync.web.holds_api import HoldsApi
from tests.support.house import Build
from tests.support.signed_in import Door

ENDLESS = {("GET", "/events"), ("GET", "/api/v1/events")}
CLOSED = [(method, path, asked) for (method, path), asked in TABLE.items() if asked is not OPEN]


def concrete(path: str) -> str:
    """A path that the router takes for this one."""
    return re.sub(r"\{\w+(:path)?\}", "7", path)


async def answered(_request: Request) -> Response:
    return Response("in")


async def test_every_route_has_a_line_and_every_line_a_route(build: Build) -> None:
    house = await build(stock={}, quotas={}, semantics={})
    door = Door(house)
    faces: Any = await door.app.faces.open()
    framework = list(listed(faces.routes))
    assert sorted([*listed(door.app.routes), *framework]) == sorted(TABLE)
    # What the framework documents is what answers.
    shortcuts = set(listed(HoldsApi(house.engine, Once(house.engine)).shortcuts()))
    assert ("POST", "/api/v1/holds/{hold_id}/confirm") in shortcuts
    assert shortcuts <= set(framework)


def test_a_route_without_a_line_keeps_the_program_from_starting() -> None:
    forgotten = Starlette(routes=[Route("/api/v1/secrets", answered, methods=["GET"])])
    with pytest.raises(UnlistedRoute, match="GET /api/v1/secrets"):
        require_listed(forgotten.routes, TABLE)


def test_every_path_is_asked_for_by_its_own_line() -> None:
    table = Table()
    wrong = [
        f"{method} {path}"
        for (method, path), asked in TABLE.items()
        if table.asked(method, concrete(path)) is not asked
    ]
    assert wrong == []


@pytest.mark.parametrize(
    ("method", "path", "asked"),
    [
        ("GET", "/nowhere", SELF),
        ("DELETE", "/", SELF),
        ("PUT", "/api/v1/holds", SELF),
        ("GET", "/webhooks/shop", OPEN),
        ("HEAD", "/", Permission.READ),
        ("GET", "/static/page.css", OPEN),
        ("GET", "/staticfiles", SELF),
        ("GET", "/login/x", SELF),
    ],
)
def test_what_no_route_answers_is_refused_to_strangers(
    method: str, path: str, asked: object
) -> None:
    assert Table().asked(method, path) is asked


async def test_a_wrong_method_is_told_the_right_ones(build: Build) -> None:
    door = Door(await build(stock={}, quotas={}, semantics={}))
    async with door.as_user("root", Role.ADMIN) as client:
        for path, methods in (("/api/v1/users/x", "DELETE, PATCH"), ("/api/v1/holds", "GET, POST")):
            answer = await client.put(path, json={})
            assert (answer.status_code, answer.headers["allow"]) == (405, methods)
        strange = await client.get("/api/v1/items?q=%00")
        assert strange.status_code == 400
        assert (await client.get("/api/v1/items/%00")).status_code == 400


async def test_every_role_gets_past_the_gate_where_the_table_says(build: Build) -> None:
    door = Door(await build(stock={}, quotas={}, semantics={}))
    wrong: list[str] = []
    for role in Role:
        async with door.as_user(f"a-{role}", role) as client:
            for method, path, asked in CLOSED:
                if (method, path) in ENDLESS | {("POST", "/logout")}:
                    continue  # these have no end, the other ends the session
                answer = await client.request(method, concrete(path), json={})
                refused = answer.status_code == 403 and "permission" in answer.json()
                allowed = asked is SELF or asked in permissions_of(role)
                if refused is allowed or answer.status_code == 401:
                    wrong.append(f"{role} {method} {path}: {answer.status_code}")
    assert wrong == []


async def test_strangers_get_nowhere(build: Build) -> None:
    door = Door(await build(stock={}, quotas={}, semantics={}))
    await door.add("root", Role.ADMIN)
    async with door.client() as client, door.client("127.0.0.1", "http://localhost") as here:
        for method, path, _ in CLOSED:
            for stranger in (client, here):
                answer = await stranger.request(method, concrete(path), json={})
                assert answer.status_code == 401, (method, path)
                assert answer.headers["www-authenticate"].startswith("Bearer")


async def test_a_bounded_reach_takes_what_is_about_the_whole_house(build: Build) -> None:
    door = Door(await build(stock={}, quotas={}, semantics={}))
    bounded = Reach(channels=frozenset())
    async with door.as_user("half", Role.ADMIN, bounded) as client:
        for method, path, asked in CLOSED:
            if asked in UNBOUNDED:
                answer = await client.request(method, concrete(path), json={})
                assert answer.status_code == 403, (method, path)


@pytest.mark.parametrize(
    "scope", [Permission.READ, Permission.HOLDS_WRITE, Permission.AUDIT_READ, Permission.KEYS_WRITE]
)
async def test_a_key_may_do_what_its_scope_says_and_no_more(
    build: Build, scope: Permission
) -> None:
    door = Door(await build(stock={}, quotas={}, semantics={}))
    async with door.as_key(scope) as client:
        for method, path, asked in CLOSED:
            if (method, path) in ENDLESS:
                continue
            answer = await client.request(method, concrete(path), json={})
            refused = answer.status_code == 403 and "permission" in answer.json()
            assert refused is (asked not in {SELF, scope}), (method, path, answer.status_code)
