"""People: shoppers, holders of carts, packers, and a clerk who types what happened in the house."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from random import Random
from typing import Any, Final, TypeVar

import httpx
import sqlalchemy as sa

from channelsync.domain.errors import HoldConflict
from channelsync.engine.core import Engine
from channelsync.engine.hold_rows import UnknownHold
from channelsync.engine.hold_types import HoldRequest, InsufficientUnits
from channelsync.engine.holds_desk import HoldsDesk
from channelsync.engine.stock_desk import StockDesk
from channelsync.rehearsal.auditor import Auditor
from channelsync.rehearsal.life import House
from channelsync.rehearsal.markets import BREAKABLE, PACK, SKUS, Market, Markets
from channelsync.rehearsal.stage import Stage
from channelsync.sdk.signatures import base64_hmac_sha256
from channelsync.store import tables
from channelsync.store.errors import is_passing

__all__ = ["LOCATION", "People"]

LOCATION: Final = "dc"
SHOPIFY_DOOR: Final = "https://sync.example.com/webhooks/shopify"
BUYERS: Final = {"amazon": 45, "shopify": 40, "square": 15}
POPULAR: Final = {"MUG": 5, "CAP": 2, "LAMP": 3, "PEN": 1, PACK: 2}
CART_SECONDS: Final = 300.0
DAY_SECONDS: Final = 86_400.0
HOUR_SECONDS: Final = 3_600.0
BUSY: Final = ((6, 0.3), (9, 0.8), (17, 1.0), (22, 2.2), (24, 0.6))
"""Until which hour of the day people come how often; over a whole day, once."""
_Answer = TypeVar("_Answer")


@dataclass(slots=True)
class People:
    """Everybody outside of us. They come as `rng` says, and stop when the doors close."""

    stage: Stage
    house: House
    markets: Markets
    auditor: Auditor
    rng: Random
    every_seconds: float
    """Between two things that somebody does, on the average of a day."""
    closed: asyncio.Event = field(default_factory=asyncio.Event)
    sold: int = 0
    refused: int = 0
    _errands: set[asyncio.Task[None]] = field(default_factory=set)
    _carts: int = 0
    _entries: list[tuple[str, str, int]] = field(default_factory=list)
    _clerk: asyncio.Lock = field(default_factory=asyncio.Lock)

    async def run(self) -> None:
        """Come and go until the doors close; then finish what was begun."""
        doings = {
            self._buy: 60,
            self._pay_slowly: 12,
            self._put_into_a_cart: 8,
            self._receive: 7,
            self._break: 3,
            self._rush: 1,
        }
        while not self.closed.is_set():
            await asyncio.sleep(self.rng.expovariate(self._busy() / self.every_seconds))
            [doing] = self.rng.choices(list(doings), list(doings.values()))
            self._send(doing())
        while self._errands:
            await asyncio.wait(set(self._errands))

    def _busy(self) -> float:
        """Quiet nights, busy evenings."""
        hour = self.stage.now() % DAY_SECONDS / HOUR_SECONDS
        return next(often for until, often in BUSY if hour < until)

    def _send(self, errand: Any) -> None:
        task = asyncio.create_task(errand)
        self._errands.add(task)
        task.add_done_callback(self._errands.discard)

    def _market(self) -> Market:
        [name] = self.rng.choices(list(BUYERS), list(BUYERS.values()))
        return next(one for one in self.markets.all() if one.name == name)

    def _offer(self, market: Market) -> str:
        offers = sorted(market.offers)
        return self.rng.choices(offers, [POPULAR[offer] for offer in offers])[0]

    async def _pause(self, least: float, most: float) -> None:
        """For a while, or until the doors close."""
        try:
            async with asyncio.timeout(self.rng.uniform(least, most)):
                await self.closed.wait()
        except TimeoutError:
            return

    # ------------------------------------------------------------ shoppers

    async def _buy(self) -> None:
        market = self._market()
        units = self.rng.choices((1, 2, 3), (80, 15, 5))[0]
        await self._buy_there(market, self._offer(market), units)

    async def _rush(self) -> None:
        """Everybody wants the same thing at once."""
        self.stage.happened("rush for one item")
        for _ in range(25):
            market = self._market()
            self._send(self._buy_there(market, "MUG", 1))
            await asyncio.sleep(self.rng.uniform(0.0, 0.4))

    async def _buy_there(self, market: Market, offer: str, units: int) -> None:
        order = await market.buy(offer, units)
        if order is None:
            self.refused += 1
            return
        self.promised(market, order, offer, units)
        if market is self.markets.square and order not in self.markets.square.waiting:
            await self._ship(market, order)
            return
        await self._live_on(market, order)

    async def _pay_slowly(self) -> None:
        shopify = self.markets.shopify
        offer = self._offer(shopify)
        checkout = await shopify.begin_checkout(offer)
        if checkout is None:
            self.refused += 1
            return
        await self._pause(5.0, 280.0)
        order = await shopify.end_checkout(checkout, pays=self.rng.random() < 0.8)
        if order is not None:
            self.promised(shopify, order, offer, 1)
            await self._live_on(shopify, order)

    def promised(self, market: Market, order: str, offer: str, units: int) -> None:
        """Somebody has bought: from now on it is owed."""
        self.sold += units
        self.stage.trace("sold", market.name, offer, units, order)
        market.moved.append((self.stage.now(), order))
        self._owe(market, {offer: units})
        self.auditor.theorem_of(market, offer)
        self.auditor.promises()

    def _owe(self, market: Market, parcel: dict[str, int], sign: int = 1) -> None:
        for offer, units in parcel.items():
            for sku, each in market.offers[offer].items():
                self.auditor.truth.owed[sku] += sign * each * units

    async def _live_on(self, market: Market, order: str) -> None:
        """An order is called off, changed, or shipped in one or more parcels, or waits."""
        fate = self.rng.random()
        if fate < 0.12:
            await self._pause(5.0, 3_600.0)
            before = market.sold.copy()
            if await market.cancel(order):
                self.stage.happened("order called off")
                self._owe(market, dict(before - market.sold), -1)
                self.auditor.theorem()
            return
        if fate < 0.2 and market is self.markets.shopify:
            await self._pause(5.0, 1_800.0)
            before = market.sold.copy()
            if await self.markets.shopify.take_one_off(order):
                self._owe(market, dict(before - market.sold), -1)
        while self.rng.random() < 0.9 and not self.closed.is_set():
            await self._pause(300.0, 5_400.0)
            if not await self._ship(market, order):
                return

    async def _ship(self, market: Market, order: str) -> bool:
        parcel, whole = await market.ship(order)
        if not whole:
            self.stage.happened("order shipped in parts")
        self._owe(market, parcel, -1)
        for offer, units in parcel.items():
            for sku, each in market.offers[offer].items():
                self.auditor.truth.shelf[sku] -= each * units
        return bool(parcel)

    # ------------------------------------------------------------ carts of our own shop

    async def _put_into_a_cart(self) -> None:
        sku = self.rng.choice(sorted(SKUS))
        self._carts += 1
        owner = f"cart-{self._carts}"
        request = HoldRequest(owner=owner, lines={sku: 1}, ttl_seconds=CART_SECONDS)
        hold = await self._until_answered(lambda engine: _hold(engine, request))
        if hold is None:
            self.refused += 1
            return
        carts = self.auditor.truth.carts
        carts[hold] = sku
        self.auditor.promises()
        if self.rng.random() < 0.3:
            self.stage.happened("cart paid as it expired")
            await self._pause(CART_SECONDS - 0.5, CART_SECONDS + 0.5)
        else:
            await self._pause(1.0, CART_SECONDS)
        confirmed = self.rng.random() < 0.7 and await self._until_answered(
            lambda engine: _confirm(engine, hold)
        )
        if not confirmed:
            carts.pop(hold, None)

    # ------------------------------------------------------------ the house

    async def _receive(self) -> None:
        """Goods arrive, and are entered a little later."""
        sku = self.rng.choice(sorted(SKUS))
        units = self.rng.randint(1, 2 * SKUS[sku])
        self.auditor.truth.shelf[sku] += units
        await self._pause(10.0, 900.0)
        await self.enter(sku, units)

    async def _break(self) -> None:
        """A thing falls down; the books hear of it a little later."""
        truth = self.auditor.truth
        if truth.shelf[BREAKABLE] <= 0:
            return
        self.stage.happened("goods broke that may be sold already")
        truth.shelf[BREAKABLE] -= 1
        truth.excused[BREAKABLE] += 1
        await self._pause(10.0, 900.0)
        await self.enter(BREAKABLE, -1)

    async def enter(self, sku: str, delta: int) -> None:
        """The clerk enters a change."""
        entry = (f"entry {len(self._entries) + 1}", sku, delta)
        self._entries.append(entry)
        await self._enter(entry)

    async def enter_again(self) -> None:
        """After a backup was restored: the clerk goes through all of his slips."""
        for entry in list(self._entries):
            await self._enter(entry)

    async def _enter(self, entry: tuple[str, str, int]) -> None:
        """Who got no answer looks before he enters it again."""
        why, sku, delta = entry

        async def act(engine: Engine) -> bool:
            async with engine.database.read() as connection:
                moved = tables.movements
                query = sa.select(moved.c.id).where(moved.c.note == why)
                if (await connection.execute(query)).first() is not None:
                    return True
            desk = StockDesk(engine.database, engine.environment)
            await desk.adjust(sku, LOCATION, delta, reason=why, actor="clerk")
            return True

        async with self._clerk:
            await self._until_answered(act)

    async def send_nonsense(self) -> None:
        """A webhook with the right signature and nothing in it."""
        deliveries = self.markets.shopify.simulator.deliveries
        number = self.rng.getrandbits(32)
        body = f'{{"nonsense": {number}}}'.encode()
        headers = {
            "Content-Type": "application/json",
            "X-Shopify-Topic": "orders/create",
            "X-Shopify-Hmac-Sha256": base64_hmac_sha256(deliveries.secret.encode(), body),
            "X-Shopify-Shop-Domain": self.markets.shopify.simulator.world.shop,
            "X-Shopify-Webhook-Id": f"nonsense-{number}",
            "X-Shopify-Event-Id": f"nonsense-{number}",
        }
        if deliveries.client is not None:
            try:
                await deliveries.client.post(SHOPIFY_DOOR, content=body, headers=headers)
            except httpx.TransportError:
                return

    # ------------------------------------------------------------ asking us

    async def _until_answered(self, act: Callable[[Engine], Awaitable[_Answer]]) -> _Answer:
        """Ask whichever process is there, again and again until one answers."""
        while True:
            ready = [one for one in self.house.daemons if one.ready.is_set()]
            if ready:
                daemon = self.rng.choice(ready)
                process, application = daemon.process, daemon.application
                if process is not None and application is not None:
                    asked = asyncio.create_task(_kindly(act, application.engine))
                    dies = asyncio.create_task(process.died.wait())
                    await asyncio.wait({asked, dies}, return_when=asyncio.FIRST_COMPLETED)
                    dies.cancel()
                    if asked.done() and (answer := asked.result()) is not _NOTHING:
                        return answer  # type: ignore[no-any-return]
            await asyncio.sleep(2.0)


_NOTHING: Final = object()


async def _kindly(act: Callable[[Engine], Awaitable[_Answer]], engine: Engine) -> Any:
    try:
        return await act(engine)
    except Exception as error:
        if is_passing(error):
            return _NOTHING
        raise


async def _hold(engine: Engine, request: HoldRequest) -> str | None:
    """The hold's id; None: too few units."""
    held = tables.holds
    async with engine.database.write() as tx:
        query = sa.select(held.c.id).where(held.c.owner == request.owner)
        found = (await tx.execute(query)).scalar()
        if found is not None:
            return str(found)
        try:
            return (await HoldsDesk(engine).create(tx, request)).id
        except InsufficientUnits:
            return None


async def _confirm(engine: Engine, hold: str) -> bool:
    """Whether the cart became an order."""
    async with engine.database.write() as tx:
        try:
            await HoldsDesk(engine).confirm(tx, hold, "paid")
        except UnknownHold:
            return False
        except HoldConflict:
            query = sa.select(tables.holds.c.state).where(tables.holds.c.id == hold)
            return (await tx.execute(query)).scalar() == "confirmed"
    return True
