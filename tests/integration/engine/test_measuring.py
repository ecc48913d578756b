"""Limits that a channel never promised are measured; one that was broken is an alarm and a zero."""

from __future__ import annotations

from typing import Any

from channelsync.domain.escrow import Reading, UnitsAround
from channelsync.domain.vocabulary import Assumption, Enforces, PushKind, PushSemantics
from channelsync.engine.business import view_business
from channelsync.engine.business_days import view_days
from channelsync.engine.core import limits_of
from channelsync.engine.figures import view_figures
from channelsync.engine.grants import Grants
from channelsync.engine.intake import apply_orders
from channelsync.engine.measure import Settled, judge
from channelsync.engine.overview import view_overview
from channelsync.engine.repairs import view_repairs
from channelsync.engine.settle import request_drift_check
from channelsync.engine.status import view_status
from channelsync.store import tables
from tests.support.house import Build, House

ABSOLUTE = PushSemantics.ABSOLUTE


async def granted(build: Build, **declared: Any) -> House:
    """One absolute channel that shows 10 of 10, its last set applied in time."""
    house = await build(
        stock={"MUG": 10},
        quotas={"a": 10_000},
        semantics={"a": ABSOLUTE},
        declared={"poll_interval_seconds": 20.0, **declared},
    )
    await house.settle_down(120)
    assert house.markets["a"].counters["MUG"] == 10
    return house


async def broken(house: House) -> dict[str, str]:
    rows = await house.rows(tables.assumptions)
    return {row.assumption: row.why for row in rows if not row.holds}


async def alarms(house: House) -> set[str]:
    return {row.kind for row in await house.rows(tables.alarms) if row.cleared_at is None}


async def zeros(house: House) -> int:
    return sum(row.kind == PushKind.ZERO for row in await house.rows(tables.pushes))


async def said(house: House, word: Assumption) -> str:
    """Why an assumption broke, though it may have been proven again since."""
    rows = await house.rows(tables.alarms)
    found = [row.message for row in rows if row.subject.endswith(f"/{word}")]
    assert len(found) == 1, rows
    return str(found[0])


async def look(house: House) -> None:
    """Drift is looked for now, not at its time."""
    listing = await house.listing("a", "MUG")
    async with house.engine.database.write() as tx:
        await request_drift_check(tx, "a", [listing.id], now=house.clock())
    await house.settle_down(40, step=10)


async def test_a_set_that_applies_after_its_limit_is_an_alarm_and_a_zero(build: Build) -> None:
    house = await granted(build)
    house.markets["a"].sell("MUG", 4)
    await house.settle_down(60)
    assert await house.exposures("MUG") == {"a": 6}
    # The set of the beginning, or a copy of it, comes around once more.
    house.markets["a"].counters["MUG"] = 10
    await look(house)
    assert "apply_limit_seconds" in await said(house, Assumption.APPLIES_IN_TIME)
    assert "apply_limit_exceeded" in await alarms(house)
    assert await zeros(house) == 1


async def test_a_listing_that_proves_itself_again_is_put_on_sale_again(build: Build) -> None:
    house = await granted(build)
    house.markets["a"].sell("MUG", 4)
    await house.settle_down(60)
    house.markets["a"].counters["MUG"] = 10
    await look(house)
    await house.settle_down(120, step=20)
    assert await broken(house) == {}
    assert house.markets["a"].counters["MUG"] == 6
    assert "apply_limit_exceeded" in await alarms(house)
    await house.settle_down(90_000, step=30_000)
    assert "apply_limit_exceeded" not in await alarms(house)
    await house.require_clean_books()


async def test_a_number_that_no_set_of_ours_explains_is_another_writers(build: Build) -> None:
    house = await granted(build)
    house.markets["a"].counters["MUG"] = 17
    await look(house)
    assert "somebody else" in await said(house, Assumption.SOLE_WRITER)
    assert await zeros(house) == 1


async def test_units_that_a_cancel_put_back_are_nobodys_mistake(build: Build) -> None:
    house = await granted(build)
    order = house.markets["a"].sell("MUG", 4)
    assert order is not None
    await house.settle_down(60)
    house.markets["a"].cancel(order)
    await look(house)
    await house.settle_down(120, step=20)
    assert await broken(house) == {}
    assert await zeros(house) == 0
    assert await house.exposures("MUG") == {"a": 10}


async def test_an_order_that_shows_after_its_time_is_an_alarm_and_a_zero(build: Build) -> None:
    house = await granted(build)
    market = house.markets["a"]
    order = market.sell("MUG", 3)
    assert order is not None
    hidden = market.orders.pop(order)
    await house.settle_down(120)
    market.orders[order] = hidden
    await house.settle_down(60, step=10)
    assert "visibility lag" in await said(house, Assumption.FEED_COMPLETE)
    assert "order_shown_late" in await alarms(house)
    assert await zeros(house) == 1
    await house.settle_down(120, step=20)
    assert await broken(house) == {}
    assert house.markets["a"].counters["MUG"] == 7
    await house.require_clean_books()


