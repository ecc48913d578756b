"""Quantities written and read back, against a simulated account."""

from __future__ import annotations

from itertools import pairwise

import pytest

from channelsync.sdk.errors import NeedsReauthorization
from channelsync.sdk.types import Assumption, Outcome, PushKind
from channelsync_amazon.simulator.state import Application
from tests.support.amazon import Bench, open_bench, stocked


async def test_a_set_is_accepted_and_shows_only_when_amazon_applies_it() -> None:
    bench = await stocked("MUG")
    result = await bench.set_to("MUG", 12)
    assert (result.outcome, result.reason) == (Outcome.ACCEPTED, "")
    assert (await bench.read("MUG")).quantity == 40
    bench.clock.passes(21)
    assert (await bench.read("MUG")).quantity == 12


async def test_a_reading_is_the_live_number_and_not_the_submitted_one() -> None:
    bench = await stocked("MUG")
    await bench.set_to("MUG", 12)
    bench.clock.passes(21)
    await bench.seller.buy("MUG", 5)
    reading = await bench.read("MUG")
    assert reading.quantity == 7
    assert bench.simulator.world.offers["MUG"].submitted == 12
    assert all(finding.holds for finding in reading.findings)
    assert {finding.assumption for finding in reading.findings} == {
        Assumption.READS_BACK,
        Assumption.ENFORCES,
    }


async def test_a_set_keeps_handling_time_and_names_its_one_offer() -> None:
    bench = await stocked("MUG")
    await bench.set_to("MUG", 0)
    [call] = bench.calls("patchListingsItem")
    assert call.body["patches"] == [
        {
            "op": "merge",
            "path": "/attributes/fulfillment_availability",
            "value": [{"fulfillment_channel_code": "DEFAULT", "quantity": 0}],
        }
    ]
    assert bench.simulator.world.offers["MUG"].lead_time_days == 2


@pytest.mark.parametrize("sku", ["A/B#1 x", "50%,BLUE", "Größe+L", "a b,c"])
async def test_a_sku_may_hold_anything(sku: str) -> None:
    bench = await stocked(sku)
    assert list(await bench.offers()) == [sku]
    assert (await bench.read(sku)).quantity == 40
    assert (await bench.set_to(sku, 3)).outcome is Outcome.ACCEPTED
    bench.clock.passes(30)
    assert (await bench.read(sku)).quantity == 3


async def test_many_offers_are_read_twenty_a_call() -> None:
    skus = [f"SKU-{number:02}" for number in range(45)]
    bench = await stocked(*skus)
    readings = await bench.channel.read([bench.listing(sku) for sku in skus])
    assert [one.quantity for one in readings] == [40] * 45
    assert len(bench.calls("searchListingsItems")) == 3


async def test_an_offer_that_is_gone_reads_as_nothing_with_the_reason() -> None:
    bench = await stocked("MUG")
    bench.seller.delete_offer("MUG")
    reading = await bench.read("MUG")
    assert reading.quantity is None
    [finding] = reading.findings
    assert (finding.assumption, finding.holds) == (Assumption.READS_BACK, False)
    assert "no such SKU" in finding.why


# ------------------------------------------------------------------ what must never be written


async def unfit_bench() -> Bench:
    bench = await open_bench()
    bench.seller.add_offer("FBA", 0, code="AMAZON_EU")
    bench.seller.add_offer("EVER", 9, always_available=True)
    bench.seller.add_offer("WIDE", 0, sources={"store-1": 3, "store-2": 4})
    bench.seller.add_offer("GOOD", 5)
    return bench


UNFIT = {
    "FBA": "Amazon fulfils it",
    "EVER": "always available",
    "WIDE": "kept by source",
    "NONE": "no such SKU",
}


async def test_unfit_offers_are_listed_with_the_reason() -> None:
    bench = await unfit_bench()
    offers = await bench.offers()
    assert offers["GOOD"].refused is None
    assert offers["GOOD"].quantity == 5
    for sku in ("FBA", "EVER", "WIDE"):
        assert UNFIT[sku] in (offers[sku].refused or "")


@pytest.mark.parametrize("sku", sorted(UNFIT))
async def test_an_unfit_offer_is_never_written_even_if_it_was_fit_before(sku: str) -> None:
    bench = await unfit_bench()
    result = await bench.set_to(sku, 3)
    assert result.outcome is Outcome.REFUSED
    assert UNFIT[sku] in (result.refuse_listing or "")
    assert bench.calls("patchListingsItem") == []


async def test_an_offer_that_turned_into_amazons_between_two_pushes_is_left_alone() -> None:
    bench = await stocked("MUG")
    await bench.set_to("MUG", 5)
    bench.clock.passes(61)
    assert bench.seller.live("MUG") == 5
    bench.simulator.world.offers["MUG"].code = "AMAZON_EU"
    result = await bench.set_to("MUG", 7)
    assert result.refuse_listing is not None
    assert len(bench.calls("patchListingsItem")) == 1


async def test_an_offer_read_a_moment_ago_is_not_read_again_before_a_push() -> None:
    bench = await stocked("MUG")
    await bench.read("MUG")
    await bench.set_to("MUG", 5)
    assert len(bench.calls("searchListingsItems")) == 1


