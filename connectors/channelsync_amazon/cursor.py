"""Where an order poll stands: opaque to the engine, JSON, safe to use twice."""

from __future__ import annotations

from typing import Final, Literal

from pydantic import BaseModel, ConfigDict, ValidationError

from channelsync.sdk.errors import Misconfigured
from channelsync.sdk.types import Instant

__all__ = ["OVERLAP_SECONDS_MAX", "Cursor"]

OVERLAP_SECONDS_MAX: Final = 14_400.0
OVERLAP_SECONDS_MIN: Final = 600.0
ROOMY_ORDERS: Final = 50
"""A window with fewer orders than half a page can reach further back at no cost."""
CREATED_BEFORE_SECONDS: Final = 180 * 86_400.0
"""How old an order may be that is still to ship: pre-orders and long handling times included."""


class Cursor(BaseModel):
    """First every order still to ship (adoption), then what changed, window after window.

    Orders can show late ("systematic delay", sometimes by hours), so a window reaches back over
    earlier ones, as far as that costs no second page: a page is a token, and those are rare.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    phase: Literal["unshipped", "changed"]
    since: Instant
    """Up to here everything was found, as far as Amazon showed it in time."""
    overlap_seconds: float = 3_600.0
    after: Instant
    """Where this window begins; a page's token is good for no other value."""
    started: Instant | None = None
    """Amazon's time when the first page of this window was asked for."""
    complete: Instant | None = None
    """What that page said was complete (`lastUpdatedBefore`)."""
    token: str | None = None
    orders: int = 0
    """Orders told in this window so far."""

    @classmethod
    def first(cls, since: Instant) -> Cursor:
        """Finds every order unshipped at `since` or changed after."""
        return cls(phase="unshipped", since=since, after=max(since - CREATED_BEFORE_SECONDS, 0.0))

    @classmethod
    def read(cls, text: str) -> Cursor:
        """A cursor as it was handed out.

        Raises:
            Misconfigured: it is not one of ours.
        """
        try:
            return cls.model_validate_json(text)
        except ValidationError as error:
            raise Misconfigured(f"not a cursor of Amazon orders: {text[:60]!r}") from error

    def text(self) -> str:
        """As it is handed out."""
        return self.model_dump_json(exclude_none=True)

    def begun_anew(self) -> Cursor:
        """The same window from its first page: the token was too old."""
        return self.model_copy(
            update={"token": None, "started": None, "complete": None, "orders": 0}
        )

    def onward(self, token: str, started: Instant, complete: Instant, orders: int) -> Cursor:
        """The next page of this window."""
        return self.model_copy(
            update={
                "token": token,
                "started": started,
                "complete": complete,
                "orders": self.orders + orders,
            }
        )

    def next_window(self, complete_to: Instant, orders: int) -> Cursor:
        """The window after this one."""
        if self.phase == "unshipped":
            return self._changed(self.since, self.overlap_seconds)
        overlap = self.overlap_seconds
        if self.token is not None:
            overlap = max(overlap / 2, OVERLAP_SECONDS_MIN)
        elif self.orders + orders < ROOMY_ORDERS:
            overlap = min(overlap * 2, OVERLAP_SECONDS_MAX)
        return self._changed(complete_to, overlap)

    def _changed(self, since: Instant, overlap: float) -> Cursor:
        after = max(since - overlap, 0.0)
        return Cursor(phase="changed", since=since, overlap_seconds=overlap, after=after)
