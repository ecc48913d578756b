"""What each listing's sales have taught, kept beside its account as JSON."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from channelsync.domain.demand import NO_SALES_YET, Velocity, count_exposure, count_sold
from channelsync.domain.vocabulary import Instant
from channelsync.store import tables

__all__ = [
    "HALF_LIFE_SECONDS",
    "LAST_SALE_AT",
    "last_sale_at",
    "record_sale",
    "record_time",
    "velocity_of",
]

HALF_LIFE_SECONDS = 7 * 86_400.0
LAST_SALE_AT: Final = tables.listings.c.demand["last_sale_at"].as_float()
"""`last_sale_at`, for the database to look up."""


def velocity_of(stored: Mapping[str, Any]) -> Velocity:
    """The evidence so far."""
    if not stored:
        return NO_SALES_YET
    return Velocity(units=stored["units"], exposed_seconds=stored["exposed_seconds"])


def last_sale_at(stored: Mapping[str, Any]) -> Instant | None:
    """When the latest sale was counted."""
    return stored.get("last_sale_at")


def record_time(stored: Mapping[str, Any], *, now: Instant, exposed: bool) -> dict[str, Any]:
    """Take the time since the last record into the evidence; only exposed time teaches."""
    return _record(_by_now(stored, now, exposed=exposed), now, stored.get("last_sale_at"))


def record_sale(
    stored: Mapping[str, Any], units: int, *, now: Instant, exposed: bool
) -> dict[str, Any]:
    """Take a counted sale into the evidence."""
    return _record(count_sold(_by_now(stored, now, exposed=exposed), units), now, now)


def _by_now(stored: Mapping[str, Any], now: Instant, *, exposed: bool) -> Velocity:
    velocity, since = velocity_of(stored), stored.get("at", now)
    if exposed and now > since:
        return count_exposure(velocity, now - since, half_life_seconds=HALF_LIFE_SECONDS)
    return velocity


def _record(velocity: Velocity, now: Instant, sold_at: Instant | None) -> dict[str, Any]:
    return {
        "units": velocity.units,
        "exposed_seconds": velocity.exposed_seconds,
        "at": now,
        "last_sale_at": sold_at,
    }
