"""Facts that zero oversell rests on, broken on purpose, one at a time, on each marketplace.

Each is noticed, named by the assumption monitor, answered by taking the listing down, and whatever
it sold beyond the stock stands as a shortfall with its cause.

A write that applies after its limit can be broken only where writes bear no key: Shopify and Square
answer a copy that comes late from the key's first one, for a day. There the promise to break is the
key's.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from channelsync.domain.vocabulary import Assumption
from channelsync.engine.measure import BEYOND_GRANT
from channelsync.sdk.testing.faults import DeliveryPlan
from channelsync.store import tables
from channelsync_amazon.simulator.state import Application
from tests.support.market_day.broken import (
    AMAZON_LIMIT_SECONDS,
    AT_ONCE,
    SKU,
    STOCK,
    Scene,
    open_scene,
)

CHANNELS = ("amazon", "shopify", "square")
GRANTED = {"amazon": 10, "shopify": 6, "square": 4}


@pytest.fixture
async def scene(tmp_path: Path) -> AsyncIterator[Scene]:
    async with open_scene(tmp_path) as opened:
        yield opened


async def granted(scene: Scene) -> None:
    """Every unit is on sale somewhere, and everything about it is proven."""
    await scene.live(570, step=30)
    assert {channel: scene.shown(channel) for channel in CHANNELS} == GRANTED
    assert await scene.town.house.exposures(SKU) == GRANTED
    assert not await scene.town.house.rows(tables.readings)
    scene.began = scene.town.clock.at


async def sell_out(scene: Scene, *but: str) -> None:
    """Shoppers empty every shelf but those named."""
    for channel in CHANNELS:
        if channel not in but:
            await scene.buy(channel, 3 * STOCK)


async def require_told(scene: Scene, channel: str, assumption: Assumption, units: int) -> None:
    """All of what was oversold is a shortfall of that cause."""
    await scene.require_answered(channel, assumption)
    assert await scene.shortfalls() == {(channel, assumption.value): units}
    # Units that a cut of another channel brought back are served after all.
    assert 0 < scene.oversold <= units


# ------------------------------------------------------------------ applied twice, or late


async def require_late_set_answered(scene: Scene) -> None:
    """Amazon's share was given to another when an old set of ours puts 10 units there again."""
    await scene.share(shopify=90, square=10)
    await scene.live(960, step=30)
    assert [scene.shown(channel) for channel in CHANNELS] == [0, 18, 2]
    scene.began = scene.town.clock.at
    while not scene.shown("amazon"):
        await scene.live(30, step=30)
    assert await scene.buy("amazon", 3) == 3
    await sell_out(scene, "amazon")
    await scene.live(700, step=30)
    assert scene.shown("amazon") == 0
    await require_told(scene, "amazon", Assumption.APPLIES_IN_TIME, 3)


async def test_a_set_that_amazon_applies_twice(scene: Scene) -> None:
    scene.town.amazon.listings.double_next = 1
    scene.town.amazon.listings.double_after_seconds = 1_200.0
    await scene.live(60)
    assert scene.shown("amazon") == 10
    await require_late_set_answered(scene)


async def test_a_set_that_amazon_applies_after_its_limit(scene: Scene) -> None:
    assert AMAZON_LIMIT_SECONDS < 1_200
    scene.town.amazon.world.application = Application(seconds_median=1_200.0, sigma=0.0)
    await scene.live(30)
    scene.town.amazon.world.application = AT_ONCE
    await scene.live(30)
    assert scene.shown("amazon") == 0
    await require_late_set_answered(scene)


@pytest.mark.parametrize("channel", ["shopify", "square"])
async def test_a_raise_that_is_applied_twice_because_its_key_was_forgotten(
    scene: Scene, channel: str
) -> None:
    town, units = scene.town, GRANTED[channel]
    server = town.shopify.server if channel == "shopify" else town.square.server
    server.next_faults.append("timeout_after")
    await scene.live(0)
    assert await scene.buy(channel, units) == units
    (town.shopify.ledger if channel == "shopify" else town.square.server).forget_keys()
    scene.began = town.clock.at
    await scene.live(30)
    copies = [row.copies for row in await town.house.rows(tables.pushes) if row.channel == channel]
    assert copies == [2]
    assert await scene.buy(channel, 3) == 3
    await sell_out(scene, channel)
    await scene.live(300, step=30)
    await require_told(scene, channel, Assumption.APPLIES_IN_TIME, 3)
    assert await scene.first_causes() == {BEYOND_GRANT}


