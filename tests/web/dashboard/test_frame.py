"""The frame of every page: who is signed in, where one is, and refusals in words."""

from __future__ import annotations

import hashlib
import re

import pytest

from channelsync.domain.permissions import Permission, Principal, Reach, Role, permissions_of
from channelsync.web.dashboard.navigation import Entry, Section, section_of, sections_for
from channelsync.web.dashboard.words import STATIC, assets_version
from tests.support.house import Build
from tests.support.signed_in import Door

VENDORED = {
    "htmx-4.0.1.min.js": "a0abb04f2f45a1f89d1d4844023245537e5e6014c87b144553e0607b4cc32130",
}
A_PAGE = {"accept": "text/html"}


async def test_the_header_says_who_is_signed_in_and_signs_out(build: Build) -> None:
    door = Door(await build(stock={}, quotas={}, semantics={}))
    async with door.as_user("ada", Role.MANAGER) as client:
        page = (await client.get("/")).text
        assert re.search(r"Signed in as </span><span class=\"strong\">ada</span>.*manager", page)
        [token] = re.findall(r'name="csrf_token" value="([0-9a-f]{64})"', page)
        assert token == client.headers.pop("x-csrf-token")
        ours = {"origin": "http://stock.example"}
        forged = await client.post("/logout", data={"csrf_token": "0" * 64}, headers=ours)
        assert forged.status_code == 403
        left = await client.post("/logout", data={"csrf_token": token}, headers=ours)
        assert left.headers["location"] == "/login"
        assert (await client.get("/", headers=A_PAGE)).headers["location"].startswith("/login")


async def test_a_refusal_is_a_page_for_a_browser_and_json_for_a_program(build: Build) -> None:
    door = Door(await build(stock={}, quotas={}, semantics={}))
    async with door.as_user("ada", Role.VIEWER) as client:
        page = await client.get("/nowhere", headers=A_PAGE)
        assert (page.status_code, page.headers["content-type"]) == (
            404,
            "text/html; charset=utf-8",
        )
        assert "<h1>" in page.text
        assert page.headers["x-request-id"] in page.text
        assert "ada" in page.text
        for path, asked in (("/nowhere", "*/*"), ("/api/v1/items/none", "text/html")):
            answer = await client.get(path, headers={"accept": asked})
            assert answer.headers["content-type"] == "application/problem+json"
        refused = await client.post("/actions/x", headers=A_PAGE)
        assert refused.status_code == 403
        assert "role or reach" in refused.text
    async with door.client() as stranger:
        answer = await stranger.post("/logout", headers=A_PAGE)
        assert answer.status_code == 401
        assert "sign in" in answer.text
        assert "<nav" not in answer.text


async def test_assets_are_kept_by_browsers_as_long_as_they_are_the_same(build: Build) -> None:
    door = Door(await build(stock={}, quotas={}, semantics={}))
    async with door.client() as client:
        kept = await client.get(f"/static/page.css?{assets_version()}")
        assert "immutable" in kept.headers["cache-control"]
        assert (await client.get("/static/page.css?older")).headers["cache-control"] == "no-store"
        assert (await client.get("/static/vendor/htmx-LICENSE.txt")).status_code == 200


def test_what_is_vendored_is_what_was_published() -> None:
    scripts = {path.name: path for path in (STATIC / "vendor").glob("*.js")}
    digests = {name: hashlib.sha256(p.read_bytes()).hexdigest() for name, p in scripts.items()}
    assert digests == VENDORED


SECTIONS = (
    Section(label="Books", letter="b", entries=(Entry(key="books", label="Books", href="/b"),)),
    Section(
        label="House",
        letter="h",
        entries=(
            Entry(key="sums", label="Sums", href="/s", whole_house=True),
            Entry(key="users", label="Users", href="/u", permission=Permission.USERS_WRITE),
        ),
    ),
)


@pytest.mark.parametrize(
    ("role", "reach", "seen"),
    [
        (Role.ADMIN, Reach(), ["books", "sums", "users"]),
        (Role.VIEWER, Reach(), ["books", "sums"]),
        (Role.ADMIN, Reach(channels=frozenset({"a"})), ["books"]),
    ],
)
def test_the_navigation_shows_what_one_may_see(role: Role, reach: Reach, seen: list[str]) -> None:
    visitor = Principal(name="user:x", permissions=permissions_of(role), role=role, reach=reach)
    found = sections_for(visitor, SECTIONS)
    assert [entry.key for section in found for entry in section.entries] == seen
    assert section_of(found, "books") == found[0]
    assert section_of(found, "nothing") is None
