"""Signing in, sessions, keys: the security checklist, item by item."""

from __future__ import annotations

import re
from typing import Any

import pytest
import sqlalchemy as sa
from argon2.profiles import RFC_9106_LOW_MEMORY

from channelsync.domain.permissions import Permission, Reach, Role
from channelsync.engine.bookkeeping import verify_books
from channelsync.engine.identity import IDLE_SECONDS, SESSION_SECONDS
from channelsync.engine.identity_errors import KeyRefused, UserRefused
from channelsync.security.passwords import Passwords, PasswordTooWeak, require_strong
from channelsync.security.tokens import csrf_token
from channelsync.store import tables
from channelsync.web.gate import COOKIE, SECURE_COOKIE
from tests.support.house import Build, House
from tests.support.signed_in import ADDRESS, PASSWORD, SET_UP, Door, sign_in

READ = "/api/v1/openapi.json"
WRITE = "/api/v1/holds"
OWN = {"origin": ADDRESS}


@pytest.fixture
async def house(build: Build) -> House:
    return await build(stock={"MUG": 5}, quotas={}, semantics={})


@pytest.fixture
def door(house: House) -> Door:
    return Door(house)


def first(**changes: str) -> dict[str, str]:
    return {"token": SET_UP, "name": "ada", "password": PASSWORD, "again": PASSWORD} | changes


# ------------------------------------------------------------------ 9: the first user


async def test_item_9_the_set_up_link_makes_one_admin_and_dies(door: Door) -> None:
    async with door.client() as client:
        shown = await client.get(f"/setup?token={SET_UP}")
        assert shown.status_code == 200
        assert SET_UP in shown.text
        done = await client.post("/setup", data=first(), headers=OWN)
        assert (done.status_code, done.headers["location"]) == (303, "/")
        assert (await client.get("/")).status_code == 200
    async with door.client() as client:
        assert (await client.get(f"/setup?token={SET_UP}")).status_code == 404
        assert (await client.post("/setup", data=first(name="eve"), headers=OWN)).status_code == 404
    [user] = await door.house.rows(tables.users)
    assert (user.name, user.role) == ("ada", Role.ADMIN)


@pytest.mark.parametrize("token", ["", "the-lin", "the-linkk", "\u00e9"])
async def test_item_9_without_the_link_nobody_is_made(door: Door, token: str) -> None:
    async with door.client() as client:
        assert (await client.get("/setup", params={"token": token})).status_code == 404
        answer = await client.post("/setup", data=first(token=token), headers=OWN)
        assert answer.status_code == 404
    assert await door.house.rows(tables.users) == []


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"password": "short", "again": "short"}, "too short"),
        ({"again": "another horse battery"}, "differ"),
        ({"name": "a b"}, "name is"),
        ({"password": "aaaaaaaaaaaaaa", "again": "aaaaaaaaaaaaaa"}, "repeats itself"),
    ],
)
async def test_item_9_what_is_wrong_with_the_first_user_is_said(
    door: Door, changes: dict[str, str], words: str
) -> None:
    async with door.client() as client:
        answer = await client.post("/setup", data=first(**changes), headers=OWN)
    assert answer.status_code == 422
    assert words in answer.text
    assert PASSWORD not in answer.text
    assert await door.house.rows(tables.users) == []


async def test_item_9_there_is_no_default_account_and_no_link_unless_told(house: House) -> None:
    door = Door(house, {"setup_token": None})
    async with door.client() as client:
        assert (await client.get("/setup?token=")).status_code == 404
        assert (await sign_in(client, "admin", "admin")).status_code == 401


def test_item_9_passwords_are_argon2id_as_the_rfc_asks() -> None:
    hasher = Passwords().hasher
    assert (hasher.time_cost, hasher.memory_cost, hasher.parallelism) == (3, 65_536, 4)
    assert RFC_9106_LOW_MEMORY.type.name == "ID"


