"""Every race is run twice: by the real engine and by the negative control."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest

from tests.races.sellers import Naive, Ours
from tests.races.stage import Race, Seller
from tests.support.house import Clock

OpenRace = Callable[..., Awaitable[Seller]]
"""Arguments as `Race`, less the folder."""


@pytest.fixture(params=[Ours, Naive], ids=lambda engine: engine.name)
async def race(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[OpenRace]:
    opened: list[Seller] = []

    async def open_race(**given: Any) -> Seller:
        seller: Seller = request.param(Race(folder=tmp_path, **given), Clock())
        opened.append(seller)
        await seller.open()
        return seller

    yield open_race
    for seller in opened:
        await seller.close()
