"""Order facts: the full state of one order line, and what of it moves stock.

A fact is never a delta. Whatever arrives first, twice or late, the state kept is the newest one,
and stock moves by the difference to what was counted.
"""

from __future__ import annotations

from collections.abc import Iterable
from enum import StrEnum
from typing import Final

from msgspec import Struct
from msgspec.structs import replace

from channelsync.domain.errors import InvariantViolated
from channelsync.domain.grant import ChannelLimits, Reading, UnitsAround
from channelsync.domain.vocabulary import CancelEffect, Instant, OrderState

__all__ = [
    "LineChange",
    "LineEvent",
    "LineEventKind",
    "LineState",
    "diff",
    "merge",
    "state_of",
    "units_around",
]


class LineState(Struct, frozen=True, kw_only=True):
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
    returned_at: Instant | None = None
    """When the latest of the returned units came back; None: none did, or unknown."""
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


class LineEvent(Struct, frozen=True, kw_only=True):
    """A move of the channel's counter, as far as facts tell it. Kept for settling."""

    kind: LineEventKind
    units: int
    moved_at: Instant | None
    effect: CancelEffect = CancelEffect.UNSURE


class LineChange(Struct, frozen=True, kw_only=True):
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
    settle_wanted: bool = False
    """Nobody can tell what some of these units did to the counter, or whether the last settling
    read had seen them: the exposure is safe, perhaps too high, and a settle must be scheduled."""
    events: tuple[LineEvent, ...] = ()

    @property
    def moves_stock(self) -> bool:
        """Whether `reserved` or `on_hand` moves."""
        taken = self.sold or self.sold_outside or self.shipped
        return bool(taken or self.cancelled or self.cancelled_outside or self.restocked)

    @property
    def moves(self) -> bool:
        """Whether anything moves at all."""
        return self != _NOTHING


_NOTHING: Final = LineChange()


def merge(known: LineState | None, heard: LineState) -> LineState:
    """The state to believe after hearing `heard`: the same one in whatever order states arrive.

    Every count only grows, so counts are merged upwards. Of the words beside them the newest
    state's are believed, and the most cautious where two states are of one instant.
    """
    if known is None:
        return heard
    newer, older = (heard, known) if heard.version > known.version else (known, heard)
    words = newer if newer.version > older.version else _most_cautious(newer, older)
    return replace(
        words,
        ordered=max(newer.ordered, older.ordered),
        cancelled=max(newer.cancelled, older.cancelled),
        shipped=max(newer.shipped, older.shipped),
        returned=max(newer.returned, older.returned),
        restocked=max(newer.restocked, older.restocked),
        relisted=max(newer.relisted, older.relisted),
        sold_at=_earlier(newer.sold_at, older.sold_at),
        cancelled_at=_time_of_more(
            (newer.cancelled, newer.cancelled_at), (older.cancelled, older.cancelled_at)
        ),
        returned_at=_time_of_more(
            (newer.returned, newer.returned_at), (older.returned, older.returned_at)
        ),
        shipped_at=_time_of_more(
            (newer.shipped, newer.shipped_at), (older.shipped, older.shipped_at)
        ),
    )


def _most_cautious(one: LineState, other: LineState) -> LineState:
    same_effect = one.cancel_effect is other.cancel_effect
    return replace(
        one,
        pending=one.pending and other.pending,
        moves_counter=one.moves_counter and other.moves_counter,
        cancel_effect=one.cancel_effect if same_effect else CancelEffect.UNSURE,
    )


def _earlier(one: Instant | None, other: Instant | None) -> Instant | None:
    return min((at for at in (one, other) if at is not None), default=None)


def _time_of_more(
    one: tuple[int, Instant | None], other: tuple[int, Instant | None]
) -> Instant | None:
    """The time that covers the greater count; the later one where the counts are equal."""
    if one[0] != other[0]:
        return max(one, other, key=lambda pair: pair[0])[1]
    return max((at for _, at in (one, other) if at is not None), default=None)


def diff(
    known: LineState | None,
    now: LineState,
    *,
    settled_from: Instant | None = None,
    settled_to: Instant | None = None,
    baseline_at: Instant | None = None,
) -> LineChange:
    """What to move so that the books show `now` where they showed `known`.

    A line first heard of with cancelled units moved the counter down and up again, neither of
    which was counted: both are events for settling, not movements. Where the channel never puts
    cancelled units back, its counter stays down: counted as sold and as cancelled.

    The listing's last settling read was true at some instant from `settled_from` to `settled_to`
    (the reading's `earliest` and `latest`; None: never settled, or not told). A sale that moved
    the counter surely before is already missing from the exposure (the feed was incomplete
    then), so it comes out of `free`, and its later cancel re-lists a unit that no exposure covers.
    A cancel surely before is already part of the exposure; of one that is not surely later nobody
    can tell.

    `baseline_at` is the instant of the count that the books began with: what had left the house
    before it is history, neither reserved nor on hand.
    """
    if known is None and _is_plain(now) and not _surely_before(now.sold_at, settled_from):
        sale = LineEvent(kind=LineEventKind.SALE, units=now.ordered, moved_at=now.sold_at)
        return LineChange(sold=now.ordered, events=(sale,))
    return _difference(known, now, settled_from, settled_to, baseline_at)


def _is_plain(now: LineState) -> bool:
    """Sold, and nothing else: what nearly every line is when it is first heard of."""
    done = now.cancelled or now.shipped or now.returned or now.restocked or now.relisted
    return bool(now.ordered and now.moves_counter and not done and now.cancelled_at is None)


