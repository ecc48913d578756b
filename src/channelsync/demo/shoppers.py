"""Shoppers: who buys what where. Every attempt is made in the rival's world as well."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import Coroutine, Sequence
from dataclasses import dataclass, field
from random import Random
from time import monotonic, time
from typing import Any, Final

import sqlalchemy as sa

from channelsync.demo.auditor import Auditor
from channelsync.demo.catalogue import AMAZON, FLASH_SKU, SHARES, SHOPIFY, TILL, DemoItem
from channelsync.demo.marketplaces import Town
from channelsync.demo.rival import Rival
from channelsync.engine.stock_desk import StockDesk
from channelsync.store import tables
from channelsync.store.database import Database

__all__ = ["Shoppers"]

STEP_SECONDS: Final = 0.05
EVERYDAY_PER_SECOND: Final = 2.0
FIRST_FLASH_SECONDS: Final = 9.0
FLASH_PER_SECOND: Final = 10.0
FLASH_SECONDS: Final = 15.0
EVERY_SECONDS: Final = 50.0
RESTOCK_UNITS: Final = 80
BUYERS: Final = {AMAZON: 45, SHOPIFY: 40, TILL: 15}
"""Of a hundred shoppers; the quotas do not know it."""
SLOW_PAYERS: Final = 0.3
PAYING_SECONDS: Final = (1.0, 9.0)
ABANDON: Final = 0.1
CANCEL: Final = 0.03
SHIP: Final = 0.7
AFTER_SECONDS: Final = (6.0, 16.0)
PAST_SLICE_PER_SECOND: Final = 1.5


@dataclass(slots=True, kw_only=True)
class Shoppers:
    """Everybody who wants something, until cancelled."""

    town: Town
    rival: Rival
    auditor: Auditor
    database: Database
    desk: StockDesk
    items: Sequence[DemoItem]
    rng: Random
    past_slice: bool = False
    """Let the till sell more than its slice."""
    refused: int = 0
    _later: set[asyncio.Task[None]] = field(default_factory=set)

    async def run(self, stop: asyncio.Event) -> None:
        """Shop until `stop`, once every catalogue was searched."""
        await self._wait_for_catalogues(stop)
        weights = [1.0 / (place + 3) for place in range(len(self.items))]
        everyday = list(itertools.accumulate(weights))
        began, waves = monotonic(), 0
        try:
            for step in itertools.count():
                if await _stopped(stop, began + step * STEP_SECONDS - monotonic()):
                    return
                wave, into = divmod(step * STEP_SECONDS - FIRST_FLASH_SECONDS, EVERY_SECONDS)
                if wave > waves:
                    waves += 1
                    await self._restock()
                await self._moment(everyday, flash=wave >= 0 and into < FLASH_SECONDS)
        finally:
            for task in self._later:
                task.cancel()
            await asyncio.gather(*self._later, return_exceptions=True)

    async def _moment(self, everyday: Sequence[float], *, flash: bool) -> None:
        """Whoever comes within one step."""
        if self._comes(EVERYDAY_PER_SECOND):
            (item,) = self.rng.choices(self.items, cum_weights=everyday)
            await self._shop(item.sku)
        if flash and self._comes(FLASH_PER_SECOND):
            await self._shop(FLASH_SKU)
        if self.past_slice and self._comes(PAST_SLICE_PER_SECOND):
            self._walk_in(FLASH_SKU, past_slice=True)

    def _comes(self, per_second: float) -> bool:
        return self.rng.random() < per_second * STEP_SECONDS

    async def _wait_for_catalogues(self, stop: asyncio.Event) -> None:
        channels = tables.channels
        query = sa.select(sa.func.count()).where(channels.c.discovered_at.is_not(None))
        while not await _stopped(stop, STEP_SECONDS):
            async with self.database.read() as connection:
                if (await connection.execute(query)).scalar_one() == len(SHARES):
                    return

    # ------------------------------------------------------------ one shopper

    async def _shop(self, sku: str) -> None:
        (channel,) = self.rng.choices(list(BUYERS), weights=list(BUYERS.values()))
        if channel == TILL:
            self._walk_in(sku, past_slice=False)
            return
        rival_sold = self.rival.attempt(channel, sku, time())
        if channel == AMAZON:
            await self._order_at_amazon(sku, rival_sold=rival_sold)
        elif self.rng.random() < SLOW_PAYERS:
            await self._pay_slowly(sku, rival_sold=rival_sold)
        else:
            await self._order_at_shopify(sku, rival_sold=rival_sold)

    # ------------------------------------------------------------ Amazon

    async def _order_at_amazon(self, sku: str, *, rival_sold: bool) -> None:
        order_id = await self.town.amazon.seller.buy(sku)
        if order_id is None:
            self.refused += 1
        else:
            self._after(self._end_at_amazon(sku, order_id, rival_sold=rival_sold))

    async def _end_at_amazon(self, sku: str, order_id: str, *, rival_sold: bool) -> None:
        roll = await self._some_time_later()
        if roll < CANCEL:
            await self.town.amazon.seller.cancel(order_id)
            if rival_sold:
                self.rival.cancel(AMAZON, sku, time())
        elif roll < CANCEL + SHIP:
            await self.town.amazon.seller.ship(order_id)

    # ------------------------------------------------------------ Shopify

    async def _order_at_shopify(self, sku: str, *, rival_sold: bool) -> None:
        order_id = await self.town.shopify.shop.buy(sku)
        if order_id is None:
            self.refused += 1
        else:
            self._after(self._end_at_shopify(sku, order_id, rival_sold=rival_sold))

    async def _pay_slowly(self, sku: str, *, rival_sold: bool) -> None:
        """Press pay, and take a while: the shop keeps the unit apart, and shows it nowhere."""
        checkout = await self.town.shopify.shop.begin_checkout(sku)
        if checkout is None:
            self.refused += 1
            return
        self._after(self._pay(sku, checkout, rival_sold=rival_sold))

    async def _pay(self, sku: str, checkout: int, *, rival_sold: bool) -> None:
        await asyncio.sleep(self.rng.uniform(*PAYING_SECONDS))
        shop = self.town.shopify.shop
        if self.rng.random() < ABANDON:
            await shop.abandon_checkout(checkout)
            if rival_sold:
                self.rival.cancel(SHOPIFY, sku, time())
            return
        order_id = await shop.complete_checkout(checkout)
        if order_id is not None:
            await self._end_at_shopify(sku, order_id, rival_sold=rival_sold)

    async def _end_at_shopify(self, sku: str, order_id: str, *, rival_sold: bool) -> None:
        shop, roll = self.town.shopify.shop, await self._some_time_later()
        if roll < CANCEL:
            await shop.cancel(order_id)
            if rival_sold:
                self.rival.cancel(SHOPIFY, sku, time())
        elif roll < CANCEL + SHIP:
            await shop.fulfil(order_id)

    async def _some_time_later(self) -> float:
        """Then an order is shipped, called off or left for tomorrow: a number in [0, 1) says."""
        await asyncio.sleep(self.rng.uniform(*AFTER_SECONDS))
        return self.rng.random()

    def _after(self, act: Coroutine[Any, Any, None]) -> None:
        task = asyncio.create_task(act)
        self._later.add(task)
        task.add_done_callback(self._later.discard)

    # ------------------------------------------------------------ the till

    def _walk_in(self, sku: str, *, past_slice: bool) -> None:
        """A customer carries one unit to the till. Its clerk keeps to what the till shows, or not.

        The till itself refuses nothing.
        """
        shop = self.town.square.shop
        beyond = shop.shown(sku) < 1
        if beyond and not past_slice:
            self.refused += 1
            return
        if beyond:
            self.auditor.past_slice[sku] += 1
        self.rival.attempt(TILL, sku, time())
        shop.sell({sku: 1})

    # ------------------------------------------------------------ deliveries of goods

    async def _restock(self) -> None:
        """A lorry comes: more of what sells best, entered by a clerk."""
        reason = "a delivery arrived"
        await self.desk.adjust(
            FLASH_SKU, "warehouse", RESTOCK_UNITS, reason=reason, actor="demo:clerk"
        )
        self.auditor.supply[FLASH_SKU] += RESTOCK_UNITS
        self.rival.restock(FLASH_SKU, RESTOCK_UNITS, time())


async def _stopped(stop: asyncio.Event, seconds: float) -> bool:
    """Wait so long, or until `stop`. Returns whether that is set."""
    try:
        async with asyncio.timeout(max(seconds, 0.0)):
            await stop.wait()
    except TimeoutError:
        return False
    return True
