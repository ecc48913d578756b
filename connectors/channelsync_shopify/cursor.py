"""Where an order poll stands: opaque to the engine, JSON, safe to use twice."""

from __future__ import annotations

from typing import Literal

from channelsync.sdk.types import Instant
from channelsync.sdk.wire import StoredPlace
from channelsync_shopify.times import iso

__all__ = ["OVERLAP_SECONDS", "Cursor"]

OVERLAP_SECONDS = 600.0
"""Every window reaches this far back: the order search may lag behind the orders."""
BEFORE_FIRST_ORDER: Instant = 0.0
NOT_SHIPPED = "unshipped,partial,unfulfilled,scheduled,on_hold,request_declined"


class Cursor(StoredPlace):
    """First every order still unshipped (adoption), then what changed, window after window."""

    WHERE = "Shopify's orders"

    phase: Literal["unshipped", "changed"]
    since: Instant
    """The window's own start, the overlap not counted."""
    started: Instant | None = None
    """The shop's time when the first page of this window was asked for."""
    after: str | None = None
    pages: int = 0
    """Pages read since the search was last begun anew."""

    @classmethod
    def first(cls, since: Instant) -> Cursor:
        """Finds every order unshipped at `since` or changed after."""
        return cls(phase="unshipped", since=since)

    @property
    def search(self) -> str:
        """The search that finds this window's orders.

        An order that was unshipped at `since` and changed after is found by the second phase, so
        the first needs only those that are unshipped still.
        """
        if self.phase == "unshipped":
            return f"fulfillment_status:{NOT_SHIPPED}"
        return f"updated_at:>='{iso(max(self.since - OVERLAP_SECONDS, BEFORE_FIRST_ORDER))}'"