# ------------------------------------------------------------------ a second writer


async def write(scene: Scene, channel: str, more: int) -> None:
    """Somebody puts more on the counter by hand."""
    town = scene.town
    if channel == "amazon":
        town.amazon.seller.edit_quantity(SKU, scene.shown(channel) + more)
    elif channel == "shopify":
        await town.shopify.shop.edit_stock(SKU, more)
    else:
        town.square.shop.count(SKU, scene.shown(channel) + more)


@pytest.mark.parametrize("channel", CHANNELS)
async def test_a_second_writer_who_is_seen_before_anybody_buys(scene: Scene, channel: str) -> None:
    await granted(scene)
    await write(scene, channel, 20)
    await scene.look(channel)
    await scene.live(800 if channel == "amazon" else 300, step=30)
    await sell_out(scene)
    await scene.live(30)
    await scene.require_answered(channel, Assumption.SOLE_WRITER)
    assert scene.oversold == 0
    assert await scene.shortfalls() == {}


@pytest.mark.parametrize("channel", CHANNELS)
async def test_a_second_writer_whose_units_are_bought_at_once(scene: Scene, channel: str) -> None:
    await granted(scene)
    await write(scene, channel, 30)
    await scene.live(1)
    # More than any write of ours ever put there.
    units = GRANTED[channel] + 12
    assert await scene.buy(channel, units) == units
    await sell_out(scene, channel)
    await scene.live(1_200 if channel == "amazon" else 300, step=30)
    await require_told(scene, channel, Assumption.SOLE_WRITER, 12)


# ------------------------------------------------------------------ a feed that lies

HIDDEN = {"amazon": 6, "shopify": 4, "square": 3}
HIDDEN_SECONDS = 900.0


async def sell_unseen(scene: Scene, channel: str) -> None:
    """Sales that are told long after the feed said it was complete."""
    town = scene.town
    if channel == "amazon":
        town.amazon.seller.visibility_seconds = (HIDDEN_SECONDS, HIDDEN_SECONDS)
    elif channel == "shopify":
        town.shopify.world.search_lag_seconds = HIDDEN_SECONDS
    else:
        town.square.world.search_lag_seconds = HIDDEN_SECONDS
    late = {"delay_seconds_min": HIDDEN_SECONDS, "delay_seconds_max": HIDDEN_SECONDS}
    town.faults[channel].deliveries = DeliveryPlan(**late)
    if channel == "square":
        # A till's sale is told by the ledger alone; one of the web site by its order as well.
        assert all(town.square.shop.order_online(SKU) for _ in range(HIDDEN[channel]))
    else:
        assert await scene.buy(channel, HIDDEN[channel]) == HIDDEN[channel]
    town.faults[channel].deliveries = DeliveryPlan()
    town.amazon.seller.visibility_seconds = (0.0, 0.0)
    town.square.world.search_lag_seconds = 0.0


@pytest.mark.parametrize("channel", CHANNELS)
async def test_a_feed_that_hides_orders_and_says_that_it_is_complete(
    scene: Scene, channel: str
) -> None:
    await granted(scene)
    await sell_unseen(scene, channel)
    await scene.live(60, step=30)
    await scene.look(channel)
    await scene.live(480 if channel == "amazon" else 240, step=30)
    assert scene.shown(channel) > GRANTED[channel] - HIDDEN[channel]
    scene.town.shopify.world.search_lag_seconds = 0.0
    await scene.buy(channel, scene.shown(channel) - 1)
    await sell_out(scene, channel)
    await scene.live(HIDDEN_SECONDS, step=60)
    await require_told(scene, channel, Assumption.FEED_COMPLETE, HIDDEN[channel])
