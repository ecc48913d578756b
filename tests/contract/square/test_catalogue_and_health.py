"""Finding offers, and telling whether the channel is what the settings say."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from channelsync.sdk.errors import NeedsReauthorization
from channelsync.sdk.types import Assumption, RemoteListing
from channelsync_square.simulator.state import Variation
from tests.support.square import Bench, open_bench, stocked


async def found(bench: Bench) -> dict[str, RemoteListing]:
    return {one.external["variation_id"]: one async for one in bench.channel.listings()}


async def test_every_variation_with_a_sku_is_an_offer() -> None:
    bench = await stocked()
    offers = {one.sku: one async for one in bench.channel.listings()}
    assert sorted(offers) == ["CUP", "MUG", "POT"]
    mug = offers["MUG"]
    assert (mug.external, mug.refused, mug.title) == (
        {"variation_id": bench.variation("MUG")},
        None,
        "Thing MUG, Regular",
    )


async def test_a_catalogue_of_many_pages_is_found_whole() -> None:
    bench = await open_bench()
    for number in range(2_100):
        bench.shop.add_item(f"SKU-{number:04}")
    bench.simulator.server.calls.clear()
    assert len(await found(bench)) == 2_100
    assert len(bench.simulator.server.calls) == 3


def not_tracked(one: Variation) -> None:
    one.tracked = False


def not_tracked_here(one: Variation) -> None:
    one.tracked_at["LSIMULATED001"] = False


def absent(one: Variation) -> None:
    one.absent_at.add("LSIMULATED001")


def converted(one: Variation) -> None:
    one.converted_from = "another"


def weighed(one: Variation) -> None:
    one.unit_id, one.unit_precision = "UNIT1", 3


def gift_card(one: Variation) -> None:
    one.kind = "GIFT_CARD"


def archived(one: Variation) -> None:
    one.archived = True


def without_sku(one: Variation) -> None:
    one.sku = None


@pytest.mark.parametrize(
    ("spoil", "words"),
    [
        (not_tracked, "does not track"),
        (not_tracked_here, "does not track"),
        (absent, "not offered at our location"),
        (converted, "another variation"),
        (weighed, "fractions of a unit"),
        (gift_card, "gift card"),
        (archived, "archived"),
        (without_sku, "no SKU"),
    ],
)
async def test_what_cannot_be_kept_is_refused_with_the_reason(
    spoil: Callable[[Variation], None], words: str
) -> None:
    bench = await stocked()
    mug = bench.simulator.world.variation_of("MUG")
    spoil(mug)
    offers = await found(bench)
    assert words in (offers[mug.id].refused or "")
    assert [one.refused for one in offers.values() if one.external != {"variation_id": mug.id}] == [
        None,
        None,
    ]


@pytest.mark.parametrize("precision", [0, 2])
async def test_a_unit_of_measure_is_no_obstacle_where_only_whole_ones_are_sold(
    precision: int,
) -> None:
    bench = await stocked()
    mug = bench.simulator.world.variation_of("MUG")
    mug.unit_id, mug.unit_precision = "UNIT1", precision
    assert ((await found(bench))[mug.id].refused is None) is (precision == 0)


async def test_a_variation_tracked_at_our_location_alone_is_kept() -> None:
    bench = await stocked()
    mug = bench.simulator.world.variation_of("MUG")
    mug.tracked, mug.tracked_at = False, {bench.settings.location_id: True}
    assert (await found(bench))[mug.id].refused is None


async def test_a_sku_that_stands_twice_is_refused_both_times_and_case_makes_another() -> None:
    bench = await stocked()
    bench.shop.add_item("MUG")
    bench.shop.add_item("mug")
    refusals = [(one.sku, one.refused is None) for one in (await found(bench)).values()]
    assert sorted(refusals) == [
        ("CUP", True),
        ("MUG", False),
        ("MUG", False),
        ("POT", True),
        ("mug", True),
    ]


# ------------------------------------------------------------------ health


async def results(bench: Bench) -> dict[str, Any]:
    return {one.name: one for one in await bench.channel.test()}


async def test_a_healthy_channel_passes_every_check() -> None:
    bench = await stocked()
    told = await results(bench)
    assert [name for name, one in told.items() if not one.ok] == []
    assert "Main street" in told["location"].message
    findings = await bench.channel.check_assumptions()
    assert {one.assumption for one in findings if one.holds} == {
        Assumption.ENFORCES,
        Assumption.FEED_COMPLETE,
        Assumption.READS_BACK,
    }


@pytest.mark.parametrize("right", ["INVENTORY_READ", "ITEMS_READ", "ORDERS_READ"])
async def test_a_missing_right_is_named(right: str) -> None:
    bench = await stocked()
    bench.simulator.account.scopes.discard(right)
    told = await results(bench)
    assert [name for name, one in told.items() if not one.ok] == [right]
    assert right in told[right].message
    broken = [one for one in await bench.channel.check_assumptions() if not one.holds]
    assert (Assumption.FEED_COMPLETE in {one.assumption for one in broken}) is (
        right != "ITEMS_READ"
    )


async def test_an_unknown_location_lists_the_ones_there_are() -> None:
    bench = await open_bench(location_id="LELSEWHERE")
    told = await results(bench)
    assert not told["location"].ok
    assert "Main street (LSIMULATED001), Station (LSIMULATED002)" in told["location"].message


async def test_a_deactivated_location_sells_nothing() -> None:
    bench = await stocked()
    bench.simulator.location.active = False
    assert "deactivated" in (await results(bench))["location"].message
    broken = [one for one in await bench.channel.check_assumptions() if not one.holds]
    assert [one.assumption for one in broken] == [Assumption.ENFORCES]


async def test_a_refused_token_fails_every_check_and_raises_none() -> None:
    bench = await stocked()
    bench.simulator.account.revoked = True
    told = await results(bench)
    assert not any(told[name].ok for name in ("location", "ORDERS_READ"))
    with pytest.raises(NeedsReauthorization):
        await bench.channel.check_assumptions()


async def test_a_clock_that_is_wrong_is_found() -> None:
    bench = await stocked()
    there = bench.simulator.world.now
    bench.simulator.world.now = lambda: there() - 90.0
    told = await results(bench)
    assert (told["clock"].ok, "90 s ahead" in told["clock"].message) == (False, True)


async def test_without_any_key_webhooks_cannot_be_verified() -> None:
    bench = await stocked(application_token=None)
    assert not (await results(bench))["webhooks"].ok
    keyed = await stocked(application_token=None, webhook_key="k")
    assert (await results(keyed))["webhooks"].ok


async def test_the_mode_is_said() -> None:
    assert "share" in (await results(await stocked()))["mode"].message
    assert "soho" in (await results(await stocked(mode="mirror")))["mode"].message
