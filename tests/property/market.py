"""The truth: what a marketplace holds and does, whatever we know of it.

One `Market` is one listing on one channel. Its counter moves when shoppers buy, when the channel
puts cancelled or returned units back, and when a copy of a push arrives, which may be late, twice
or never. Nothing here knows the protocol; the machines compare it with the books.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from math import inf

from msgspec.structs import replace

from channelsync.domain.escrow import ChannelLimits, Outcome, Push
from channelsync.domain.orders import LineState
from channelsync.domain.vocabulary import CancelEffect, Instant, PushKind

SEND_WITHIN_SECONDS = 2.0
"""A sender checks, immediately before writing, that its attempt is no older than this."""
ANSWER_WITHIN_SECONDS = 3.0
"""A living sender waits no longer than this for an answer."""
APPLY_LIMIT_SECONDS = 5.0
KEY_LIFE_SECONDS = 60.0
RETRY_SECONDS = 0.8 * KEY_LIFE_SECONDS
QUARANTINE_SECONDS = 6.0
READ_LAG_SECONDS = 2.0
SKEW_SECONDS = 1.0


def limits(*, checkouts: bool) -> ChannelLimits:
    return ChannelLimits(
        apply_limit_seconds=APPLY_LIMIT_SECONDS,
        quarantine_seconds=QUARANTINE_SECONDS if checkouts else 0.0,
        read_lag_seconds=READ_LAG_SECONDS,
        clock_skew_seconds=SKEW_SECONDS,
    )


@dataclass(slots=True)
class Clock:
    now: Instant = 1_000.0


@dataclass(frozen=True, slots=True)
class Habit:
    """How the channel treats an order line, and how much of it its order feed tells."""

    effect: CancelEffect
    relists: bool
    timed: bool


HABITS = (
    Habit(CancelEffect.RELISTED, relists=True, timed=True),
    Habit(CancelEffect.RELISTED, relists=True, timed=True),
    Habit(CancelEffect.RELISTED, relists=True, timed=True),
    Habit(CancelEffect.UNSURE, relists=True, timed=True),
    Habit(CancelEffect.UNSURE, relists=False, timed=True),
    Habit(CancelEffect.NOT_RELISTED, relists=False, timed=True),
    Habit(CancelEffect.RELISTED, relists=True, timed=False),
    Habit(CancelEffect.UNSURE, relists=False, timed=False),
)


@dataclass(slots=True)
class Line:
    """An order line as it truly is, with every state that the channel may ever tell of it."""

    line_id: int
    habit: Habit
    state: LineState
    sale_times: list[Instant]
    """When each unit moved the counter, on the channel's clock."""
    history: list[LineState] = field(default_factory=list)

    def put_back(self, state: LineState) -> int:
        """Units of this state that the channel put back on its counter."""
        cancels_move = self.habit.relists and state.moves_counter
        return (state.cancelled if cancels_move else 0) + state.relisted


@dataclass(slots=True, eq=False)
class Copy:
    """One request on its way."""

    push: Push
    key: str | None
    arrives_by: Instant


@dataclass(slots=True, eq=False)
class Sender:
    """One attempt of ours: committed, then perhaps written, then ended or dead."""

    push: Push
    deadline: Instant
    copy: Copy | None = None


