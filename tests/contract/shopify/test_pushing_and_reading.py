"""The connector's writes and read-backs, against the simulated shop over its real protocol."""

from __future__ import annotations

import pytest

from channelsync.sdk.testing.faults import AnswerFault, FaultPlan
from channelsync.sdk.types import Assumption, Outcome, PushKind
from tests.support.shopify import Bench, open_bench


@pytest.fixture
async def bench() -> Bench:
    bench = await open_bench()
    for sku, units in (("MUG", 9), ("CUP", 5), ("POT", 2)):
        bench.shop.add_item(sku, units)
    return bench


async def test_a_raise_without_compare_adds_to_whatever_is_there(bench: Bench) -> None:
    request = bench.prepared(bench.change("MUG", PushKind.RAISE, 3))
    await bench.shop.buy("MUG", 4)
    [result] = await bench.channel.push(request)
    assert result.outcome is Outcome.APPLIED
    assert bench.shop.available("MUG") == 9 - 4 + 3


async def test_a_cut_lowers_exactly_the_value_it_names(bench: Bench) -> None:
    request = bench.prepared(bench.change("MUG", PushKind.CUT, 4, compare=9))
    [result] = await bench.channel.push(request)
    assert result.outcome is Outcome.APPLIED
    assert bench.shop.available("MUG") == 5


async def test_a_compared_raise_sets_the_sum(bench: Bench) -> None:
    request = bench.prepared(bench.change("MUG", PushKind.RAISE, 4, compare=9))
    [result] = await bench.channel.push(request)
    assert (result.outcome, bench.shop.available("MUG")) == (Outcome.APPLIED, 13)


async def test_a_sale_in_between_makes_a_cut_stale(bench: Bench) -> None:
    request = bench.prepared(bench.change("MUG", PushKind.CUT, 4, compare=9))
    await bench.shop.buy("MUG")
    [result] = await bench.channel.push(request)
    assert (result.outcome, result.stale) == (Outcome.REFUSED, True)
    assert bench.shop.available("MUG") == 8


async def test_one_stale_entry_refuses_the_batch_and_is_the_only_one_called_stale(
    bench: Bench,
) -> None:
    request = bench.prepared(
        bench.change("MUG", PushKind.CUT, 4, compare=9),
        bench.change("CUP", PushKind.CUT, 1, compare=5),
        bench.change("POT", PushKind.CUT, 1, compare=2),
    )
    await bench.shop.buy("CUP")
    results = {one.push_id: one for one in await bench.channel.push(request)}
    assert {one.outcome for one in results.values()} == {Outcome.REFUSED}
    assert [push_id for push_id, one in results.items() if one.stale] == ["push-CUP"]
    assert results["push-MUG"].reason == "batch refused"
    assert [bench.shop.available(sku) for sku in ("MUG", "CUP", "POT")] == [9, 4, 2]


async def test_a_lost_answer_and_its_replay_apply_once(bench: Bench) -> None:
    request = bench.prepared(bench.change("MUG", PushKind.RAISE, 3))
    bench.simulator.server.next_faults.append("timeout_after")
    [first] = await bench.channel.push(request)
    assert (first.outcome, bench.shop.available("MUG")) == (Outcome.UNKNOWN, 12)
    await bench.shop.buy("MUG", 12)
    [second] = await bench.channel.push(request)
    assert (second.outcome, bench.shop.available("MUG")) == (Outcome.APPLIED, 0)


async def test_a_compared_push_whose_answer_was_lost_applies_once_though_the_value_came_back(
    bench: Bench,
) -> None:
    request = bench.prepared(bench.change("POT", PushKind.RAISE, 1, compare=2))
    bench.simulator.server.next_faults.append("server_error_after")
    [first] = await bench.channel.push(request)
    await bench.shop.buy("POT")
    [second] = await bench.channel.push(request)
    assert [first.outcome, second.outcome] == [Outcome.UNKNOWN, Outcome.APPLIED]
    assert bench.shop.available("POT") == 2


async def test_the_same_key_after_a_day_is_a_new_operation(bench: Bench) -> None:
    request = bench.prepared(bench.change("MUG", PushKind.RAISE, 3))
    await bench.channel.push(request)
    bench.clock.passes(86_401)
    await bench.channel.push(request)
    assert bench.shop.available("MUG") == 15


