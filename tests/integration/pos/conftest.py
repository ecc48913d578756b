"""Houses that are closed when their test ends."""

from __future__ import annotations

from tests.integration.engine.conftest import build

__all__ = ["build"]
