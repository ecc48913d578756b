"""The security checklist, item 10: a second factor, from the first picture to a lost telephone."""

from __future__ import annotations

from typing import Any

import httpx
import pytest

from channelsync.domain.permissions import Permission, Role
from channelsync.engine.second_factors import PREPARED_SECONDS
from channelsync.engine.sign_ins import SIGN_IN_SECONDS, TRIES_MAX
from channelsync.engine.vault import Vault
from channelsync.security.sealing import MasterKeys
from channelsync.store import tables
from channelsync.web.gate import COOKIE
from channelsync.web.threshold import COOKIES_OF_A_SIGN_IN
from tests.support.desk import Page, open_page
from tests.support.factors import App, codes_on, secret_on, switch_on
from tests.support.house import Build, House
from tests.support.signed_in import ADDRESS, PASSWORD, SET_UP, Door, sign_in

ME = "/api/v1/me"
OWN = {"origin": ADDRESS}
KEYS = MasterKeys(b"the key of the operator, long enough")
FACTOR = "/account/second-factor"


@pytest.fixture
async def house(build: Build) -> House:
    return await build(stock={"MUG": 5}, quotas={}, semantics={})


@pytest.fixture
def door(house: House) -> Door:
    return Door(house, {"master_keys": KEYS})


async def prove(client: httpx.AsyncClient, code: str, **more: str) -> httpx.Response:
    return await client.post("/login/code", data={"code": code} | more, headers=OWN)


async def told(house: House) -> list[str]:
    trail = await house.rows(tables.audit)
    return [row.action for row in trail if row.action.startswith("second_factor")]


def proof(code: str, present: str = PASSWORD) -> dict[str, str]:
    return {"present": present, "code": code}


# ------------------------------------------------------------------ switching it on, signing in


async def test_item_10_it_is_switched_on_with_a_first_code_and_asked_for_from_then_on(
    house: House, door: Door
) -> None:
    async with door.as_user("ada", Role.VIEWER) as client, door.client() as elsewhere:
        assert (await sign_in(elsewhere, "ada")).status_code == 303
        page = await open_page(client, FACTOR)
        wrong = await page.send(f"{FACTOR}/prepare", present="a guess at it")
        assert (wrong.status, "not your present password" in wrong.text) == (409, True)
        shown = await wrong.send(f"{FACTOR}/prepare", present=PASSWORD)
        assert 'class="qr"' in shown.text
        assert "style=" not in shown.text
        app = App(secret_on(shown.text), house.clock)
        missed = await shown.send(f"{FACTOR}/confirm", code="000000")
        assert missed.status == 409
        on = await missed.send(f"{FACTOR}/confirm", code=app.code())
        assert len(set(codes_on(on.text))) == 10
        again = await missed.send(f"{FACTOR}/confirm", code=app.code())
        assert codes_on(again.text) == codes_on(on.text)
        assert "10 recovery codes are left" in (await open_page(client, "/account")).text
        assert (await elsewhere.get(ME)).status_code == 401
    async with door.client() as client:
        asked = await sign_in(client, "ada", next="/items?q=a b")
        assert asked.headers["location"] == "/login/code?next=/items%3Fq%3Da%20b"
        page = await open_page(client, asked.headers["location"])
        inside = await page.send("/login/code", code=f" {app.fresh()[:3]} {app.code()[3:]} ")
        assert inside.answer.url.path == "/items"
        assert (await client.get(ME)).json()["name"] == "user:ada"
        assert COOKIES_OF_A_SIGN_IN[1] not in client.cookies
    assert await told(house) == ["second_factor.prepare", "second_factor.on"]
    (*_, begun) = await house.rows(tables.audit)
    assert (begun.action, '"second_factor":"app"' in begun.after) == ("session.begin", True)
    assert await house.rows(tables.sign_ins) == []


