"""The connector's writes and read-backs, against the simulated seller over its real protocol."""

from __future__ import annotations

import json

import pytest

from channelsync.sdk.types import Assumption, Outcome, PushKind
from channelsync_square.simulator import SCOPES
from tests.support.square import Bench, open_bench, stocked


@pytest.fixture
async def bench() -> Bench:
    return await stocked((9, 5, 2))


async def test_a_raise_adds_to_whatever_is_there(bench: Bench) -> None:
    request = bench.prepared(bench.change("MUG", PushKind.RAISE, 3))
    bench.shop.sell({"MUG": 4})
    [result] = await bench.channel.push(request)
    assert result.outcome is Outcome.APPLIED
    assert bench.shop.shown("MUG") == 9 - 4 + 3


async def test_a_cut_takes_away_from_whatever_is_there(bench: Bench) -> None:
    request = bench.prepared(bench.change("MUG", PushKind.CUT, 3))
    bench.shop.sell({"MUG": 4})
    [result] = await bench.channel.push(request)
    assert result.outcome is Outcome.APPLIED
    assert bench.shop.shown("MUG") == 9 - 4 - 3


@pytest.mark.parametrize("state", ["SOLD", "WASTE"])
async def test_what_is_taken_off_goes_where_the_settings_say(state: str) -> None:
    bench = await stocked(taken_off_as=state)
    await bench.channel.push(bench.prepared(bench.change("MUG", PushKind.CUT, 3)))
    row = bench.simulator.books.rows[-1]
    assert (row.from_state, row.to_state) == ("IN_STOCK", state)


async def test_raises_and_cuts_of_many_listings_share_a_request(bench: Bench) -> None:
    request = bench.prepared(
        bench.change("MUG", PushKind.CUT, 4),
        bench.change("CUP", PushKind.RAISE, 1),
        bench.change("POT", PushKind.RAISE, 5),
    )
    results = await bench.channel.push(request)
    assert {one.outcome for one in results} == {Outcome.APPLIED}
    assert [bench.shop.shown(sku) for sku in ("MUG", "CUP", "POT")] == [5, 6, 7]


@pytest.mark.parametrize("version", ["2025-08-20", "2026-05-20", "2026-07-15", "2026-09-16"])
async def test_either_shape_of_an_adjustment_is_understood_by_its_version(version: str) -> None:
    bench = await stocked(square_version=version)
    request = bench.prepared(bench.change("MUG", PushKind.RAISE, 3))
    [entry] = [one["adjustment"] for one in json.loads(request.body)["changes"]]
    two = version >= "2026-07-15"
    assert ("from_location_id" in entry, "location_id" in entry) == (two, not two)
    [result] = await bench.channel.push(request)
    assert (result.outcome, bench.shop.shown("MUG")) == (Outcome.APPLIED, 43)


async def test_the_same_arguments_give_the_same_bytes_however_late(bench: Bench) -> None:
    changes = [bench.change("MUG", PushKind.RAISE, 3)]
    first = bench.channel.prepare(changes, key="one")
    bench.clock.passes(600)
    assert bench.channel.prepare(changes, key="one") == first
    assert bench.channel.prepare(changes, key="two").body != first.body


@pytest.mark.parametrize("fault", ["timeout_after", "server_error_after"])
async def test_a_lost_answer_and_its_replay_apply_once(bench: Bench, fault: str) -> None:
    request = bench.prepared(bench.change("MUG", PushKind.RAISE, 3))
    bench.simulator.server.next_faults.append(fault)
    [first] = await bench.channel.push(request)
    assert (first.outcome, bench.shop.shown("MUG")) == (Outcome.UNKNOWN, 12)
    bench.shop.sell({"MUG": 12})
    [second] = await bench.channel.push(request)
    assert (second.outcome, bench.shop.shown("MUG")) == (Outcome.APPLIED, 0)


@pytest.mark.parametrize("fault", ["timeout_before", "server_error_before"])
async def test_a_request_that_was_lost_applies_with_its_copy(bench: Bench, fault: str) -> None:
    request = bench.prepared(bench.change("MUG", PushKind.RAISE, 3))
    bench.simulator.server.next_faults.append(fault)
    [first] = await bench.channel.push(request)
    [second] = await bench.channel.push(request)
    assert [first.outcome, second.outcome] == [Outcome.UNKNOWN, Outcome.APPLIED]
    assert bench.shop.shown("MUG") == 12


