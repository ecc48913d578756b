"""A fixture: houses that are closed when their test ends."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from tests.support.house import Build, House, build_house

__all__ = ["build"]


@pytest.fixture
async def build(tmp_path: Path) -> AsyncIterator[Build]:
    """Builds houses of memory markets."""
    built: list[House] = []

    async def make(**arguments: Any) -> House:
        house = await build_house(tmp_path, **arguments)
        built.append(house)
        return house

    yield make
    for house in built:
        await house.engine.database.close()
