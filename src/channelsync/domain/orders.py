"""Order facts: the full state of one order line, and what of it moves stock.

A fact is never a delta. Whatever arrives first, twice or late, the state kept is the newest one,
and stock moves by the difference to what was counted.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from enum import StrEnum

from channelsync.domain.errors import InvariantViolated
from channelsync.domain.vocabulary import CancelEffect, Instant, OrderState

__all__ = ["LineChange", "LineEvent", "LineEventKind", "LineState", "diff", "merge", "state_of"]


@dataclass(frozen=True, slots=True, kw_only=True)
class LineState:
    """One order line as the channel tells it, in listing units. Every count only grows.

    `cancelled` are units taken off before they shipped; `returned` came back after shipping;
    of those, `restocked` went back on the shelf after inspection, and `relisted` are the ones that
    the channel put back on its own counter.
    """

    ordered: int
    cancelled: int = 0
    shipped: int = 0
    returned: int = 0
    restocked: int = 0
    relisted: int = 0
    version: Instant = 0.0
    """The channel's own time of this state; the newest wins."""
    sold_at: Instant | None = None
    """When the channel's counter moved; None: unknown."""
    cancelled_at: Instant | None = None
    shipped_at: Instant | None = None
    """When the latest of the shipped units left the house; None: none did, or unknown."""
    pending: bool = False
    """Not paid yet; reserved all the same."""
    moves_counter: bool = True
    """False for a sale that left the channel's counter alone (a second system's order)."""
    cancel_effect: CancelEffect = CancelEffect.UNSURE

    def __post_init__(self) -> None:
        sold = (self.ordered, self.cancelled, self.shipped)
        if min(*sold, self.returned, self.restocked, self.relisted) < 0:
            raise InvariantViolated(f"negative count in an order line: {self}")

    @property
    def wanted(self) -> int:
        """Units sold and not cancelled."""
        return max(self.ordered - self.cancelled, 0)

    @property
    def to_reserve(self) -> int:
        """Units promised and still in the house."""
        return max(self.wanted - self.shipped, 0)


class LineEventKind(StrEnum):
    """What happened to a channel's counter."""

    SALE = "sale"
    CANCEL = "cancel"
    RELIST = "relist"


@dataclass(frozen=True, slots=True, kw_only=True)
class LineEvent:
    """A move of the channel's counter, as far as facts tell it. Kept for settling."""

    kind: LineEventKind
    units: int
    moved_at: Instant | None
    effect: CancelEffect = CancelEffect.UNSURE


@dataclass(frozen=True, slots=True, kw_only=True)
class LineChange:
    """What the difference of two states of a line moves, in listing units."""

    sold: int = 0
    """Counted anew: `reserved` up, exposure down."""
    sold_outside: int = 0
    """Counted anew, yet no part of the exposure: `reserved` up, out of `free`."""
    cancelled: int = 0
    """Counted units taken off: `reserved` down, exposure up unless never re-listed."""
    cancelled_outside: int = 0
    """The same for units whose sale had left the counter alone: `reserved` down, no more."""
    shipped: int = 0
    """`reserved` and `on_hand` down."""
    restocked: int = 0
    """`on_hand` up: inspected returns."""
    relisted: int = 0
    """Exposure up without stock: returns, and cancels of units that were never counted."""
    events: tuple[LineEvent, ...] = ()

    @property
    def moves_stock(self) -> bool:
        """Whether `reserved` or `on_hand` moves."""
        taken = self.sold or self.sold_outside or self.shipped
        return bool(taken or self.cancelled or self.cancelled_outside or self.restocked)

    @property
    def moves(self) -> bool:
        """Whether anything moves at all."""
        return self != LineChange()


def merge(known: LineState | None, heard: LineState) -> LineState:
    """The state to believe after hearing `heard`, in whatever order states arrive.

    An older state changes nothing. Two states of one instant are merged upwards, since every
    count only grows.
    """
    if known is None or heard.version > known.version:
        return heard if known is None else _not_below(heard, known)
    if heard.version < known.version:
        return _with_times(known, heard)
    return _not_below(heard, known)


