"""The rules of the protocol as the keeper uses them: the domain's own functions, one method each.

A deliberately wrong variant overrides one of them; everything else stays as in production.
"""

from __future__ import annotations

from collections.abc import Iterable

from channelsync.domain import escrow, orders
from channelsync.domain.books import ItemBooks
from channelsync.domain.escrow import ChannelLimits, Grant, Outcome, Push, Reading, UnitsAround
from channelsync.domain.orders import LineChange, LineEvent, LineState
from channelsync.domain.vocabulary import CancelEffect, Instant


class Rules:
    """The protocol."""

    sends_key = True
    """Whether keyed pushes carry an idempotency key."""
    retries_old_keys = False
    """Whether a copy may leave after 80 % of the key's life."""
    lost_lease_ends_attempt = False
    """Whether an attempt counts as ended though its sender may still wake."""
    repeats_writes = False
    """Whether the HTTP client repeats a write by itself."""
    watermark_skips_lines = False
    """Whether a line that nobody could count is passed over."""

    def takeable(self, books: ItemBooks) -> int:
        return books.takeable

    def open_push(self, grant: Grant, push: Push, *, takeable: int) -> Grant:
        return escrow.open_push(grant, push, takeable=takeable)

    def start_attempt(self, grant: Grant, *, now: Instant, takeable: int) -> Grant:
        return escrow.start_attempt(grant, now=now, takeable=takeable)

    def finish_attempt(
        self, grant: Grant, push: Push, outcome: Outcome, *, now: Instant, limits: ChannelLimits
    ) -> Grant:
        return escrow.finish_attempt(grant, push, outcome, now=now, limits=limits)

    def release_cut(self, grant: Grant, reading: Reading) -> Grant:
        return escrow.release_cut(grant, reading)

    def around(
        self, heard: Iterable[tuple[LineEvent, Instant]], reading: Reading, limits: ChannelLimits
    ) -> UnitsAround:
        return orders.units_around(heard, reading, limits)

    def settle(
        self,
        grant: Grant,
        reading: Reading,
        around: UnitsAround,
        *,
        watermark: Instant,
        limits: ChannelLimits,
    ) -> Grant:
        return escrow.settle(grant, reading, around, watermark=watermark, limits=limits)

    def count_sale(self, grant: Grant, units: int) -> tuple[Grant, int]:
        return escrow.count_sale(grant, units)

    def units_to_reserve(self, units: int, excess: int) -> int:
        """What a counted sale adds to `reserved`."""
        del excess
        return units

    def count_cancel(self, grant: Grant, units: int, effect: CancelEffect) -> Grant:
        return escrow.count_cancel(grant, units, effect)

    def diff(
        self,
        known: LineState | None,
        now: LineState,
        *,
        settled_from: Instant | None,
        settled_to: Instant | None,
    ) -> LineChange:
        return orders.diff(known, now, settled_from=settled_from, settled_to=settled_to)
