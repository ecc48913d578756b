"""Many connections want the same units of PostgreSQL at once: never more than there are."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable

import pytest
import sqlalchemy as sa

from channelsync.domain.errors import HoldConflict
from channelsync.domain.vocabulary import PushSemantics
from channelsync.engine.expire import expire
from channelsync.engine.hold_types import HoldRequest, InsufficientUnits
from channelsync.engine.holds_desk import HoldsDesk
from channelsync.engine.intake import apply_orders
from channelsync.engine.reconcile import reconcile_items
from channelsync.engine.stock_desk import StockDesk
from channelsync.engine.work import (
    Claim,
    LeaseLost,
    WorkKind,
    claim,
    mark,
    mark_many,
    require_lease,
)
from channelsync.sdk.types import OrderFact
from channelsync.store import tables
from channelsync.store.errors import is_rolled_back
from tests.support.house import Build, House, neighbour

CAS = PushSemantics.KEYED_COMPARE_AND_SET
DELTA = PushSemantics.KEYED_DELTA
WORKERS = 3


async def hold(house: House, lines: dict[str, int], owner: str = "cart") -> bool:
    """Try to hold units; whether they were there."""
    desk = HoldsDesk(house.engine)
    request = HoldRequest(owner=owner, lines=lines, ttl_seconds=600)
    try:
        await house.engine.database.transact(lambda tx: desk.create(tx, request))
    except InsufficientUnits:
        return False
    return True


async def at_once(*doing: Awaitable[object]) -> list[object]:
    return list(await asyncio.gather(*doing))


async def free_of(house: House, sku: str) -> int:
    """Units that nobody was promised, by the books alone."""
    items, stock = tables.items, tables.stock
    query = (
        sa.select(sa.func.sum(stock.c.on_hand - stock.c.reserved))
        .join(items, items.c.id == stock.c.item_id)
        .where(items.c.sku == sku)
    )
    async with house.engine.database.read() as connection:
        unreserved = int((await connection.execute(query)).scalar_one())
    return unreserved - sum(e or 0 for e in (await house.exposures(sku)).values())


async def test_two_hundred_holds_at_once_take_fifty_units(build: Build) -> None:
    house = await build(stock={"MUG": 50}, quotas={}, semantics={})
    houses = [house, *(neighbour(house, f"n{n}") for n in range(WORKERS))]
    taken = await at_once(*(hold(houses[n % len(houses)], {"MUG": 1}) for n in range(200)))
    assert sum(map(bool, taken)) == 50
    assert await free_of(house, "MUG") == 0
    await house.require_clean_books()
    for other in houses[1:]:
        await other.engine.database.close()


async def test_the_last_unit_goes_to_one_of_many(build: Build) -> None:
    house = await build(stock={"MUG": 1}, quotas={}, semantics={})
    houses = [neighbour(house, f"n{n}") for n in range(WORKERS)]
    taken = await at_once(*(hold(houses[n % WORKERS], {"MUG": 1}) for n in range(24)))
    assert sum(map(bool, taken)) == 1
    for other in houses:
        await other.engine.database.close()


async def test_carts_of_the_same_items_in_every_order_end_and_never_oversell(build: Build) -> None:
    stock = {"A": 20, "B": 20, "C": 20}
    house = await build(stock=stock, quotas={}, semantics={})
    carts = [{"A": 1, "B": 1}, {"B": 1, "C": 1}, {"C": 1, "A": 1}, {"C": 2, "B": 1, "A": 1}]
    await at_once(*(hold(house, carts[n % len(carts)]) for n in range(60)))
    assert all([await free_of(house, sku) >= 0 for sku in stock])
    await house.require_clean_books()


async def test_holds_and_raises_share_what_is_free(build: Build) -> None:
    """Every listing is raised to its quota while carts take the same units."""
    house = await build(stock={"MUG": 30}, quotas={"a": 10_000}, semantics={"a": DELTA})
    other = neighbour(house, "n1")
    await asyncio.gather(
        house.supervisor.run_until_idle(horizon=house.clock.at + 1),
        other.supervisor.run_until_idle(horizon=house.clock.at + 1),
        *(hold(house, {"MUG": 1}) for _ in range(40)),
    )
    assert await free_of(house, "MUG") >= 0
    await house.settle_down(120)
    assert await free_of(house, "MUG") >= 0
    await house.require_clean_books()
    await other.engine.database.close()


async def test_one_order_told_at_once_by_webhook_and_poll_counts_once(build: Build) -> None:
    house = await build(stock={"MUG": 30}, quotas={"a": 10_000}, semantics={"a": CAS})
    await house.settle_down(120)
    other = neighbour(house, "n1")

    def tell(version: float, ordered: int, cancelled: int) -> list[OrderFact]:
        return [
            OrderFact(
                order_id=f"o{n}",
                line_id="1",
                sku="MUG",
                ordered=ordered,
                cancelled=cancelled,
                version=version,
                sold_at=house.clock.at,
            )
            for n in range(5)
        ]

    def apply(where: House, facts: list[OrderFact]) -> Awaitable[object]:
        return where.engine.database.transact(
            lambda tx: apply_orders(tx, "a", facts, (), now=house.clock.at)
        )

    await at_once(*(apply(h, tell(1.0, 3, 0)) for h in (house, other) for _ in range(4)))
    await at_once(*(apply(h, tell(2.0, 3, 1)) for h in (other, house) for _ in range(4)))
    (stock,) = await house.rows(tables.stock)
    assert stock.reserved == 5 * 2
    await house.require_clean_books()
    await other.engine.database.close()


async def test_two_daemons_keep_one_item_between_them(build: Build) -> None:
    """Both reconcile, publish, settle and poll the same item while shoppers buy it."""
    house = await build(
        stock={"MUG": 12}, quotas={"a": 5_000, "b": 5_000}, semantics={"a": CAS, "b": DELTA}
    )
    other = neighbour(house, "n1")

    async def both(seconds: float) -> None:
        end = house.clock.at + seconds
        while house.clock.at < end:
            house.clock.at += 5.0
            horizon = house.clock.at + 1
            await asyncio.gather(
                house.supervisor.run_until_idle(horizon=horizon),
                other.supervisor.run_until_idle(horizon=horizon),
            )

    await both(60)
    for _ in range(8):
        for market in house.markets.values():
            market.sell("MUG")
        await both(15)
    assert house.sold("MUG") <= 12
    assert house.sold("MUG") > 6
    await both(60)
    assert await free_of(house, "MUG") >= 0
    await house.require_clean_books()
    await other.engine.database.close()


async def test_bundles_that_share_components_are_reconciled_at_once(build: Build) -> None:
    house = await build(stock={"A": 9, "B": 9, "C": 9}, quotas={"a": 10_000}, semantics={"a": CAS})
    await house.settle_down(30)
    async with house.engine.database.write() as tx:
        ids = {row.sku: row.id for row in await tx.execute(sa.select(tables.items))}
        for number, pair in enumerate((("A", "B"), ("B", "C"), ("C", "A"))):
            row = {"channel": "a", "sku": f"SET-{number}", "semantics": CAS, "exposure": None}
            result = await tx.execute(sa.insert(tables.listings).values(row))
            key = result.inserted_primary_key
            assert key is not None
            recipe = [{"listing_id": key[0], "item_id": ids[sku], "units": 1} for sku in pair]
            await tx.execute(sa.insert(tables.recipes), recipe)
    engine = house.engine

    def again(item_id: int) -> Awaitable[object]:
        return engine.database.transact(
            lambda tx: reconcile_items(engine, tx, (item_id,), now=house.clock.at)
        )

    await at_once(*(again(ids[sku]) for _ in range(6) for sku in ("A", "B", "C")))
    await house.require_clean_books()


async def test_counts_and_sales_of_one_item_lose_nothing(build: Build) -> None:
    house = await build(stock={"MUG": 100}, quotas={}, semantics={})
    desk = StockDesk(house.engine.database, house.engine.environment)

    def adjust(delta: int) -> Awaitable[object]:
        return desk.adjust("MUG", "dc", delta, reason="test", actor="test")

    await at_once(*(adjust(1 if n % 2 else -1) for n in range(30)), *(adjust(2) for _ in range(10)))
    (stock,) = await house.rows(tables.stock)
    assert stock.on_hand == 120
    await house.require_clean_books()


async def test_a_hold_is_confirmed_or_expires_never_both(build: Build) -> None:
    house = await build(stock={"MUG": 20}, quotas={}, semantics={})
    desk = HoldsDesk(house.engine)
    made = []
    for number in range(10):
        request = HoldRequest(owner=f"cart-{number}", lines={"MUG": 1}, ttl_seconds=60)
        async with house.engine.database.write() as tx:
            made.append(await desk.create(tx, request))
    house.clock.at += 59.9

    async def expire_all() -> None:
        house.clock.at += 1
        async with house.engine.database.write() as tx:
            held = await claim(
                tx, WorkKind.EXPIRE, now=house.clock(), lease_seconds=30, token="other/1"
            )
        for one in held:
            await expire(house.engine, one)

    async def confirm(hold_id: str) -> bool:
        try:
            await house.engine.database.transact(lambda tx: desk.confirm(tx, hold_id, "order"))
        except HoldConflict:
            return False
        return True

    answers, _ = await asyncio.gather(
        asyncio.gather(*(confirm(one.id) for one in made)), expire_all()
    )
    # Expiry steps over a hold that somebody has locked, even one who is then refused.
    await house.settle_down(60)
    told = {one.id for one, yes in zip(made, answers, strict=True) if yes}
    rows = await house.rows(tables.holds)
    assert {row.id for row in rows if row.state == "confirmed"} == told
    assert {row.id for row in rows if row.state == "expired"} == {one.id for one in made} - told
    (stock,) = await house.rows(tables.stock)
    assert stock.reserved == len(told)
    await house.require_clean_books()


async def test_a_worker_whose_lease_was_taken_over_in_between_commits_nothing(
    build: Build,
) -> None:
    """Frozen between its look at the lease and its commit, it is fenced off at the commit."""
    house = await build(stock={"MUG": 1}, quotas={}, semantics={})
    database, clock = house.engine.database, house.clock
    async with database.write() as tx:
        await mark(tx, WorkKind.WATCH, "shop", not_before=clock.at)

    async def take(token: str) -> Claim:
        async with database.write() as tx:
            (held,) = await claim(tx, WorkKind.WATCH, now=clock(), lease_seconds=30, token=token)
            return held

    async def write_as_a_ghost(frozen: Claim) -> None:
        async with database.write() as tx:
            await require_lease(tx, frozen, now=clock())
            await tx.execute(sa.update(tables.items).values(name="written by a ghost"))
            clock.at += 31
            await take("two/1")

    frozen = await take("one/1")
    with pytest.raises(LeaseLost):
        await write_as_a_ghost(frozen)
    assert [row.name for row in await house.rows(tables.items)] == [""]


async def test_keys_are_claimed_by_one_worker_each(build: Build) -> None:
    house = await build(stock={f"SKU-{n}": 1 for n in range(30)}, quotas={}, semantics={})
    house.clock.at += 1

    async def take(token: str) -> list[Claim]:
        async with house.engine.database.write() as tx:
            return await claim(
                tx,
                WorkKind.RECONCILE,
                now=house.clock(),
                lease_seconds=30,
                token=token,
                limit=8,
            )

    taken = await asyncio.gather(*(take(f"w/{n}") for n in range(6)))
    keys = [held.key for claims in taken for held in claims]
    assert len(keys) == len(set(keys)) == 30


async def test_writers_that_wait_for_each_other_are_told_apart_from_mistakes(
    build: Build,
) -> None:
    house = await build(stock={"A": 1, "B": 1}, quotas={}, semantics={})
    database = house.engine.database
    first, second = asyncio.Event(), asyncio.Event()

    async def lock(
        order: tuple[int, int], mine: asyncio.Event, other: asyncio.Event
    ) -> Exception | None:
        def statement(key: int) -> sa.Select[tuple[int]]:
            items = tables.items
            return sa.select(items.c.id).where(items.c.id == key).with_for_update()

        try:
            async with database.write() as tx:
                await tx.execute(statement(order[0]))
                mine.set()
                await other.wait()
                await tx.execute(statement(order[1]))
        except sa.exc.DBAPIError as error:
            return error
        return None

    ended = await asyncio.gather(lock((1, 2), first, second), lock((2, 1), second, first))
    (loser,) = [error for error in ended if error is not None]
    assert is_rolled_back(loser)


async def test_forty_thousand_keys_are_marked_under_a_lease(build: Build) -> None:
    """More than a statement may name, each locked and marked once."""
    house = await build(stock={"MUG": 1}, quotas={}, semantics={})
    database, clock = house.engine.database, house.clock
    async with database.write() as tx:
        await mark(tx, WorkKind.WATCH, "shop", not_before=clock.at)
    async with database.write() as tx:
        (held,) = await claim(tx, WorkKind.WATCH, now=clock(), lease_seconds=30, token="one/1")
    async with database.write() as tx:
        await require_lease(tx, held, now=clock())
        keys = [str(number) for number in range(40_000)]
        await mark_many(tx, WorkKind.RECONCILE, keys, not_before=clock.at)
    waiting = sa.select(sa.func.count()).where(tables.work.c.kind == WorkKind.RECONCILE)
    async with database.read() as connection:
        assert (await connection.execute(waiting)).scalar_one() == 40_000
