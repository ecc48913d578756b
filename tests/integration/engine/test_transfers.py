"""Units between locations: no unit is sold while it is away, none arrives twice or gets lost."""

from __future__ import annotations

import random
from typing import Any

import pytest
import sqlalchemy as sa

from channelsync.domain.errors import TransferConflict
from channelsync.domain.transfers import Difference
from channelsync.domain.vocabulary import PushSemantics
from channelsync.engine.bookkeeping import repair_books, verify_books
from channelsync.engine.setup import LocationSetup, Setup, apply_setup
from channelsync.engine.stock_desk import StockDesk
from channelsync.engine.stock_errors import StockRefused, UnknownLocation
from channelsync.engine.transfer_desk import Begin, Receive, TransferDesk
from channelsync.engine.transfers_view import TransferView
from channelsync.engine.work import mark_items
from channelsync.store import tables
from tests.support.house import Build, House, setup_for

WHO = "cli:ada"


@pytest.fixture
async def house(build: Build) -> House:
    """Ten mugs in the warehouse, all of them on sale in one shop; an empty store beside it."""
    house = await build(
        stock={"MUG": 10},
        quotas={"shop": 10_000},
        semantics={"shop": PushSemantics.KEYED_COMPARE_AND_SET},
    )
    await add_soho(house)
    await house.settle_down(60, step=20)
    return house


async def add_soho(house: House) -> None:
    plain = setup_for(["shop"])
    soho = LocationSetup(code="soho", name="SoHo", pool="main", priority=1)
    both = Setup(fingerprint="two", locations=(*plain.locations, soho), channels=plain.channels)
    await apply_setup(house.engine, both)


async def begin(house: House, units: int = 4, **more: Any) -> TransferView:
    wanted = {"sku": "MUG", "source": "dc", "target": "soho", "reason": "weekend", "actor": WHO}
    return await TransferDesk(house.engine).begin(Begin(units=units, **(wanted | more)))


async def receive(house: House, arrived: int, key: int = 1, **more: Any) -> TransferView:
    lost = {Difference(cause): more.pop(cause) for cause in list(more) if cause in set(Difference)}
    wanted = {"reason": "unpacked", "actor": WHO} | more
    return await TransferDesk(house.engine).receive(
        Receive(transfer_id=key, arrived=arrived, written_off=lost, **wanted)
    )


async def levels(house: House) -> dict[str, tuple[int, int, int]]:
    """On hand, reserved and in transit by location."""
    codes = {row.id: row.code for row in await house.rows(tables.locations)}
    return {
        codes[row.location_id]: (row.on_hand, row.reserved, row.in_transit)
        for row in await house.rows(tables.stock)
    }


async def test_units_on_sale_leave_only_once_the_channel_has_given_them_back(house: House) -> None:
    assert await house.exposures("MUG") == {"shop": 10}
    view = await begin(house, 6)
    assert (view.state, view.in_transit) == ("preparing", 0)
    assert view.waits == "channels may still sell 6 units of it: their listings are being cut"
    assert await levels(house) == {"dc": (10, 6, 0)}
    with pytest.raises(StockRefused, match=r"transfer 1 may not leave yet: channels may still"):
        await TransferDesk(house.engine).ship(1, actor=WHO)
    await house.settle_down(120, step=20)
    (view,) = await TransferDesk(house.engine).list()
    assert (view.state, view.waits) == ("preparing", None)
    view = await TransferDesk(house.engine).ship(1, actor=WHO)
    assert (view.state, view.in_transit) == ("in_transit", 6)
    assert await levels(house) == {"dc": (4, 0, 0), "soho": (0, 0, 6)}
    await house.settle_down(60, step=20)
    assert await house.exposures("MUG") == {"shop": 4}, "what is on its way is on sale nowhere"
    await receive(house, 6)
    await house.settle_down(60, step=20)
    assert await levels(house) == {"dc": (4, 0, 0), "soho": (6, 0, 0)}
    assert await house.exposures("MUG") == {"shop": 10}
    assert await house.rows(tables.shortfalls) == []
    await house.require_clean_books()


async def test_free_units_leave_at_once(house: House) -> None:
    await StockDesk(house.engine.database, house.engine.environment).adjust(
        "MUG", "dc", 5, reason="found", actor=WHO
    )
    view = await begin(house, 5)
    assert (view.state, view.waits) == ("in_transit", None)
    assert await levels(house) == {"dc": (10, 0, 0), "soho": (0, 0, 5)}
    await house.require_clean_books()


