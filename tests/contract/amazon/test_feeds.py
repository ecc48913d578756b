"""Many quantities by one feed, against a simulated account."""

from __future__ import annotations

import json

import pytest

from channelsync.sdk.errors import NeedsReauthorization
from channelsync.sdk.types import ChangeResult, Outcome, PushKind, PushRequest
from channelsync_amazon.feeds import FEED_MAX, LOOKED_AT_MAX
from tests.support.amazon import Bench, reopened, stocked

SKUS = ("MUG", "CUP", "POT")
SET, ZERO = PushKind.SET, PushKind.ZERO


async def a_feed(**more: int) -> tuple[Bench, PushRequest, dict[str, ChangeResult]]:
    bench = await stocked(*SKUS)
    for name, value in more.items():
        setattr(bench.simulator.feeds, name, value)
    request = bench.prepared(*(bench.change(sku, 5 + n) for n, sku in enumerate(SKUS)))
    results = await bench.channel.push(request)
    return bench, request, {one.push_id: one for one in results}


def outcomes(results: object) -> list[Outcome]:
    assert isinstance(results, list)
    return [one.outcome for one in results]


async def the_end(bench: Bench, request: PushRequest) -> object:
    [ticket] = {one.feed_id for one in bench.simulator.feeds.feeds.values()}
    return await bench.channel.follow(request, ticket)


async def test_a_feed_is_taken_in_under_a_ticket_and_followed_to_its_end() -> None:
    bench, request, results = await a_feed()
    [ticket] = {one.ticket for one in results.values()}
    assert ticket in bench.simulator.feeds.feeds
    assert {one.outcome for one in results.values()} == {Outcome.ACCEPTED}
    assert await the_end(bench, request) is None
    bench.clock.passes(100)
    assert outcomes(await the_end(bench, request)) == [Outcome.ACCEPTED] * 3
    bench.clock.passes(60)
    assert [bench.seller.live(sku) for sku in SKUS] == [5, 6, 7]


async def test_a_message_that_amazon_refuses_is_refused_alone() -> None:
    bench, request, _ = await a_feed()
    bench.simulator.feeds.broken["CUP"] = "'condition_type' is required but not supplied."
    bench.clock.passes(100)
    results = await bench.channel.follow(request, next(iter(bench.simulator.feeds.feeds)))
    assert results is not None
    told = {one.push_id: one for one in results}
    assert told["push-CUP"].outcome is Outcome.REFUSED
    assert "condition_type" in (told["push-CUP"].refuse_listing or "")
    assert told["push-MUG"].outcome is Outcome.ACCEPTED


async def test_a_feed_that_hangs_has_no_end_and_keeps_the_next_one_waiting() -> None:
    bench, request, _ = await a_feed(hang_next=1)
    bench.clock.passes(3 * 86_400)
    assert await the_end(bench, request) is None
    other = bench.prepared(bench.change("MUG", 1), bench.change("CUP", 2))
    [first, *_] = await bench.channel.push(other)
    bench.clock.passes(3_600)
    assert first.ticket is not None
    assert await bench.channel.follow(other, first.ticket) is None


async def test_a_fatal_feed_may_have_applied_anything() -> None:
    bench, request, _ = await a_feed(fatal_next=1)
    bench.clock.passes(200)
    results = await the_end(bench, request)
    assert outcomes(results) == [Outcome.ACCEPTED] * 3
    assert sorted(bench.seller.live(sku) for sku in SKUS) == [5, 7, 40]


async def test_a_cancelled_feed_applied_nothing() -> None:
    bench, request, _ = await a_feed()
    feed = next(iter(bench.simulator.feeds.feeds.values()))
    feed.status = "IN_QUEUE"
    bench.simulator.feeds.cancel(feed.feed_id)
    assert outcomes(await the_end(bench, request)) == [Outcome.REFUSED] * 3


async def test_a_feed_that_amazon_forgot_is_left_to_reading() -> None:
    bench, request, _ = await a_feed()
    results = await bench.channel.follow(request, "91040099999")
    assert outcomes(results) == [Outcome.ACCEPTED] * 3


async def test_reports_are_asked_for_no_faster_than_amazon_allows() -> None:
    bench, request, _ = await a_feed()
    bench.clock.passes(100)
    ends = [await the_end(bench, request) for _ in range(12)]
    assert [end is None for end in ends] == [False] * 10 + [True] * 2
    assert all(call.status < 400 for call in bench.simulator.server.calls)


@pytest.mark.parametrize(
    ("faults", "outcome"),
    [
        (["offline"], Outcome.UNSENT),
        (["server_error_after"], Outcome.UNSENT),
        (["timeout_after"], Outcome.UNSENT),
    ],
)
async def test_whatever_fails_before_the_feed_is_made_was_never_sent(
    faults: list[str], outcome: Outcome
) -> None:
    bench = await stocked(*SKUS)
    await bench.channel.read([bench.listing(sku) for sku in SKUS])
    request = bench.prepared(*(bench.change(sku, 5) for sku in SKUS))
    bench.simulator.server.next_faults.extend(faults)
    results = await bench.channel.push(request)
    assert [one.outcome for one in results] == [outcome] * 3
    assert bench.simulator.feeds.feeds == {}


