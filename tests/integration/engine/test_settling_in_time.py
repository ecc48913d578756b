"""A settle takes as long as the channel makes us wait, and no longer."""

from __future__ import annotations

import sqlalchemy as sa
from msgspec.structs import replace
from typing_extensions import override

from channelsync.domain.vocabulary import PushKind, PushSemantics
from channelsync.engine.settle import request_drift_check
from channelsync.engine.settle_due import due_reads
from channelsync.engine.work import WorkKind, claim, finish, mark
from channelsync.sdk.testing.memory import MemoryChannel
from channelsync.sdk.types import OrderPage
from channelsync.store import tables
from tests.support.house import Build, House

SHOWN_SECONDS = 300.0
"""So much later every order of an instant is surely shown."""


class SlowToShow(MemoryChannel):
    """Its orders are known to be complete only up to a while ago."""

    @override
    async def orders_since(self, cursor: str) -> OrderPage:
        page = await super().orders_since(cursor)
        assert page.complete_to is not None
        return replace(page, complete_to=page.complete_to - SHOWN_SECONDS)


class ShortOfIt(MemoryChannel):
    """Its orders are known to be complete up to an instant that the test says."""

    complete_to: float | None = None

    @override
    async def orders_since(self, cursor: str) -> OrderPage:
        page = await super().orders_since(cursor)
        complete_to, self.complete_to = self.complete_to, None
        return page if complete_to is None else replace(page, complete_to=complete_to)


async def with_a_zero_on_its_way(build: Build) -> House:
    """One absolute channel that shows too much and took a zero in, to apply it some time."""
    house = await build(
        stock={"MUG": 10},
        quotas={"a": 10_000},
        semantics={"a": PushSemantics.ABSOLUTE},
        declared={"poll_interval_seconds": 600.0, "apply_limit_seconds": 2_000.0},
        open_channel=lambda _name, market: SlowToShow(market),
    )
    shop = house.markets["a"]
    await house.settle_down(2_000, step=20)
    assert await house.exposures("MUG") == {"a": 10}
    shop.counters["MUG"] = 17
    shop.faults.append("accept_late")
    listing = await house.listing("a", "MUG")
    async with house.engine.database.write() as tx:
        await request_drift_check(tx, "a", [listing.id], now=house.clock())
    await house.settle_down(SHOWN_SECONDS + 60, step=20)
    assert shop.late == [("MUG", 0)]
    return house


async def settled_after(house: House, applied_at: float) -> float:
    """Seconds from the zero's arrival until it was proven."""
    await house.settle_down(2 * SHOWN_SECONDS, step=5)
    [zero] = [row for row in await house.rows(tables.pushes) if row.kind == PushKind.ZERO]
    return float((zero.closed_at or float("inf")) - applied_at)


async def test_a_read_that_came_before_its_zero_keeps_no_later_one_waiting(build: Build) -> None:
    house = await with_a_zero_on_its_way(build)
    await house.settle_down(100, step=5)
    house.markets["a"].apply_late()
    looked_for_every = (SHOWN_SECONDS + 60 + 100) / 4
    took = await settled_after(house, house.clock.at)
    assert took < looked_for_every + SHOWN_SECONDS + 20


async def test_a_poll_that_came_too_early_for_a_reading_is_followed_by_another(
    build: Build,
) -> None:
    house = await with_a_zero_on_its_way(build)
    house.markets["a"].apply_late()
    applied_at = house.clock.at
    await house.settle_down(100, step=5)
    async with house.engine.database.write() as tx:
        await mark(tx, WorkKind.POLL, "a", not_before=house.clock())
    took = await settled_after(house, applied_at)
    assert took < 100 + SHOWN_SECONDS + 20