def _difference(
    known: LineState | None,
    now: LineState,
    settled_from: Instant | None,
    settled_to: Instant | None,
    baseline_at: Instant | None,
) -> LineChange:
    """`diff`, of whatever kind the line is."""
    before = known or _history(now, baseline_at)
    added, called_off = _units_moved(before, now)
    relisted = max(now.relisted - before.relisted, 0)
    moved = LineChange(
        shipped=max(now.shipped - before.shipped, 0),
        restocked=max(now.restocked - before.restocked, 0),
        relisted=relisted,
        settle_wanted=relisted > 0 and settled_from is not None,
        events=_events(before, now, first=known is None),
    )
    both = min(added, called_off)
    if not now.moves_counter:
        return replace(moved, sold_outside=added - both, cancelled_outside=called_off - both)
    cancelled_at = now.cancelled_at if before.cancelled == 0 else None
    if _surely_before(now.sold_at, settled_from) or _surely_before(cancelled_at, settled_from):
        if known is None:
            return _missed(moved, now, added, called_off, settled_from)
        if _surely_before(cancelled_at, settled_from):
            return replace(moved, sold=added, cancelled_outside=called_off)
    if now.cancel_effect is CancelEffect.NOT_RELISTED:
        return replace(moved, sold=added, cancelled=called_off)
    unsure = called_off > 0 and (
        now.cancel_effect is CancelEffect.UNSURE
        or _perhaps_before(cancelled_at, settled_from, settled_to)
    )
    return replace(
        moved,
        sold=added - both,
        cancelled=called_off - both,
        settle_wanted=moved.settle_wanted or unsure,
    )


def _missed(
    moved: LineChange,
    now: LineState,
    added: int,
    called_off: int,
    settled_from: Instant | None,
) -> LineChange:
    """A line of which the last settling read saw the sale, while we had not heard of it."""
    stayed_down = now.cancel_effect is CancelEffect.NOT_RELISTED
    seen = stayed_down or _surely_before(now.cancelled_at, settled_from)
    return replace(
        moved,
        sold_outside=added - called_off,
        relisted=moved.relisted + (0 if seen else called_off),
        settle_wanted=True,
    )


def _units_moved(before: LineState, now: LineState) -> tuple[int, int]:
    """Units sold and units called off since `before`. What was shipped was not called off."""
    sold = max(now.ordered, now.shipped) - max(before.ordered, before.shipped)
    called_off = _called_off(now) - _called_off(before)
    # Cancelled, and shipped all the same: the cancel is undone, so the unit is sold again.
    return max(sold, 0) + max(-called_off, 0), max(called_off, 0)


def _called_off(line: LineState) -> int:
    return max(line.ordered, line.shipped) - max(line.wanted, line.shipped)


def _history(now: LineState, baseline_at: Instant | None) -> LineState:
    """What the baseline already knew of a line first heard of."""
    # A till's facts bear no version of their own: the time of the shipment speaks first.
    left_at = now.version if now.shipped_at is None else now.shipped_at
    if not _surely_before(left_at, baseline_at):
        return LineState(ordered=0, version=now.version)
    # Nothing tells whether units came back to the shelf before they were counted there. Adding
    # them again could promise a unit twice; leaving them out costs no more than the next count.
    return LineState(
        ordered=now.shipped,
        shipped=now.shipped,
        restocked=now.restocked,
        version=now.version,
    )


def _surely_before(at: Instant | None, limit: Instant | None) -> bool:
    return at is not None and limit is not None and at < limit


def _perhaps_before(
    at: Instant | None, settled_from: Instant | None, settled_to: Instant | None
) -> bool:
    if settled_from is None:
        return False
    return at is None or at <= (settled_from if settled_to is None else settled_to)


def _events(before: LineState, now: LineState, *, first: bool) -> tuple[LineEvent, ...]:
    new_sold = max(now.ordered - before.ordered, 0)
    new_cancelled = max(now.cancelled - before.cancelled, 0)
    new_relisted = max(now.relisted - before.relisted, 0)
    found = []
    if new_sold and now.moves_counter:
        # Units that an edit added later moved the counter at an unknown time.
        at = now.sold_at if first else None
        found.append(LineEvent(kind=LineEventKind.SALE, units=new_sold, moved_at=at))
    if new_cancelled and now.moves_counter:
        # Only a line's first cancel has a known time: a later one may carry the earlier's.
        at = now.cancelled_at if before.cancelled == 0 else None
        effect = now.cancel_effect
        found.append(
            LineEvent(kind=LineEventKind.CANCEL, units=new_cancelled, moved_at=at, effect=effect)
        )
    if new_relisted:
        # Whoever sold the unit, the channel put it on this counter.
        found.append(LineEvent(kind=LineEventKind.RELIST, units=new_relisted, moved_at=None))
    return tuple(found)


def units_around(
    heard: Iterable[tuple[LineEvent, Instant]], reading: Reading, limits: ChannelLimits
) -> UnitsAround:
    """What a settle adds to a reading and takes from it, from each event and when it was heard of.

    A sale counts only when it moved the counter surely after the reading. A cancel or a re-listed
    return counts when it may have; one of unknown time may have unless it was heard of before the
    reading could be true.
    """
    a, b = reading.earliest(limits), reading.latest(limits)
    sold = relisted = 0
    doubtful = False
    for event, heard_at in heard:
        if event.moved_at is None and heard_at < a:
            continue
        at = event.moved_at
        surely_after = at is not None and at > b
        if at is not None and at < a:
            continue
        if event.kind is LineEventKind.SALE:
            sold += event.units if surely_after else 0
            doubtful = doubtful or not surely_after
        elif event.effect is not CancelEffect.NOT_RELISTED:
            relisted += event.units
            doubtful = doubtful or not surely_after or event.effect is CancelEffect.UNSURE
    return UnitsAround(sold_after=sold, relisted_after=relisted, doubtful=doubtful)


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