async def test_a_lost_answer_to_the_making_of_a_feed_proves_nothing() -> None:
    bench = await stocked(*SKUS)
    await bench.channel.read([bench.listing(sku) for sku in SKUS])
    request = bench.prepared(*(bench.change(sku, 5) for sku in SKUS))
    bench.simulator.server.faults_of["createFeed"] = "timeout_after"
    results = await bench.channel.push(request)
    assert [one.outcome for one in results] == [Outcome.UNKNOWN] * 3
    assert len(bench.simulator.feeds.feeds) == 1


async def test_an_unfit_offer_keeps_its_feed_back() -> None:
    bench = await stocked(*SKUS)
    bench.simulator.world.offers["CUP"].code = "AMAZON_EU"
    request = bench.prepared(*(bench.change(sku, 5) for sku in SKUS))
    results = {one.push_id: one for one in await bench.channel.push(request)}
    assert results["push-CUP"].outcome is Outcome.REFUSED
    assert "Amazon fulfils it" in (results["push-CUP"].refuse_listing or "")
    assert results["push-MUG"].outcome is Outcome.UNSENT
    assert bench.simulator.feeds.feeds == {}


async def test_an_upload_carries_no_token() -> None:
    bench, _, results = await a_feed()
    assert {one.outcome for one in results.values()} == {Outcome.ACCEPTED}
    names = [call.operation for call in bench.simulator.server.calls]
    assert names == ["searchListingsItems", "createFeedDocument", "createFeed"]


async def test_a_feed_without_its_role_is_not_tried_for_ever() -> None:
    bench = await stocked(*SKUS)
    await bench.channel.read([bench.listing(sku) for sku in SKUS])
    bench.simulator.account.roles.discard("listings")
    request = bench.prepared(*(bench.change(sku, 5) for sku in SKUS))
    with pytest.raises(NeedsReauthorization, match="Product Listing"):
        await bench.channel.push(request)


async def test_zeros_and_few_changes_go_one_by_one_and_many_by_a_feed() -> None:
    bench = await stocked(*SKUS, feed_above=10)
    size = bench.channel.request_size
    assert size([SET] * 10) == 1
    assert size([SET] * 11) == 11
    assert size([ZERO] + [SET] * 30) == 1
    assert size([ZERO] * 30) == 1
    assert size([SET] * 20_000) == FEED_MAX
    never = await stocked(*SKUS, feed_above=None)
    assert never.channel.request_size([SET] * 5_000) == 1


async def test_after_five_feeds_patches_go_on_and_the_next_feed_grows() -> None:
    bench = await stocked(*SKUS, feed_above=10)
    bench.simulator.feeds.seconds = (1.0, 1.0)
    size = bench.channel.request_size
    for _ in range(5):
        assert size([SET] * 11) == 11
        request = bench.prepared(*(bench.change(sku, 5) for sku in SKUS))
        results = await bench.channel.push(request)
        assert {one.outcome for one in results} == {Outcome.ACCEPTED}
        bench.clock.passes(2)
        assert await bench.channel.follow(request, results[0].ticket or "") is not None
    assert size([SET] * 11) == 1
    request = bench.prepared(*(bench.change(sku, 5) for sku in SKUS))
    results = await bench.channel.push(request)
    assert {one.outcome for one in results} == {Outcome.UNSENT}
    assert "five feeds in five minutes" in results[0].reason
    assert 0 < (results[0].after_seconds or 0) <= 60
    bench.clock.passes(61)
    assert size([SET] * 11) == 11


async def test_while_a_feed_is_worked_on_the_next_one_grows_and_few_or_urgent_do_not_wait() -> None:
    bench, request, results = await a_feed()
    size = bench.channel.request_size
    assert size([SET] * FEED_MAX) == 0
    ticket = results["push-MUG"].ticket or ""
    bench.clock.passes(10)
    assert await bench.channel.follow(request, ticket) is None
    assert size([SET] * FEED_MAX) == 0
    assert size([ZERO] + [SET] * FEED_MAX) == 1
    assert size([SET] * 1_500) == 1
    bench.clock.passes(100)
    assert await bench.channel.follow(request, ticket) is not None
    assert size([SET] * FEED_MAX) == FEED_MAX


