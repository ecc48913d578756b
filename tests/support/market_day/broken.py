"""A quiet town in which one marketplace breaks its word, and what we made of it."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from random import Random
from typing import Any, Final

import sqlalchemy as sa

from channelsync.domain.allocation_rules import Rule
from channelsync.domain.vocabulary import Assumption, PushKind
from channelsync.engine.policy import Policy
from channelsync.engine.settle import request_drift_check
from channelsync.engine.work import mark_items
from channelsync.store import tables
from channelsync.store.ledger import StockMove, move_stock
from channelsync.store.tables import MovementKind, Quantity
from channelsync_amazon.simulator.state import Application
from tests.support.market_day.rival import QUOTAS
from tests.support.market_day.town import Town, open_town

__all__ = ["AMAZON_LIMIT_SECONDS", "AT_ONCE", "SKU", "STOCK", "Scene", "open_scene"]

SKU: Final = "MUG"
STOCK: Final = 20
AMAZON_LIMIT_SECONDS: Final = 120.0
AT_ONCE: Final = Application(seconds_median=2.0, sigma=0.0)
LOWERINGS: Final = (PushKind.ZERO, PushKind.CUT)


@dataclass(slots=True)
class Scene:
    """One item in three marketplaces without any fault but the one that a test brings in."""

    town: Town
    began: float = 0.0

    async def live(self, seconds: float, *, step: float = 10.0) -> None:
        """Let time pass."""
        await self.town.live_until(self.town.clock.at + seconds, step=step)

    async def buy(self, channel: str, units: int) -> int:
        """Shoppers buy one unit each, as long as the marketplace sells. Returns how many did."""
        town, bought = self.town, 0
        for _ in range(units):
            if channel == "amazon":
                order = await town.amazon.seller.buy(SKU)
            elif channel == "shopify":
                order = await town.shopify.shop.buy(SKU)
            else:
                order = town.square.shop.buy(SKU)
            bought += order is not None
        return bought

    def shown(self, channel: str) -> int:
        """What shoppers can buy there now."""
        town = self.town
        if channel == "amazon":
            return town.amazon.seller.live(SKU)
        if channel == "shopify":
            return town.shopify.shop.available(SKU)
        return town.square.shop.shown(SKU)

    async def share(self, **quotas: int) -> None:
        """The merchant shares the stock anew. Percent."""
        whole = {name: 100 * part for name, part in quotas.items()}
        engine = self.town.engine
        rules = {"main": (Rule(name="anew", quotas=whole),)}
        engine.policy = Policy(rules=rules, safety_stock={"main": 0})
        async with engine.database.write() as tx:
            await mark_items(tx, (1,), engine.now())

    async def receive(self, units: int) -> None:
        """Goods come in."""
        now = self.town.clock()
        async with self.town.engine.database.write() as tx:
            move = StockMove(
                item_id=1,
                location_id=1,
                quantity=Quantity.ON_HAND,
                delta=units,
                kind=MovementKind.ADJUSTMENT,
                actor="test",
                at=now,
            )
            await move_stock(tx, [move])
            await mark_items(tx, (1,), now)

    async def look(self, channel: str) -> None:
        """Drift is looked for now, not at its time."""
        listing = await self.town.house.listing(channel, SKU)
        async with self.town.engine.database.write() as tx:
            await request_drift_check(tx, channel, [listing.id], now=self.town.clock())

    # ------------------------------------------------------------ what we made of it

    @property
    def oversold(self) -> int:
        """Units promised to shoppers that are not there."""
        return max(self.town.sold(SKU) - STOCK, 0)

    async def broken(self) -> dict[tuple[str, str], str]:
        """What the monitor ever said, by channel and assumption."""
        said = {}
        for row in await self.town.house.rows(tables.alarms):
            if row.kind == "assumption_broken":
                said[row.channel, row.subject.rsplit("/", 1)[-1]] = row.message
        return said

    async def shortfalls(self) -> dict[tuple[str, str], int]:
        """Units by channel and the cause that was learnt last."""
        found: dict[tuple[str, str], int] = {}
        for row in await self.town.house.rows(tables.shortfalls):
            key = (row.channel, row.cause.rpartition(": ")[2])
            found[key] = found.get(key, 0) + row.units
        return found

    async def first_causes(self) -> set[str]:
        """What was seen of each shortfall before more was learnt."""
        rows = await self.town.house.rows(tables.shortfalls)
        return {row.cause.partition(": ")[0] for row in rows}

    async def lowered(self, channel: str) -> bool:
        """Whether a zero or a cut was sent since the trouble began."""
        pushes = tables.pushes
        query = sa.select(sa.func.count()).where(
            pushes.c.channel == channel,
            pushes.c.kind.in_(LOWERINGS),
            pushes.c.copies > 0,
            pushes.c.opened_at >= self.began,
        )
        async with self.town.engine.database.read() as connection:
            return bool((await connection.execute(query)).scalar_one())

    async def require_answered(self, channel: str, assumption: Assumption) -> None:
        """The assumption was named, the listing taken down, and the books are whole."""
        said = await self.broken()
        assert said.keys() == {(channel, assumption.value)}, said
        assert await self.lowered(channel)
        await self.town.house.require_clean_books()


@asynccontextmanager
async def open_scene(folder: Path) -> AsyncIterator[Scene]:
    """Adopted, and every unit of the stock granted by pushes of ours: 10, 6 and 4."""
    async with open_town(folder, {SKU: 0}, Random("a word is broken")) as town:
        town.stop_faults()
        town.amazon.world.application = AT_ONCE
        town.amazon.seller.visibility_seconds = (0.0, 0.0)
        running: dict[str, Any] = town.house.channels.running
        limit = AMAZON_LIMIT_SECONDS
        running["amazon"] = replace(running["amazon"], apply_limit_seconds=limit)
        scene = Scene(town)
        await scene.live(420, step=30)
        exposures = await town.house.exposures(SKU)
        assert exposures == dict.fromkeys(QUOTAS, 0), "not adopted"
        await scene.receive(STOCK)
        yield scene
