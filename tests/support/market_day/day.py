"""One market day: a flash sale on three marketplaces with every fault on, and what it came to."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from random import Random
from typing import Final

import sqlalchemy as sa

from channelsync.store import tables
from tests.support.market_day.demand import Buyer, buyers, stock_of
from tests.support.market_day.rival import POLICIES, QUOTAS, Delays, Rival, Tally, lost
from tests.support.market_day.town import DELIVERIES, Late, Town, open_town

__all__ = ["Outcome", "play_day"]

ADOPTION_SECONDS_MAX: Final = 1_800.0
OPEN_SECONDS: Final = 1_200.0
AFTERWARDS_SECONDS_MAX: Final = 5_400.0
LISTENING_SECONDS: Final = 420.0
"""After everything was counted: each channel is polled once more, late copies of webhooks come."""
SLOW_PAYERS: Final = 0.3


@dataclass(slots=True)
class Outcome:
    """What one day came to, and what plain policies would have made of it."""

    seed: int
    ours: Tally
    rivals: list[Tally]
    injected: dict[str, int] = field(default_factory=dict)


async def play_day(folder: Path, seed: int) -> Outcome:
    """Play one seed. Raises AssertionError if anything was oversold, lost or counted twice."""
    rng = Random(f"market day {seed}")
    stock = stock_of(rng)
    everybody = list(buyers(rng, OPEN_SECONDS))
    async with open_town(folder, stock, rng) as town:
        await town.live_for(ADOPTION_SECONDS_MAX, step=20.0, until=_adopted)
        assert await _adopted(town), "not settled after adoption"
        ours = await _Day(town, rng).open_doors(everybody)
        town.stop_faults()
        await town.live_for(AFTERWARDS_SECONDS_MAX, step=60.0, until=_all_counted)
        await town.live_until(town.clock.at + LISTENING_SECONDS, step=60.0)
        await require_sound(town)
        ours.oversold = sum(max(town.sold(sku) - units, 0) for sku, units in stock.items())
        ours.sold = sum(town.sold(sku) for sku in stock)
        ours.pushes = await _pushes(town) - ours.pushes
        injected: dict[str, int] = {}
        for plan in town.faults.values():
            for name, count in plan.injected.items():
                injected[name] = injected.get(name, 0) + count
    return Outcome(seed, ours, _rivals(stock, everybody, rng), injected)


async def _adopted(town: Town) -> bool:
    """Whether every listing was found and settled, and nothing is on its way any more."""
    rows = await town.house.rows(tables.listings)
    known = [row for row in rows if row.exposure is not None and not row.settle_wanted]
    pushes = [row for row in await town.house.rows(tables.pushes) if row.closed_at is None]
    return len(known) == len(QUOTAS) * len(town.stock) and not pushes


async def _all_counted(town: Town) -> bool:
    """Whether we have heard of every sale."""
    counted = await _counted(town)
    return all(town.sold(sku) == counted.get(sku, 0) for sku in town.stock)


@dataclass(slots=True)
class _Day:
    """The buyers of one day. Orders that are called off later wait in `cancels`."""

    town: Town
    rng: Random
    cancels: list[tuple[float, str, str]] = field(default_factory=list)
    paying: list[tuple[float, int]] = field(default_factory=list)

    async def open_doors(self, everybody: Sequence[Buyer]) -> Tally:
        tally = Tally("escrow", pushes=await _pushes(self.town))
        refused: Counter[str] = Counter()
        opened = self.town.clock.at
        for buyer in everybody:
            await self._until(opened + buyer.at)
            tally.demand += 1
            left = self.town.stock[buyer.sku] - self.town.sold(buyer.sku)
            order = await self._buy(buyer)
            if order is None:
                refused[buyer.sku] += left > 0
            elif buyer.cancels_after is not None:
                self.cancels.append(
                    (self.town.clock.at + buyer.cancels_after, buyer.channel, order)
                )
            assert self.town.sold(buyer.sku) <= self.town.stock[buyer.sku], f"{buyer} was oversold"
        await self._until(opened + OPEN_SECONDS)
        sold = {sku: self.town.sold(sku) for sku in self.town.stock}
        tally.refused, tally.lost = refused.total(), lost(refused, self.town.stock, sold)
        for _, checkout in self.paying:
            await self.town.shopify.shop.abandon_checkout(checkout)
        return tally

    async def _until(self, at: float) -> None:
        """Everything that is due by `at`, payments and cancels included."""
        while True:
            times = [one[0] for one in self.cancels] + [one[0] for one in self.paying]
            due = min(times, default=at)
            await self.town.live_until(min(due, at))
            now = self.town.clock.at
            for paid in [one for one in self.paying if one[0] <= now]:
                self.paying.remove(paid)
                await self.town.shopify.shop.complete_checkout(paid[1])
            for regret in [one for one in self.cancels if one[0] <= now]:
                self.cancels.remove(regret)
                await self._cancel(regret[1], regret[2])
            if now >= at:
                return

    async def _buy(self, buyer: Buyer) -> str | None:
        town = self.town
        if buyer.channel == "amazon":
            return await town.amazon.seller.buy(buyer.sku)
        if buyer.channel == "square":
            # Walk-ins and the seller's site keep to what Square shows.
            by_hand = self.rng.random() < 0.5
            shop = town.square.shop
            return shop.buy(buyer.sku) if by_hand else shop.order_online(buyer.sku)
        if self.rng.random() < SLOW_PAYERS:
            checkout = await town.shopify.shop.begin_checkout(buyer.sku)
            if checkout is None:
                return None
            self.paying.append((town.clock.at + self.rng.uniform(1, 40), checkout))
            return ""
        return await town.shopify.shop.buy(buyer.sku)

    async def _cancel(self, channel: str, order: str) -> None:
        town = self.town
        if not order:
            return
        if channel == "amazon":
            await town.amazon.seller.cancel(order)
        elif channel == "shopify":
            await town.shopify.shop.cancel(order)
        elif town.square.world.orders[order].fulfilments:
            town.square.shop.cancel(order)


async def require_sound(town: Town) -> None:
    """Nothing oversold, every order line counted once, and the books follow from the ledger."""
    for sku, units in town.stock.items():
        assert town.sold(sku) <= units, f"{sku} oversold"
    counted = await _counted(town)
    wrong = {
        sku: (town.sold(sku), counted.get(sku, 0))
        for sku in town.stock
        if town.sold(sku) != counted.get(sku, 0)
    }
    assert not wrong, f"sold and counted differ: {wrong}"
    await town.house.require_clean_books()


async def _counted(town: Town) -> dict[str, int]:
    lines, listings = tables.order_lines, tables.listings
    query = (
        sa.select(listings.c.sku, sa.func.sum(lines.c.ordered - lines.c.cancelled))
        .join(listings, listings.c.id == lines.c.listing_id)
        .group_by(listings.c.sku)
    )
    async with town.engine.database.read() as connection:
        return {sku: int(units) for sku, units in await connection.execute(query)}


async def _pushes(town: Town) -> int:
    pushes = tables.pushes
    query = sa.select(sa.func.count()).where(pushes.c.copies > 0)
    async with town.engine.database.read() as connection:
        return int((await connection.execute(query)).scalar_one())


def _rivals(stock: dict[str, int], everybody: Sequence[Buyer], rng: Random) -> list[Tally]:
    late = Late(seconds_median=60.0, sigma=1.2, never=0.03)

    def by_webhook(chance: Random) -> float:
        if chance.random() < DELIVERIES.lose:
            return chance.uniform(0.0, 60.0)
        return chance.uniform(DELIVERIES.delay_seconds_min, DELIVERIES.delay_seconds_max)

    quick = Delays(heard=by_webhook, applies=lambda _: 0.5)
    slow = Delays(heard=lambda chance: chance.uniform(0.0, 300.0), applies=late.draw)
    delays = {"amazon": slow, "shopify": quick, "square": quick}
    return [
        Rival(policy, stock, delays, Random(rng.random())).play(everybody) for policy in POLICIES
    ]
