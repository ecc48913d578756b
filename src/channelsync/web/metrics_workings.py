"""The machinery's part of `/metrics`."""

from __future__ import annotations

from collections.abc import Iterator

from prometheus_client.core import (
    CounterMetricFamily,
    GaugeMetricFamily,
    HistogramMetricFamily,
    Metric,
)

from channelsync.engine.work import WorkKind
from channelsync.engine.workings import STALENESS_BUCKETS, ListingFigures, Workings

__all__ = ["workings_families"]


def workings_families(workings: Workings, listings: ListingFigures) -> Iterator[Metric]:
    """Every family."""
    yield _breakers(workings)
    yield _waits(workings)
    yield _accuracy(listings)
    yield _staleness(listings)
    yield _sendings(workings)
    yield _refused_work(workings)
    stockouts = GaugeMetricFamily(
        "channelsync_stockout_ratio",
        "Items of which no active listing may sell a unit, over items with an active listing.",
        labels=(),
    )
    if listings.stockout_ratio is not None:
        stockouts.add_metric((), listings.stockout_ratio)
    yield stockouts


def _breakers(workings: Workings) -> Metric:
    family = GaugeMetricFamily(
        "channelsync_breaker_state",
        "0 pushes go, 1 calls fail and are tried again at growing intervals, 2 stopped until a"
        " person resumes.",
        labels=("channel",),
    )
    for one in workings.channels:
        family.add_metric((one.channel,), one.breaker)
    return family


def _waits(workings: Workings) -> Metric:
    family = CounterMetricFamily(
        "channelsync_ratelimit_wait_seconds",
        "Time that calls of this process waited for a channel's rate.",
        labels=("channel",),
    )
    for one in workings.channels:
        family.add_metric((one.channel,), one.waited_seconds)
    return family


def _accuracy(listings: ListingFigures) -> Metric:
    family = GaugeMetricFamily(
        "channelsync_atp_accuracy_ratio",
        "Settled listings at rest that show what the books expect, over settled listings at rest.",
        labels=("channel",),
    )
    for channel, accuracy in sorted(listings.accuracy.items()):
        family.add_metric((channel,), accuracy)
    return family


def _staleness(listings: ListingFigures) -> Metric:
    family = HistogramMetricFamily(
        "channelsync_listing_staleness_seconds",
        "Settled listings by the age of what is known of them, now.",
        labels=("channel",),
    )
    for one in listings.staleness:
        bounds = [f"{bound:g}" for bound in STALENESS_BUCKETS]
        buckets = [*zip(bounds, map(float, one.within), strict=True), ("+Inf", float(one.listings))]
        family.add_metric((one.channel,), buckets, one.seconds)
    return family


def _sendings(workings: Workings) -> Metric:
    family = GaugeMetricFamily(
        "channelsync_push_duration_seconds",
        "Time from sending a push until its answer, over the last day.",
        labels=("channel", "quantile"),
    )
    for channel, took in workings.sendings:
        last = len(took) - 1
        for quantile in (0.5, 0.99, 1.0):
            family.add_metric((channel, f"{quantile:g}"), took[round(last * quantile)])
    return family


def _refused_work(workings: Workings) -> Metric:
    family = CounterMetricFamily(
        "channelsync_invariant_violations",
        "Times a kind of work was stopped because the books would have become wrong.",
        labels=("invariant",),
    )
    counts = dict(workings.refused_work)
    # From 0 for every kind: an increase shows only in what was there before.
    for kind in WorkKind:
        family.add_metric((kind,), counts.get(kind, 0))
    return family
