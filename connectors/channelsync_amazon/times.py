"""Amazon's times, to and from ours."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from typing import Final

from channelsync.sdk.types import Instant

__all__ = ["instant", "iso"]

POSIX: Final = re.compile(r"\d{1,12}\.\d{1,12}E\d{1,2}")


def instant(text: str) -> Instant:
    """The instant of an ISO 8601 time. One without an offset is UTC, as Amazon's are.

    Amazon's own sandbox writes POSIX seconds in some places.

    Raises:
        ValueError: it is no time.
    """
    if POSIX.fullmatch(text):
        return float(text)
    parsed = datetime.fromisoformat(text)
    if parsed.tzinfo is None:
        parsed = parsed.replace(tzinfo=UTC)
    return parsed.timestamp()


def iso(at: Instant) -> str:
    """ISO 8601 in UTC, whole seconds, rounded down."""
    return datetime.fromtimestamp(int(at // 1), UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