@pytest.mark.parametrize(
    "password", ["elevenchars", "x" * 257, "ada lovelace!", "my password 123", "channelsync123"]
)
def test_item_9_weak_passwords_are_refused(password: str) -> None:
    with pytest.raises(PasswordTooWeak):
        require_strong(password, "ada")


async def test_item_9_old_parameters_are_renewed_at_sign_in(door: Door) -> None:
    await door.add("ada", Role.VIEWER)
    before = {row.name: row.password_hash for row in await door.house.rows(tables.users)}
    stronger = Door(door.house)
    stronger.passwords.hasher = type(stronger.passwords.hasher)(
        time_cost=2, memory_cost=8, parallelism=1
    )
    async with stronger.client() as client:
        assert (await sign_in(client, "ada")).status_code == 303
        assert (await sign_in(client, "ada")).status_code == 303
    after = {row.name: row.password_hash for row in await door.house.rows(tables.users)}
    assert after["root"] == before["root"]
    assert "t=2" in after["ada"]


# ------------------------------------------------------------------ 12: sessions


async def test_item_12_a_sessions_cookie_is_out_of_reach_of_scripts_and_other_sites(
    door: Door,
) -> None:
    await door.add("ada", Role.VIEWER)
    async with door.client() as client:
        plain = (await sign_in(client, "ada")).headers["set-cookie"]
    async with door.client(base_url="https://stock.example") as client:
        secure = (await sign_in(client, "ada")).headers["set-cookie"]
    for cookie in (plain, secure):
        assert {"HttpOnly", "Path=/", "SameSite=lax"} <= set(re.split("; ?", cookie))
        assert "Domain" not in cookie
    assert plain.startswith(f"{COOKIE}=")
    assert "Secure" not in plain
    assert secure.startswith(f"{SECURE_COOKIE}=")
    assert "Secure" in secure


async def test_item_12_the_store_keeps_nothing_that_lets_anybody_in(door: Door) -> None:
    async with door.as_user("ada", Role.VIEWER) as client, door.as_key(Permission.READ) as program:
        token, key = client.cookies[COOKIE], program.headers["authorization"].split()[1]
        kept = ""
        for table in (tables.users, tables.sessions, tables.api_keys, tables.audit):
            kept += "".join(str(tuple(row)) for row in await door.house.rows(table))
    for secret in (token, key, key.split("_", 2)[2], PASSWORD):
        assert secret not in kept


async def test_item_12_every_sign_in_makes_a_new_session_and_ends_the_old(door: Door) -> None:
    async with door.as_user("ada", Role.VIEWER) as client:
        old = client.cookies[COOKIE]
        await sign_in(client, "ada")
        assert client.cookies[COOKIE] != old
        assert (await client.get(READ)).status_code == 200
        client.cookies.set(COOKIE, old, domain="stock.example")
        client.cookies = type(client.cookies)({COOKIE: old})
        assert (await client.get(READ)).status_code == 401


async def test_item_12_a_session_ends_when_idle_and_in_any_case(door: Door) -> None:
    clock = door.house.clock
    async with door.as_user("ada", Role.VIEWER) as client:
        for _ in range(3):
            clock.at += IDLE_SECONDS - 100
            assert (await client.get(READ)).status_code == 200
        clock.at += IDLE_SECONDS + 1
        assert (await client.get(READ)).status_code == 401
    async with door.as_user("ada", Role.VIEWER) as client:
        for _ in range(int(SESSION_SECONDS / IDLE_SECONDS * 2) - 1):
            clock.at += IDLE_SECONDS / 2
            assert (await client.get(READ)).status_code == 200
        clock.at += IDLE_SECONDS / 2
        assert (await client.get(READ)).status_code == 401


async def test_item_12_signing_out_ends_the_session_everywhere(door: Door) -> None:
    async with door.as_user("ada", Role.VIEWER) as client:
        token = client.cookies[COOKIE]
        assert (await client.post("/logout")).status_code == 303
        assert COOKIE not in client.cookies
        client.cookies.set(COOKIE, token)
        assert (await client.get(READ)).status_code == 401
    assert await door.house.rows(tables.sessions) == []


