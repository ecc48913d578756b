"""Users, keys and one's own password: shown once, told in the trail, and never left open."""

from __future__ import annotations

import csv
import io
import re

from channelsync.domain.permissions import Role
from channelsync.store import tables
from tests.support.desk import open_page
from tests.support.house import House
from tests.support.signed_in import PASSWORD, Door, sign_in

FRESH = "an entirely different phrase"


async def test_somebody_is_let_in_changed_signed_out_and_removed(house: House, door: Door) -> None:
    async with door.as_user("root", Role.ADMIN) as client:
        page = await open_page(client, "/users")
        form = {"name": "eve", "password": FRESH, "again": FRESH, "role": "operator"}
        reach = {"channels_are": "only", "channels": ["a"]}
        added = await page.send("/users", form | reach)
        assert "Added." in added.text
        assert "a; all locations" in added.text
        again = await page.send("/users", form | reach)
        assert again.status == 200
        one = await open_page(client, "/users/eve")
        assert one.form("/users/eve").fields["channels"] == ["a"]
        async with door.client() as eve:
            assert (await sign_in(eve, "eve", FRESH)).status_code == 303
            out = await one.send("/users/eve/sessions")
            assert "Every session of the user has ended." in out.text
            assert (await eve.get("/api/v1/me")).status_code == 401
        wider = await one.send("/users/eve", role="manager", channels_are="all")
        assert "Changed." in wider.text
        differ = await one.send("/users/eve/password", password=FRESH, again="x")
        assert (differ.status, "the two passwords differ" in differ.text) == (422, True)
        weak = await one.send("/users/eve/password", password="short", again="short")
        assert (weak.status, "too short" in weak.text) == (422, True)
        asked = await one.send("/users/eve/remove")
        assert "Remove eve?" in asked.text
        gone = await asked.send("/users/eve/remove")
        assert "Removed." in gone.text
        assert (await open_page(client, "/users/eve")).status == 404
        last = await (await open_page(client, "/users/root")).send("/users/root/remove")
        refused = await last.send("/users/root/remove")
        assert (refused.status, "last admin" in refused.text) == (409, True)
    trail = await house.rows(tables.audit)
    assert [row.action for row in trail if row.subject == "user:eve"] == [
        "user.add",
        "session.begin",
        "user.end_sessions",
        "user.change",
        "user.remove",
    ]
    assert FRESH not in str(trail)


async def test_users_keys_and_endpoints_are_files_as_well_without_a_secret(door: Door) -> None:
    async with door.as_user("root", Role.ADMIN) as client:
        page = await open_page(client, "/users")
        eve = {"name": "eve", "password": FRESH, "again": FRESH, "role": "viewer"}
        assert "Added." in (await page.send("/users", eve)).text
        page = await open_page(client, "/keys")
        made = await page.send("/keys", name="till", scopes=["read"], days="9", channels_are="all")
        assert "csk_" in made.text
        page = await open_page(client, "/endpoints")
        made = await page.send("/endpoints", url="https://erp.example/hook")
        assert "whsec_" in made.text
        files = {name: await client.get(f"/{name}.csv") for name in ("users", "keys", "endpoints")}
    assert all(one.status_code == 200 for one in files.values())
    users = list(csv.DictReader(io.StringIO(files["users"].content.decode("utf-8-sig"))))
    assert [(one["name"], one["role"], one["channels"]) for one in users] == [
        ("eve", "viewer", "all"),
        ("root", "admin", "all"),
    ]
    assert ",till,read,all,all," in files["keys"].text
    assert ",https://erp.example/hook,all," in files["endpoints"].text
    assert "csk_" not in files["keys"].text
    assert "whsec_" not in files["endpoints"].text


