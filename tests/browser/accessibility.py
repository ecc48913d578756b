"""axe-core, as its package carries it, run within a page."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from importlib.resources import files
from typing import Any, Final

from playwright.async_api import Page

__all__ = ["AXE"]

RULES: Final = ("wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice")


@dataclass
class _Axe:
    """Loaded once; evaluated by the debugger, past the page's content policy."""

    @cached_property
    def source(self) -> str:
        return files("axe_playwright_python").joinpath("axe.min.js").read_text("utf-8")

    async def audit(self, page: Page, *, contrast_alone: bool = False) -> list[str]:
        """Every violation: the rule, what it says, and where."""
        if not await page.evaluate("'axe' in window"):
            await page.evaluate(self.source)
        rules = ["color-contrast"] if contrast_alone else list(RULES)
        kind = "rule" if contrast_alone else "tag"
        found: Any = await page.evaluate(
            "only => axe.run(document, {runOnly: only, preload: false,"
            " resultTypes: ['violations']})",
            {"type": kind, "values": rules},
        )
        return [
            f"{one['id']} ({one['help']}): {node['html'][:160]} {node.get('failureSummary', '')}"
            for one in found["violations"]
            for node in one["nodes"][:3]
        ]


AXE: Final = _Axe()