async def test_patches_overtake_a_feed_that_hangs_and_in_time_the_next_feed_does() -> None:
    bench, request, results = await a_feed(hang_next=1)
    size = bench.channel.request_size
    bench.clock.passes(299)
    assert size([SET] * FEED_MAX) == 0
    bench.clock.passes(2)
    assert size([SET] * FEED_MAX) == 1
    bench.clock.passes(590)
    assert await bench.channel.follow(request, results["push-MUG"].ticket or "") is None
    bench.clock.passes(890)
    assert size([SET] * FEED_MAX) == 1
    bench.clock.passes(20)
    assert size([SET] * FEED_MAX) == FEED_MAX


async def test_a_program_that_starts_anew_waits_for_the_feed_that_it_hears_of() -> None:
    bench, request, results = await a_feed(hang_next=1)
    later = await reopened(bench)
    assert later.channel.request_size([SET] * FEED_MAX) == FEED_MAX
    assert await later.channel.follow(request, results["push-MUG"].ticket or "") is None
    assert later.channel.request_size([SET] * FEED_MAX) == 0


async def test_a_look_at_its_offers_stands_for_a_feed_a_quarter_of_an_hour_later() -> None:
    bench = await stocked(*SKUS)
    await bench.channel.read([bench.listing(sku) for sku in SKUS])
    bench.clock.passes(890)
    await bench.channel.push(bench.prepared(*(bench.change(sku, 5) for sku in SKUS)))
    bench.clock.passes(20)
    await bench.channel.push(bench.prepared(*(bench.change(sku, 6) for sku in SKUS)))
    names = [call.operation for call in bench.simulator.server.calls]
    assert names.count("searchListingsItems") == 2
    assert names.index("createFeed") < len(names) - 1 - names[::-1].index("searchListingsItems")


async def test_what_was_read_before_a_restart_need_not_be_looked_at_again() -> None:
    bench = await stocked(*SKUS)
    shown_at = bench.clock()
    bench.clock.passes(800)
    changes = [bench.change(sku, 5, shown_at + n) for n, sku in enumerate(SKUS)]
    results = await bench.channel.push(bench.prepared(*changes))
    assert {one.outcome for one in results} == {Outcome.ACCEPTED}
    assert bench.calls("searchListingsItems") == []


@pytest.mark.parametrize("shown", [None, 0.0])
async def test_one_offer_that_was_not_read_lately_is_reason_to_look_at_all(
    shown: float | None,
) -> None:
    bench = await stocked(*SKUS)
    at = bench.clock()
    bench.clock.passes(901)
    changes = [bench.change(sku, 5, bench.clock()) for sku in SKUS[1:]]
    stale = bench.change(SKUS[0], 5, None if shown is None else at + shown)
    await bench.channel.push(bench.prepared(stale, *changes))
    assert len(bench.calls("searchListingsItems")) == 1


async def test_an_offer_found_unfit_is_looked_at_again_whatever_was_known_before() -> None:
    bench = await stocked(*SKUS)
    request = bench.prepared(*(bench.change(sku, 5, bench.clock()) for sku in SKUS))
    bench.simulator.world.offers["CUP"].code = "AMAZON_EU"
    await bench.read("CUP")
    results = {one.push_id: one for one in await bench.channel.push(request)}
    assert results["push-CUP"].outcome is Outcome.REFUSED
    assert bench.simulator.feeds.feeds == {}


async def test_the_limits_of_writing_are_those_of_amazons_own_feeds() -> None:
    bench = await stocked(*SKUS)
    rates = bench.channel.load_rates
    assert rates(1_500).written == 5.0
    # One feed, a minute; four of them, one after the other.
    assert rates(25_000).written == pytest.approx(25_000 / 60)
    assert rates(100_000).written == pytest.approx(100_000 / 240)
    # Forty: fifteen at once, then one for each token of `createFeed`.
    assert rates(1_000_000).written == pytest.approx(1_000_000 / (25 / 0.0083))


async def test_many_offers_not_seen_lately_are_looked_at_over_several_tries() -> None:
    skus = [f"SKU-{number:04}" for number in range(LOOKED_AT_MAX + 1)]
    bench = await stocked(*skus)
    request = bench.prepared(*(bench.change(sku, 5) for sku in skus))
    results = await bench.channel.push(request)
    assert {one.outcome for one in results} == {Outcome.UNSENT}
    assert results[0].reason.startswith("1 offers more")
    assert results[0].after_seconds == 1.0
    assert bench.simulator.feeds.feeds == {}
    results = await bench.channel.push(request)
    assert {one.outcome for one in results} == {Outcome.ACCEPTED}


async def test_the_document_of_a_feed_is_fixed_before_it_is_sent() -> None:
    bench = await stocked(*SKUS)
    changes = [bench.change(sku, 5) for sku in SKUS]
    request = bench.prepared(*changes)
    assert request.body == bench.prepared(*changes).body
    document = json.loads(request.body)
    assert [one["messageId"] for one in document["messages"]] == [1, 2, 3]
    with pytest.raises(ValueError, match="one feed"):
        bench.prepared(changes[0], changes[0])
