"""A house behind its dashboard, and visitors of it: each with a page of his own.

What a page complains of (errors, content that the policy refuses) fails the test that opened it.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Final

from playwright.async_api import Browser, BrowserContext, ConsoleMessage, Page

from tests.browser.accessibility import AXE
from tests.support.house import House

__all__ = ["Site", "Visit"]

DESKTOP: Final = 1_280
TELEPHONE: Final = 360


@dataclass
class Site:
    """A house behind its dashboard, on a real socket."""

    house: House
    url: str
    browser: Browser
    addresses: Mapping[str, str] = field(default_factory=dict)
    """Of pages about one thing, by their routes."""

    @asynccontextmanager
    async def visit(
        self,
        path: str = "/",
        *,
        width: int = DESKTOP,
        dark: bool = False,
        scripts: bool = True,
    ) -> AsyncIterator[Visit]:
        """A visitor's page; what it complained of is judged when he leaves."""
        context = await self.browser.new_context(
            base_url=self.url,
            viewport={"width": width, "height": 900},
            color_scheme="dark" if dark else "light",
            reduced_motion="reduce",
            java_script_enabled=scripts,
        )
        visit = Visit(context, await context.new_page())
        visit.listen()
        try:
            answer = await visit.page.goto(path, wait_until="domcontentloaded")
            assert answer is not None
            visit.status = answer.status
            yield visit
        finally:
            await context.close()
        assert visit.complaints == []


@dataclass
class Visit:
    """One visitor with one page."""

    context: BrowserContext
    page: Page
    status: int = 0
    complaints: list[str] = field(default_factory=list)

    def listen(self) -> None:
        """Note errors, and whatever the content policy refuses (the console tells both)."""
        self.page.on("pageerror", lambda error: self.complaints.append(f"error: {error}"))
        self.page.on("console", self._on_console)

    def _on_console(self, message: ConsoleMessage) -> None:
        if message.type in {"error", "warning"}:
            self.complaints.append(f"{message.type}: {message.text}")

    async def audit(self, *, contrast_alone: bool = False) -> list[str]:
        """What axe finds wrong with the page as it is; judging contrast alone is much cheaper."""
        return await AXE.audit(self.page, contrast_alone=contrast_alone)

    async def audit_both(self) -> list[str]:
        """Everything in the colours at hand, then the contrast of the dark ones."""
        found = await self.audit()
        await self.page.emulate_media(color_scheme="dark", reduced_motion="reduce")
        return found + await self.audit(contrast_alone=True)

    async def is_too_wide(self) -> bool:
        """Whether a telephone has to be moved sideways to read it."""
        await self.page.set_viewport_size({"width": TELEPHONE, "height": 800})
        width = await self.page.evaluate("document.documentElement.scrollWidth")
        await self.page.set_viewport_size({"width": DESKTOP, "height": 900})
        return bool(width > TELEPHONE)
