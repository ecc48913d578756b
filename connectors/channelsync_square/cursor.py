"""Where a poll stands: opaque to the engine, JSON, safe to use twice."""

from __future__ import annotations

from enum import StrEnum
from typing import Final

from pydantic import BaseModel, ConfigDict, ValidationError

from channelsync.sdk.errors import Misconfigured
from channelsync.sdk.types import Instant

__all__ = ["OVERLAP_SECONDS", "Cursor", "Phase"]

OVERLAP_SECONDS: Final = 300.0
"""Every window reaches this far back: rows may become visible a little out of order."""


class Phase(StrEnum):
    """What is being paged through."""

    OPEN = "open"
    """Every order that is still to be handed over; once, when a channel is adopted."""
    CHANGED = "changed"
    """Orders that changed: who bought, and what was handed over."""
    LEDGER = "ledger"
    """Rows of the inventory ledger: what moved Square's number."""


class Cursor(BaseModel):
    """First every open order; then, window after window, changed orders and the ledger."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    phase: Phase
    since: Instant
    """The window's own start, on Square's clock, the overlap not counted."""
    started: Instant | None = None
    """Square's time when the first page of this window was asked for."""
    after: str | None = None
    """Square's own cursor within the phase."""

    @classmethod
    def first(cls, since: Instant) -> Cursor:
        """Finds every order not handed over at `since`, and everything that moved after."""
        return cls(phase=Phase.OPEN, since=since)

    @classmethod
    def read(cls, text: str) -> Cursor:
        """A cursor as it was handed out.

        Raises:
            Misconfigured: it is not one of ours.
        """
        try:
            return cls.model_validate_json(text)
        except ValidationError as error:
            raise Misconfigured(
                "the stored place in Square's ledger is unreadable: remove and adopt the channel"
                " again"
            ) from error

    def text(self) -> str:
        """As it is handed out."""
        return self.model_dump_json(exclude_none=True)

    @property
    def reaches_back_to(self) -> Instant:
        """The window's start, the overlap included."""
        return max(self.since - OVERLAP_SECONDS, 0.0)

    def onward(self, after: str | None, *, started: Instant) -> Cursor:
        """The next page, the next phase, or the next window."""
        if after:
            return self.model_copy(update={"after": after, "started": started})
        following = {Phase.OPEN: Phase.CHANGED, Phase.CHANGED: Phase.LEDGER}.get(self.phase)
        if following is None:
            return Cursor(phase=Phase.CHANGED, since=started)
        return Cursor(phase=following, since=self.since, started=started)
