"""The desk in Chromium: the quotas editor and Repairs from end to end, for everybody."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio
from playwright.async_api import Browser

from channelsync.configuration.editing import MerchantFile
from channelsync.domain.vocabulary import PushSemantics
from channelsync.engine.alarms import raise_alarm
from channelsync.store import tables
from channelsync.web.app import WebOptions, build_app
from tests.browser.merchant import FILE, editing
from tests.browser.site import Site
from tests.support.house import build_house
from tests.support.served import served

pytestmark = pytest.mark.asyncio(loop_scope="session")


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("shop") / "channelsync.yaml"


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def desk(
    browser: Browser, path: Path, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[Site]:
    """A small house that wants a person, with a file to edit."""
    cas = PushSemantics.KEYED_COMPARE_AND_SET
    folder = tmp_path_factory.mktemp("house")
    house = await build_house(folder, stock={"MUG": 10}, quotas={"a": 5_000}, semantics={"a": cas})
    await house.settle_down(20, step=10)
    async with house.engine.database.write() as tx:
        now = house.clock()
        await raise_alarm(tx, "feed_quiet", "a", "no sign of life", now=now, channel="a")
        await raise_alarm(tx, "deficit", "main/MUG", "2 more than there are", now=now)
    async with served(build_app(house.engine, WebOptions(**editing(path)))) as url:
        yield Site(house, url, browser)
    await house.engine.database.close()


async def test_a_share_is_changed_looked_at_and_applied(desk: Site, path: Path) -> None:
    async with desk.visit("/quotas") as visit:
        page = visit.page
        await page.get_by_label("Share of a in percent").fill("30")
        await page.keyboard.press("Enter")
        await page.get_by_text("What it would do now").wait_for()
        came = await page.locator(".listing .came").inner_text()
        assert "quotas: {a: 30%}   # to begin with" in came
        assert await visit.audit_both() == []
        await page.get_by_role("button", name="Write it and apply").click()
        await page.get_by_text("The daemon takes the file over").wait_for()
    assert MerchantFile(path).read().text == FILE.replace("50%", "30%")


async def test_a_problem_leads_to_its_line(desk: Site) -> None:
    async with desk.visit("/quotas") as visit:
        page = visit.page
        await page.get_by_label("The text of the file").fill(FILE.replace("connector", "conector"))
        await page.get_by_role("button", name="Check and preview").last.click()
        await page.get_by_role("link", name="to line 5").first.click()
        chosen = await page.evaluate("getSelection().toString()")
        assert chosen == "    conector: square"
        assert await visit.audit() == []
        # Chromium complains of every answer that is a refusal, as this one has to be.
        visit.complaints = [one for one in visit.complaints if "422" not in one]


async def test_a_fix_is_pressed_twice_and_done_once(desk: Site) -> None:
    async with desk.visit("/repairs") as visit:
        page = visit.page
        button = page.get_by_role("button", name="Look again now")
        await button.dblclick()
        await page.get_by_text("is being looked at now").wait_for()
        trail = await desk.house.rows(tables.audit)
        assert [row.action for row in trail].count("channel.look_again") == 1
        await page.get_by_role("link", name="Count the item").click()
        await page.get_by_label("Units on the shelf").wait_for()


async def test_the_desk_works_without_scripts(desk: Site) -> None:
    async with desk.visit("/change/channels/a", scripts=False) as visit:
        page = visit.page
        await page.get_by_label("Why").fill("stock-taking")
        await page.get_by_role("button", name="Pause the channel").click()
        await page.get_by_text("It is stopped: stock-taking").wait_for()
        await page.goto("/repairs")
        await page.get_by_role("button", name="Resume the channel").click()
        await page.get_by_text("Resumed.").wait_for()