async def test_a_key_with_other_parameters_is_refused(bench: Bench) -> None:
    channel = bench.channel
    await channel.push(channel.prepare([bench.change("MUG", PushKind.RAISE, 3)], key="one"))
    other = channel.prepare([bench.change("MUG", PushKind.RAISE, 4)], key="one")
    [result] = await channel.push(other)
    assert result.outcome is Outcome.REFUSED
    assert "PARAMETER_MISMATCH" in result.reason


async def test_a_key_in_flight_proves_nothing(bench: Bench) -> None:
    request = bench.prepared(bench.change("MUG", PushKind.RAISE, 3))
    bench.simulator.ledger.in_flight.add(request.key)
    [result] = await bench.channel.push(request)
    assert result.outcome is Outcome.UNKNOWN
    assert result.after_seconds is not None


@pytest.mark.parametrize("uses_up", [False, True])
async def test_a_refused_key_never_applies_later_whatever_shopify_makes_of_it(
    bench: Bench, *, uses_up: bool
) -> None:
    bench.simulator.ledger.refusal_uses_up_key = uses_up
    request = bench.prepared(bench.change("POT", PushKind.CUT, 1, compare=3))
    for _ in range(2):
        [result] = await bench.channel.push(request)
        assert result.outcome is Outcome.REFUSED


async def test_a_deleted_item_and_a_bundle_are_unfit(bench: Bench) -> None:
    bench.shop.world.item_of("CUP").variants[0].bundle = True
    gone = bench.prepared(bench.change("POT", PushKind.RAISE, 1))
    bundle = bench.prepared(bench.change("CUP", PushKind.RAISE, 1))
    bench.shop.delete_item("POT")
    for request in (gone, bundle):
        [result] = await bench.channel.push(request)
        assert result.outcome is Outcome.REFUSED
        assert result.refuse_listing is not None


async def test_a_push_without_the_right_to_write_is_refused_with_the_scope(bench: Bench) -> None:
    bench.simulator.scopes.discard("write_inventory")
    [result] = await bench.channel.push(bench.prepared(bench.change("MUG", PushKind.RAISE, 1)))
    assert result.outcome is Outcome.REFUSED
    assert "write_inventory" in result.reason


async def test_no_connection_means_that_nothing_left_us(bench: Bench) -> None:
    bench.simulator.faults.offline = True
    [result] = await bench.channel.push(bench.prepared(bench.change("MUG", PushKind.RAISE, 1)))
    assert result.outcome is Outcome.UNSENT


async def test_an_exhausted_budget_is_waited_for_without_sending(bench: Bench) -> None:
    request = bench.prepared(bench.change("MUG", PushKind.RAISE, 1))
    bucket = bench.simulator.server.bucket
    bucket.take(bucket.maximum - 20)
    [first] = await bench.channel.push(request)
    assert first.outcome is Outcome.APPLIED
    calls = len(bench.simulator.server.calls)
    [second] = await bench.channel.push(bench.prepared(bench.change("CUP", PushKind.RAISE, 1)))
    assert second.outcome is Outcome.UNSENT
    assert len(bench.simulator.server.calls) == calls
    assert second.after_seconds is not None
    bench.clock.passes(second.after_seconds)
    [third] = await bench.channel.push(bench.prepared(bench.change("CUP", PushKind.RAISE, 1)))
    assert third.outcome is Outcome.APPLIED


async def test_reads_may_use_the_share_that_writes_leave(bench: Bench) -> None:
    bucket = bench.simulator.server.bucket
    bucket.take(bucket.maximum * 0.75)
    [reading] = await bench.channel.read([bench.listing("MUG")])
    [result] = await bench.channel.push(bench.prepared(bench.change("MUG", PushKind.RAISE, 1)))
    assert reading.quantity == 9
    assert result.outcome is Outcome.UNSENT


async def test_a_throttled_push_proves_nothing_and_says_when_to_come_back(bench: Bench) -> None:
    request = bench.prepared(bench.change("MUG", PushKind.RAISE, 1))
    bench.simulator.server.next_faults.append("throttled")
    [result] = await bench.channel.push(request)
    assert result.outcome is Outcome.UNKNOWN
    assert result.after_seconds is not None
    assert bench.shop.available("MUG") == 9