async def test_a_key_with_other_bytes_is_refused(bench: Bench) -> None:
    channel = bench.channel
    await channel.push(channel.prepare([bench.change("MUG", PushKind.RAISE, 3)], key="one"))
    other = channel.prepare([bench.change("MUG", PushKind.RAISE, 4)], key="one")
    [result] = await channel.push(other)
    assert result.outcome is Outcome.REFUSED
    assert "IDEMPOTENCY_KEY_REUSED" in result.reason
    assert bench.shop.shown("MUG") == 12


async def test_bytes_older_than_a_day_are_refused_by_square_itself(bench: Bench) -> None:
    request = bench.prepared(bench.change("MUG", PushKind.RAISE, 3))
    bench.clock.passes(86_401)
    [result] = await bench.channel.push(request)
    assert (result.outcome, bench.shop.shown("MUG")) == (Outcome.REFUSED, 9)
    assert "INVALID_TIME" in result.reason


async def test_a_clock_that_runs_ahead_is_learnt_from_the_first_answer() -> None:
    bench = await stocked()
    world = bench.simulator.world
    there = world.now
    world.now = lambda: there() - 40.0
    early = bench.prepared(bench.change("MUG", PushKind.RAISE, 3))
    [refused] = await bench.channel.push(early)
    assert refused.outcome is Outcome.REFUSED
    [applied] = await bench.channel.push(bench.prepared(bench.change("MUG", PushKind.RAISE, 3)))
    assert applied.outcome is Outcome.APPLIED
    assert bench.simulator.books.rows[-1].occurred_at <= world.now()


async def test_one_bad_change_refuses_the_batch_and_is_the_only_one_blamed(bench: Bench) -> None:
    request = bench.prepared(
        bench.change("MUG", PushKind.RAISE, 1), bench.change("CUP", PushKind.RAISE, 1)
    )
    bench.simulator.world.variation_of("CUP").deleted = True
    results = {one.push_id: one for one in await bench.channel.push(request)}
    assert {one.outcome for one in results.values()} == {Outcome.REFUSED}
    assert results["push-CUP"].refuse_listing is not None
    assert (results["push-MUG"].reason, results["push-MUG"].refuse_listing) == (
        "batch refused",
        None,
    )
    assert bench.shop.shown("MUG") == 9


async def test_of_a_batch_that_half_applied_each_change_is_told_by_what_stands(
    bench: Bench,
) -> None:
    bench.simulator.inventory.atomic = False
    request = bench.prepared(
        bench.change("MUG", PushKind.RAISE, 1), bench.change("CUP", PushKind.RAISE, 1)
    )
    bench.simulator.world.variation_of("CUP").deleted = True
    results = {one.push_id: one.outcome for one in await bench.channel.push(request)}
    assert results == {"push-MUG": Outcome.APPLIED, "push-CUP": Outcome.UNKNOWN}
    assert bench.shop.shown("MUG") == 10


@pytest.mark.parametrize(
    ("fault", "seconds"), [("throttled", 3.0), ("throttled_without_hint", 2.0)]
)
async def test_a_throttled_push_proves_nothing_and_says_when_to_come_back(
    bench: Bench, fault: str, seconds: float
) -> None:
    request = bench.prepared(bench.change("MUG", PushKind.RAISE, 1))
    bench.simulator.server.next_faults.append(fault)
    [result] = await bench.channel.push(request)
    assert (result.outcome, result.after_seconds) == (Outcome.UNKNOWN, seconds)
    assert bench.shop.shown("MUG") == 9


async def test_a_refused_token_and_a_missing_right_prove_nothing(bench: Bench) -> None:
    account = bench.simulator.account
    request = bench.prepared(bench.change("MUG", PushKind.RAISE, 1))
    account.expired = True
    [expired] = await bench.channel.push(request)
    account.expired = False
    account.scopes.discard("INVENTORY_WRITE")
    [forbidden] = await bench.channel.push(request)
    account.scopes.update(SCOPES)
    [applied] = await bench.channel.push(request)
    outcomes = [one.outcome for one in (expired, forbidden, applied)]
    assert outcomes == [Outcome.UNKNOWN, Outcome.UNKNOWN, Outcome.APPLIED]
    assert "INVENTORY_WRITE" in forbidden.reason


