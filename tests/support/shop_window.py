"""A house with something of everything, for whoever looks at pages."""

from __future__ import annotations

from pathlib import Path

import sqlalchemy as sa

from channelsync.domain.vocabulary import PushSemantics
from channelsync.engine.alarms import raise_alarm, record_shortfall
from channelsync.engine.channel_desk import pause_channel
from channelsync.store import tables
from tests.support.house import House, build_house

__all__ = ["build_shop_window"]

STOCK: dict[str, int | dict[str, int]] = {
    "BOWL": 7,
    "MUG": {"dc": 60, "soho": 40},
    "PLATE/XL": {"dc": 5},
    **{f"PEN-{number:03}": {"dc": number, "soho": 3} for number in range(1, 8)},
}
NAMES = {"BOWL": "Soup bowl", "MUG": "Blue mug", "PLATE/XL": "Large plate"}
CAS, ABSOLUTE = PushSemantics.KEYED_COMPARE_AND_SET, PushSemantics.ABSOLUTE


async def build_shop_window(folder: Path) -> House:
    """Two locations, three channels, sales, a shortfall, an alarm and a paused channel."""
    house = await build_house(
        folder,
        stock=STOCK,
        quotas={"amazon-us": 5_000, "shopify-us": 3_000, "soho-till": 2_000},
        semantics={"amazon-us": ABSOLUTE, "shopify-us": CAS, "soho-till": CAS},
        safety_stock=1,
    )
    await house.settle_down(60, step=30)
    for name in ("amazon-us", "shopify-us"):
        house.markets[name].sell("MUG", 2)
        house.markets[name].sell("PEN-007", 1)
    await house.settle_down(180, step=60)
    now = house.clock()
    async with house.engine.database.write() as tx:
        for sku, name in NAMES.items():
            named = sa.update(tables.items).where(tables.items.c.sku == sku).values(name=name)
            await tx.execute(named)
        await raise_alarm(
            tx, "feed_quiet", "amazon-us", "no sign of life", now=now, channel="amazon-us"
        )
        await record_shortfall(
            tx, item_id=1, units=2, cause="beyond_grant", now=now, channel="shopify-us"
        )
    await pause_channel(house.engine, "soho-till", "the till is being repaired")
    await house.settle_down(60, step=30)
    return house