async def test_a_form_for_somebody_new_comes_back_with_what_is_wrong(door: Door) -> None:
    async with door.as_user("root", Role.ADMIN) as client:
        page = await open_page(client, "/users")
        empty = await page.send("/users", name="", password="", again="")
        assert empty.status == 422
        assert 'id="field-name-error"' in empty.text
        assert 'id="field-password-error"' in empty.text
        taken = await page.send("/users", name="root", password=FRESH, again=FRESH, role="viewer")
        assert (taken.status, 'value="root"' in taken.text) == (409, True)
        assert FRESH not in taken.text


async def test_one_changes_ones_own_password_and_guesses_at_none(door: Door) -> None:
    async with door.as_user("abe", Role.VIEWER) as client:
        page = await open_page(client, "/account")
        for number in range(6):
            guess = {"present": f"guess {number}", "password": FRESH, "again": FRESH}
            page = await page.send("/account/password", guess)
        assert (page.status, "too many tries" in page.text) == (429, True)
    async with door.as_user("eve", Role.VIEWER) as client:
        page = await open_page(client, "/account")
        wrong = {"present": "guess", "password": FRESH, "again": FRESH}
        refused = await page.send("/account/password", wrong)
        assert (refused.status, "not your present password" in refused.text) == (409, True)
        right = wrong | {"present": PASSWORD}
        done = await refused.send("/account/password", right)
        assert done.answer.url.path == "/login"
        assert (await client.get("/api/v1/me")).status_code == 401
        assert (await sign_in(client, "eve", PASSWORD)).status_code == 401
        assert (await sign_in(client, "eve", FRESH)).status_code == 303


async def test_a_key_is_shown_once_even_to_a_double_click_and_then_never(
    house: House, door: Door
) -> None:
    async with door.as_user("root", Role.ADMIN) as client:
        page = await open_page(client, "/keys")
        form = {"name": "till", "scopes": ["read", "holds:write"], "days": "30"}
        made = await page.send("/keys", form)
        (text,) = re.findall(r"csk_[\w-]+", made.text)
        second = await page.send("/keys", form)
        assert text in second.text
        assert len(await house.rows(tables.api_keys)) == 1
        house.clock.at += 120
        late = await page.send("/keys", form)
        assert text not in late.text
        assert "Its text was shown once" in late.text
        assert text not in (await open_page(client, "/keys")).text
        async with door.client() as program:
            program.headers["authorization"] = f"Bearer {text}"
            assert (await program.get("/api/v1/items")).status_code == 200
            (key,) = await house.rows(tables.api_keys)
            asked = await made.send(f"/keys/{key.id}/revoke")
            assert "is refused from that moment on" in asked.text
            assert "Revoked." in (await asked.send(f"/keys/{key.id}/revoke")).text
            assert (await program.get("/api/v1/items")).status_code == 401
        twice = await asked.send(f"/keys/{key.id}/revoke", once="another")
        assert (twice.status, "revoked already" in twice.text) == (409, True)
    stored = [
        row for table in (tables.audit, tables.idempotency) for row in await house.rows(table)
    ]
    assert text not in str(stored)


async def test_a_key_that_makes_no_sense_is_refused_at_its_field(house: House, door: Door) -> None:
    async with door.as_user("root", Role.ADMIN) as client:
        page = await open_page(client, "/keys")
        empty = await page.send("/keys", name="", scopes=[], days="soon")
        assert empty.status == 422
        for name in ("name", "scopes", "days"):
            assert f'id="field-{name}-error"' in empty.text
        kept = {"name": "x", "scopes": ["users:write"], "days": "1", "channels_are": "only"}
        refused = await page.send("/keys", kept)
        assert (refused.status, "whole house" in refused.text) == (409, True)
    assert await house.rows(tables.api_keys) == []


async def test_people_and_keys_are_an_admins_alone(door: Door) -> None:
    async with door.as_user("boss", Role.MANAGER) as client:
        for path in ("/users", "/keys", "/users/boss"):
            assert (await open_page(client, path)).status == 403
        page = await open_page(client, "/account")
        assert page.status == 200
        assert 'href="/users"' not in page.text
        assert 'href="/endpoints"' in page.text