async def test_item_12_who_is_removed_or_changed_is_out_at_once(door: Door) -> None:
    async with door.as_user("ada", Role.OPERATOR) as client:
        await door.users.change("ada", actor="test", role=Role.VIEWER)
        assert (await client.get(READ)).status_code == 401
        assert (await sign_in(client, "ada")).status_code == 303
        assert (await client.get(READ)).status_code == 200
        await door.users.remove("ada", actor="test")
        assert (await client.get(READ)).status_code == 401
        assert (await sign_in(client, "ada")).status_code == 401


async def test_item_12_over_tls_a_cookie_that_a_neighbour_can_set_does_not_count(
    door: Door,
) -> None:
    async with door.as_user("ada", Role.VIEWER) as client:
        token = client.cookies[COOKIE]
    async with door.client(base_url="https://stock.example") as client:
        client.cookies.set(COOKIE, token)
        assert (await client.get(READ)).status_code == 401
        client.cookies.set(SECURE_COOKIE, token)
        assert (await client.get(READ)).status_code == 200


# ------------------------------------------------------------------ 13: forged requests


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"x-csrf-token": ""},
        {"x-csrf-token": "0" * 64},
        {"sec-fetch-site": "cross-site"},
        {"sec-fetch-site": "same-site"},
        {"origin": "http://evil.example"},
        {"origin": "null"},
    ],
)
async def test_item_13_a_forged_request_changes_nothing(
    door: Door, headers: dict[str, str]
) -> None:
    cart = {"owner": "x", "lines": [{"sku": "MUG", "units": 1}]}
    async with door.as_user("ada", Role.OPERATOR) as client:
        right = client.headers.pop("x-csrf-token")
        if "x-csrf-token" not in headers and headers:
            headers = {**headers, "x-csrf-token": right}
        answer = await client.post(WRITE, json=cart, headers=headers)
        assert answer.status_code == 403
        assert await door.house.rows(tables.holds) == []
        right_headers = {"x-csrf-token": right, "sec-fetch-site": "same-origin"}
        assert (await client.post(WRITE, json=cart, headers=right_headers)).status_code == 201


async def test_item_13_a_form_bears_the_token_as_a_field(door: Door) -> None:
    async with door.as_user("ada", Role.VIEWER) as client:
        token = client.headers.pop("x-csrf-token")
        assert (await client.post("/logout", data={"csrf_token": "0" * 64})).status_code == 403
        assert (await client.post("/logout", data={"csrf_token": token})).status_code == 303


async def test_item_13_another_sessions_token_does_not_help(door: Door) -> None:
    async with door.as_user("ada", Role.OPERATOR) as one, door.as_user("bob", Role.OPERATOR) as two:
        headers = {"x-csrf-token": one.headers["x-csrf-token"]}
        assert (await two.post(WRITE, json={}, headers=headers)).status_code == 403


@pytest.mark.parametrize("path", ["/login", "/setup"])
async def test_item_13_nobody_is_signed_in_from_another_site(door: Door, path: str) -> None:
    async with door.client() as client:
        for headers in ({"origin": "http://evil.example"}, {"sec-fetch-site": "cross-site"}):
            answer = await client.post(path, data=first(), headers=headers)
            assert answer.status_code == 403
    assert await door.house.rows(tables.users) == []


@pytest.mark.parametrize(
    ("goal", "location"),
    [
        ("/channels?x=1", "/channels?x=1"),
        ("//evil.example", "/"),
        ("/\\evil.example", "/"),
        ("https://evil.example/", "/"),
        ("javascript:alert(1)", "/"),
        ("/\r\nset-cookie: a=b", "/"),
        ("", "/"),
    ],
)
async def test_item_13_nobody_is_sent_elsewhere_by_signing_in(
    door: Door, goal: str, location: str
) -> None:
    await door.add("ada", Role.VIEWER)
    async with door.client() as client:
        answer = await sign_in(client, "ada", next=goal)
    assert answer.headers["location"] == location


# ------------------------------------------------------------------ 20: guessing


