"""Holds: units kept for a cart, and what may become of them.

    active ── confirm ──> confirmed ── ship ──> (ended)
      ├── release ──> released <── release ──┘
      └── its time is over ──> expired

A hold ends once: expiry and confirmation exclude each other, and its time decides, not whether
somebody has already cleaned up. An ended hold keeps nothing; a confirmed one keeps its units until
they ship or are released.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from enum import StrEnum

from channelsync.domain.errors import HoldConflict, InvariantViolated
from channelsync.domain.vocabulary import Instant

__all__ = [
    "Hold",
    "HoldState",
    "confirm",
    "expire",
    "extend",
    "release",
    "require_active",
    "require_keeping",
    "ship",
]


class HoldState(StrEnum):
    """Life of a hold."""

    ACTIVE = "active"
    CONFIRMED = "confirmed"
    RELEASED = "released"
    EXPIRED = "expired"


@dataclass(frozen=True, slots=True, kw_only=True)
class Hold:
    """One hold, without its lines: they never change while it keeps them."""

    hold_id: str
    owner: str
    state: HoldState = HoldState.ACTIVE
    expires_at: Instant
    """Binds only an active hold."""
    ended_at: Instant | None = None
    """When it gave its units up, shipped them or let them run out."""

    def __post_init__(self) -> None:
        ended = self.state in {HoldState.RELEASED, HoldState.EXPIRED}
        if ended and self.ended_at is None:
            raise InvariantViolated(f"hold {self.hold_id} is {self.state} without an end")
        if self.state is HoldState.ACTIVE and self.ended_at is not None:
            raise InvariantViolated(f"hold {self.hold_id} is active after its end")

    @property
    def keeps_units(self) -> bool:
        """Whether its units are still set aside."""
        return self.ended_at is None


def require_active(hold: Hold, *, now: Instant) -> None:
    """Refuse whatever only a hold within its time allows.

    Raises:
        HoldConflict: it was confirmed, released or has expired.
    """
    if hold.state is not HoldState.ACTIVE:
        raise HoldConflict(f"hold {hold.hold_id} is {hold.state}: make a new one")
    if hold.expires_at <= now:
        raise HoldConflict(f"the time of hold {hold.hold_id} is over: make a new one")


def require_keeping(hold: Hold) -> None:
    """Refuse whatever needs units that are still set aside.

    Raises:
        HoldConflict: it keeps nothing any more.
    """
    if hold.keeps_units:
        return
    ended = "shipped" if hold.state is HoldState.CONFIRMED else hold.state
    raise HoldConflict(f"hold {hold.hold_id} keeps nothing any more: it is {ended}")


def extend(hold: Hold, until: Instant, *, now: Instant) -> Hold:
    """Give an active hold more time; it never gets less.

    Raises:
        HoldConflict: it is not active, or its time is over.
    """
    require_active(hold, now=now)
    return replace(hold, expires_at=max(hold.expires_at, until))


def confirm(hold: Hold, *, now: Instant) -> Hold:
    """The cart was bought: its units stay set aside without an end.

    Raises:
        HoldConflict: it is not active, or its time is over.
    """
    require_active(hold, now=now)
    return replace(hold, state=HoldState.CONFIRMED)


def release(hold: Hold, *, now: Instant) -> Hold:
    """Give the units back, of an active hold or of a confirmed one that did not ship.

    Raises:
        HoldConflict: it keeps nothing any more.
    """
    require_keeping(hold)
    return replace(hold, state=HoldState.RELEASED, ended_at=now)


def ship(hold: Hold, *, now: Instant) -> Hold:
    """The units of a confirmed hold have left the house.

    Raises:
        HoldConflict: it is not confirmed, or keeps nothing any more.
    """
    require_keeping(hold)
    if hold.state is not HoldState.CONFIRMED:
        raise HoldConflict(f"hold {hold.hold_id} is {hold.state}: confirm it before it ships")
    return replace(hold, ended_at=now)


def expire(hold: Hold, *, now: Instant) -> Hold:
    """End an active hold whose time is over.

    Raises:
        HoldConflict: it is not active, or still has time.
    """
    if hold.state is not HoldState.ACTIVE or now < hold.expires_at:
        raise HoldConflict(f"hold {hold.hold_id} does not expire: it is {hold.state}")
    return replace(hold, state=HoldState.EXPIRED, ended_at=now)
