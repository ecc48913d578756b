from __future__ import annotations

from typing import Any

from channelsync_shopify.documents import LEVELS, VARIANTS
from channelsync_shopify.throttle import READ_RESERVE, WALK_RESERVE, CostBucket
from tests.support.shopify import Clock


def cost(requested: float, left: float) -> dict[str, Any]:
    status = {"maximumAvailable": 2000.0, "currentlyAvailable": left, "restoreRate": 100.0}
    return {"requestedQueryCost": requested, "actualQueryCost": None, "throttleStatus": status}


def test_a_bucket_never_heard_of_lets_everything_through() -> None:
    assert CostBucket(Clock()).delay_seconds("CsSet", for_read=False) == 0


def test_reads_may_empty_the_bucket_and_writes_leave_a_share() -> None:
    bucket = CostBucket(Clock())
    bucket.learn("CsSet", cost(10, 2000 * READ_RESERVE))
    bucket.learn("CsLevels", cost(500, 2000 * READ_RESERVE))
    assert bucket.delay_seconds("CsLevels", for_read=True) == 0
    assert bucket.delay_seconds("CsSet", for_read=False) > 0


def test_while_a_catalogue_is_searched_every_write_finds_its_share() -> None:
    clock = Clock()
    bucket = CostBucket(clock)
    bucket.learn("CsSet", cost(10, 2000))
    left = 2000.0
    for _ in range(20):
        bucket.learn(VARIANTS.name, cost(502, left))
        clock.passes(bucket.delay_seconds(VARIANTS.name, for_read=True))
        left = max(left, 502 + 2000 * WALK_RESERVE) - 502
        bucket.learn(VARIANTS.name, cost(502, left))
        assert bucket.delay_seconds("CsSet", for_read=False) == 0
        assert bucket.delay_seconds(LEVELS.name, for_read=True) == 0


def test_the_delay_is_what_is_missing_over_the_rate_and_time_shortens_it() -> None:
    clock = Clock()
    bucket = CostBucket(clock)
    bucket.learn("CsOrders", cost(252, 52))
    assert bucket.delay_seconds("CsOrders", for_read=True) == 2.0
    clock.passes(1.5)
    assert bucket.delay_seconds("CsOrders", for_read=True) == 0.5
    clock.passes(0.5)
    assert bucket.delay_seconds("CsOrders", for_read=True) == 0


def test_calls_under_way_count_until_they_come_back() -> None:
    bucket = CostBucket(Clock())
    bucket.learn("CsOrders", cost(300, 500))
    reserved = bucket.begin("CsOrders")
    assert bucket.delay_seconds("CsOrders", for_read=True) == 1.0
    bucket.end(reserved)
    assert bucket.delay_seconds("CsOrders", for_read=True) == 0


def test_a_call_dearer_than_the_bucket_is_tried_once_it_is_full() -> None:
    clock = Clock()
    bucket = CostBucket(clock)
    bucket.learn("CsHuge", cost(5000, 0))
    assert bucket.delay_seconds("CsHuge", for_read=True) == 20.0
    clock.passes(20)
    assert bucket.delay_seconds("CsHuge", for_read=True) == 0


def test_what_is_malformed_is_not_believed() -> None:
    bucket = CostBucket(Clock())
    bucket.learn("CsSet", {"requestedQueryCost": "many", "throttleStatus": {"restoreRate": None}})
    bucket.learn("CsSet", {"throttleStatus": 3})
    assert bucket.delay_seconds("CsSet", for_read=False) == 0


def test_after_a_refusal_there_is_always_a_pause() -> None:
    bucket = CostBucket(Clock())
    assert bucket.retry_after(cost(252, 2000), "CsOrders") == 1.0
    assert bucket.retry_after(cost(252, 0), "CsOrders") == 2.52


def test_the_rate_of_calls_is_by_what_a_whole_page_was_paid_with() -> None:
    bucket = CostBucket(Clock())
    assert bucket.calls_per_second("CsLevels", most=5.0) == 100 / 251
    assert bucket.calls_per_second("CsSet", most=5.0) == 5.0
    bucket.learn("CsLevels", cost(500, 2000) | {"actualQueryCost": 50})
    bucket.learn("CsLevels", cost(500, 2000) | {"actualQueryCost": 4})
    assert bucket.calls_per_second("CsLevels", most=5.0) == 2.0