async def test_what_is_measured_is_told(build: Build) -> None:
    house = await build(
        stock={"MUG": 10},
        quotas={"a": 10_000},
        semantics={"a": ABSOLUTE},
        declared={"poll_interval_seconds": 20.0, "apply_limit_seconds": 300.0},
    )
    market = house.markets["a"]
    market.faults.append("accept_late")
    await house.settle_down(40, step=5)
    assert market.late
    market.apply_late()
    await house.settle_down(80, step=5)
    market.sell("MUG", 1)
    await house.settle_down(60, step=5)
    async with house.engine.database.read() as connection:
        figures = await view_figures(house.engine, connection)
    [lag] = figures.apply_lags
    assert lag.channel == "a"
    assert 30 <= lag.median <= lag.longest <= 80
    [heard] = figures.order_lags
    assert 0 < heard.longest <= 25


async def test_nothing_is_measured_of_orders_that_were_imported(build: Build) -> None:
    house = await build(stock={"MUG": 10}, quotas={"a": 10_000}, semantics={"a": ABSOLUTE})
    house.markets["a"].book("MUG", 2)
    house.clock.at += 5_000
    await house.settle_down(120, step=20)
    [line] = await house.rows(tables.order_lines)
    assert line.heard_after is None
    assert await broken(house) == {}


async def cancelled_unheard(house: House, units: int) -> None:
    """Ten are sold and heard of; then some are called off, sold again, and heard of in that turn.

    As where the webhook of the cancel is lost: the poll finds it, after the sale.
    """
    market = house.markets["a"]
    first = market.sell("MUG", 10)
    assert first is not None
    await house.settle_down(20)
    market.cancel(first, units)
    house.clock.at += 5
    again = market.sell("MUG", units)
    assert again is not None
    async with house.engine.database.write() as tx:
        await apply_orders(tx, "a", [market.orders[again]], (), now=house.clock())


async def causes(house: House) -> list[tuple[str, int]]:
    return [(row.cause, row.units) for row in await house.rows(tables.shortfalls)]


async def told(house: House) -> tuple[int, ...]:
    """Units short: by the status, the business figures, its days, the overview and the repairs."""
    async with house.engine.database.read() as tx:
        status = await view_status(house.engine, tx)
        business = await view_business(house.engine, tx, days=7)
        days = await view_days(tx, now=house.clock(), days=7)
        repairs = await view_repairs(tx, now=house.clock())
    overview = await view_overview(house.engine)
    return (
        status.shortfall_units,
        business.units_oversold,
        sum(day.oversold for day in days),
        sum(row.units for row in overview.shortfalls),
        2 * repairs.counts.get("shortfall", 0),
    )


async def test_units_sold_again_before_their_cancel_is_heard_are_not_short_once_settled(
    build: Build,
) -> None:
    house = await granted(build)
    await cancelled_unheard(house, 2)
    assert await causes(house) == [("beyond_grant", 2)]
    assert await told(house) == (2,) * 5
    await house.settle_down(120, step=10)
    assert await causes(house) == [("sold_again", 2)]
    assert await told(house) == (0,) * 5
    assert await broken(house) == {}
    assert await house.exposures("MUG") == {"a": 0}
    await house.require_clean_books()


async def test_what_a_till_sells_past_its_slice_stays_short_whatever_is_cancelled(
    build: Build,
) -> None:
    house = await build(
        stock={"MUG": 10},
        quotas={"a": 10_000},
        semantics={"a": ABSOLUTE},
        declared={"poll_interval_seconds": 20.0, "enforces": Enforces.NONE},
    )
    await house.settle_down(120)
    await cancelled_unheard(house, 2)
    market = house.markets["a"]
    market.cancel("order-1", 1)
    market.book("MUG", 2)
    market.counters["MUG"] -= 2
    await house.settle_down(120, step=10)
    assert market.counters["MUG"] == -1
    assert await causes(house) == [("beyond_grant", 2)]


async def test_a_reading_older_than_the_sale_explains_nothing(build: Build) -> None:
    house = await granted(build)
    await cancelled_unheard(house, 2)
    running = house.engine.channels.get("a")
    assert running is not None
    now = house.clock()
    async with house.engine.database.write() as tx:
        grants = Grants(tx, now, "test")
        await grants.load([1])
        reading = Reading(quantity=0, sent_at=now - 9, received_at=now - 8, push_seq=0)
        around = UnitsAround(sold_after=2, exposure_at_read=0)
        settled = Settled(listing=grants[1], reading=reading, around=around)
        await judge(tx, running, [settled], limits=limits_of(running), now=now)
    assert await causes(house) == [("beyond_grant", 2)]
