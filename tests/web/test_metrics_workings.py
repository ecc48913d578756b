"""The machinery's part of `/metrics`: breakers, waits, durations, ages and what was refused."""

from __future__ import annotations

import sqlalchemy as sa
from prometheus_client.parser import text_string_to_metric_families

from channelsync.domain.vocabulary import PushSemantics
from channelsync.engine.channel_desk import pause_channel
from channelsync.plugins.budget import RateBudget
from channelsync.store import tables
from channelsync.web.meters import TOPICS_MAX, Meters
from tests.support.house import Build, Clock, House
from tests.web.conftest import Client

CAS = PushSemantics.KEYED_COMPARE_AND_SET
Samples = dict[tuple[str, tuple[str, ...]], float]


async def samples(house: House, visit: Client) -> Samples:
    """Values by name and labels' values, in the order of the labels' names."""
    text = (await (await visit(house)).get("/metrics")).text
    return {
        (sample.name, tuple(value for _, value in sorted(sample.labels.items()))): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }


async def test_a_house_at_work_shows_its_machinery(build: Build, visit: Client) -> None:
    house = await build(
        stock={"MUG": 10, "CUP": 0},
        quotas={"a": 5_000, "b": 5_000},
        semantics={"a": CAS, "b": CAS},
    )
    await house.settle_down(60)
    await pause_channel(house.engine, "b", "stocktaking")
    found = await samples(house, visit)
    assert found["channelsync_breaker_state", ("a",)] == 0
    assert found["channelsync_breaker_state", ("b",)] == 2
    assert found["channelsync_stockout_ratio", ()] == 0.5
    assert found["channelsync_atp_accuracy_ratio", ("a",)] == 1
    assert found["channelsync_oversell_units_total", ("a",)] == 0
    assert found["channelsync_invariant_violations_total", ("publish",)] == 0
    assert found["channelsync_listing_staleness_seconds_bucket", ("a", "+Inf")] == 2
    assert found["channelsync_listing_staleness_seconds_bucket", ("a", "60")] == 2
    assert 0 <= found["channelsync_push_duration_seconds", ("a", "1")] < 1
    house.clock.at += 600
    old = await samples(house, visit)
    assert old["channelsync_listing_staleness_seconds_bucket", ("a", "60")] == 0
    assert old["channelsync_listing_staleness_seconds_bucket", ("a", "900")] == 2
    assert 1_100 < old["channelsync_listing_staleness_seconds_sum", ("a",)] < 1_400


async def test_a_wrong_number_and_work_that_was_stopped_show(build: Build, visit: Client) -> None:
    house = await build(stock={"MUG": 10}, quotas={"a": 5_000}, semantics={"a": CAS})
    await house.settle_down(60)
    house.markets["a"].offline = True
    await house.settle_down(120)
    alarm = {"kind": "work_failing", "raised_at": house.clock.at}
    said = {"subject": "reconcile/1", "message": "InvariantViolated: an exposure below 0"}
    async with house.engine.database.write() as tx:
        await tx.execute(sa.update(tables.listings).values(remote=tables.listings.c.exposure + 1))
        await tx.execute(sa.insert(tables.alarms).values(alarm | said))
    found = await samples(house, visit)
    assert found["channelsync_breaker_state", ("a",)] == 1
    assert found["channelsync_atp_accuracy_ratio", ("a",)] == 0
    assert found["channelsync_invariant_violations_total", ("reconcile",)] == 1


async def test_the_time_that_is_waited_for_a_rate_is_counted() -> None:
    clock = Clock()

    async def sleep(seconds: float) -> None:
        clock.at += seconds

    budget = RateBudget(1.0, now=clock, sleep=sleep)
    for _ in range(4):
        await budget.acquire()
    assert 2.5 < budget.waited_seconds < 3.5


def test_topics_cannot_make_metrics_grow_without_an_end() -> None:
    meters = Meters()
    for number in range(TOPICS_MAX + 10):
        meters.webhook("shop", "accepted", f"topic/{number}")
    [family] = [one for one in meters.registry.collect() if one.name.endswith("received")]
    topics = {
        sample.labels["topic"]: sample.value
        for sample in family.samples
        if sample.name.endswith("_total")
    }
    assert len(topics) == TOPICS_MAX + 1
    assert topics["other"] == 10
