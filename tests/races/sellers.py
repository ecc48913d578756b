"""The two engines on one stage: the real one over SQLite, and the negative control."""

from __future__ import annotations

import asyncio
from typing import ClassVar

import sqlalchemy as sa
from typing_extensions import override

from channelsync.domain.errors import HoldConflict
from channelsync.domain.vocabulary import Instant
from channelsync.engine.core import Engine
from channelsync.engine.hold_types import HoldRequest, InsufficientUnits
from channelsync.engine.holds_desk import HoldsDesk
from channelsync.engine.inbox import Inbox, Received
from channelsync.engine.recover import recover
from channelsync.engine.stock_changes import write_changes
from channelsync.engine.stock_desk import StockDesk
from channelsync.engine.work import WorkKind, claim
from channelsync.sdk.types import OrderFact, OrderVoid
from channelsync.store import tables
from channelsync.store.database import Database
from channelsync.store.ledger import StockMove
from channelsync.store.tables import MovementKind, Quantity
from channelsync.worker.supervisor import LEASE_SECONDS, Supervisor
from tests.races.naive import POLL_SECONDS, NaiveEngine, NaiveRecords
from tests.races.stage import ABSOLUTE, Race, Seller
from tests.support.hooked import webhook
from tests.support.house import HANDLERS, Clock, House, build_house, open_market

__all__ = ["Naive", "Ours"]

STEP_SECONDS = 20.0
STEPS_MAX = 6
WHY = {"reason": "a race", "actor": "test"}


class Ours(Seller):
    """The real engine on a real SQLite file."""

    name: ClassVar[str] = "ours"
    house: House
    inbox: Inbox

    @override
    async def open(self) -> None:
        race = self.race
        self.open_markets(race.semantics)
        self.house = await build_house(
            race.folder,
            stock=race.stock,
            quotas=race.quotas,
            semantics=race.semantics,
            declared=race.declared,
            recipes=race.recipes,
            markets=self.markets,
            open_channel=lambda name, _market: self.channel(name),
            clock=self.clock,
        )
        self.inbox = Inbox(self.house.engine)
        await self.run(120)

    @override
    async def close(self) -> None:
        await self.house.engine.database.close()

    @override
    async def run(self, seconds: float = 0.0) -> None:
        await self.house.settle_down(seconds, step=max(STEP_SECONDS, seconds / STEPS_MAX))

    @override
    async def queue(self) -> None:
        deciding = {kind: HANDLERS[kind] for kind in (WorkKind.INTAKE, WorkKind.RECONCILE)}
        supervisor = Supervisor(engine=self.house.engine, handlers=deciding)
        await supervisor.run_until_idle(horizon=self.clock.at + 1)

    @override
    async def deliver(self, channel: str, key: str, *told: OrderFact | OrderVoid) -> None:
        received = Received(
            channel=channel, delivery=webhook(key, *told), body=b"", at=self.clock()
        )
        await self.inbox.store(received)
        await self.run()

    @override
    async def book(self, sku: str, delta: int, begun_at: Instant | None) -> None:
        async with self.house.engine.database.write() as tx:
            item = (
                await tx.execute(sa.select(tables.items).where(tables.items.c.sku == sku))
            ).one()
            place = (await tx.execute(sa.select(tables.locations.c.id).order_by("id"))).scalars()
            now = self.clock()
            move = StockMove(
                item_id=item.id,
                location_id=place.all()[0],
                quantity=Quantity.ON_HAND,
                delta=delta,
                kind=MovementKind.ADJUSTMENT,
                actor="test",
                at=now if begun_at is None else begun_at,
            )
            await write_changes(tx, [move], now=now)

    @override
    async def count(self, sku: str, units: int, *, counted_at: Instant) -> None:
        desk = StockDesk(self.house.engine.database, self.house.engine.environment)
        await desk.count(sku, "dc", units, counted_at=counted_at, **WHY)

    @override
    async def checkout(self, sku: str) -> bool:
        """In a thread with a connection of its own, as a web worker would."""
        return await asyncio.to_thread(lambda: asyncio.run(self._checkout(sku)))

    async def _checkout(self, sku: str) -> bool:
        here = self.house.engine
        database = Database(here.database.url)
        engine = Engine(
            database=database,
            channels=here.channels,
            environment=here.environment,
            bus=here.bus,
            policy=here.policy,
        )
        desk = HoldsDesk(engine)
        try:
            async with database.write() as tx:
                hold = await desk.create(tx, HoldRequest(owner="shopper", lines={sku: 1}))
                await desk.confirm(tx, hold.id, "paid")
        except InsufficientUnits:
            return False
        finally:
            await database.close()
        self.sold_directly[sku] += 1
        return True

    @override
    async def hold(self, sku: str, ttl_seconds: float) -> str:
        request = HoldRequest(owner="shopper", lines={sku: 1}, ttl_seconds=ttl_seconds)
        async with self.house.engine.database.write() as tx:
            return (await HoldsDesk(self.house.engine).create(tx, request)).id

    @override
    async def pay(self, hold: str) -> bool:
        try:
            async with self.house.engine.database.write() as tx:
                held = await HoldsDesk(self.house.engine).confirm(tx, hold, "paid")
        except HoldConflict:
            return False
        for sku, units in held.lines.items():
            self.sold_directly[sku] += units
        return True

    @override
    async def restart(self) -> None:
        for name in self.markets:
            open_market(self.house, name, **self.race.declared)
        self.house.supervisor = Supervisor(engine=self.house.engine, handlers=HANDLERS)
        await recover(self.house.engine)

    @override
    async def lose_worker(self) -> None:
        async with self.house.engine.database.write() as tx:
            for kind in WorkKind:
                await claim(
                    tx,
                    kind,
                    now=self.clock(),
                    lease_seconds=LEASE_SECONDS,
                    token="dead",
                    limit=100,
                )

    @override
    async def rename(self, old: str, new: str) -> None:
        desk = StockDesk(self.house.engine.database, self.house.engine.environment)
        await desk.rename_item(old, new, actor="test")

    @override
    async def counted(self, sku: str) -> int:
        lines, recipes, items = tables.order_lines.c, tables.recipes.c, tables.items.c
        net = lines.ordered - lines.cancelled - lines.restocked
        ordered = (
            sa.select(sa.func.coalesce(sa.func.sum(net * recipes.units), 0))
            .join(tables.recipes, recipes.listing_id == lines.listing_id)
            .join(tables.items, items.id == recipes.item_id)
            .where(items.sku == sku)
        )
        held, holds = tables.hold_lines.c, tables.holds.c
        confirmed = (
            sa.select(sa.func.coalesce(sa.func.sum(held.units), 0))
            .join(tables.holds, holds.id == held.hold_id)
            .join(tables.items, items.id == held.item_id)
            .where(items.sku == sku, holds.state == "confirmed")
        )
        async with self.house.engine.database.read() as tx:
            found = [(await tx.execute(query)).scalar_one() for query in (ordered, confirmed)]
        return sum(int(units) for units in found)

    @override
    async def require_sound(self) -> None:
        await self.house.require_clean_books()
        for row in await self.house.rows(tables.stock):
            assert row.on_hand >= 0, dict(row._mapping)


