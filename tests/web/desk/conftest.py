"""A house that wants a person, behind its door."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from channelsync.domain.vocabulary import PushSemantics
from tests.support.house import House, build_house
from tests.support.signed_in import Door

CAS = PushSemantics.KEYED_COMPARE_AND_SET


@pytest.fixture
async def house(tmp_path: Path) -> AsyncIterator[House]:
    built = await build_house(
        tmp_path,
        stock={"MUG": {"dc": 60, "soho": 40}, "CUP/XL": {"dc": 10}},
        quotas={"a": 5_000, "b": 3_000},
        semantics={"a": CAS, "b": CAS},
    )
    yield built
    await built.engine.database.close()


@pytest.fixture
def door(house: House) -> Door:
    return Door(house)
