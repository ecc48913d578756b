"""Packages told to a simulated account."""

from __future__ import annotations

import pytest

from channelsync.sdk.connector import ConfirmsShipments
from channelsync.sdk.errors import Misconfigured
from channelsync.sdk.types import Shipment
from tests.support.amazon import Bench, stocked


async def paid(units: int = 3) -> tuple[Bench, str, str]:
    bench = await stocked("MUG")
    order = await bench.seller.buy("MUG", units)
    await bench.seller.pay(order)
    [fact] = (await bench.channel.orders_by_id([order])).facts
    return bench, order, fact.line_id


def package(bench: Bench, order: str, line: str, units: int, reference: str = "1") -> Shipment:
    return Shipment(
        order_id=order,
        reference=reference,
        carrier="DHL",
        tracking="00340434292135100186",
        shipped_at=bench.clock(),
        lines=((line, units),),
        origin=bench.simulator.world.marketplaces[0],
    )


async def shipped(bench: Bench, order: str) -> int:
    [fact] = (await bench.channel.orders_by_id([order])).facts
    return fact.shipped


async def test_what_is_told_in_two_packages_is_shipped_in_two_steps() -> None:
    bench, order, line = await paid()
    assert isinstance(bench.channel, ConfirmsShipments)
    await bench.channel.confirm_shipment(package(bench, order, line, 2))
    assert await shipped(bench, order) == 2
    await bench.channel.confirm_shipment(package(bench, order, line, 1, "2"))
    assert await shipped(bench, order) == 3
    assert bench.simulator.world.orders[order].status == "SHIPPED"


async def test_a_package_told_twice_is_one_package() -> None:
    bench, order, line = await paid()
    for _ in range(3):
        await bench.channel.confirm_shipment(package(bench, order, line, 2))
    assert await shipped(bench, order) == 2


async def test_more_than_was_ordered_is_refused_and_said() -> None:
    bench, order, line = await paid()
    with pytest.raises(Misconfigured, match="exceeds what is left"):
        await bench.channel.confirm_shipment(package(bench, order, line, 4))
    assert await shipped(bench, order) == 0


async def test_an_order_whose_payment_is_pending_cannot_be_shipped() -> None:
    bench = await stocked("MUG")
    order = await bench.seller.buy("MUG", 1)
    [fact] = (await bench.channel.orders_by_id([order])).facts
    with pytest.raises(Misconfigured, match="cannot be shipped"):
        await bench.channel.confirm_shipment(package(bench, order, fact.line_id, 1))


async def test_a_package_has_a_number() -> None:
    bench, order, line = await paid()
    with pytest.raises(Misconfigured, match="positive number"):
        await bench.channel.confirm_shipment(package(bench, order, line, 1, "box A"))