class Naive(Seller):
    """Recompute and push."""

    name: ClassVar[str] = "naive"

    def __init__(self, race: Race, clock: Clock) -> None:
        super().__init__(race, clock)
        self.open_markets(dict.fromkeys(race.semantics, ABSOLUTE))
        self.engine = self._start(NaiveRecords())
        self.polled_at = self.clock.at

    def _start(self, records: NaiveRecords) -> NaiveEngine:
        return NaiveEngine(
            records=records,
            channels={name: self.channel(name) for name in self.markets},
            quotas=self.race.quotas,
            recipes=self.race.recipes,
        )

    @override
    async def open(self) -> None:
        for sku, level in self.race.levels().items():
            for place, units in level.items():
                self.engine.records.on_hand[sku, place] = units
            self.engine.changed(sku)
        await self.run(120)

    @override
    async def close(self) -> None:
        pass

    @override
    async def run(self, seconds: float = 0.0) -> None:
        end = self.clock.at + seconds
        await self._work()
        while self.clock.at < end:
            self.clock.at = min(self.clock.at + max(STEP_SECONDS, seconds / STEPS_MAX), end)
            await self._work()

    async def _work(self) -> None:
        engine = self.engine
        engine.expire(self.clock())
        await engine.work()
        if self.clock.at >= self.polled_at + POLL_SECONDS:
            self.polled_at = self.clock.at
            await engine.poll(self.clock())
            engine.sync_modified(self.clock())
            await engine.work()

    @override
    async def queue(self) -> None:
        """It queues whatever it is told at once."""

    @override
    async def deliver(self, channel: str, key: str, *told: OrderFact | OrderVoid) -> None:
        for one in told:
            if isinstance(one, OrderVoid):
                self.engine.void(channel, one)
            else:
                await self.engine.hear(channel, one)

    @override
    async def book(self, sku: str, delta: int, begun_at: Instant | None) -> None:
        place = next(iter(self.race.levels()[sku]))
        if begun_at is not None:
            self.engine.post(sku, place, delta, begun_at)
        else:
            self.engine.adjust(sku, place, delta)

    @override
    async def count(self, sku: str, units: int, *, counted_at: Instant) -> None:
        self.engine.count(sku, "dc", units)

    @override
    async def checkout(self, sku: str) -> bool:
        sold = await self.engine.checkout(sku, 1)
        self.sold_directly[sku] += sold
        return sold

    @override
    async def hold(self, sku: str, ttl_seconds: float) -> str:
        return self.engine.hold(sku, 1, self.clock() + ttl_seconds)

    @override
    async def pay(self, hold: str) -> bool:
        sku = self.engine.records.holds[hold][0]
        sold = self.engine.pay(hold, 1)
        self.sold_directly[sku] += sold
        return sold

    @override
    async def restart(self) -> None:
        self.engine = self._start(self.engine.records)
        await self.engine.resume()

    @override
    async def lose_worker(self) -> None:
        """The jobs it took stay marked as running."""
        self.engine.jobs.clear()

    @override
    async def rename(self, old: str, new: str) -> None:
        self.engine.rename(old, new)

    @override
    async def counted(self, sku: str) -> int:
        records = self.engine.records
        own = sum(units for item, units in records.confirmed if item == sku)
        sold = 0
        for order in records.orders.values():
            for offer, units in order.items():
                name = self.renamed.get(offer, offer)
                sold += self.race.recipes.get(name, {name: 1}).get(sku, 0) * units
        return own + sold

    @override
    async def require_sound(self) -> None:
        """It promises nothing of its books."""