async def test_the_first_of_many_readings_does_not_wait_for_the_last(build: Build) -> None:
    house = await build(
        stock={"MUG": 10, "PLATE": 10},
        quotas={"a": 10_000},
        semantics={"a": PushSemantics.KEYED_COMPARE_AND_SET},
        declared={"poll_interval_seconds": 600.0},
        open_channel=lambda _name, market: SlowToShow(market),
    )
    await house.settle_down(2_000, step=20)
    began_at = house.clock.at
    for sku in ("MUG", "PLATE"):
        listing = await house.listing("a", sku)
        async with house.engine.database.write() as tx:
            await request_drift_check(tx, "a", [listing.id], now=house.clock())
        await house.settle_down(100, step=5)
    async with house.engine.database.write() as tx:
        await mark(tx, WorkKind.POLL, "a", not_before=house.clock())
    await house.settle_down(2 * SHOWN_SECONDS, step=5)
    settled = [(await house.listing("a", sku)).settled_at or 0.0 for sku in ("MUG", "PLATE")]
    mug, plate = (at - began_at for at in settled)
    # The poll between the two came too early for either; the next is a quarter of 600 s later.
    assert SHOWN_SECONDS < mug < 200 + 150 + 20
    assert 100 + SHOWN_SECONDS < plate < mug + 150 + 20


async def test_a_poll_under_way_is_not_asked_to_begin_again(build: Build) -> None:
    """It would at once, for as long as readings wait: a mark of its run's time is spent."""
    house = await build(
        stock={"MUG": 10},
        quotas={"a": 10_000},
        semantics={"a": PushSemantics.KEYED_COMPARE_AND_SET},
        open_channel=lambda _name, market: SlowToShow(market),
    )
    await house.settle_down()
    assert await house.rows(tables.readings)
    house.clock.at += 100.0
    async with house.engine.database.write() as tx:
        now = house.clock()
        [held] = await claim(tx, WorkKind.POLL, now=now, lease_seconds=60.0, token="one")
        await mark(tx, WorkKind.SETTLE, "a", not_before=now)
    await house.settle_down()
    async with house.engine.database.write() as tx:
        await finish(tx, held, again_at=now + 600.0)
    [poll] = [one for one in await house.rows(tables.work) if one.kind == WorkKind.POLL]
    assert poll.not_before == now + 600.0
    [settle] = [one for one in await house.rows(tables.work) if one.kind == WorkKind.SETTLE]
    assert settle.not_before < now + 10.0


async def test_what_was_never_read_is_read_before_what_is_only_proven_to_have_applied(
    build: Build,
) -> None:
    house = await build(
        stock={"BOWL": 10, "MUG": 10},
        quotas={"a": 10_000},
        semantics={"a": PushSemantics.KEYED_DELTA},
    )
    await house.settle_down(120)
    first, last = sorted([(await house.listing("a", sku)).id for sku in ("BOWL", "MUG")])
    database, running = house.engine.database, house.channels.running["a"]
    async with database.write() as tx:
        await request_drift_check(tx, "a", [first], now=house.clock())
        unread = sa.update(tables.listings).where(tables.listings.c.id == last)
        await tx.execute(unread.values(exposure=None, remote=None, remote_at=None))
    house.clock.at += 600
    async with database.read() as tx:
        wanted, _ = await due_reads(tx, running, house.clock())
    assert [one.listing.id for one in wanted] == [last, first]


async def test_a_poll_that_stops_a_hair_short_of_a_reading_is_followed_by_another(
    build: Build,
) -> None:
    house = await build(
        stock={"MUG": 10},
        quotas={"a": 10_000},
        semantics={"a": PushSemantics.KEYED_DELTA},
        declared={"poll_interval_seconds": 600.0, "clock_skew_seconds": 5.0},
        open_channel=lambda _name, market: ShortOfIt(market),
    )
    channel = house.channels.running["a"].channel
    assert isinstance(channel, ShortOfIt)
    while not (waiting := await house.rows(tables.readings)):
        await house.settle_down(1, step=1)
    needed = waiting[0].received_at + 5.0
    house.clock.at = needed - 0.5
    # Less than what passes until somebody looks at the reading again.
    channel.complete_to = needed - 0.000_1
    await house.settle_down(20, step=1)
    assert channel.complete_to is None
    assert await house.exposures("MUG") == {"a": 10}