async def test_item_20_guessing_a_password_is_slowed_down(door: Door) -> None:
    await door.add("ada", Role.VIEWER)
    async with door.client() as client:
        said = [(await sign_in(client, "ada", f"guess number {n}")).status_code for n in range(7)]
        assert said == [401] * 5 + [429] * 2
        refused = await sign_in(client, "ada")
        assert refused.status_code == 429
        assert int(refused.headers["retry-after"]) > 0
        elsewhere = {"x-forwarded-for": "10.0.0.1", "forwarded": "for=10.0.0.1"}
        form = {"name": "ada", "password": PASSWORD}
        spoofed = await client.post("/login", data=form, headers=elsewhere | OWN)
        assert spoofed.status_code == 429
    async with door.client("198.51.100.7") as client:
        assert (await sign_in(client, "ada")).status_code == 303
    door.house.clock.at += 60
    async with door.client() as client:
        assert (await sign_in(client, "ada")).status_code == 303


async def test_item_20_many_addresses_do_not_help_either(door: Door) -> None:
    await door.add("ada", Role.VIEWER)
    said = []
    for number in range(110):
        async with door.client(f"198.51.100.{number}") as client:
            said.append((await sign_in(client, "ada", "a wrong password?")).status_code)
    assert said[-10:] == [429] * 10


async def test_item_20_who_is_here_cannot_be_asked(door: Door) -> None:
    await door.add("ada", Role.VIEWER)
    async with door.client() as client:
        known = await sign_in(client, "ada", "a wrong one, surely")
        unknown = await sign_in(client, "eve", "a wrong one, surely")
    assert known.status_code == unknown.status_code == 401
    assert known.text.replace("ada", "…") == unknown.text.replace("eve", "…")


# ------------------------------------------------------------------ 11: keys


async def test_item_11_a_key_lets_in_until_it_ends(door: Door) -> None:
    async with door.as_key(Permission.READ, days=2) as client:
        assert (await client.get(READ)).status_code == 200
        door.house.clock.at += 2 * 86_400
        assert (await client.get(READ)).status_code == 401
    async with door.as_key(Permission.READ) as client:
        [_, key] = sorted(await door.house.rows(tables.api_keys), key=lambda one: one.created_at)
        await door.keys.revoke(key.id, actor="test")
        assert (await client.get(READ)).status_code == 401
        with pytest.raises(KeyRefused):
            await door.keys.revoke(key.id, actor="test")


async def test_item_11_a_key_that_is_nearly_right_is_wrong(door: Door) -> None:
    async with door.as_key(Permission.READ) as client:
        right = client.headers["authorization"].removeprefix("Bearer ")
        other = "A" if right[-1] != "A" else "B"
        wrong = [right[:-1], right + "A", right[:-1] + other, right.replace("csk_", "csk-", 1)]
        wrong += ["", "csk_", "x" * 5_000, right.split("_")[1], "\u00e9", right.upper()]
        for text in wrong:
            headers = {b"authorization": f"Bearer {text}".encode()}
            assert (await client.get(READ, headers=headers)).status_code == 401, text
        for kind in ("Basic", "Token", ""):
            headers = {b"authorization": f"{kind} {right}".encode()}
            assert (await client.get(READ, headers=headers)).status_code == 401
        assert (await client.get(READ)).status_code == 200


async def test_item_11_a_wrong_key_is_not_overlooked_for_a_cookie(door: Door) -> None:
    async with door.as_user("ada", Role.ADMIN) as client:
        answer = await client.get(READ, headers={"authorization": "Bearer nonsense"})
        assert answer.status_code == 401


async def test_item_11_a_key_works_before_anybody_can_sign_in_and_needs_no_page(
    door: Door,
) -> None:
    cart = {"owner": "x", "lines": [{"sku": "MUG", "units": 1}]}
    async with door.as_key(Permission.HOLDS_WRITE) as client, door.client() as stranger:
        assert (await client.post(WRITE, json=cart)).status_code == 201
        assert (await stranger.get(READ)).status_code == 403
        used = [row.used_at for row in await door.house.rows(tables.api_keys)]
        assert used[0] == pytest.approx(door.house.clock.at, abs=1)


