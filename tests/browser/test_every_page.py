"""Every page in Chromium: everybody can use it, nothing is refused, and scripts are a comfort."""

from __future__ import annotations

import pytest

from tests.browser.site import Site

pytestmark = pytest.mark.asyncio(loop_scope="session")

PAGES = ("/",)


@pytest.mark.parametrize("path", PAGES)
async def test_everybody_can_use_it_in_light_and_in_dark(site: Site, path: str) -> None:
    for dark in (False, True):
        async with site.visit(path, dark=dark) as visit:
            assert visit.status == 200
            assert await visit.audit() == []


@pytest.mark.parametrize("path", PAGES)
async def test_nothing_is_wider_than_a_telephone(site: Site, path: str) -> None:
    async with site.visit(path, width=390) as visit:
        wide = await visit.page.evaluate("document.documentElement.scrollWidth")
        assert wide <= 390
        assert await visit.audit() == []


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
