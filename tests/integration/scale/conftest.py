"""Houses on PostgreSQL, and servers that a test may kill."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import pytest

from channelsync.store.database import Database
from tests.support.house import Build, House, build_house
from tests.support.servers import Redis, ServerMissing, running_redis


@pytest.fixture
async def build(postgres_url: str, tmp_path: Path) -> AsyncIterator[Build]:
    """Builds a house on PostgreSQL."""
    built: list[House] = []

    async def make(**arguments: Any) -> House:
        house = await build_house(tmp_path, database=Database(postgres_url), **arguments)
        built.append(house)
        return house

    yield make
    for house in built:
        await house.engine.database.close()


@pytest.fixture
def own_redis() -> Iterator[Redis]:
    """A Redis that this test may kill."""
    try:
        with running_redis() as server:
            yield server
    except ServerMissing as missing:
        pytest.skip(str(missing))
