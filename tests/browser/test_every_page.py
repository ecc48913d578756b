"""Every page in Chromium: everybody can use it, nothing is refused, and scripts are a comfort."""

from __future__ import annotations

import pytest

from tests.browser.site import Site

pytestmark = pytest.mark.asyncio(loop_scope="session")

PAGES = (
    "/",
    "/items",
    "/items/MUG",
    "/orders",
    "/channels",
    "/channels/soho-till",
    "/figures",
    "/audit/check",
)


@pytest.mark.parametrize("path", PAGES)
async def test_everybody_can_use_it_in_light_in_dark_and_on_a_telephone(
    site: Site, path: str
) -> None:
    async with site.visit(path) as visit:
        assert visit.status == 200
        assert await visit.audit_both() == []
        await visit.page.set_viewport_size({"width": 390, "height": 800})
        assert await visit.page.evaluate("document.documentElement.scrollWidth") <= 390


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