async def test_item_10_before_the_code_nothing_is_open(door: Door) -> None:
    await door.add("ada", Role.ADMIN)
    app, _ = await switch_on(door, "ada")
    async with door.client() as client:
        answer = await sign_in(client, "ada")
        cookie = answer.headers["set-cookie"]
        assert {"HttpOnly", "Path=/", "SameSite=lax", "Max-Age=600"} <= set(cookie.split("; "))
        token = client.cookies[COOKIES_OF_A_SIGN_IN[1]]
        assert COOKIE not in client.cookies
        for path in (ME, "/", FACTOR, "/api/v1/items"):
            assert (await client.get(path)).status_code in {303, 401}
        client.cookies.set(COOKIE, token)
        assert (await client.get(ME)).status_code == 401
        bearer = {"authorization": f"Bearer {token}"}
        assert (await client.get(ME, headers=bearer)).status_code == 401
        forged = {"origin": "http://evil.example"}
        code = {"code": app.fresh()}
        refused = await client.post("/login/code", data=code, headers=forged)
        assert refused.status_code == 403
        shown = await client.get("/login/second-factor")
        assert shown.headers["location"] == "/login"
    async with door.client() as stranger:
        assert (await stranger.get("/login/code")).headers["location"] == "/login"
        assert (await prove(stranger, app.code())).status_code == 401


async def test_item_10_over_tls_the_token_between_is_kept_by_its_prefix(door: Door) -> None:
    await door.add("ada", Role.ADMIN)
    await switch_on(door, "ada")
    async with door.client(base_url="https://stock.example") as client:
        cookie = (await sign_in(client, "ada")).headers["set-cookie"]
    assert cookie.startswith("__Host-")
    assert "Secure" in cookie


async def test_item_10_a_code_is_good_once_and_a_step_beside_now_at_most(
    house: House, door: Door
) -> None:
    await door.add("ada", Role.VIEWER)
    app, _ = await switch_on(door, "ada")

    async def tried(code: str) -> int:
        async with door.client() as client:
            assert (await sign_in(client, "ada")).status_code == 303
            answer = await prove(client, code)
        house.clock.at += 600
        return answer.status_code

    assert await tried(app.code()) == 401  # it has switched the factor on
    assert await tried(late := app.code(steps_off=-1)) == 303
    assert await tried(late) == 401
    assert await tried(early := app.code(steps_off=1)) == 303
    house.clock.at -= 600
    assert await tried(early) == 401
    assert await tried(app.code()) == 303
    assert await tried(app.code(steps_off=-2)) == 401
    assert await tried(app.code(steps_off=2)) == 401
    async with door.client() as client:
        await sign_in(client, "ada")
        for nonsense in ("", "12345", "\u0661\u0662\u0663\u0664\u0665\u0666", "x" * 9_000):
            assert (await prove(client, nonsense)).status_code == 401


async def test_item_10_guessing_a_code_ends_the_sign_in_and_is_slowed_down(
    house: House, door: Door
) -> None:
    await door.add("ada", Role.VIEWER)
    app, _ = await switch_on(door, "ada")
    async with door.client() as client:
        await sign_in(client, "ada")
        said = [await prove(client, f"00000{number}") for number in range(TRIES_MAX)]
        assert [one.status_code for one in said] == [401] * TRIES_MAX
        assert "sign in again" in said[-1].text
        assert "sign in again" not in said[0].text
        assert (await prove(client, app.fresh())).status_code == 401
        assert await house.rows(tables.sign_ins) == []
        assert (await told(house))[2:] == ["second_factor.refuse"] * TRIES_MAX
    async with door.client("198.51.100.7") as client:
        await sign_in(client, "ada")
        slowed = await prove(client, app.code())
        assert (slowed.status_code, int(slowed.headers["retry-after"]) > 60) == (429, True)
        house.clock.at += 120
        assert (await prove(client, app.code())).status_code == 303


async def test_item_10_a_sign_in_does_not_wait_for_ever_nor_outlive_its_password(
    house: House, door: Door
) -> None:
    await door.add("ada", Role.VIEWER)
    app, _ = await switch_on(door, "ada")
    async with door.client() as client:
        await sign_in(client, "ada")
        house.clock.at += SIGN_IN_SECONDS + 1
        over = await prove(client, app.code())
        assert (over.status_code, "sign in again" in over.text) == (401, True)
        await sign_in(client, "ada")
        await door.users.change("ada", actor="test", password="another good phrase")
        assert (await prove(client, app.fresh())).status_code == 401