@dataclass(slots=True)
class Market:
    """One listing on its channel."""

    clock: Clock
    counter: int
    limits: ChannelLimits
    clock_offset_seconds: float = 0.0
    forgets_keys: bool = False
    """A channel without idempotency keys."""
    repeats_writes: bool = False
    """Something on the way repeats a write by itself."""
    lines: list[Line] = field(default_factory=list)
    checkouts: list[tuple[Instant, int]] = field(default_factory=list)
    net: list[Copy] = field(default_factory=list)
    keys: dict[str, Instant] = field(default_factory=dict)
    excess_units: int = 0
    """Units sold although the counter did not show them (a till)."""
    _shown: list[tuple[Instant, int]] = field(default_factory=list)

    def __post_init__(self) -> None:
        self._shown.append((-inf, self.counter))

    @property
    def now(self) -> Instant:
        """The time that the channel's own clock shows."""
        return self.clock.now + self.clock_offset_seconds

    @property
    def held(self) -> int:
        """Units in checkouts in progress."""
        return sum(units for _, units in self.checkouts)

    @property
    def on_sale(self) -> int:
        return self.counter - self.held

    def move(self, units: int) -> None:
        self.counter += units
        self._shown.append((self.clock.now, self.counter))

    def pass_time(self) -> None:
        """Let go what has become too old: checkouts, copies, keys."""
        now = self.clock.now
        life = self.limits.quarantine_seconds
        self.checkouts = [one for one in self.checkouts if now < one[0] + life]
        self.net = [copy for copy in self.net if now <= copy.arrives_by]

    # ------------------------------------------------------------ shoppers

    def begin_checkout(self, units: int) -> None:
        self.checkouts.append((self.clock.now, units))

    def sell(self, line_id: int, units: int, habit: Habit) -> None:
        beyond = units - max(self.on_sale, 0)
        self.excess_units += max(beyond, 0)
        self.book(line_id, units, habit)

    def book(self, line_id: int, units: int, habit: Habit, *, moves_counter: bool = True) -> None:
        """A sale is made: of what is on sale, or of a checkout in progress."""
        state = LineState(
            ordered=units,
            version=self.now,
            sold_at=self.now if habit.timed else None,
            moves_counter=moves_counter,
            cancel_effect=habit.effect,
        )
        line = Line(line_id, habit, state, [self.now] * units, [state])
        self.lines.append(line)
        if moves_counter:
            self.move(-units)

    def finish_checkout(self, line_id: int, habit: Habit, *, bought: bool) -> None:
        _, units = self.checkouts.pop(0)
        if bought:
            self.book(line_id, units, habit)

    def _change(self, line: Line, state: LineState) -> None:
        line.state = replace(state, version=self.now)
        line.history.append(line.state)

    def add_unit(self, line: Line) -> None:
        """A shopper's order is edited: one unit more."""
        line.sale_times.append(self.now)
        self._change(line, replace(line.state, ordered=line.state.ordered + 1))
        self.move(-1)

    def cancel_unit(self, line: Line) -> None:
        at = self.now if line.habit.timed else None
        state = replace(line.state, cancelled=line.state.cancelled + 1, cancelled_at=at)
        self._change(line, state)
        if line.habit.relists and state.moves_counter:
            self.move(1)

    def ship_unit(self, line: Line) -> None:
        state = replace(line.state, shipped=line.state.shipped + 1, shipped_at=self.now)
        self._change(line, state)

    def take_return(self, line: Line, *, relisted: bool) -> None:
        state = line.state
        state = replace(state, returned=state.returned + 1, relisted=state.relisted + int(relisted))
        self._change(line, state)
        if relisted:
            self.move(1)

    # ------------------------------------------------------------ writes

    def process(self, copy: Copy, *, keep: bool) -> Outcome:
        """A copy arrives. Returns what its own answer says. `keep`: it will arrive once more."""
        may_repeat = copy.key is not None or self.repeats_writes
        if not (keep and may_repeat):
            self.net.remove(copy)
        push = copy.push
        if push.kind in {PushKind.SET, PushKind.ZERO}:
            self.move(push.units - self.counter)
            return Outcome.APPLIED
        remembered = copy.key is not None and self.keys.get(copy.key, -inf) > self.clock.now
        if remembered:
            return Outcome.APPLIED
        if push.compare is not None and push.compare != self.counter:
            return Outcome.REFUSED
        self.move(push.units if push.kind is PushKind.RAISE else -push.units)
        if copy.key is not None and not self.forgets_keys:
            self.keys[copy.key] = self.clock.now + KEY_LIFE_SECONDS
        return Outcome.APPLIED

    # ------------------------------------------------------------ reading

    def shown_since(self, instant: Instant) -> list[int]:
        """Every value that the counter had from `instant` on."""
        earlier = [value for at, value in self._shown if at <= instant]
        return [earlier[-1], *(value for at, value in self._shown if at > instant)]

    # ------------------------------------------------------------ truth for the checks

    def units_sold(self) -> int:
        """Net units that shoppers were promised."""
        return sum(line.state.ordered - line.state.cancelled for line in self.lines)

    def uncounted(self, known: dict[int, LineState]) -> int:
        """`U`: units sold, net of put-backs, that `known` does not cover."""
        total = 0
        for line in self.lines:
            state, seen = line.state, known.get(line.line_id)
            if state is seen:
                continue
            counts = state.moves_counter
            total += state.ordered * counts - line.put_back(state)
            if seen is not None:
                total -= seen.ordered * counts - line.put_back(seen)
        return total

    def complete_until(self, known: dict[int, LineState]) -> Instant:
        """The honest watermark: before the first unit sold that is not counted."""
        first = self.now
        for line in self.lines:
            seen = known.get(line.line_id)
            counted = 0 if seen is None else seen.ordered
            if counted < len(line.sale_times):
                first = min(first, line.sale_times[counted] - 0.001)
        return first
