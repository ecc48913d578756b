"""The auditor counts at the marketplaces, and tells a till's doing from ours."""

from __future__ import annotations

from random import Random
from time import time

from channelsync.demo.auditor import Auditor
from channelsync_pos.simulator import TillSimulator
from channelsync_shopify.simulator import ShopifySimulator


def auditor_of(units: int) -> Auditor:
    shop = ShopifySimulator()
    shop.shop.add_item("MUG", 10)
    auditor = Auditor({"shop": shop}, TillSimulator(now=time, rng=Random(1)))
    auditor.supply["MUG"] = units
    return auditor


async def test_what_was_called_off_is_not_sold() -> None:
    auditor = auditor_of(2)
    shop = auditor.shops["shop"].shop
    orders = [await shop.buy("MUG") for _ in range(3)]
    sale = auditor.till.sell("MUG")
    assert auditor.verdict() == (4, 2, 0)
    await shop.cancel(orders[0] or "")
    auditor.till.void(sale)
    assert auditor.verdict() == (2, 0, 0)


async def test_a_shipped_unit_stays_sold() -> None:
    auditor = auditor_of(1)
    shop = auditor.shops["shop"].shop
    order = await shop.buy("MUG")
    await shop.fulfil(order or "")
    assert auditor.verdict() == (1, 0, 0)


async def test_units_past_the_slice_are_the_tills() -> None:
    auditor = auditor_of(3)
    for _ in range(2):
        await auditor.shops["shop"].shop.buy("MUG")
    auditor.till.sell("MUG", 4)
    auditor.past_slice["MUG"] = 2
    assert auditor.verdict() == (6, 1, 2)