@pytest.mark.parametrize(
    "given",
    [
        {"name": " "},
        {"name": "x" * 65},
        {"scopes": ()},
        {"days": 0},
        {"days": 1e9},
        {"scopes": (Permission.AUDIT_READ,), "reach": Reach(channels=frozenset())},
    ],
)
async def test_item_11_a_key_without_bounds_is_not_made(door: Door, given: dict[str, Any]) -> None:
    wanted = {"name": "till", "scopes": (Permission.READ,)} | given
    with pytest.raises(KeyRefused):
        await door.keys.create(actor="test", **wanted)


# ------------------------------------------------------------------ who is left


async def test_somebody_who_administrates_is_always_left(door: Door) -> None:
    with pytest.raises(UserRefused, match="first user"):
        await door.users.add("ada", PASSWORD, Role.VIEWER, actor="test")
    await door.users.add("ada", PASSWORD, Role.ADMIN, actor="test")
    for change in ({"role": Role.MANAGER}, {"reach": Reach(channels=frozenset())}):
        with pytest.raises(UserRefused, match="last admin"):
            await door.users.change("ada", actor="test", **change)
    with pytest.raises(UserRefused, match="last admin"):
        await door.users.remove("ada", actor="test")
    await door.users.add("bob", PASSWORD, Role.ADMIN, actor="test")
    await door.users.remove("ada", actor="test")
    await door.users.add("ada", PASSWORD, Role.VIEWER, actor="test")
    with pytest.raises(UserRefused, match="already"):
        await door.users.add("ADA", PASSWORD, Role.VIEWER, actor="test")
    kept = Reach(channels=frozenset({"nowhere"}))
    with pytest.raises(UserRefused, match="no channel 'nowhere'"):
        await door.users.add("eve", PASSWORD, Role.VIEWER, actor="test", reach=kept)


# ------------------------------------------------------------------ 27, 28, 30


async def test_items_27_and_28_who_came_and_went_is_in_the_trail(door: Door) -> None:
    async with door.as_user("ada", Role.VIEWER) as client:
        await client.post("/logout")
    await door.users.change("ada", actor="user:root", role=Role.OPERATOR)
    trail = [(row.action, row.subject) for row in await door.house.rows(tables.audit)]
    assert trail == [
        ("user.add", "user:root"),
        ("user.add", "user:ada"),
        ("session.begin", "user:ada"),
        ("session.end", "user:ada"),
        ("user.change", "user:ada"),
    ]
    change = (await door.house.rows(tables.audit))[-1]
    assert '"role":"viewer"' in change.before
    assert '"role":"operator"' in change.after
    assert (await verify_books(door.house.engine.database)).audit.entries == 5


async def test_item_30_where_identity_cannot_be_told_nobody_is_let_in(door: Door) -> None:
    async with door.as_user("ada", Role.ADMIN) as client:
        async with door.house.engine.database.write() as tx:
            await tx.execute(sa.text("DROP TABLE sessions"))
        answer = await client.get(READ)
    assert answer.status_code >= 500
    assert "paths" not in answer.text


async def test_item_13_a_token_is_worth_nothing_without_its_session(door: Door) -> None:
    await door.add("ada", Role.ADMIN)
    async with door.client() as client:
        headers = {"x-csrf-token": csrf_token("guess")}
        assert (await client.post(WRITE, json={}, headers=headers)).status_code == 401


async def test_pages_lead_strangers_to_the_door_and_back(door: Door) -> None:
    await door.add("ada", Role.VIEWER)
    async with door.client() as client:
        client.headers["accept"] = "text/html"
        sent = await client.get("/?q=a%20b")
        assert (sent.status_code, sent.headers["location"]) == (303, "/login?next=/%3Fq%3Da%2520b")
        shown = await client.get(sent.headers["location"])
        assert 'value="/?q=a%20b"' in shown.text
        assert "<script" not in shown.text
        assert "style=" not in shown.text
