"""Words that the store keeps as text, checked by the database."""

from __future__ import annotations

from enum import StrEnum

__all__ = [
    "ChannelState",
    "InspectionOutcome",
    "ListingState",
    "MovementKind",
    "PushState",
    "Quantity",
]


class ChannelState(StrEnum):
    """Where a channel is on its way into (or out of) the books."""

    ADOPTING = "adopting"
    ACTIVE = "active"
    REMOVED = "removed"
    """No longer configured; its exposure stays until it is zeroed and settled."""


class ListingState(StrEnum):
    """Whether a listing takes part."""

    ACTIVE = "active"
    REFUSED = "refused"
    """Found, yet unfit; `refusal` says why."""
    GONE = "gone"
    """No longer found on the channel."""


class PushState(StrEnum):
    """Life of a push. Everything but `closed` is open; a listing has at most one open push."""

    PLANNED = "planned"
    """Charged and waiting for its request."""
    SENDING = "sending"
    """Its request is fixed; copies may be under way."""
    QUARANTINE = "quarantine"
    """A proven cut, not released yet."""
    DOUBTFUL = "doubtful"
    """No more copies; only a settle closes it."""
    CLOSED = "closed"


class Quantity(StrEnum):
    """Which number a movement changes."""

    ON_HAND = "on_hand"
    RESERVED = "reserved"
    SAFETY_STOCK = "safety_stock"
    ON_ORDER = "on_order"
    IN_TRANSIT = "in_transit"
    """Units that have left one location for this one."""
    EXPOSURE = "exposure"


class InspectionOutcome(StrEnum):
    """What was found when units that came back were looked at."""

    SELLABLE = "sellable"
    DAMAGED = "damaged"
    SUPPLIER = "supplier"
    """It goes back to where it was bought."""


class MovementKind(StrEnum):
    """Why a movement happened."""

    BASELINE = "baseline"
    COUNT = "count"
    ADJUSTMENT = "adjustment"
    SAFETY_STOCK = "safety_stock"
    SALE = "sale"
    CANCEL = "cancel"
    SHIPMENT = "shipment"
    RETURN = "return"
    RELIST = "relist"
    INSPECTION = "inspection"
    """Units that came back were looked at and are fit for sale."""
    TRANSFER = "transfer"
    TRANSFER_DIFFERENCE = "transfer_difference"
    """Other units arrived than were sent; the note says why."""
    HOLD = "hold"
    HOLD_RELEASE = "hold_release"
    HOLD_EXPIRY = "hold_expiry"
    CHARGE = "charge"
    UNCHARGE = "uncharge"
    CUT_RELEASE = "cut_release"
    SETTLE = "settle"
    SLICE = "slice"
    REPAIR = "repair"
    OPENING = "opening"
    """What older movements of this balance came to; they lie in an archive."""
