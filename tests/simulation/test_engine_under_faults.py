"""The real engine on a real SQLite file against marketplaces in memory, with seeded faults.

After every step an auditor that knows the true counters checks the theorem for each listing and the
stock as a whole; at the end shopping stops and the books must become exact.
"""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from pathlib import Path
from random import Random
from typing import Any

import pytest
import sqlalchemy as sa

from channelsync.domain.vocabulary import PushSemantics
from channelsync.engine.recover import recover
from channelsync.store import tables
from tests.support.house import House, build_house

SEEDS = int(os.environ.get("CHANNELSYNC_ENGINE_SEEDS", "6"))
STEPS = 60
STOCK = {"MUG": 12, "CAP": 3}
MARKETS = {
    "cas": PushSemantics.KEYED_COMPARE_AND_SET,
    "delta": PushSemantics.KEYED_DELTA,
    "absolute": PushSemantics.ABSOLUTE,
}
FAULTS = ("lose_answer", "lose_request", "refuse", "offline", "accept_late", "")


@dataclass(slots=True)
class Shoppers:
    """Buys, cancels and breaks things, as a seed says."""

    house: House
    rng: Random
    open_orders: list[tuple[str, str]] = field(default_factory=list)
    happened: set[str] = field(default_factory=set)

    def act(self) -> None:
        """One thing that happens outside of us."""
        name = self.rng.choice(sorted(self.house.markets))
        market = self.house.markets[name]
        what = self.rng.choices(("buy", "cancel", "fault", "late", "outage"), (60, 12, 16, 8, 4))[0]
        self.happened.add(what)
        if what == "buy":
            order_id = market.sell(self.rng.choice(sorted(STOCK)))
            if order_id is not None:
                self.open_orders.append((name, order_id))
        elif what == "cancel" and self.open_orders:
            index = self.rng.randrange(len(self.open_orders))
            channel, order_id = self.open_orders.pop(index)
            self.house.markets[channel].cancel(order_id)
        elif what == "fault":
            market.faults.append(self.rng.choice(FAULTS))
        elif what == "late":
            market.apply_late()
        elif what == "outage":
            market.offline = not market.offline


async def audit(house: House) -> None:
    """The theorem, listing by listing, and the stock, item by item, against the truth."""
    listings = await house.rows(tables.listings)
    counted = await _counted(house)
    for row in listings:
        market = house.markets[row.channel]
        if row.exposure is None:
            continue
        unseen = market.net_sold(row.sku) - counted.get(row.id, 0)
        may_show = [market.counters[row.sku], *(q for sku, q in market.late if sku == row.sku)]
        held = max(*may_show, 0) + unseen
        assert held <= row.exposure, (row.channel, row.sku, may_show, unseen, row.exposure)
    for sku, units in STOCK.items():
        assert house.sold(sku) <= units, f"{sku} oversold"


async def _counted(house: House) -> dict[int, int]:
    lines = tables.order_lines
    query = sa.select(
        lines.c.listing_id, sa.func.sum(lines.c.ordered - lines.c.cancelled).label("units")
    ).group_by(lines.c.listing_id)
    async with house.engine.database.read() as connection:
        return {row.listing_id: row.units for row in await connection.execute(query)}


async def build(folder: Path) -> House:
    house = await build_house(
        folder,
        stock=STOCK,
        quotas={"cas": 4_000, "delta": 3_000, "absolute": 3_000},
        semantics=MARKETS,
        declared={"quarantine_seconds": 0.0},
    )
    await house.settle_down(60, step=10)
    return house


@pytest.mark.parametrize("seed", range(SEEDS))
async def test_no_fault_oversells_and_the_books_become_exact(tmp_path: Path, seed: int) -> None:
    rng = Random(seed)
    house = await build(tmp_path)
    try:
        shoppers = Shoppers(house, rng)
        for _ in range(STEPS):
            shoppers.act()
            await audit(house)
            await house.settle_down(rng.choice((0, 0, 5, 40)), step=20)
            if rng.random() < 0.05:
                await recover(house.engine)
            await audit(house)
        await _calm_down(house)
        await _require_exact(house)
    finally:
        await house.engine.database.close()


async def _calm_down(house: House) -> None:
    for market in house.markets.values():
        market.faults.clear()
        market.late.clear()
        market.offline = False
    await house.settle_down(4_000, step=100)


async def _require_exact(house: House) -> None:
    for row in await house.rows(tables.listings):
        assert row.exposure == max(house.markets[row.channel].counters[row.sku], 0), dict(
            row._mapping
        )
        assert not row.settle_reasons, dict(row._mapping)
    pushes: list[Any] = await house.rows(tables.pushes)
    assert all(push.closed_at is not None for push in pushes)
    await house.require_clean_books()
    sold = {sku: house.sold(sku) for sku in STOCK}
    shown = {sku: sum(market.counters[sku] for market in house.markets.values()) for sku in STOCK}
    for sku, units in STOCK.items():
        assert sold[sku] + shown[sku] <= units
