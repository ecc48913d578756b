"""Every page in Chromium: everybody can use it, nothing is refused, and scripts are a comfort."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
import pytest_asyncio
from playwright.async_api import Browser

from channelsync.web.access import OPEN, TABLE
from channelsync.web.app import WebOptions, build_app
from channelsync.web.dashboard import pages_of_tables
from channelsync.web.dashboard.dashboard import ALL_TABLES
from tests.browser.site import Site, Visit
from tests.support.house import build_house
from tests.support.served import served
from tests.support.signed_in import PASSWORD, SET_UP, cheap_passwords

pytestmark = pytest.mark.asyncio(loop_scope="session")

NO_PAGE = re.compile(r"^/api/|^/events$|^/metrics$|\.csv$")
AS_A_USER = {"/users/{name}": "/users/ada", "/account/second-factor": "/account/second-factor"}
"""Looked at by whoever has signed in, at these addresses."""
ROWS = 4
"""Of a table: what is wrong with one row is wrong with each."""
PLAIN = {table.path for table in ALL_TABLES if table.template == "table.html"} - {"/listings"}
"""Whose colours are those of any other table."""


def routes() -> Iterator[str]:
    """Every route that whoever sits at the machine looks at."""
    for (method, route), asked in TABLE.items():
        is_page = method == "GET" and asked is not OPEN and not NO_PAGE.search(route)
        if is_page and route not in AS_A_USER:
            yield route


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def visit(site: Site) -> AsyncIterator[Visit]:
    """One visitor who looks at page after page: a new one for each would cost as much again."""
    async with site.visit("/") as visit:
        yield visit


@pytest.mark.parametrize("route", tuple(routes()))
async def test_everybody_can_use_it_in_light_in_dark_and_on_a_telephone(
    site: Site, visit: Visit, route: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pages_of_tables, "ROWS", ROWS)
    address = site.addresses.get(route, route)
    assert "{" not in address, f"say which {route} is looked at"
    await visit.page.emulate_media(color_scheme="light", reduced_motion="reduce")
    answer = await visit.page.goto(address, wait_until="domcontentloaded")
    assert answer is not None
    assert answer.status == 200
    assert await (visit.audit() if route in PLAIN else visit.audit_both()) == []
    assert not await visit.is_too_wide()


async def test_the_first_user_and_his_pages_are_for_everybody(
    browser: Browser, tmp_path: Path
) -> None:
    house = await build_house(tmp_path, stock={}, quotas={}, semantics={})
    options = WebOptions(setup_token=SET_UP, passwords=cheap_passwords())
    async with (
        served(build_app(house.engine, options)) as url,
        Site(house, url, browser).visit(f"/setup?token={SET_UP}") as visit,
    ):
        page = visit.page
        assert await visit.audit_both() == []
        await page.get_by_label("Name").fill("ada")
        await page.get_by_label("Password").fill(PASSWORD)
        await page.get_by_label("The same again").fill(PASSWORD)
        await page.get_by_role("button", name="Make the user").click()
        await page.get_by_role("heading", name="Overview").wait_for(state="attached")
        for path in (*AS_A_USER.values(), "/users"):
            await page.goto(path)
            assert await visit.audit_both() == [], path
        await page.get_by_role("button", name="Sign out").click()
        await page.get_by_role("heading", name="Sign in").wait_for()
        assert await visit.audit_both() == []
    await house.engine.database.close()


async def test_a_page_reads_without_scripts(site: Site) -> None:
    async with site.visit("/", scripts=False) as visit:
        text = await visit.page.inner_text("main")
        assert "MUG" in text
        assert await visit.page.locator("#help").is_hidden()


async def test_the_keyboard_alone_is_enough(site: Site) -> None:
    async with site.visit("/") as visit:
        page = visit.page
        await page.keyboard.press("Tab")
        assert await page.evaluate("document.activeElement.textContent") == "Skip to the content"
        await page.keyboard.press("Enter")
        assert await page.evaluate("document.activeElement.id") == "main"
        await page.keyboard.press("?")
        assert await page.locator("dialog#keys").is_visible()
        await page.keyboard.press("Escape")
        assert await page.locator("dialog#keys").is_hidden()
        await page.keyboard.press("/")
        assert await page.evaluate("document.activeElement.type") == "search"