async def test_no_connection_means_that_nothing_left_us(bench: Bench) -> None:
    bench.simulator.faults.offline = True
    [result] = await bench.channel.push(bench.prepared(bench.change("MUG", PushKind.RAISE, 1)))
    assert result.outcome is Outcome.UNSENT


async def test_a_sale_that_is_uploaded_after_a_raise_is_not_swallowed_by_it(bench: Bench) -> None:
    bench.shop.sell_offline({"MUG": 2})
    bench.clock.passes(30)
    await bench.channel.push(bench.prepared(bench.change("MUG", PushKind.RAISE, 3)))
    bench.clock.passes(40 * 3_600)
    bench.shop.upload()
    assert bench.shop.shown("MUG") == 9 + 3 - 2


@pytest.mark.parametrize(
    "changes",
    [
        [],
        [("MUG", PushKind.SET, 3)],
        [("MUG", PushKind.RAISE, 0)],
        [("MUG", PushKind.RAISE, 1), ("MUG", PushKind.CUT, 1)],
    ],
)
async def test_changes_that_do_not_make_a_request_are_refused(
    bench: Bench, changes: list[tuple[str, PushKind, int]]
) -> None:
    with pytest.raises(ValueError, match=r"changes|no way to|variation"):
        bench.prepared(*(bench.change(*one) for one in changes))


# ------------------------------------------------------------------ reading


async def test_a_read_tells_the_quantity_and_that_it_is_kept(bench: Bench) -> None:
    bench.shop.sell({"MUG": 2})
    [reading] = await bench.channel.read([bench.listing("MUG")])
    assert reading.quantity == 7
    assert {one.assumption: one.holds for one in reading.findings} == {
        Assumption.READS_BACK: True,
        Assumption.ENFORCES: True,
    }


async def test_more_was_sold_than_there_was_reads_as_less_than_nothing(bench: Bench) -> None:
    bench.shop.sell({"POT": 5})
    [reading] = await bench.channel.read([bench.listing("POT")])
    assert reading.quantity == -3


async def test_a_variation_that_nobody_ever_counted_offers_nothing() -> None:
    bench = await open_bench()
    bench.shop.add_item("MUG")
    [reading] = await bench.channel.read([bench.listing("MUG")])
    assert reading.quantity == 0
    assert all(one.holds for one in reading.findings)


async def test_the_other_shop_of_the_seller_is_not_read(bench: Bench) -> None:
    mug = bench.simulator.world.variation_of("MUG")
    bench.simulator.elsewhere.count(mug, 70)
    [reading] = await bench.channel.read([bench.listing("MUG")])
    assert reading.quantity == 9


async def test_an_untracked_variation_is_found_on_the_way(bench: Bench) -> None:
    mug = bench.simulator.world.variation_of("MUG")
    mug.tracked_at[bench.settings.location_id] = False
    [reading] = await bench.channel.read([bench.listing("MUG")])
    broken = [one for one in reading.findings if not one.holds]
    assert [one.assumption for one in broken] == [Assumption.ENFORCES]
    assert "track" in broken[0].why


async def test_a_deleted_variation_cannot_be_read_back(bench: Bench) -> None:
    listing = bench.listing("MUG")
    bench.simulator.world.variation_of("MUG").deleted = True
    [reading] = await bench.channel.read([listing])
    assert reading.quantity is None
    assert [one.assumption for one in reading.findings if not one.holds] == [Assumption.READS_BACK]


async def test_many_listings_are_read_in_few_calls() -> None:
    bench = await open_bench()
    for number in range(250):
        bench.shop.add_item(f"SKU-{number:03}", number)
    listings = [bench.listing(f"SKU-{number:03}") for number in range(250)]
    bench.simulator.server.calls.clear()
    readings = await bench.channel.read(listings)
    assert [one.quantity for one in readings] == list(range(250))
    assert len(bench.simulator.server.calls) == 2
