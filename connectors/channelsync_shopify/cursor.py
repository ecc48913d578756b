"""Where an order poll stands: opaque to the engine, JSON, safe to use twice."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, ConfigDict, ValidationError

from channelsync.sdk.errors import Misconfigured
from channelsync.sdk.types import Instant
from channelsync_shopify.times import iso

__all__ = ["OVERLAP_SECONDS", "Cursor"]

OVERLAP_SECONDS = 600.0
"""Every window reaches this far back: the order search may lag behind the orders."""
BEFORE_FIRST_ORDER: Instant = 0.0
NOT_SHIPPED = "unshipped,partial,unfulfilled,scheduled,on_hold,request_declined"


class Cursor(BaseModel):
    """First every order still unshipped (adoption), then what changed, window after window."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

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

    @classmethod
    def read(cls, text: str) -> Cursor:
        """A cursor as it was handed out.

        Raises:
            Misconfigured: it is not one of ours.
        """
        try:
            return cls.model_validate_json(text)
        except ValidationError as error:
            raise Misconfigured(f"not a cursor of Shopify orders: {text[:60]!r}") from error

    def text(self) -> str:
        """As it is handed out."""
        return self.model_dump_json(exclude_none=True)

    @property
    def search(self) -> str:
        """The search that finds this window's orders.

        An order that was unshipped at `since` and changed after is found by the second phase, so
        the first needs only those that are unshipped still.
        """
        if self.phase == "unshipped":
            return f"fulfillment_status:{NOT_SHIPPED}"
        return f"updated_at:>='{iso(max(self.since - OVERLAP_SECONDS, BEFORE_FIRST_ORDER))}'"
