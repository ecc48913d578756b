"""Houses that are closed when their test ends."""

from __future__ import annotations

from tests.support.building import build

__all__ = ["build"]
