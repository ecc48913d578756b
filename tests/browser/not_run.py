"""What is said where there is no browser."""

from __future__ import annotations

from typing import Final

__all__ = ["NAMES", "WITHOUT_CHROMIUM"]

NAMES: Final = ("chromium", "chromium-browser", "google-chrome")
WITHOUT_CHROMIUM: Final = "needs chromium, which tries the pages: install the package chromium"
