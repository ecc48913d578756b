"""What people do on the pages that one reads, in Chromium."""

from __future__ import annotations

import asyncio
import csv

import pytest
from playwright.async_api import Page, expect

from tests.browser.site import Site

pytestmark = pytest.mark.asyncio(loop_scope="session")


async def _search(page: Page, text: str) -> None:
    """Type into the field for searching, once the page listens to it, and wait for one row."""
    await expect(page.locator("form.filters[data-htmx-powered]")).to_be_visible()
    await page.keyboard.press("/")
    await page.keyboard.type(text)
    await expect(page.locator("#results tbody tr")).to_have_count(1)


async def test_a_search_answers_while_one_types_and_stays_in_the_address(site: Site) -> None:
    async with site.visit("/items") as visit:
        page = visit.page
        rows = page.locator("#results tbody tr")
        everything = await rows.count()
        await _search(page, "mug")
        assert everything > 5
        assert page.url.endswith("/items?q=mug")
        assert await page.evaluate("document.activeElement.name") == "q"
        async with page.expect_download() as downloading:
            await page.get_by_role("link", name="All as CSV").click()
        saved = await (await downloading.value).path()
        text = await asyncio.to_thread(saved.read_text, "utf-8-sig")
        lines = list(csv.reader(text.splitlines()))
        assert [line[0] for line in lines] == ["SKU", "MUG"]
        await page.get_by_role("link", name="MUG").click()
        await expect(page.get_by_role("heading", level=1)).to_have_text("MUG Blue mug")
        await page.get_by_text("Every step of the reckoning").click()
        await expect(page.locator(".trace")).to_be_visible()
        await page.go_back()
        await expect(rows).to_have_count(1)


async def test_a_click_that_leaves_the_search_field_is_not_lost(site: Site) -> None:
    async with site.visit("/items") as visit:
        page = visit.page
        await _search(page, "mug")
        await page.get_by_role("link", name="MUG").hover()
        # A finger stays down for a while; what it is on must not be drawn anew meanwhile.
        await page.mouse.down()
        await page.wait_for_timeout(500)
        await page.mouse.up()
        await expect(page.get_by_role("heading", level=1)).to_have_text("MUG Blue mug")


async def test_filters_are_chosen_and_a_page_leads_to_the_next(site: Site) -> None:
    async with site.visit("/movements") as visit:
        page = visit.page
        first = page.locator("#results tbody td").first
        newest = await first.text_content()
        await page.get_by_role("link", name="Next page").click()
        await expect(first).not_to_have_text(newest or "")
        assert "after=" in page.url
        await page.get_by_label("Kind").select_option("sale")
        await expect(page.locator("#results tbody tr")).to_have_count(8)
        assert "kind=sale" in page.url
        assert "after=" not in page.url


async def test_keys_lead_from_page_to_page(site: Site) -> None:
    async with site.visit("/items") as visit:
        for letter, path in (("c", "/channels"), ("n", "/figures"), ("o", "/")):
            await visit.page.keyboard.press("g")
            await visit.page.keyboard.press(letter)
            await visit.page.wait_for_url(f"**{path}")


async def test_the_audit_trail_is_verified_in_place(site: Site) -> None:
    async with site.visit("/audit") as visit:
        await visit.page.get_by_role("link", name="Verify the trail").click()
        await expect(visit.page.locator("#check")).to_contain_text("as it was written")
        assert visit.page.url.endswith("/audit")


async def test_the_overview_is_live_shows_every_channel_and_filters_as_one_types(
    site: Site,
) -> None:
    async with site.visit("/") as visit:
        page = visit.page
        # Nothing of the table is behind its edge, with names that are too long for one line.
        hidden = "scroll => scroll.scrollWidth - scroll.clientWidth"
        name = "name => { name.textContent = 'Blue mug with a handle, '.repeat(4) }"
        await page.locator("#rows .name").first.evaluate(name)
        for panel in (".items", "#pushes", "#orders"):
            assert await page.locator(f"{panel} .scroll").evaluate(hidden) == 0
        await expect(page.locator("#connection .words")).to_have_text("live")
        await page.keyboard.press("/")
        await page.keyboard.type("bowl")
        await expect(page.locator("#rows tr:visible")).to_have_count(1)