async def test_safety_stock_alone_keeps_nothing_from_leaving(house: House) -> None:
    house.engine.policy.safety_stock["main"] = 50  # type: ignore[index]
    async with house.engine.database.write() as tx:
        await mark_items(tx, [1], house.clock())
    await house.settle_down(120, step=20)
    assert await house.exposures("MUG") == {"shop": 0}
    assert (await begin(house, 4)).state == "in_transit"
    assert await house.rows(tables.shortfalls) == []


async def test_what_left_in_spite_of_it_is_booked_and_recorded_by_its_cause(house: House) -> None:
    view = await begin(house, force=True)
    assert view.state == "in_transit"
    (shortfall,) = await house.rows(tables.shortfalls)
    assert (shortfall.units, shortfall.cause, shortfall.reference) == (4, "transfer", "transfer 1")
    await house.settle_down(120, step=20)
    assert await house.exposures("MUG") == {"shop": 6}
    await house.require_clean_books()


async def test_units_that_orders_want_stay_until_they_are_shipped(house: House) -> None:
    house.markets["shop"].book("MUG", 8)
    await house.settle_down(120, step=20)
    view = await begin(house, 4)
    assert view.waits == "dc has 10 units of MUG and orders, holds and transfers want 12"
    await TransferDesk(house.engine).cancel(1, actor=WHO)
    assert await levels(house) == {"dc": (10, 8, 0)}
    assert await TransferDesk(house.engine).list() == ()
    (view,) = await TransferDesk(house.engine).list(closed=True)
    assert (view.state, view.closed_at is not None) == ("cancelled", True)
    await house.require_clean_books()


async def test_differences_are_recorded_by_their_cause(house: House) -> None:
    await begin(house, 10, force=True)
    await receive(house, 5, damaged=1)
    view = await receive(house, 2, lost=1, miscounted=1)
    assert view.state == "received"
    assert view.received == 7
    assert dict(view.differences) == {"damaged": 1, "lost": 1, "miscounted": 1}
    assert await levels(house) == {"dc": (0, 0, 0), "soho": (7, 0, 0)}
    notes = [
        (row.quantity, row.delta, row.note)
        for row in await house.rows(tables.movements)
        if row.kind == "transfer_difference"
    ]
    assert notes == [
        ("in_transit", -1, "damaged: unpacked"),
        ("in_transit", -1, "lost: unpacked"),
        ("in_transit", -1, "miscounted: unpacked"),
    ]
    await house.require_clean_books()


async def test_a_surplus_is_on_hand_and_recorded(house: House) -> None:
    await begin(house, 4, force=True)
    view = await receive(house, 5)
    assert (view.state, dict(view.differences)) == ("received", {"surplus": 1})
    assert (await levels(house))["soho"] == (5, 0, 0)
    await house.require_clean_books()


async def test_what_cannot_be_is_refused_and_changes_nothing(house: House) -> None:
    await begin(house, 4, force=True)
    before = [await house.rows(table) for table in (tables.stock, tables.transfers)]
    desk = TransferDesk(house.engine)
    refused: list[tuple[Any, type[Exception], str]] = [
        (begin(house, 7), StockRefused, "MUG at dc has 6 units on hand, 7 cannot be sent"),
        (begin(house, 0), StockRefused, "between 1 and"),
        (begin(house, 1, target="dc"), StockRefused, "from dc to itself"),
        (begin(house, 1, target="so-ho"), UnknownLocation, "did you mean 'soho'"),
        (begin(house, 1, reason=" "), StockRefused, "say why"),
        (receive(house, 3, lost=2), TransferConflict, "3 cannot have arrived while 2 did not"),
        (receive(house, 1, key=9), StockRefused, "there is no transfer 9"),
        (receive(house, 1, arrived_at=house.clock.at + 99), StockRefused, "cannot have arrived at"),
        (receive(house, 1, arrived_at=1.0), StockRefused, "cannot have arrived at 1970"),
        (desk.cancel(1, actor=WHO), TransferConflict, "the transfer is in transit"),
        (desk.ship(1, actor=WHO, force=True), TransferConflict, "the transfer is in transit"),
    ]
    for call, error, message in refused:
        with pytest.raises(error, match=message):
            await call
    assert [await house.rows(table) for table in (tables.stock, tables.transfers)] == before


