"""Where an order poll stands: opaque to the engine, JSON, safe to use twice."""

from __future__ import annotations

from typing import Final, Literal

from channelsync.sdk.types import Instant
from channelsync.sdk.wire import StoredPlace

__all__ = ["OVERLAP_SECONDS_MAX", "Cursor"]

OVERLAP_SECONDS_MAX: Final = 14_400.0
OVERLAP_SECONDS_MIN: Final = 600.0
OVERLAP_SECONDS_FIRST: Final = 3_600.0
ROOMY_ORDERS: Final = 50
"""A window with fewer orders than half a page can reach further back at no cost."""
CREATED_BEFORE_SECONDS: Final = 180 * 86_400.0
"""How old an order may be that is still to ship: pre-orders and long handling times included."""
POLLS_A_CHANGE_SEARCH: Final = 3
"""Every so many polls what changed is searched for too: searches are rationed, and a change of an
order that was counted already only gives units back."""


class Cursor(StoredPlace):
    """First every order still to ship (adoption), then what changed and what was created.

    The watermark rests on what was created: a search for changes leaves out whatever changed in the
    last two minutes, with all that it was before, so it may pass an order that was never told. Each
    poll ends with a window of created orders; in some of them a window of changed ones comes first.

    Orders can show late ("systematic delay", sometimes by hours), so a window reaches back over
    earlier ones, as far as that costs no second page: a page is a token, and those are rare.
    """

    WHERE = "Amazon's orders"

    phase: Literal["unshipped", "changed", "created"]
    since: Instant
    """Up to here everything was found by searches of this phase, if Amazon showed it in time."""
    overlap_seconds: float = OVERLAP_SECONDS_FIRST
    other_since: Instant | None = None
    """The same of the other search; None: as far as this one."""
    other_overlap_seconds: float = OVERLAP_SECONDS_FIRST
    polls: int = 0
    """Polls since what changed was last searched for."""
    after: Instant
    """Where this window begins; a page's token is good for no other value."""
    started: Instant | None = None
    """Amazon's time when the first page of this window was asked for."""
    complete: Instant | None = None
    """What that page said was complete (`lastUpdatedBefore`, `createdBefore`)."""
    token: str | None = None
    orders: int = 0
    """Orders told in this window so far."""

    @classmethod
    def first(cls, since: Instant) -> Cursor:
        """Finds every order unshipped at `since` or changed after."""
        return cls(phase="unshipped", since=since, after=max(since - CREATED_BEFORE_SECONDS, 0.0))

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
            return self._window("changed", self.since, self.overlap_seconds, other=None)
        overlap = self.overlap_seconds
        if self.token is not None:
            overlap = max(overlap / 2, OVERLAP_SECONDS_MIN)
        elif self.orders + orders < ROOMY_ORDERS:
            overlap = min(overlap * 2, OVERLAP_SECONDS_MAX)
        if self.phase == "created" and self.polls + 1 < POLLS_A_CHANGE_SEARCH:
            other = (self._other_since, self.other_overlap_seconds)
            return self._window("created", complete_to, overlap, other, polls=self.polls + 1)
        following: Literal["changed", "created"] = (
            "created" if self.phase == "changed" else "changed"
        )
        return self._window(
            following,
            self._other_since,
            self.other_overlap_seconds,
            other=(complete_to, overlap),
        )

    @property
    def is_last_of_poll(self) -> bool:
        """Whether a poll ends with the last page of this window, and knows how far it got."""
        return self.phase == "created"

    @property
    def _other_since(self) -> Instant:
        return self.since if self.other_since is None else self.other_since

    @staticmethod
    def _window(
        phase: Literal["changed", "created"],
        since: Instant,
        overlap: float,
        other: tuple[Instant, float] | None,
        *,
        polls: int = 0,
    ) -> Cursor:
        other_since, other_overlap = other or (since, OVERLAP_SECONDS_FIRST)
        return Cursor(
            phase=phase,
            since=since,
            overlap_seconds=overlap,
            other_since=other_since,
            other_overlap_seconds=other_overlap,
            polls=polls,
            after=max(since - overlap, 0.0),
        )
