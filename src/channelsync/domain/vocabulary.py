"""Words shared by the whole program (design: "Words"), as types."""

from __future__ import annotations

from enum import StrEnum
from typing import TypeAlias

__all__ = [
    "Assumption",
    "CancelEffect",
    "Enforces",
    "Instant",
    "OrderState",
    "PushKind",
    "PushSemantics",
]

Instant: TypeAlias = float
"""POSIX seconds, UTC. ISO 8601 only at the edges (API, JSON, YAML, CSV)."""


class PushSemantics(StrEnum):
    """What writing a quantity means on a channel."""

    KEYED_COMPARE_AND_SET = "keyed_compare_and_set"
    """The write names the value it replaces and an idempotency key; else it is refused."""
    KEYED_DELTA = "keyed_delta"
    """The write adds or takes units, once per idempotency key."""
    ABSOLUTE = "absolute"
    """The write sets a value, perhaps late, whatever happened meanwhile."""
    LIVE = "live"
    """The channel holds no number of its own: it asks us, or tells us afterwards."""


class Enforces(StrEnum):
    """Whether the channel itself refuses to sell past its number."""

    STRICT = "strict"
    AT_CART = "at_cart"
    NONE = "none"


class PushKind(StrEnum):
    """One intended change of a remote quantity."""

    RAISE = "raise"
    CUT = "cut"
    SET = "set"
    ZERO = "zero"


class CancelEffect(StrEnum):
    """What a channel does with the units of a cancelled order."""

    RELISTED = "relisted"
    NOT_RELISTED = "not_relisted"
    UNSURE = "unsure"


class OrderState(StrEnum):
    """Life of an order line."""

    PENDING = "pending"
    OPEN = "open"
    PART_SHIPPED = "part_shipped"
    SHIPPED = "shipped"
    CANCELLED = "cancelled"
    RETURNED = "returned"


class Assumption(StrEnum):
    """The facts about a channel on which zero oversell rests; each is checked continuously."""

    ENFORCES = "enforces"
    """Its number is tracked, active, and overselling is denied."""
    SOLE_WRITER = "sole_writer"
    """Nobody else writes the number."""
    FEED_COMPLETE = "feed_complete"
    """Its order feed is complete up to the watermark."""
    APPLIES_IN_TIME = "applies_in_time"
    """A write applies within its limit, or never."""
    READS_BACK = "reads_back"
    """Reading the number works."""
