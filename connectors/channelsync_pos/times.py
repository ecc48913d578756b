"""Times of the interface `channelsync-pos/1`: ISO 8601 with an offset, to and from instants."""

from __future__ import annotations

from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Final

from channelsync.sdk.types import Instant

__all__ = ["instant", "iso", "retry_after_seconds"]

OLDEST: Final = datetime(2000, 1, 1, tzinfo=UTC).timestamp()
NEWEST: Final = datetime(2100, 1, 1, tzinfo=UTC).timestamp()


def instant(text: object) -> Instant:
    """The instant of an ISO 8601 time with an offset.

    Raises:
        ValueError: it is no such time, or of another century (a register's dead battery).
    """
    if not isinstance(text, str):
        # pydantic takes a ValueError for "does not fit", a TypeError for a bug.
        raise ValueError("write a time as text, like 2026-11-21T09:58:11Z")  # noqa: TRY004 - as said
    try:
        parsed = datetime.fromisoformat(text)
    except ValueError:
        raise ValueError("not an ISO 8601 time like 2026-11-21T09:58:11Z") from None
    if parsed.tzinfo is None:
        raise ValueError("a time without an offset: end it with Z, or with one like +01:00")
    try:
        at = parsed.timestamp()
    except OverflowError:
        at = 0.0
    if not OLDEST <= at < NEWEST:
        raise ValueError("a time outside 2000 to 2099: set the register's clock")
    return at


def iso(at: Instant) -> str:
    """ISO 8601 in UTC, to the microsecond where there is one."""
    moment = datetime.fromtimestamp(at, UTC)
    return moment.isoformat(timespec="microseconds" if moment.microsecond else "seconds").replace(
        "+00:00", "Z"
    )


def retry_after_seconds(header: str | None, *, now: Instant) -> float | None:
    """How long a `Retry-After` header asks us to wait; None where it says nothing readable."""
    text = (header or "").strip()
    if text.isascii() and text.isdigit():
        return float(text[:9])
    try:
        return max(parsedate_to_datetime(text).timestamp() - now, 0.0)
    except ValueError:
        return None