async def test_the_simulated_amazon_turns_an_fba_offer_over_as_the_real_one_does() -> None:
    bench = await unfit_bench()
    world = bench.simulator.world
    world.submit(world.offers["FBA"], 3, bench.seller._rng, world.application)
    bench.clock.passes(60)
    world.catch_up()
    assert (world.offers["FBA"].code, world.offers["FBA"].live) == ("DEFAULT", 3)


# ------------------------------------------------------------------ answers of a bad day


@pytest.mark.parametrize(
    ("fault", "outcome", "stored"),
    [
        ("offline", Outcome.UNSENT, 40),
        ("timeout_before", Outcome.UNKNOWN, 40),
        ("timeout_after", Outcome.UNKNOWN, 6),
        ("server_error_before", Outcome.UNKNOWN, 40),
        ("server_error_after", Outcome.UNKNOWN, 6),
        ("throttled", Outcome.UNKNOWN, 40),
    ],
)
async def test_a_lost_answer_proves_nothing(fault: str, outcome: Outcome, stored: int) -> None:
    bench = await stocked("MUG")
    await bench.read("MUG")
    bench.simulator.server.next_faults.append(fault)
    assert (await bench.set_to("MUG", 6)).outcome is outcome
    assert bench.simulator.world.offers["MUG"].submitted == stored


async def test_after_every_429_pushes_stay_away_for_longer() -> None:
    bench = await stocked("MUG")
    await bench.read("MUG")
    bench.simulator.server.next_faults.extend(["throttled"] * 3)
    times, outcomes = [], []
    for _ in range(4):
        outcomes.append((await bench.set_to("MUG", 6)).outcome)
        times.append(bench.clock())
    assert outcomes == [Outcome.UNKNOWN] * 3 + [Outcome.ACCEPTED]
    pauses = [round(after - before, 2) for before, after in pairwise(times)]
    assert pauses == [0.2, 0.4, 0.8]


async def test_a_set_that_amazon_calls_invalid_takes_the_listing_out() -> None:
    bench = await stocked("MUG")
    change = bench.change("MUG", 5)
    request = bench.prepared(change)
    broken = request.body.replace(b"fulfillment_availability", b"fulfillmentAvailability")
    [result] = await bench.channel.push(
        type(request)(
            key=request.key, body=broken, push_ids=request.push_ids, operation=request.operation
        )
    )
    assert result.outcome is Outcome.REFUSED
    assert "90000900" in (result.refuse_listing or "")


async def test_a_missing_role_is_said_by_name_and_not_tried_for_ever() -> None:
    bench = await stocked("MUG")
    await bench.read("MUG")
    bench.simulator.account.roles.discard("listings")
    result = await bench.set_to("MUG", 5)
    assert result.outcome is Outcome.UNKNOWN
    assert "Product Listing" in result.reason
    for _ in range(3):
        with pytest.raises(NeedsReauthorization, match="Product Listing"):
            await bench.set_to("MUG", 5)
    assert len(bench.calls("patchListingsItem")) == 1
    bench.simulator.account.roles.add("listings")
    bench.clock.passes(301)
    assert (await bench.set_to("MUG", 5)).outcome is Outcome.ACCEPTED


async def test_a_set_applies_never_or_twice_and_only_reading_tells() -> None:
    never = await stocked("MUG", application=Application(never=1.0))
    assert (await never.set_to("MUG", 5)).outcome is Outcome.ACCEPTED
    never.clock.passes(90_000)
    assert (await never.read("MUG")).quantity == 40
    twice = await stocked("MUG")
    twice.simulator.listings.double_next = 1
    await twice.set_to("MUG", 5)
    twice.clock.passes(60)
    await twice.seller.buy("MUG", 2)
    assert (await twice.read("MUG")).quantity == 3
    twice.clock.passes(300)
    assert (await twice.read("MUG")).quantity == 5


async def test_updates_of_one_sku_queue_behind_each_other() -> None:
    slow = Application(seconds_median=1.0, sigma=0.0, sku_gap_seconds=120.0)
    bench = await stocked("MUG", application=slow)
    await bench.set_to("MUG", 9)
    await bench.set_to("MUG", 0)
    bench.clock.passes(60)
    assert (await bench.read("MUG")).quantity == 9
    bench.clock.passes(90)
    assert (await bench.read("MUG")).quantity == 0


async def test_the_plan_of_an_operation_is_kept() -> None:
    bench = await stocked("MUG")
    await bench.read("MUG")
    began = bench.clock()
    for _ in range(20):
        assert (await bench.set_to("MUG", 5)).outcome is Outcome.ACCEPTED
    assert bench.clock() - began >= (20 - 5) / 5 - 0.01
    assert all(call.status == 200 for call in bench.simulator.server.calls)


async def test_only_one_set_fits_a_request_and_only_sets_fit_amazon() -> None:
    bench = await stocked("MUG", "CUP")
    change = bench.change("MUG", 5)
    cut = type(change)(push_id="p", listing=change.listing, kind=PushKind.CUT, units=2)
    with pytest.raises(ValueError, match="cannot cut"):
        bench.prepared(cut)
    assert bench.prepared(change).body == bench.prepared(change).body