async def test_a_read_tells_the_quantity_and_that_the_number_is_enforced(bench: Bench) -> None:
    await bench.shop.buy("MUG", 2)
    [reading] = await bench.channel.read([bench.listing("MUG")])
    assert reading.quantity == 7
    assert {finding.assumption: finding.holds for finding in reading.findings} == {
        Assumption.READS_BACK: True,
        Assumption.ENFORCES: True,
    }


async def test_a_checkout_in_progress_does_not_show_and_can_end_below_zero(bench: Bench) -> None:
    checkout = await bench.shop.begin_checkout("POT", 2)
    await bench.channel.push(bench.prepared(bench.change("POT", PushKind.CUT, 2, compare=2)))
    [before] = await bench.channel.read([bench.listing("POT")])
    await bench.shop.complete_checkout(checkout)
    [after] = await bench.channel.read([bench.listing("POT")])
    assert [before.quantity, after.quantity] == [0, -2]


async def test_what_breaks_the_enforcement_is_found_by_reading(bench: Bench) -> None:
    bench.shop.set_policy("MUG", "CONTINUE")
    bench.shop.set_tracked("CUP", tracked=False)
    bench.shop.deactivate("POT")
    readings = await bench.channel.read([bench.listing(sku) for sku in ("MUG", "CUP", "POT")])
    whys = {
        reading.listing_id: finding.why
        for reading in readings
        for finding in reading.findings
        if not finding.holds
    }
    assert "sells on when out of stock" in whys["listing-MUG"]
    assert "not track" in whys["listing-CUP"]
    assert "not active" in whys["listing-POT"]


async def test_a_deleted_or_unstocked_item_has_no_quantity_and_a_finding(bench: Bench) -> None:
    elsewhere = bench.shop.add_location("Attic", online=False)
    bench.shop.add_item("HAT", 4, location=elsewhere)
    gone, unstocked = bench.listing("POT"), bench.listing("HAT")
    bench.shop.delete_item("POT")
    readings = {one.listing_id: one for one in await bench.channel.read([gone, unstocked])}
    for listing_id in ("listing-POT", "listing-HAT"):
        assert readings[listing_id].quantity is None
        [broken] = [
            one for one in readings[listing_id].findings if one.assumption is Assumption.READS_BACK
        ]
        assert not broken.holds


async def test_stock_at_another_online_location_breaks_the_enforcement(bench: Bench) -> None:
    beside = bench.shop.add_location("Second warehouse")
    bench.shop.stock_at(bench.shop.world.item_of("MUG"), beside, 6)
    readings = await bench.channel.read([bench.listing("MUG"), bench.listing("CUP")])
    enforced = {
        reading.listing_id: finding
        for reading in readings
        for finding in reading.findings
        if finding.assumption is Assumption.ENFORCES
    }
    assert not enforced["listing-MUG"].holds
    assert "6 units from location 'Second warehouse'" in enforced["listing-MUG"].why
    assert enforced["listing-CUP"].holds


async def test_many_listings_are_read_in_groups(bench: Bench) -> None:
    for number in range(120):
        bench.shop.add_item(f"SKU-{number}", number)
    listings = [bench.listing(f"SKU-{number}") for number in range(120)]
    readings = await bench.channel.read(listings)
    assert {one.listing_id: one.quantity for one in readings} == {
        f"listing-SKU-{number}": number for number in range(120)
    }


async def test_under_constant_faults_keyed_retries_apply_each_push_at_most_once() -> None:
    faults = FaultPlan(
        answers=AnswerFault(
            throttled=0.1,
            server_error_before=0.1,
            server_error_after=0.15,
            timeout_before=0.1,
            timeout_after=0.15,
        )
    )
    bench = await open_bench(faults=faults)
    bench.shop.add_item("MUG", 0)
    applied = 0
    for _ in range(60):
        request = bench.prepared(bench.change("MUG", PushKind.RAISE, 1))
        for _attempt in range(30):
            bench.clock.passes(30)
            [result] = await bench.channel.push(request)
            if result.outcome is Outcome.APPLIED:
                applied += 1
                break
    assert applied == 60
    assert bench.shop.available("MUG") == 60
    assert sum(faults.injected.values()) > 30
