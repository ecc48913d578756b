"""The engine over the Square connector and its simulated seller, on one clock."""

from __future__ import annotations

from random import Random
from typing import Any

import pytest

from channelsync.domain.vocabulary import PushSemantics
from channelsync.engine.stock_desk import StockDesk
from channelsync.ports import RunningChannel
from channelsync.sdk.connector import ChannelContext
from channelsync.sdk.http import http_client
from channelsync.sdk.testing.faults import AnswerFault, FaultPlan
from channelsync.store import tables
from channelsync_square.connector import MANIFEST, SquareConnector
from channelsync_square.simulator import SquareSimulator
from tests.support.house import Build, House
from tests.support.square import settings_for

CAS = PushSemantics.KEYED_COMPARE_AND_SET
DELTA = PushSemantics.KEYED_DELTA
HOUR = 3_600.0


class Town:
    """A house with a web shop in memory and a simulated Square seller."""

    def __init__(self, house: House, simulator: SquareSimulator) -> None:
        self.house = house
        self.simulator = simulator
        self.shop = simulator.shop
        self.web = house.markets["web"]

    async def passes(self, seconds: float, step: float = 60.0) -> None:
        await self.house.settle_down(seconds, step)

    async def exposure(self, sku: str = "MUG") -> int | None:
        exposure: int | None = (await self.house.listing("till", sku)).exposure
        return exposure

    async def on_hand(self) -> int:
        [row] = await self.house.rows(tables.stock)
        on_hand: int = row.on_hand
        return on_hand

    def net_sold(self) -> int:
        return self.shop.accepted()["MUG"] + self.web.net_sold("MUG")


async def a_town(
    build: Build,
    *,
    stock: int = 40,
    faults: FaultPlan | None = None,
    counted: int | None = None,
    **settings: Any,
) -> Town:
    house = await build(
        stock={"MUG": stock},
        quotas={"web": 5_000, "till": 5_000},
        semantics={"web": CAS, "till": DELTA},
        declared={"poll_interval_seconds": 60.0},
    )
    simulator = SquareSimulator(now=house.clock, rng=Random(3), faults=faults)
    simulator.shop.add_item("MUG", counted)
    given = settings_for(simulator, **({"location": "dc", "visibility_lag_seconds": 0} | settings))
    connector = SquareConnector()
    context = ChannelContext(
        channel="till",
        settings=given,
        http=http_client(allowed_hosts=MANIFEST.own_hosts, transport=simulator.transport()),
        now=house.clock,
        new_id=house.engine.environment.new_id,
    )
    house.channels.running["till"] = RunningChannel(
        name="till",
        manifest=connector.manifest_for(given),
        channel=await connector.open(context),
        quarantine_seconds=30.0,
        poll_interval_seconds=60.0,
        quiet_limit_seconds=900.0,
    )
    return Town(house, simulator)


async def test_the_till_is_granted_its_share_and_its_sales_are_counted(build: Build) -> None:
    town = await a_town(build)
    await town.passes(300)
    assert (town.shop.shown("MUG"), town.web.counters["MUG"]) == (20, 20)
    town.shop.sell({"MUG": 3})
    await town.passes(200)
    assert (await town.exposure(), await town.on_hand()) == (17, 37)
    await town.house.require_clean_books()


async def test_what_square_showed_before_adoption_is_cut_to_the_share(build: Build) -> None:
    town = await a_town(build, counted=90)
    await town.passes(900)
    assert (town.shop.shown("MUG"), await town.exposure()) == (20, 20)
    assert town.web.counters["MUG"] == 20
    await town.house.require_clean_books()


async def test_a_sale_offline_for_hours_is_counted_at_its_upload(build: Build) -> None:
    town = await a_town(build)
    await town.passes(300)
    town.shop.sell_offline({"MUG": 2})
    await town.passes(2 * HOUR, step=600.0)
    assert (await town.exposure(), await town.on_hand()) == (20, 40)
    town.shop.upload()
    await town.passes(300)
    assert (town.shop.shown("MUG"), await town.on_hand()) == (18, 38)
    assert await town.exposure() == 18
    await town.house.require_clean_books()


async def test_a_sale_that_a_stock_take_absorbed_comes_out_of_what_is_free(build: Build) -> None:
    town = await a_town(build)
    await town.passes(300)
    town.shop.sell_offline({"MUG": 2})
    await town.passes(200)
    town.shop.count("MUG", 20)
    await town.passes(200)
    town.shop.upload()
    assert town.shop.shown("MUG") == 20
    await town.passes(600)
    shown, exposure = town.shop.shown("MUG"), await town.exposure()
    assert (await town.on_hand(), exposure) == (38, shown)
    assert shown + town.web.counters["MUG"] <= 38
    await town.house.require_clean_books()


async def test_goods_that_somebody_books_in_square_are_not_sold_twice(build: Build) -> None:
    town = await a_town(build)
    await town.passes(300)
    town.shop.receive("MUG", 15)
    await town.passes(600)
    assert town.shop.shown("MUG") + town.web.counters["MUG"] <= 40
    assert await town.exposure() == town.shop.shown("MUG")
    await town.house.require_clean_books()


async def test_an_online_order_is_reserved_until_it_is_picked_up(build: Build) -> None:
    town = await a_town(build)
    await town.passes(300)
    order = town.shop.order_online("MUG", 2)
    other = town.shop.order_online("MUG", 1)
    assert order is not None
    assert other is not None
    await town.passes(200)
    [stock] = await town.house.rows(tables.stock)
    assert (stock.on_hand, stock.reserved, await town.exposure()) == (40, 3, 17)
    town.shop.hand_over(order)
    town.shop.cancel(other)
    await town.passes(600)
    [stock] = await town.house.rows(tables.stock)
    assert (stock.on_hand, stock.reserved) == (38, 0)
    assert await town.exposure() == town.shop.shown("MUG")
    await town.house.require_clean_books()


