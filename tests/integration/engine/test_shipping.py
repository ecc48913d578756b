"""What a package may hold, and telling a channel of it."""

from __future__ import annotations

from typing import Any

import pytest

from channelsync.domain.vocabulary import PushSemantics
from channelsync.engine.ship import NothingToShip, plan_shipment
from channelsync.sdk.connector import ConfirmsShipments
from channelsync.sdk.types import Shipment
from tests.support.house import Build, House


async def sold(build: Build, units: int) -> tuple[House, str]:
    house = await build(
        stock={"MUG": 10}, quotas={"a": 10_000}, semantics={"a": PushSemantics.KEYED_DELTA}
    )
    await house.settle_down(60)
    order = house.markets["a"].sell("MUG", units)
    assert order is not None
    await house.settle_down(60)
    return house, order


async def planned(house: House, order: str, **more: Any) -> Shipment:
    async with house.engine.database.read() as tx:
        return await plan_shipment(
            tx,
            "a",
            order,
            carrier="DHL",
            tracking="0034",
            reference="1",
            shipped_at=house.clock(),
            **more,
        )


async def test_a_package_holds_what_is_left_unless_said_otherwise(build: Build) -> None:
    house, order = await sold(build, 3)
    assert (await planned(house, order)).lines == (("1", 3),)
    assert (await planned(house, order, units={"MUG": 2})).lines == (("1", 2),)


async def test_what_was_told_is_counted_by_the_channels_own_word(build: Build) -> None:
    house, order = await sold(build, 3)
    channel = house.channels.running["a"].channel
    assert isinstance(channel, ConfirmsShipments)
    for _ in range(2):
        await channel.confirm_shipment(await planned(house, order))
    await house.settle_down(60)
    with pytest.raises(NothingToShip, match="nothing of order"):
        await planned(house, order)
    await house.require_clean_books()


@pytest.mark.parametrize("units", [{"MUG": 4}, {"CUP": 1}, {"MUG": 0}])
async def test_what_an_order_does_not_hold_cannot_be_packed(
    build: Build, units: dict[str, int]
) -> None:
    house, order = await sold(build, 3)
    with pytest.raises(NothingToShip, match="left to ship"):
        await planned(house, order, units=units)


async def test_an_order_that_was_never_told_cannot_be_shipped(build: Build) -> None:
    house, _ = await sold(build, 1)
    with pytest.raises(NothingToShip, match="told of no order"):
        await planned(house, "order-99")
