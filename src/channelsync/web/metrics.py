"""`/metrics` for Prometheus: what the books say now, and what this process has counted.

Labels are channels, outcomes and causes; never a SKU or an order.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector
from starlette.requests import Request
from starlette.responses import Response
from typing_extensions import override

import channelsync
from channelsync.engine.core import Engine
from channelsync.engine.figures import Figures, latest_totals, view_figures
from channelsync.engine.status import ChannelStatus
from channelsync.web.meters import Meters
from channelsync.web.metrics_workings import workings_families

__all__ = ["Metrics"]


class Metrics:
    """Answers of one process."""

    def __init__(self, engine: Engine, meters: Meters) -> None:
        self._engine = engine
        self._meters = meters
        self._totals = latest_totals(engine)

    async def show(self, _request: Request) -> Response:
        """Everything, in the text format."""
        sums, totals = await self._engine.sums.view(), await self._totals.view()
        async with self._engine.database.read() as connection:
            figures = await view_figures(self._engine, connection, sums=sums, totals=totals)
        books = CollectorRegistry()
        books.register(_Books(figures))
        text = generate_latest(self._meters.registry) + generate_latest(books)
        return Response(text, headers={"content-type": CONTENT_TYPE_LATEST})


@dataclass(frozen=True, slots=True, eq=False)
class _Books(Collector):
    """One reading of the books, as metrics."""

    figures: Figures

    @override
    def collect(self) -> Iterable[Metric]:
        """Every family."""
        yield _gauge(
            "channelsync_build_info",
            "Which version runs.",
            [((channelsync.__version__,), 1)],
            "version",
        )
        yield from self._promises()
        yield from self._channels()
        yield from self._lags()
        yield from self._traffic()
        yield from workings_families(self.figures.workings, self.figures.totals.listings)

    def _promises(self) -> Iterator[Metric]:
        figures, status = self.figures, self.figures.status
        yield _gauge(
            "channelsync_oversold_units",
            "Units promised to orders that are not there.",
            [((), figures.oversold)],
        )
        yield _counter(
            "channelsync_shortfall_units",
            "Units that a channel sold beyond what it was granted, by cause.",
            [((one.channel, one.cause), one.count) for one in figures.shortfalls],
            "channel",
            "cause",
        )
        # From 0 for every channel: an increase shows only in what was there before.
        beyond: Counter[str] = Counter({one.channel: 0 for one in status.channels})
        for one in figures.shortfalls:
            beyond[one.channel] += one.count
        yield _counter(
            "channelsync_oversell_units",
            "Units of accepted demand beyond what the books allowed, whatever the cause.",
            [((channel,), units) for channel, units in sorted(beyond.items())],
            "channel",
        )
        coverage = status.proof_coverage
        share = coverage.proven / coverage.listings if coverage.listings else 1.0
        yield _gauge(
            "channelsync_proof_coverage_ratio",
            "Listings for which every assumption of the guarantee stands.",
            [((), share)],
        )
        yield _gauge(
            "channelsync_escrow_headroom_units",
            "Units that no channel may sell yet, by pool; below 0 is a deficit.",
            [((pool.pool,), pool.free) for pool in status.pools],
            "pool",
        )
        yield _gauge(
            "channelsync_atp_units",
            "Units available to promise, by pool.",
            [((pool.pool,), pool.atp) for pool in status.pools],
            "pool",
        )

    def _channels(self) -> Iterator[Metric]:
        channels, now = self.figures.status.channels, self.figures.status.at

        def family(name: str, words: str, values: list[tuple[ChannelStatus, float]]) -> Metric:
            return _gauge(
                name, words, [((one.channel,), value) for one, value in values], "channel"
            )

        yield family(
            "channelsync_escrow_exposure_units",
            "Listing units that a channel may still sell.",
            [(one, one.exposure) for one in channels],
        )
        yield family(
            "channelsync_channel_failing",
            "1 while the last call of a channel failed.",
            [(one, float(one.failing_since is not None)) for one in channels],
        )
        yield family(
            "channelsync_feed_age_seconds",
            "Time since the newest sign of life of a channel's order feed.",
            [(one, now - one.heard_at) for one in channels if one.heard_at is not None],
        )
        yield family(
            "channelsync_listings_unsettled",
            "Listings that were never settled and so hold their items up.",
            [(one, one.unsettled) for one in channels],
        )
        loads = [(one.channel, one.load) for one in channels if one.load is not None]
        yield _gauge(
            "channelsync_load_listings",
            "Listings of a channel's first load that were found, proven and written so far.",
            [
                ((channel, stage), count)
                for channel, load in loads
                for stage, count in (
                    ("found", load.found),
                    ("proven", load.proven),
                    ("written", load.written),
                )
            ],
            "channel",
            "stage",
        )
        yield _gauge(
            "channelsync_load_left_seconds",
            "What is left of a channel's first load, as the marketplace's limits allow.",
            [
                ((channel,), load.seconds_left)
                for channel, load in loads
                if load.seconds_left is not None
            ],
            "channel",
        )

    def _lags(self) -> Iterator[Metric]:
        for name, words, lags in (
            (
                "channelsync_order_lag_seconds",
                "Time from a sale until it was heard of, over the last day.",
                self.figures.order_lags,
            ),
            (
                "channelsync_apply_seconds",
                "Time from a set that was taken in until it was seen applied, over the last day.",
                self.figures.apply_lags,
            ),
        ):
            parts = [
                ((one.channel, quantile), value)
                for one in lags
                for quantile, value in (("0.5", one.median), ("0.99", one.p99), ("1", one.longest))
            ]
            yield _gauge(name, words, parts, "channel", "quantile")

    def _traffic(self) -> Iterator[Metric]:
        figures, status = self.figures, self.figures.status
        yield _counter(
            "channelsync_push",
            "Pushes that were closed, by outcome.",
            [((one.channel, one.cause), one.count) for one in figures.totals.pushes],
            "channel",
            "outcome",
        )
        yield _counter(
            "channelsync_orders_ingested",
            "Order lines heard of.",
            [((one.channel,), one.count) for one in figures.totals.order_lines],
            "channel",
        )
        yield _counter(
            "channelsync_pruned_rows",
            "Old rows that were let go of, by kind.",
            [((one.cause,), one.count) for one in figures.pruned],
            "kind",
        )
        yield _gauge(
            "channelsync_outbox_pending",
            "Pushes that are charged and not closed.",
            [((), status.open_pushes)],
        )
        yield _gauge(
            "channelsync_outbox_oldest_seconds",
            "Age of the oldest of them.",
            [((), figures.oldest_push_seconds)],
        )
        yield _gauge(
            "channelsync_dead_letters",
            "Deliveries set aside for a person to decide.",
            [((), status.dead_letters)],
        )
        yield _gauge("channelsync_alarms", "Alarms that stand now.", [((), len(status.alarms))])
        yield _gauge(
            "channelsync_reservations_active", "Holds that are active.", [((), status.holds)]
        )
        yield _counter(
            "channelsync_reservations_expired",
            "Holds that ran out.",
            [((), figures.totals.expired_holds)],
        )


Values = Iterable[tuple[tuple[str, ...], float]]


def _gauge(name: str, words: str, values: Values, *labels: str) -> Metric:
    family = GaugeMetricFamily(name, words, labels=labels)
    for key, value in values:
        family.add_metric(key, value)
    return family


def _counter(name: str, words: str, values: Values, *labels: str) -> Metric:
    family = CounterMetricFamily(name, words, labels=labels)
    for key, value in values:
        family.add_metric(key, value)
    return family