async def test_item_10_a_recovery_code_is_good_once_and_counted(house: House, door: Door) -> None:
    await door.add("ada", Role.VIEWER)
    app, codes = await switch_on(door, "ada")
    async with door.client() as client:
        await sign_in(client, "ada")
        assert (await prove(client, codes[0].upper().replace("-", " "))).status_code == 303
        assert "9 recovery codes are left" in (await open_page(client, "/account")).text
        page = await open_page(client, FACTOR)
        more = await page.send(f"{FACTOR}/codes", proof(app.fresh()))
        fresh = codes_on(more.text)
        assert len(fresh) == 10
        assert not set(fresh) & set(codes)
    async with door.client() as client:
        await sign_in(client, "ada")
        for used in codes[:2]:
            assert (await prove(client, used)).status_code == 401
        assert (await prove(client, fresh[3])).status_code == 303
    (*_, begun) = await house.rows(tables.audit)
    assert '"second_factor":"recovery code"' in begun.after


# ------------------------------------------------------------------ changing and losing it


async def test_item_10_changing_it_asks_for_the_password_and_a_code(
    house: House, door: Door
) -> None:
    await door.add("ada", Role.VIEWER)
    app, _ = await switch_on(door, "ada")
    async with door.client() as client:
        await sign_in(client, "ada")
        await prove(client, app.fresh())
        page = await open_page(client, FACTOR)
        fields = dict(page.form(f"{FACTOR}/codes").fields)
        for verb in ("codes", "off", "prepare"):
            for wrong in (proof("000000"), proof(app.fresh(), "a guess at it")):
                page = await page.post(f"{FACTOR}/{verb}", fields | wrong)
                assert page.status == 409, (verb, page.text)
                fields = dict(page.form(f"{FACTOR}/codes").fields)
            house.clock.at += 300
        page = await page.post(f"{FACTOR}/prepare", fields | {"once": "2"} | proof(app.fresh()))
        other = App(secret_on(page.text), house.clock)
        house.clock.at += PREPARED_SECONDS + 1
        late = await page.send(f"{FACTOR}/confirm", code=other.code())
        assert (late.status, "begin again" in late.text) == (409, True)
        fields = dict(late.form(f"{FACTOR}/codes").fields)
        page = await late.post(f"{FACTOR}/prepare", fields | proof(app.fresh()))
        other = App(secret_on(page.text), house.clock)
        taken = await page.send(f"{FACTOR}/confirm", code=other.code())
        assert len(codes_on(taken.text)) == 10
        off = dict(taken.form(f"{FACTOR}/codes").fields)
        gone = await taken.post(f"{FACTOR}/off", off | proof(app.fresh()))
        assert gone.status == 409
        off = dict(gone.form(f"{FACTOR}/codes").fields)
        done = await gone.post(f"{FACTOR}/off", off | proof(other.code()))
        assert "Switched off." in done.text
    async with door.client() as client:
        assert (await sign_in(client, "ada")).headers["location"] == "/"
    verbs = ["prepare", "on", "prepare", "prepare", "on", "off"]
    assert await told(house) == [f"second_factor.{one}" for one in verbs]
    for table in (tables.second_factors, tables.recovery_codes, tables.kept_secrets):
        assert await house.rows(table) == []


async def test_item_10_guessing_at_it_inside_is_slowed_down_too(door: Door) -> None:
    async with door.as_user("ada", Role.VIEWER) as client:
        page = await open_page(client, FACTOR)
        for _ in range(6):
            page = await page.send(f"{FACTOR}/prepare", present="a guess at it")
        assert (page.status, "too many tries" in page.text) == (429, True)


async def test_item_10_an_admin_takes_it_off_for_whoever_has_lost_it(
    house: House, door: Door
) -> None:
    await door.add("ada", Role.VIEWER)
    app, _ = await switch_on(door, "ada")
    async with door.as_user("root", Role.ADMIN) as client, door.client() as ada:
        await sign_in(ada, "ada")
        await prove(ada, app.fresh())
        assert (await client.get("/api/v1/users")).json()["items"][0]["second_factor_since"]
        page = await open_page(client, "/users/ada")
        asked = await page.send("/users/ada/second-factor")
        assert "Be sure that it is the user who asks" in asked.text
        done = await asked.send("/users/ada/second-factor")
        assert "Taken off." in done.text
        assert (await ada.get(ME)).status_code == 401
        assert (await sign_in(ada, "ada")).headers["location"] == "/"
        none = await asked.post(
            "/users/ada/second-factor",
            {**asked.form("/users/ada/second-factor").fields, "once": ["2"]},
        )
        assert (none.status, "has no second factor" in none.text) == (409, True)
    taken = [row for row in await house.rows(tables.audit) if row.action.endswith("take_off")]
    assert [(row.actor, row.subject) for row in taken] == [("user:root", "user:ada")]


