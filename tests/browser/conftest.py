"""A real browser before a real house: the system's own Chromium, driven by playwright.

One browser and one house serve every test of a session, on one event loop: a module of tests says
`pytestmark = pytest.mark.asyncio(loop_scope="session")`.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import AsyncIterator

import pytest
import pytest_asyncio
from playwright.async_api import Browser, async_playwright

from channelsync.web.app import WebOptions, build_app
from tests.browser.furnished import furnish
from tests.browser.merchant import editing
from tests.browser.not_run import NAMES, WITHOUT_CHROMIUM
from tests.browser.site import Site
from tests.support.served import served
from tests.support.shop_window import build_shop_window


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def browser() -> AsyncIterator[Browser]:
    """Chromium, once."""
    found = next((path for path in map(shutil.which, NAMES) if path), None)
    if found is None:
        pytest.skip(WITHOUT_CHROMIUM)
    async with async_playwright() as driver:
        # Chromium refuses its sandbox to root.
        launched = await driver.chromium.launch(
            executable_path=found, chromium_sandbox=os.geteuid() != 0
        )
        yield launched
        await launched.close()


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def site(browser: Browser, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Site]:
    """The house that every test of a session looks at; nobody changes it."""
    folder = tmp_path_factory.mktemp("window")
    house = await build_shop_window(folder)
    addresses = await furnish(house)
    options = WebOptions(refresh_seconds=0.5, **editing(folder / "channelsync.yaml"))
    async with served(build_app(house.engine, options)) as url:
        yield Site(house, url, browser, addresses)
    await house.engine.database.close()
