"""The second factor in Chromium: from the first sign-in that asks for it to the next."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest
import pytest_asyncio
from playwright.async_api import Browser, Page

from channelsync.domain.permissions import Role
from tests.browser.site import Site
from tests.support.factors import App, codes_on, secret_on
from tests.support.house import build_house
from tests.support.served import served
from tests.support.signed_in import PASSWORD, Door

pytestmark = pytest.mark.asyncio(loop_scope="session")


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def strict(browser: Browser, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Site]:
    """A house that asks a second factor of everybody."""
    folder = tmp_path_factory.mktemp("strict")
    house = await build_house(folder, stock={"MUG": 1}, quotas={}, semantics={})
    door = Door(house, {"second_factor_of": frozenset(Role)})
    await door.add("root", Role.ADMIN)
    async with served(door.app) as url:
        yield Site(house, url, browser)
    await house.engine.database.close()


async def sign_in(page: Page) -> None:
    await page.goto("/login?next=/account/second-factor")
    await page.get_by_label("Name").fill("root")
    await page.get_by_label("Password").fill(PASSWORD)
    await page.keyboard.press("Enter")


async def test_item_10_everybody_can_use_it_with_the_keyboard_and_without_scripts(
    strict: Site,
) -> None:
    async with strict.visit("/login", scripts=False) as visit:
        page = visit.page
        await sign_in(page)
        await page.get_by_text("Switch on a second factor").wait_for()
        app = App(secret_on(await page.content()), strict.house.clock)
        box = await page.locator("svg.qr").bounding_box()
        assert box is not None
        assert box["width"] > 150
        await page.keyboard.type(app.code())
        await page.keyboard.press("Enter")
        await page.get_by_text("Your recovery codes").wait_for()
        assert len(codes_on(await page.content())) == 10
        await page.get_by_role("link", name="go on").click()
        await page.get_by_text("It cannot be switched off").wait_for()
    async with strict.visit("/login") as visit:
        page = visit.page
        await sign_in(page)
        await page.get_by_text("One more step").wait_for()
        assert await visit.audit_both() == []
        await page.keyboard.type(app.fresh())
        await page.keyboard.press("Enter")
        await page.get_by_label("Your password").fill(PASSWORD)
        await page.get_by_label("A code").fill(app.fresh())
        await page.get_by_role("button", name="Take another app").click()
        await page.get_by_label("The code that the app shows").wait_for()
        assert await visit.audit_both() == []
        await page.set_viewport_size({"width": 390, "height": 800})
        assert await page.evaluate("document.documentElement.scrollWidth") <= 390