# ------------------------------------------------------------------ where it is wanted


async def test_item_10_whoever_must_have_one_is_led_to_it_and_can_do_nothing_before(
    house: House, door: Door
) -> None:
    async with door.as_user("ada", Role.MANAGER) as client:
        strict = Door(house, {"master_keys": KEYS, "second_factor_of": frozenset({Role.MANAGER})})
        async with strict.client() as same:
            same.cookies = client.cookies
            assert (await same.get(ME)).status_code == 401  # the session began before
    async with strict.as_user("bob", Role.VIEWER) as client, strict.as_key(Permission.READ) as key:
        assert (await client.get(ME)).status_code == 200
        assert (await key.get("/api/v1/items")).status_code == 200
    async with strict.client() as client:
        asked = await sign_in(client, "ada", next="/items")
        assert asked.headers["location"] == "/login/second-factor?next=/items"
        page = await open_page(client, asked.headers["location"])
        assert "<script" not in page.text
        assert (await client.get(ME)).status_code == 401
        app = App(secret_on(page.text), house.clock)
        wrong = await page.send("/login/second-factor", code="000000")
        assert (wrong.status, secret_on(wrong.text)) == (422, app.secret)
        token = client.cookies[COOKIES_OF_A_SIGN_IN[1]]
        on = await wrong.send("/login/second-factor", code=app.code())
        assert len(codes_on(on.text)) == 10
        assert (await client.get(ME)).json()["role"] == "manager"
        client.cookies.set(COOKIES_OF_A_SIGN_IN[1], token)  # the second of two clicks
        assert codes_on((await wrong.send("/login/second-factor", code=app.code())).text)
        house.clock.at += 61
        late = await wrong.send("/login/second-factor", code=app.code())
        assert (late.status, codes_on(late.text)) == (401, [])
        page = await open_page(client, FACTOR)
        assert "It cannot be switched off" in page.text
        fields: dict[str, Any] = dict(page.form(f"{FACTOR}/codes").fields)
        refused = await page.post(f"{FACTOR}/off", fields | proof(app.fresh()))
        assert (refused.status, "of everybody who is a manager" in refused.text) == (409, True)


async def test_item_10_the_first_user_switches_it_on_as_well_where_all_must(house: House) -> None:
    door = Door(house, {"master_keys": KEYS, "second_factor_of": frozenset(Role)})
    form = {"token": SET_UP, "name": "ada", "password": PASSWORD, "again": PASSWORD}
    async with door.client() as client:
        page = await Page(client, await client.get(f"/setup?token={SET_UP}")).post("/setup", form)
        assert page.answer.url.path == "/login/second-factor"
        code = App(secret_on(page.text), house.clock).code()
        assert codes_on((await page.send("/login/second-factor", code=code)).text)
        assert (await client.get(ME)).status_code == 200


# ------------------------------------------------------------------ what is kept


async def test_item_10_no_secret_is_readable_in_the_store_and_keys_rotate_takes_them_along(
    house: House, door: Door
) -> None:
    async with door.as_user("ada", Role.VIEWER) as client:
        page = await open_page(client, FACTOR)
        page = await page.send(f"{FACTOR}/prepare", present=PASSWORD)
        app = App(secret_on(page.text), house.clock)
        codes = codes_on((await page.send(f"{FACTOR}/confirm", code=app.code())).text)
    kept = ""
    for table in tables.metadata.sorted_tables:
        kept += "".join(repr(tuple(row)) for row in await house.rows(table))
    for secret in (app.secret, app.secret.lower(), *codes, codes[0].replace("-", "")):
        assert secret not in kept
    vault = Vault(house.engine.database, house.clock, KEYS)
    before = {row.key_id for row in await house.rows(tables.kept_secrets)}
    rotated = await vault.rotate(actor="cli:ada")
    assert {row.key_id for row in await house.rows(tables.kept_secrets)} == {rotated.key_id}
    assert rotated.retired == tuple(before)
    async with door.client() as client:
        await sign_in(client, "ada")
        assert (await prove(client, app.fresh())).status_code == 303
