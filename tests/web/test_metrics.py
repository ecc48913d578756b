"""Metrics: what monitoring may rely on."""

from __future__ import annotations

from prometheus_client.parser import text_string_to_metric_families

from channelsync.domain.vocabulary import PushSemantics
from channelsync.engine.alarms import record_shortfall
from tests.support.house import Build, House
from tests.web.conftest import Client

CAS = PushSemantics.KEYED_COMPARE_AND_SET

NAMES = {
    "channelsync_alarms",
    "channelsync_apply_seconds",
    "channelsync_atp_accuracy_ratio",
    "channelsync_atp_units",
    "channelsync_breaker_state",
    "channelsync_build_info",
    "channelsync_channel_failing",
    "channelsync_dead_letters",
    "channelsync_escrow_exposure_units",
    "channelsync_escrow_headroom_units",
    "channelsync_feed_age_seconds",
    "channelsync_invariant_violations",
    "channelsync_listing_staleness_seconds",
    "channelsync_listings_unsettled",
    "channelsync_load_left_seconds",
    "channelsync_load_listings",
    "channelsync_order_lag_seconds",
    "channelsync_orders_ingested",
    "channelsync_outbox_oldest_seconds",
    "channelsync_outbox_pending",
    "channelsync_oversell_units",
    "channelsync_oversold_units",
    "channelsync_proof_coverage_ratio",
    "channelsync_pruned_rows",
    "channelsync_push",
    "channelsync_push_duration_seconds",
    "channelsync_ratelimit_wait_seconds",
    "channelsync_reservations_active",
    "channelsync_reservations_expired",
    "channelsync_shortfall_units",
    "channelsync_stockout_ratio",
    "channelsync_webhook_ack_seconds",
    "channelsync_webhook_received",
}


async def samples(house: House, visit: Client) -> dict[tuple[str, str], float]:
    """Values by name and channel."""
    text = (await (await visit(house)).get("/metrics")).text
    return {
        (sample.name, sample.labels.get("channel", "")): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }


async def test_the_metrics_are_those_that_are_documented(build: Build, visit: Client) -> None:
    house = await build(stock={"MUG": 10}, quotas={"a": 5_000}, semantics={"a": CAS})
    text = (await (await visit(house)).get("/metrics")).text
    families = list(text_string_to_metric_families(text))
    assert {family.name for family in families} - {
        "channelsync_webhook_ack_seconds_created",
    } == NAMES
    assert all(family.documentation for family in families)


async def test_they_say_what_the_books_say(build: Build, visit: Client) -> None:
    house = await build(
        stock={"MUG": 10}, quotas={"a": 5_000, "b": 3_000}, semantics={"a": CAS, "b": CAS}
    )
    await house.settle_down(60)
    house.markets["a"].sell("MUG")
    await house.settle_down(60)
    found = await samples(house, visit)
    assert found["channelsync_escrow_exposure_units", "a"] == 4
    assert found["channelsync_escrow_exposure_units", "b"] == 3
    assert found["channelsync_escrow_headroom_units", ""] == 2
    assert found["channelsync_atp_units", ""] == 9
    assert found["channelsync_orders_ingested_total", "a"] == 1
    assert found["channelsync_push_total", "a"] == 1
    assert found["channelsync_oversold_units", ""] == 0
    assert found["channelsync_proof_coverage_ratio", ""] == 1
    assert found["channelsync_outbox_pending", ""] == 0


async def test_a_failing_channel_and_a_shortfall_show(build: Build, visit: Client) -> None:
    house = await build(stock={"MUG": 10}, quotas={"a": 5_000}, semantics={"a": CAS})
    await house.settle_down(60)
    house.markets["a"].offline = True
    await house.settle_down(120)
    async with house.engine.database.write() as tx:
        await record_shortfall(
            tx, item_id=1, units=3, cause="beyond_grant", now=house.clock(), channel="a"
        )
    found = await samples(house, visit)
    assert found["channelsync_channel_failing", "a"] == 1
    assert found["channelsync_shortfall_units_total", "a"] == 3


async def test_no_label_names_an_item_or_an_order(build: Build, visit: Client) -> None:
    house = await build(stock={"MUG": 10}, quotas={"a": 5_000}, semantics={"a": CAS})
    await house.settle_down(60)
    house.markets["a"].sell("MUG")
    await house.settle_down(30)
    text = (await (await visit(house)).get("/metrics")).text
    assert "MUG" not in text
    labels = {
        label
        for family in text_string_to_metric_families(text)
        for sample in family.samples
        for label in sample.labels
    }
    few = {"channel", "pool", "outcome", "cause", "result", "le", "quantile", "version"}
    assert labels <= few | {"invariant", "topic"}
