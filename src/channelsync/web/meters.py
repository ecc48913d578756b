"""What this process counts by itself, for `/metrics`."""

from __future__ import annotations

from prometheus_client import CollectorRegistry, Counter, Histogram

__all__ = ["Meters"]

TOPICS_MAX = 50
ACK_BUCKETS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5)


class Meters:
    """Counters of one process, in a registry of their own."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self._topics: dict[str, set[str]] = {}
        self._webhooks = Counter(
            "channelsync_webhook_received",
            "Webhooks by what became of them: accepted, duplicate, late, unauthentic, malformed,"
            " error.",
            ("channel", "topic", "result"),
            registry=self.registry,
        )
        self.webhook_seconds = Histogram(
            "channelsync_webhook_ack_seconds",
            "Time from a webhook's first byte to its answer.",
            buckets=ACK_BUCKETS,
            registry=self.registry,
        )

    def webhook(self, channel: str, result: str, topic: str = "") -> None:
        """One webhook was answered. `channel` is one of ours: the label cannot grow at will.

        The topic is an authentic sender's own word; of more than `TOPICS_MAX` the others are one.
        """
        known = self._topics.setdefault(channel, set())
        if len(known) < TOPICS_MAX:
            known.add(topic)
        self._webhooks.labels(channel, topic if topic in known else "other", result).inc()
