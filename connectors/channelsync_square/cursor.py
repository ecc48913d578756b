"""Where a poll stands: opaque to the engine, JSON, safe to use twice."""

from __future__ import annotations

from enum import StrEnum
from typing import Final

from channelsync.sdk.types import Instant
from channelsync.sdk.wire import StoredPlace

__all__ = ["OVERLAP_SECONDS", "Cursor", "Phase"]

OVERLAP_SECONDS: Final = 300.0
"""Windows reach this far back: rows may become visible a little out of order."""
MARGIN_SECONDS: Final = 15.0
"""A window that reaches back no further than it must, reaches this far beyond the lag."""
SWEEP_SECONDS: Final = 900.0
"""So old the last window may be that reached back in full."""


class Phase(StrEnum):
    """What is being paged through."""

    OPEN = "open"
    """Every order that is still to be handed over; once, when a channel is adopted."""
    CHANGED = "changed"
    """Orders that changed: who bought, and what was handed over."""
    LEDGER = "ledger"
    """Rows of the inventory ledger: what moved Square's number."""


class Cursor(StoredPlace):
    """First every open order; then, window after window, changed orders and the ledger."""

    WHERE = "Square's ledger"

    phase: Phase
    since: Instant
    """The window's own start, on Square's clock, the overlap not counted."""
    started: Instant | None = None
    """Square's time when the first page of this window was asked for."""
    after: str | None = None
    """Square's own cursor within the phase."""
    swept: Instant | None = None
    """When the last window began that reached back in full. None: no window has ended yet."""
    brief: bool = False
    """Whether the last window was longer than a page of the ledger: to read much of it again costs
    calls that a busy shop needs."""

    @classmethod
    def first(cls, since: Instant) -> Cursor:
        """Finds every order not handed over at `since`, and everything that moved after."""
        return cls(phase=Phase.OPEN, since=since)

    def orders_from(self, lag_seconds: float) -> Instant:
        """The start of the window of orders, the overlap included."""
        return max(self.since - max(OVERLAP_SECONDS, lag_seconds + MARGIN_SECONDS), 0.0)

    def ledger_from(self, lag_seconds: float) -> Instant:
        """The start of the window of the ledger, the overlap included.

        Whatever may have been invisible to the window before is read: what became visible within
        the lag, which is what the watermark rests on. Rows that break it are looked for behind it:
        in every window while that costs no call, else now and then.
        """
        needed = self.since - lag_seconds - MARGIN_SECONDS
        if self._is_brief:
            return max(needed, 0.0)
        swept = self.since if self.swept is None else self.swept
        return max(min(needed, swept - OVERLAP_SECONDS), 0.0)

    @property
    def _is_brief(self) -> bool:
        return self.brief and self.swept is not None and self.since - self.swept < SWEEP_SECONDS

    def onward(self, after: str | None, *, started: Instant) -> Cursor:
        """The next page, the next phase, or the next window."""
        if after:
            return self.model_copy(update={"after": after, "started": started})
        following = {Phase.OPEN: Phase.CHANGED, Phase.CHANGED: Phase.LEDGER}.get(self.phase)
        if following is not None:
            changed = {"phase": following, "started": started, "after": None}
            return self.model_copy(update=changed)
        return Cursor(
            phase=Phase.CHANGED,
            since=started,
            swept=self.swept if self._is_brief else started,
            brief=self.after is not None,
        )
