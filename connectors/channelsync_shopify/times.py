"""Shopify's times and identifiers, to and from ours."""

from __future__ import annotations

from datetime import UTC, datetime

from channelsync.sdk.types import Instant

__all__ = ["global_id", "instant", "iso"]


def instant(text: str) -> Instant:
    """The instant of an ISO 8601 time with an offset.

    Raises:
        ValueError: it is no time, or has no offset.
    """
    parsed = datetime.fromisoformat(text)
    if parsed.tzinfo is None:
        raise ValueError(f"{text!r} has no offset")
    return parsed.timestamp()


def iso(at: Instant) -> str:
    """ISO 8601 in UTC, whole seconds, rounded down: Shopify's own resolution."""
    return datetime.fromtimestamp(int(at // 1), UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def global_id(kind: str, number: int | str) -> str:
    """`gid://shopify/<kind>/<number>`."""
    return f"gid://shopify/{kind}/{number}"
