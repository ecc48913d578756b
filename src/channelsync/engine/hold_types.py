"""Holds as callers know them: what a cart asks for, a hold as it stands, and refusals."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from channelsync.domain.vocabulary import Instant

__all__ = ["Hold", "HoldRefused", "HoldRequest", "InsufficientUnits"]


class HoldRefused(Exception):
    """The request makes no sense as it was asked for; the message says what to do."""


class InsufficientUnits(Exception):
    """Fewer units can be taken than were asked for; nothing was held."""

    def __init__(self, sku: str, wanted: int, available: int) -> None:
        super().__init__(f"{sku}: {wanted} wanted, {available} can be held")
        self.sku = sku
        self.wanted = wanted
        self.available = available


@dataclass(frozen=True, slots=True, kw_only=True)
class HoldRequest:
    """What a cart wants held."""

    owner: str
    """Whose cart; an opaque id of the caller's, no name and no address."""
    lines: Mapping[str, int]
    """Units by SKU."""
    ttl_seconds: float | None = None
    channel: str | None = None
    replaces: str | None = None
    """A hold of the same owner that this one takes the place of: its units count as available."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Hold:
    """A hold as it stands."""

    id: str
    owner: str
    pool: str
    channel: str | None
    state: str
    reference: str
    lines: Mapping[str, int]
    """Units by SKU, over all locations."""
    created_at: Instant
    expires_at: Instant
    ended_at: Instant | None
    """Since when it keeps nothing any more; None while it does."""
