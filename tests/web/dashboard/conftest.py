"""One house with something of everything, and its door, for all tests of the session.

Building it takes longer than looking at it: a module
says `pytestmark = pytest.mark.asyncio(loop_scope="session")`, and changes nothing that another test
looks at.
"""

from __future__ import annotations

from collections.abc import AsyncIterator

import httpx
import pytest
import pytest_asyncio

from channelsync.domain.permissions import Role
from tests.support.house import House
from tests.support.shop_window import build_shop_window
from tests.support.signed_in import Door


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def window(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[House]:
    house = await build_shop_window(tmp_path_factory.mktemp("window"))
    yield house
    await house.engine.database.close()


@pytest.fixture(scope="session")
def door(window: House) -> Door:
    return Door(window)


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def client(door: Door) -> AsyncIterator[httpx.AsyncClient]:
    """A manager's browser: signing in is bounded, so once is enough."""
    async with door.as_user("ada", Role.MANAGER) as signed_in:
        yield signed_in
