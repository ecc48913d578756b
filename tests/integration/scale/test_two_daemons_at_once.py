"""Two daemons on one PostgreSQL work at the same instant while stock changes and shoppers buy.

Interleavings that one writer at a time cannot have: a plan is made anew while its former self is
about to be sent, orders are counted while listings are settled. Whatever met whatever, what the
marketplaces may still sell stays within what the books set aside for it.

`CHANNELSYNC_MEETINGS=500` plays longer.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
from collections.abc import Sequence
from random import Random

import pytest
import sqlalchemy as sa
from typing_extensions import override

from channelsync.domain.vocabulary import PushSemantics
from channelsync.engine.hold_types import HoldRequest, InsufficientUnits
from channelsync.engine.holds_desk import HoldsDesk
from channelsync.engine.reconcile import reconcile_items
from channelsync.engine.stock_desk import StockDesk
from channelsync.engine.work import WorkKind, mark
from channelsync.sdk.testing.memory import MemoryChannel, MemoryMarket
from channelsync.sdk.types import ChangeResult, PushRequest
from channelsync.store import tables
from tests.support.house import Build, House, neighbour

MEETINGS = int(os.environ.get("CHANNELSYNC_MEETINGS", "8"))
SKUS = ("MUG", "BOWL")
SEMANTICS = {
    "cas": PushSemantics.KEYED_COMPARE_AND_SET,
    "delta": PushSemantics.KEYED_DELTA,
    "set": PushSemantics.ABSOLUTE,
}
UNITS_MAX = 60
FAULTS = (*[""] * 12, "lose_answer", "lose_request", "refuse", "offline")


class FarChannel(MemoryChannel):
    """Its answers take a moment, so that others get their turn."""

    def __init__(self, market: MemoryMarket, rng: Random) -> None:
        super().__init__(market)
        self._rng = rng

    @override
    async def push(self, request: PushRequest) -> Sequence[ChangeResult]:
        await asyncio.sleep(self._rng.uniform(0.0, 0.01))
        answer = await super().push(request)
        await asyncio.sleep(self._rng.uniform(0.0, 0.01))
        return answer


async def change_stock(house: House, rng: Random) -> None:
    """Somebody counts the shelves, again and again, and each time it is planned anew at once."""
    desk, engine = StockDesk(house.engine.database, house.engine.environment), house.engine
    items = {row.sku: row.id for row in await house.rows(tables.items)}
    for _ in range(8):
        await asyncio.sleep(rng.uniform(0.0, 0.02))
        sku = rng.choice(SKUS)
        await desk.count(sku, "dc", rng.randint(0, UNITS_MAX), reason="count", actor="test")
        async with engine.database.write() as tx:
            await reconcile_items(engine, tx, (items[sku],), now=engine.now())


async def shop(house: House, rng: Random) -> None:
    """People buy, and some call it off; the shops tell us at once."""
    for _ in range(6):
        await asyncio.sleep(rng.uniform(0.0, 0.03))
        name = rng.choice(sorted(house.markets))
        order = house.markets[name].sell(rng.choice(SKUS))
        if order is not None and rng.random() < 0.2:
            house.markets[name].cancel(order)
        async with house.engine.database.write() as tx:
            await mark(tx, WorkKind.POLL, name, not_before=house.clock.at)


async def fill_carts(house: House, rng: Random) -> None:
    """Our own storefront holds units, and some of its carts become orders."""
    desk, database = HoldsDesk(house.engine), house.engine.database
    for _ in range(4):
        await asyncio.sleep(rng.uniform(0.0, 0.03))
        request = HoldRequest(owner="cart", lines={rng.choice(SKUS): 1}, ttl_seconds=90)
        with contextlib.suppress(InsufficientUnits):
            async with database.write() as tx:
                hold = await desk.create(tx, request)
            if rng.random() < 0.5:
                async with database.write() as tx:
                    await desk.confirm(tx, hold.id, hold.id)


async def require_rest(house: House) -> None:
    """Nothing is stuck: every listing is settled, and may sell exactly what it shows."""
    for listing in await house.rows(tables.listings):
        shown = house.markets[listing.channel].counters[listing.sku]
        assert (listing.attempts_open, listing.settle_reasons) == (0, []), listing
        assert listing.exposure == max(shown, 0), listing


async def require_covered(house: House) -> None:
    """`max(L, 0) + U` within the exposure, for every listing whose exposure is a number."""
    lines = tables.order_lines.c
    query = sa.select(lines.channel, lines.sku, sa.func.sum(lines.ordered - lines.cancelled))
    async with house.engine.database.read() as connection:
        rows = await connection.execute(query.group_by(lines.channel, lines.sku))
        counted = {(channel, sku): int(units) for channel, sku, units in rows}
    for listing in await house.rows(tables.listings):
        market, name = house.markets[listing.channel], (listing.channel, listing.sku)
        uncounted = market.net_sold(listing.sku) - counted.get(name, 0)
        may_sell = max(market.counters[listing.sku], 0) + uncounted
        if listing.exposure is not None:
            assert may_sell <= listing.exposure, f"{name}: {may_sell} within {listing.exposure}"


@pytest.mark.timeout(60 + 10 * MEETINGS)
async def test_whatever_meets_what_may_still_be_sold_is_set_aside(build: Build) -> None:
    rng = Random(7)
    house = await build(
        stock=dict.fromkeys(SKUS, 30),
        quotas={"cas": 5_000, "delta": 3_000, "set": 2_000},
        semantics=SEMANTICS,
        open_channel=lambda _name, market: FarChannel(market, rng),
    )
    other = neighbour(house, "other")
    await house.settle_down(120)
    for _ in range(MEETINGS):
        house.clock.at += rng.uniform(1.0, 60.0)
        for market in house.markets.values():
            market.faults[:] = rng.choices(FAULTS, k=2)
        horizon = house.clock.at + 1
        await asyncio.gather(
            change_stock(house, rng),
            shop(house, rng),
            fill_carts(other, rng),
            house.supervisor.run_until_idle(horizon=horizon),
            other.supervisor.run_until_idle(horizon=horizon),
        )
        await require_covered(house)
    for market in house.markets.values():
        market.faults.clear()
    await house.settle_down(3_600, step=60)
    await require_covered(house)
    await require_rest(house)
    await house.require_clean_books()
    await other.engine.database.close()
