"""The values of the escrow protocol: a listing's account, its push, a reading of its counter.

`channelsync.domain.escrow` holds the rules that change them.
"""

from __future__ import annotations

from enum import StrEnum
from math import inf

from msgspec import Struct
from msgspec.structs import replace

from channelsync.domain.errors import InvariantViolated
from channelsync.domain.vocabulary import Instant, PushKind, PushSemantics

__all__ = [
    "PATIENT_REASONS",
    "ChannelLimits",
    "Grant",
    "Outcome",
    "Push",
    "Reading",
    "SettleReason",
    "UnitsAround",
    "uncharge",
    "want_settle",
]


class SettleReason(StrEnum):
    """Why the exposure of a listing may be inexact."""

    ADOPTING = "adopting"
    UNSURE_CANCEL = "unsure_cancel"
    EXCESS = "excess"
    UNKNOWN_PUSH = "unknown_push"
    ABSOLUTE_PUSH = "absolute_push"
    NEGATIVE_COUNTER = "negative_counter"
    DOUBTFUL_TIMES = "doubtful_times"
    SWALLOWED_UNITS = "swallowed_units"
    DRIFT = "drift"


PATIENT_REASONS = frozenset({SettleReason.DOUBTFUL_TIMES, SettleReason.UNSURE_CANCEL})
"""The exposure may be a little too high: worth a look now and then, and no reason to wait."""


class Outcome(StrEnum):
    """What is known of one attempt after its sender reported its end."""

    APPLIED = "applied"
    """The call's own answer proves the change."""
    ACCEPTED = "accepted"
    """Taken for later application; nothing is proven."""
    REFUSED = "refused"
    """The call's own negative answer: this copy did not and will not apply."""
    UNSENT = "unsent"
    """No byte of this copy left us."""
    UNKNOWN = "unknown"
    """Timeout, 401, 429, 5xx, a lost answer: it may have applied, or may still."""


class ChannelLimits(Struct, frozen=True, gc=False, kw_only=True):
    """What a channel promises about time. Durations in seconds."""

    apply_limit_seconds: float
    """After its sender's end, a write applies within this time or never."""
    quarantine_seconds: float
    """The longest a checkout begun before a lowering can still end in a sale."""
    read_lag_seconds: float = 0.0
    """How old a read-back may be when it is answered."""
    clock_skew_seconds: float = 0.0
    """How far the times that the channel tells and ours may differ, their rounding included."""


class Push(Struct, frozen=True, gc=False, kw_only=True):
    """One intended change of a remote quantity, with everything its proof needs."""

    push_id: str
    kind: PushKind
    units: int
    """Raise and cut: the distance, above 0. Set: the new value, above 0. Zero: 0."""
    compare: int | None
    """The value that the channel must still hold, where it compares."""
    retry_until: Instant
    """Copies of a keyed push stop here: 80 % of the key's life."""
    charged: int = 0
    """Exposure that this push has added and could still give back."""
    copies: int = 0
    refused: int = 0
    release_after: Instant | None = None
    """A proven cut: end of its quarantine."""
    closed_to_retry: bool = False
    """Only a settle can close it now."""


class Grant(Struct, frozen=True, gc=False, kw_only=True):
    """The escrow account of a listing, in listing units."""

    semantics: PushSemantics
    exposure: int | None
    """None until the first settle: the listing counts as "all"."""
    push: Push | None = None
    push_seq: int = 0
    """Counts the non-zero attempts ever started; a settle needs it unchanged since its read."""
    attempts_open: int = 0
    """Attempts of any kind whose sender has not reported its end."""
    outstanding_until: Instant = -inf
    """Until then some ended non-zero attempt may still apply."""
    lowered_until: Instant = -inf
    """End of the quarantine of the latest lowering that happened or may have happened."""
    swallows_units: bool = False
    """The next units that appear on the counter may vanish there: it was below 0 when last
    settled, or a zero was still on its way. Whatever puts units there asks for a settle."""
    settle_reasons: frozenset[SettleReason] = frozenset()

    def __post_init__(self) -> None:
        if self.exposure is not None and self.exposure < 0:
            raise InvariantViolated(f"exposure {self.exposure} below 0")
        if self.attempts_open < 0:
            raise InvariantViolated("more attempts ended than started")
        push = self.push
        if push is None:
            return
        if push.refused > push.copies:
            raise InvariantViolated("more copies refused than sent")
        if push.charged and self.exposure is not None and push.kind is PushKind.CUT:
            raise InvariantViolated("a cut never charges")

    @property
    def inexact(self) -> bool:
        """Whether nothing should be decided on the exposure before it is settled."""
        return not self.settle_reasons <= PATIENT_REASONS

    @property
    def settled(self) -> bool:
        """Whether the exposure is a number at all."""
        return self.exposure is not None

    def settleable_after(self, limits: ChannelLimits) -> Instant:
        """A reading can settle only if it was true after this instant (its `earliest`)."""
        if limits.quarantine_seconds > 0:
            return max(self.outstanding_until, self.lowered_until)
        return self.outstanding_until


class Reading(Struct, frozen=True, gc=False, kw_only=True):
    """A read-back of the remote counter: it showed `quantity` at some instant in [a, b]."""

    quantity: int
    sent_at: Instant
    received_at: Instant
    push_seq: int
    """The grant's `push_seq` when the read was about to be sent."""

    def earliest(self, limits: ChannelLimits) -> Instant:
        """`a`: no later than the instant at which the quantity was true."""
        return self.sent_at - limits.read_lag_seconds - limits.clock_skew_seconds

    def latest(self, limits: ChannelLimits) -> Instant:
        """`b`: no earlier than that instant."""
        return self.received_at + limits.clock_skew_seconds


class UnitsAround(Struct, frozen=True, gc=False, kw_only=True):
    """Units of a listing's order facts around a reading, from facts and never from movements."""

    sold_after: int = 0
    """Counted units whose sale moved the counter surely after `b`. Unknown times: leave out."""
    relisted_after: int = 0
    """Units of known cancels and re-listed returns possibly after `a`. Unknown times: put in
    everything first heard of since `a`."""
    exposure_at_read: int | None = None
    """What the books held when the read was sent, where that is known."""
    doubtful: bool = False
    """Some of these units have no certain place before or after the reading: the exposure may come
    out too high, so a further settle stays wanted."""


def want_settle(grant: Grant, reason: SettleReason) -> Grant:
    """Remember that the exposure may be inexact; a settle clears every reason.

    The slice of a live channel is a number of ours alone: there is nothing to read back.
    """
    if grant.semantics is PushSemantics.LIVE:
        return grant
    return replace(grant, settle_reasons=grant.settle_reasons | {reason})


def uncharge(grant: Grant, units: int) -> Grant:
    """Take back exposure that is proven never to be sold."""
    if grant.exposure is None:
        return grant
    less = replace(grant, exposure=max(grant.exposure - units, 0))
    # Sales beyond the grant had used up units that were never on sale.
    return want_settle(less, SettleReason.EXCESS) if units > grant.exposure else less