async def test_a_count_at_the_target_is_never_added_to_what_it_has_seen(house: House) -> None:
    await begin(house, 4, force=True)
    left_at = house.clock.at
    house.clock.at += 7_200
    desk = StockDesk(house.engine.database, house.engine.environment)
    counted: dict[str, Any] = {"reason": "count", "actor": WHO, "counted_at": left_at + 3_600}
    await desk.count("MUG", "soho", 4, **counted)
    with pytest.raises(StockRefused, match="say when its units arrived"):
        await receive(house, 4)
    view = await receive(house, 4, arrived_at=left_at + 1_800)
    assert view.state == "received"
    assert (await levels(house))["soho"] == (4, 0, 0), "the count has seen them"
    await house.require_clean_books()


async def test_units_that_arrived_after_the_count_come_on_top_of_it(house: House) -> None:
    await begin(house, 4, force=True)
    left_at = house.clock.at
    house.clock.at += 7_200
    desk = StockDesk(house.engine.database, house.engine.environment)
    await desk.count("MUG", "soho", 1, reason="count", actor=WHO, counted_at=left_at + 3_600)
    await receive(house, 4, arrived_at=left_at + 5_000)
    assert (await levels(house))["soho"] == (5, 0, 0)


async def test_a_count_entered_later_knows_when_the_units_arrived(house: House) -> None:
    await begin(house, 4, force=True)
    left_at = house.clock.at
    house.clock.at += 7_200
    await receive(house, 4, arrived_at=left_at + 1_800)
    desk = StockDesk(house.engine.database, house.engine.environment)
    counted: dict[str, Any] = {"reason": "count", "actor": WHO}
    change = await desk.count("MUG", "soho", 4, counted_at=left_at + 3_600, **counted)
    assert change.after == 4
    change = await desk.count("MUG", "soho", 4, **counted)
    assert change.after == 4


async def test_verify_and_repair_know_transfers(house: House) -> None:
    await begin(house, 4, force=True)
    await begin(house, 2)
    await house.settle_down(120, step=20)
    engine = house.engine
    async with engine.database.write() as tx:
        await tx.execute(sa.update(tables.transfers).values(units=tables.transfers.c.units + 1))
    report = await verify_books(engine.database)
    found = {(one.table, one.column, one.stored, one.rebuilt) for one in report.findings}
    assert found == {("movements", "reserved", 2, 3), ("movements", "in_transit", 4, 5)}
    repaired = await repair_books(engine.database, engine.environment, actor=WHO)
    assert len(repaired.findings) == 2
    assert (await levels(house))["soho"] == (0, 0, 5)
    await house.require_clean_books()


@pytest.mark.parametrize("seed", range(3))
async def test_nothing_is_oversold_whatever_is_sent_about(build: Build, seed: int) -> None:
    """Shoppers buy while units are sent to and fro, as soon as they may leave."""
    house = await build(
        stock={"MUG": 30},
        quotas={"shop": 6_000, "other": 4_000},
        semantics={
            "shop": PushSemantics.KEYED_COMPARE_AND_SET,
            "other": PushSemantics.KEYED_DELTA,
        },
    )
    plain = setup_for(["shop", "other"])
    soho = LocationSetup(code="soho", name="SoHo", pool="main", priority=1)
    locations = (*plain.locations, soho)
    await apply_setup(
        house.engine, Setup(fingerprint="x", locations=locations, channels=plain.channels)
    )
    rng = random.Random(seed)
    desk = TransferDesk(house.engine)
    moved = 0
    for _ in range(30):
        market = house.markets[rng.choice(["shop", "other"])]
        if rng.random() < 0.4 and market.counters["MUG"] > 0:
            market.sell("MUG")
        moved += await _step(house, desk, rng)
        await house.settle_down(rng.choice([0, 5, 30]))
    assert moved > 2
    assert house.sold("MUG") <= 30
    assert await house.rows(tables.shortfalls) == []
    await house.settle_down(300, step=60)
    await house.require_clean_books()


async def _step(house: House, desk: TransferDesk, rng: random.Random) -> int:
    """One thing that a warehouse does. Returns 1 where something left or arrived."""
    transfers = await desk.list()
    ready = [one for one in transfers if one.state == "preparing" and one.waits is None]
    under_way = [one for one in transfers if one.state == "in_transit"]
    if ready:
        await desk.ship(ready[0].id, actor=WHO)
        return 1
    if under_way and rng.random() < 0.5:
        await receive(house, under_way[0].in_transit, key=under_way[0].id)
        return 1
    if len(transfers) < 2:
        source, target = rng.sample(["dc", "soho"], 2)
        try:
            await begin(house, rng.randint(1, 6), source=source, target=target)
        except StockRefused:
            return 0
    return 0