@pytest.mark.parametrize("mode", ["quota", "mirror"])
async def test_a_shelf_counted_before_the_pick_up_still_held_the_goods(
    build: Build, mode: str
) -> None:
    town = await a_town(build, mode=mode)
    await town.passes(300)
    order = town.shop.order_online("MUG", 2)
    assert order is not None
    await town.passes(200)
    desk = StockDesk(town.house.engine.database, town.house.engine.environment)
    await desk.count("MUG", "dc", 40, counted_at=town.house.clock(), reason="counted", actor="test")
    await town.passes(60)
    town.shop.hand_over(order)
    await town.passes(300)
    assert await town.on_hand() == 38
    await town.house.require_clean_books()


async def test_goods_brought_back_can_be_sold_again(build: Build) -> None:
    town = await a_town(build)
    await town.passes(300)
    order = town.shop.sell({"MUG": 5})
    await town.passes(200)
    town.shop.return_goods("MUG", 2, of=order)
    await town.passes(600)
    assert await town.on_hand() == 37
    assert await town.exposure() == town.shop.shown("MUG")
    await town.house.require_clean_books()


@pytest.mark.parametrize("fault", ["timeout_after", "server_error_after", "throttled"])
async def test_answers_that_are_lost_grant_nothing_twice(build: Build, fault: str) -> None:
    town = await a_town(build)
    # The first calls find the catalogue and the orders; then the grants are sent.
    town.simulator.faults.answers = AnswerFault(**{fault: 0.3})
    await town.passes(900)
    town.simulator.faults.answers = AnswerFault()
    await town.passes(600)
    assert (town.shop.shown("MUG"), await town.exposure()) == (20, 20)
    await town.house.require_clean_books()


# ------------------------------------------------------------------ mirrored


async def test_a_mirrored_shop_shows_what_lies_there_less_what_is_promised(build: Build) -> None:
    town = await a_town(build, mode="mirror")
    await town.passes(300)
    assert town.shop.shown("MUG") == 40
    assert (town.web.counters["MUG"], await town.exposure()) == (20, 20)
    order = town.web.sell("MUG", 4)
    await town.passes(200)
    assert town.shop.shown("MUG") == 36
    assert order is not None
    town.web.ship(order)
    town.shop.sell({"MUG": 2})
    await town.passes(200)
    assert (town.shop.shown("MUG"), await town.on_hand()) == (34, 34)
    await town.house.require_clean_books()


async def test_a_stock_take_at_a_mirrored_till_is_ours_too(build: Build) -> None:
    town = await a_town(build, mode="mirror")
    await town.passes(300)
    town.shop.sell_offline({"MUG": 2})
    await town.passes(200)
    town.shop.count("MUG", 35)
    await town.passes(200)
    town.shop.upload()
    await town.passes(300)
    assert (await town.on_hand(), town.shop.shown("MUG")) == (35, 35)
    town.shop.receive("MUG", 5)
    await town.passes(300)
    assert (await town.on_hand(), town.shop.shown("MUG")) == (40, 40)
    await town.house.require_clean_books()


async def test_a_sale_beyond_the_share_of_a_mirrored_till_lowers_the_web_shop(
    build: Build,
) -> None:
    town = await a_town(build, mode="mirror")
    await town.passes(300)
    town.shop.sell({"MUG": 30})
    await town.passes(600)
    assert town.web.counters["MUG"] <= 10
    await town.house.require_clean_books()


# ------------------------------------------------------------------ a whole day


@pytest.mark.slow
@pytest.mark.parametrize("seed", [1, 2])
async def test_a_day_of_faults_sells_no_unit_twice(build: Build, seed: int) -> None:
    plan = FaultPlan(
        answers=AnswerFault(
            throttled=0.03, server_error_after=0.03, timeout_before=0.03, timeout_after=0.03
        )
    )
    town = await a_town(build, faults=plan, stock=30)
    rng = Random(seed)
    promised: list[str] = []
    for _ in range(70):
        await town.passes(rng.uniform(5, 90), step=90.0)
        _something_happens(town, rng, promised)
    town.simulator.faults.answers = AnswerFault()
    town.shop.upload()
    await town.passes(1_500, step=60.0)
    assert 12 < town.net_sold() <= 30
    exposure = await town.exposure()
    assert exposure is not None
    assert exposure >= max(town.shop.shown("MUG"), 0)
    lines = await town.house.rows(tables.order_lines)
    counted = sum(
        line.ordered - line.cancelled - line.returned for line in lines if line.channel == "till"
    )
    assert counted == town.shop.accepted()["MUG"]
    await town.house.require_clean_books()


def _something_happens(town: Town, rng: Random, promised: list[str]) -> None:
    """Clerks sell no more than the till shows, less what left offline."""
    shop = town.shop
    there = shop.shown("MUG") - sum(one.basket["MUG"] for one in shop.waiting)
    what = rng.random()
    if what < 0.25:
        town.web.sell("MUG")
    elif what < 0.5 and there > 0:
        shop.sell({"MUG": 1})
    elif what < 0.65 and there > 0:
        shop.sell_offline({"MUG": 1})
    elif what < 0.72:
        shop.upload()
    elif what < 0.85 and there > 0:
        promised += [order for order in [shop.order_online("MUG")] if order is not None]
    elif promised:
        end = shop.cancel if rng.random() < 0.4 else shop.hand_over
        end(promised.pop(rng.randrange(len(promised))))