def _not_below(newer: LineState, older: LineState) -> LineState:
    """`newer`, with what a fuller `older` state had already proven."""
    return replace(
        _with_times(newer, older),
        ordered=max(newer.ordered, older.ordered),
        cancelled=max(newer.cancelled, older.cancelled),
        shipped=max(newer.shipped, older.shipped),
        returned=max(newer.returned, older.returned),
        restocked=max(newer.restocked, older.restocked),
        relisted=max(newer.relisted, older.relisted),
    )


def _with_times(state: LineState, other: LineState) -> LineState:
    return replace(
        state,
        sold_at=state.sold_at if state.sold_at is not None else other.sold_at,
        cancelled_at=(
            state.cancelled_at if state.cancelled_at is not None else other.cancelled_at
        ),
    )


def diff(
    known: LineState | None,
    now: LineState,
    *,
    settled_from: Instant | None = None,
    baseline_at: Instant | None = None,
) -> LineChange:
    """What to move so that the books show `now` where they showed `known`.

    A line first heard of with cancelled units moved the counter down and up again, neither of
    which was counted: both are events for settling, not movements.

    `settled_from` is the earliest instant at which the listing's last settling read was true. A
    sale that moved the counter surely before it is already missing from the exposure (the feed
    was incomplete then), so it comes out of `free`; its later cancel re-lists a unit that no
    exposure covers.

    `baseline_at` is the instant of the count that the books began with: what had left the house
    before it is history, neither reserved nor on hand.
    """
    before = known or _history(now, baseline_at)
    held, holds = max(before.wanted, before.shipped), max(now.wanted, now.shipped)
    sold, gone = max(holds - held, 0), max(held - holds, 0)
    missed = settled_from is not None and now.sold_at is not None and now.sold_at < settled_from
    late = known is None and missed
    outside = late or not now.moves_counter
    relisted = max(now.relisted - before.relisted, 0)
    if late and now.moves_counter and not _surely_before(now.cancelled_at, settled_from):
        relisted += now.cancelled
    return LineChange(
        sold=0 if outside else sold,
        sold_outside=sold if outside else 0,
        cancelled=gone if now.moves_counter else 0,
        cancelled_outside=0 if now.moves_counter else gone,
        shipped=max(now.shipped - before.shipped, 0),
        restocked=max(now.restocked - before.restocked, 0),
        relisted=relisted,
        events=_events(before, now, first=known is None) if now.moves_counter else (),
    )


def _history(now: LineState, baseline_at: Instant | None) -> LineState:
    """What the baseline already knew of a line first heard of."""
    gone = now.shipped if _surely_before(now.shipped_at, baseline_at) else 0
    return LineState(ordered=gone, shipped=gone, version=now.version)


def _surely_before(at: Instant | None, limit: Instant | None) -> bool:
    return at is not None and limit is not None and at < limit


def _events(before: LineState, now: LineState, *, first: bool) -> tuple[LineEvent, ...]:
    new_sold = max(now.ordered - before.ordered, 0)
    new_cancelled = max(now.cancelled - before.cancelled, 0)
    new_relisted = max(now.relisted - before.relisted, 0)
    found = []
    if new_sold:
        # Units that an edit added later moved the counter at an unknown time.
        at = now.sold_at if first else None
        found.append(LineEvent(kind=LineEventKind.SALE, units=new_sold, moved_at=at))
    if new_cancelled:
        # Only a line's first cancel has a known time: a later one may carry the earlier's.
        at = now.cancelled_at if before.cancelled == 0 else None
        effect = now.cancel_effect
        found.append(
            LineEvent(kind=LineEventKind.CANCEL, units=new_cancelled, moved_at=at, effect=effect)
        )
    if new_relisted:
        found.append(LineEvent(kind=LineEventKind.RELIST, units=new_relisted, moved_at=None))
    return tuple(found)


def state_of(line: LineState) -> OrderState:
    """The word for a line's state."""
    if line.ordered and line.wanted == 0:
        return OrderState.CANCELLED
    if line.returned and line.returned >= line.wanted:
        return OrderState.RETURNED
    if line.shipped and line.shipped >= line.wanted:
        return OrderState.SHIPPED
    if line.shipped:
        return OrderState.PART_SHIPPED
    return OrderState.PENDING if line.pending else OrderState.OPEN
