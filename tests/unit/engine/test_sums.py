"""Sums over all items: the database adds up as the domain does, and nobody waits for it twice."""

from __future__ import annotations

import random
from pathlib import Path

import sqlalchemy as sa

from channelsync.domain.stock import StockLevel, pool_stock
from channelsync.domain.vocabulary import PushSemantics
from channelsync.engine.figures import view_figures
from channelsync.engine.latest import REST
from channelsync.engine.status import channel_statuses
from channelsync.engine.sums import latest_sums, view_sums
from channelsync.store import tables
from tests.support.house import House, build_house

CAS = PushSemantics.KEYED_COMPARE_AND_SET


async def house_of(folder: Path, safety_stock: int) -> House:
    draw = random.Random(7)
    stock: dict[str, int | dict[str, int]] = {
        f"ITEM-{number}": {"dc": draw.randint(0, 9), "soho": draw.randint(0, 9)}
        for number in range(8)
    }
    house = await build_house(
        folder,
        stock=stock,
        quotas={"a": 6_000, "b": 4_000},
        semantics={"a": CAS, "b": CAS},
        safety_stock=safety_stock,
    )
    await house.settle_down(60, step=30)
    async with house.engine.database.write() as tx:
        for row in await tx.execute(sa.select(tables.stock)):
            mine = sa.and_(
                tables.stock.c.item_id == row.item_id,
                tables.stock.c.location_id == row.location_id,
            )
            drawn = {
                "on_hand": draw.randint(-3, 9),
                "reserved": draw.randint(0, 6),
                "safety_stock": draw.choice((0, 0, 1, 5)),
            }
            await tx.execute(sa.update(tables.stock).where(mine).values(drawn))
    return house


async def test_a_pool_is_what_the_domain_adds_up(tmp_path: Path) -> None:
    house = await house_of(tmp_path, safety_stock=2)
    by_item: dict[int, list[StockLevel]] = {}
    for row in await house.rows(tables.stock):
        level = StockLevel(
            on_hand=row.on_hand, reserved=row.reserved, safety_stock=row.safety_stock, on_order=0
        )
        by_item.setdefault(row.item_id, []).append(level)
    stocks = {item: pool_stock(own, default_safety_stock=2) for item, own in by_item.items()}
    held: dict[int, int] = dict.fromkeys(stocks, 0)
    exposures = {row.id: row.exposure for row in await house.rows(tables.listings)}
    for recipe in await house.rows(tables.recipes):
        held[recipe.item_id] += recipe.units * (exposures[recipe.listing_id] or 0)
    async with house.engine.database.read() as tx:
        sums = await view_sums(house.engine, tx)
        figures = await view_figures(house.engine, tx)
    await house.engine.database.close()
    assert figures.oversold == sums.oversold
    [pool] = sums.pools
    assert pool.items == 8
    assert pool.on_hand == sum(one.on_hand for one in stocks.values())
    assert pool.reserved == sum(one.reserved for one in stocks.values())
    assert pool.atp == sum(one.atp for one in stocks.values())
    assert pool.exposure == sum(held.values()) > 0
    assert pool.free == pool.atp - pool.exposure
    assert pool.deficits == sum(one.atp < held[item] for item, one in stocks.items()) > 0
    missing = [max(one.reserved - one.on_hand, 0) for one in stocks.values()]
    assert sums.oversold == sum(missing) > 0


async def test_sums_of_a_small_house_are_always_those_of_now(tmp_path: Path) -> None:
    house = await house_of(tmp_path, safety_stock=0)
    latest = latest_sums(house.engine)
    first = await latest.view()
    assert latest.kept() is None
    assert (await latest.view()).at > first.at
    await house.engine.database.close()


async def test_sums_over_many_items_are_counted_beside_whoever_looks(tmp_path: Path) -> None:
    house = await house_of(tmp_path, safety_stock=0)
    latest = latest_sums(house.engine, small_items=7)
    assert latest.kept() is None
    first = await latest.view()
    assert latest.kept() is first
    assert await latest.view() is first
    latest._counted_at -= REST * latest._took_seconds + 1.0
    assert await latest.view() is first
    assert latest._counting is not None
    second = await latest._counting
    assert second.at > first.at
    assert await latest.view() is second
    await house.engine.database.close()


async def test_what_a_large_house_keeps_is_not_counted_for_its_channels(tmp_path: Path) -> None:
    house = await house_of(tmp_path, safety_stock=0)
    engine = house.engine
    engine.sums = latest_sums(engine, small_items=7)
    known = (await engine.sums.view()).listings
    async with engine.database.write() as tx:
        await tx.execute(sa.update(tables.listings).values(exposure=0))
    async with engine.database.read() as tx:
        shown = await channel_statuses(engine, tx, engine.now())
    await engine.database.close()
    assert {one.channel: one.exposure for one in shown} == {
        channel: counts["exposure"] for channel, counts in known.items()
    }
    assert sum(one.exposure for one in shown) > 0
