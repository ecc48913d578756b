"""A house with two channels and two locations, and everything in it that the API tells of."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection

from channelsync.domain.vocabulary import PushSemantics
from channelsync.engine.alarms import raise_alarm, record_shortfall
from channelsync.store import tables
from tests.support.house import House, build_house
from tests.support.signed_in import Door

CAS = PushSemantics.KEYED_COMPARE_AND_SET
STOCK: dict[str, int | dict[str, int]] = {
    "BOWL": 7,
    "MUG": {"dc": 60, "soho": 40},
    "PLATE/XL": {"dc": 5},
}


@pytest.fixture
async def house(tmp_path: Path) -> AsyncIterator[House]:
    built = await build_house(
        tmp_path, stock=STOCK, quotas={"a": 5_000, "b": 3_000}, semantics={"a": CAS, "b": CAS}
    )
    await built.settle_down(60, step=15)
    yield built
    await built.engine.database.close()


@pytest.fixture
async def busy(house: House) -> House:
    """Sales, trouble and dead letters on both channels."""
    for name in ("a", "b"):
        house.markets[name].sell("MUG", 2)
    await house.settle_down(600, step=60)
    now = house.clock()
    async with house.engine.database.write() as tx:
        for number, channel in enumerate(("a", "b"), start=1):
            await _bury(tx, number, channel, now)
            await raise_alarm(
                tx, "feed_quiet", channel, "no sign of life", now=now, channel=channel
            )
            await record_shortfall(
                tx, item_id=1, units=number, cause="count", now=now, channel=channel
            )
        await raise_alarm(tx, "listing_gone", "a/MUG", "not listed", now=now, channel="a")
    return house


async def _bury(tx: AsyncConnection, number: int, channel: str, at: float) -> None:
    delivery = {
        "channel": channel,
        "dedupe_key": f"delivery-{number}",
        "topic": "orders/create",
        "received_at": at,
        "body_sha256": "0" * 64,
        "reduced": {},
    }
    insert = sa.insert(tables.deliveries).values(delivery).returning(tables.deliveries.c.id)
    key = (await tx.execute(insert)).scalar_one()
    letter = {"kind": "delivery", "reference": str(key), "channel": channel}
    values = {"reason": "line_items is missing", "created_at": at}
    await tx.execute(sa.insert(tables.dead_letters).values(letter | values))


@pytest.fixture
def door(house: House) -> Door:
    return Door(house)
