"""The auditor counts at the marketplaces, and tells a till's doing from ours."""

from __future__ import annotations

from random import Random

import pytest

from channelsync.demo.auditor import Auditor
from channelsync.demo.catalogue import DemoItem
from channelsync.demo.marketplaces import Town, build_town

MUG = DemoItem(sku="MUG", name="Mug", warehouse=30, shop=10)


@pytest.fixture
def town() -> Town:
    """Everybody lists mugs."""
    town = build_town((MUG,), Random(2))
    town.amazon.world.offers["MUG"].live = 20
    town.shopify.shop.add_item("CUP", 10)
    town.square.shop.receive("MUG", 10)
    return town


def auditor_of(town: Town, units: int) -> Auditor:
    auditor = Auditor(town.counters)
    auditor.supply["MUG"] = units
    auditor.supply["CUP"] = 10
    return auditor


async def test_every_marketplace_is_counted(town: Town) -> None:
    auditor = auditor_of(town, units=2)
    await town.shopify.shop.buy("CUP")
    for _ in range(2):
        await town.amazon.seller.buy("MUG")
    town.square.shop.sell({"MUG": 1})
    assert auditor.verdict() == (4, 1, 0)


async def test_what_was_called_off_is_not_sold(town: Town) -> None:
    auditor = auditor_of(town, units=0)
    order = await town.amazon.seller.buy("MUG")
    cup = await town.shopify.shop.buy("CUP")
    assert auditor.verdict() == (2, 1, 0)
    await town.amazon.seller.cancel(order or "")
    await town.shopify.shop.cancel(cup or "")
    assert auditor.verdict() == (0, 0, 0)


async def test_a_shipped_unit_stays_sold(town: Town) -> None:
    auditor = auditor_of(town, units=1)
    order = await town.amazon.seller.buy("MUG")
    await town.amazon.seller.ship(order or "")
    assert auditor.verdict() == (1, 0, 0)


async def test_units_past_the_slice_are_the_tills(town: Town) -> None:
    auditor = auditor_of(town, units=3)
    for _ in range(2):
        await town.amazon.seller.buy("MUG")
    town.square.shop.sell({"MUG": 4})
    auditor.past_slice["MUG"] = 2
    assert auditor.verdict() == (6, 1, 2)
