"""The escrow account of one listing: how much it may still sell that we have not counted.

For a listing let `L` be the marketplace's own counter, `H` its checkouts in progress and `U` what
it sold, net of put-backs, that we have not counted. While the channel's assumptions stand,

    max(L, H, 0) + U <= exposure                                      (the theorem's left leg)

holds after every step below, in any order of messages. With `free := ATP - sum(recipe * exposure)`
taken only when it suffices (`channelsync.domain.books`), no sequence of sales exceeds the stock.

A grant is immutable; every function returns a new one. Times are the caller's.

Pushes are in `channelsync.domain.pushes`, the values in `channelsync.domain.grant`; whoever keeps
the books needs this module alone.
"""

from __future__ import annotations

from msgspec.structs import replace

from channelsync.domain.errors import (
    InsufficientFree,
    InvariantViolated,
    NotSettleable,
    PushConflict,
)
from channelsync.domain.grant import (
    ChannelLimits,
    Grant,
    Outcome,
    Push,
    Reading,
    SettleReason,
    UnitsAround,
    want_settle,
)
from channelsync.domain.pushes import (
    finish_attempt,
    give_up,
    is_lowering,
    may_be_overtaken,
    may_retry,
    open_push,
    release_cut,
    start_attempt,
    withdraw,
)
from channelsync.domain.vocabulary import CancelEffect, Instant, PushSemantics

__all__ = [
    "ChannelLimits",
    "Grant",
    "Outcome",
    "Push",
    "Reading",
    "SettleReason",
    "UnitsAround",
    "check_provable",
    "count_cancel",
    "count_relisted_return",
    "count_sale",
    "finish_attempt",
    "give_up",
    "is_lowering",
    "may_be_overtaken",
    "may_retry",
    "open_push",
    "release_cut",
    "resize_slice",
    "settle",
    "start_attempt",
    "want_settle",
    "withdraw",
]


# ------------------------------------------------------------------ order facts


def count_sale(grant: Grant, units: int) -> tuple[Grant, int]:
    """Count `units` sold. Returns the grant and the excess: what it sold beyond its exposure.

    The caller adds `units` to `reserved` in the same transaction, so that the excess comes out of
    `free`, and records it as a shortfall cause.
    """
    _require_positive(units)
    if grant.exposure is None:
        return grant, 0
    excess = max(units - grant.exposure, 0)
    counted = replace(grant, exposure=max(grant.exposure - units, 0))
    return (want_settle(counted, SettleReason.EXCESS), excess) if excess else (counted, 0)


def count_cancel(grant: Grant, units: int, effect: CancelEffect) -> Grant:
    """Count `units` of counted, unshipped units cancelled; the caller lowers `reserved` alike.

    Only a channel that provably never re-lists gives the units back to `free`.
    """
    _require_positive(units)
    if grant.exposure is None or effect is CancelEffect.NOT_RELISTED:
        return grant
    back = _put_back(grant, units)
    return want_settle(back, SettleReason.UNSURE_CANCEL) if effect is CancelEffect.UNSURE else back


def count_relisted_return(grant: Grant, units: int) -> Grant:
    """Count `units` that the channel put back on its counter by itself.

    Returned shipped units, or a cancel of an order that was never counted. They come out of
    `free`; `on_hand` grows by inspection only.
    """
    _require_positive(units)
    return _put_back(grant, units)


def _put_back(grant: Grant, units: int) -> Grant:
    """The channel raised its counter by itself."""
    if grant.exposure is None:
        return grant
    back = replace(grant, exposure=grant.exposure + units)
    return want_settle(back, SettleReason.SWALLOWED_UNITS) if grant.swallows_units else back


# ------------------------------------------------------------------ settling


def settle(
    grant: Grant,
    reading: Reading,
    around: UnitsAround,
    *,
    watermark: Instant,
    limits: ChannelLimits,
) -> Grant:
    """Replace the exposure by what the reading and the order facts prove.

    The exposure before is an upper bound as well, as long as the reading does not contradict it by
    showing more than the books held when it was sent; then the lower of both bounds stands. Units
    of uncertain time, many on a busy listing, thus never raise an exposure that was right.

    Closes every open push of the listing and clears every settle reason, unless what is known of
    the time around the reading leaves the exposure perhaps too high. `free` takes the difference
    and may fall below 0.

    Raises:
        NotSettleable: the reading proves nothing (yet); the message says what is missing.
    """
    _check_settleable(grant, reading, watermark=watermark, limits=limits)
    zero_pending = grant.lowered_until >= reading.earliest(limits)
    proven = max(reading.quantity, 0) - around.sold_after + around.relisted_after
    reasons = set()
    if around.doubtful:
        reasons.add(SettleReason.DOUBTFUL_TIMES)
    if zero_pending and proven > 0:
        reasons.add(SettleReason.ABSOLUTE_PUSH)
    if reading.quantity < 0 < proven:
        # What was put back after the reading filled the counter up to 0 first.
        reasons.add(SettleReason.SWALLOWED_UNITS)
    bound = max(proven, 0)
    if not _contradicts(grant, reading, around):
        bound = min(bound, grant.exposure or 0)
    return replace(
        grant,
        exposure=bound,
        push=None,
        swallows_units=zero_pending or min(reading.quantity, proven) < 0,
        settle_reasons=frozenset(reasons),
    )


def _contradicts(grant: Grant, reading: Reading, around: UnitsAround) -> bool:
    """Whether the books before the reading cannot be relied on."""
    if grant.exposure is None or around.exposure_at_read is None:
        return True
    return max(reading.quantity, 0) > around.exposure_at_read


def _check_settleable(
    grant: Grant, reading: Reading, *, watermark: Instant, limits: ChannelLimits
) -> None:
    check_provable(grant, reading, limits=limits)
    if watermark < reading.latest(limits):
        raise NotSettleable("orders up to the read are not all counted")


def check_provable(grant: Grant, reading: Reading, *, limits: ChannelLimits) -> None:
    """Check that nothing but orders still to be counted keeps the reading from settling.

    Raises:
        NotSettleable: whatever is counted, it proves nothing; take another one.
    """
    a = reading.earliest(limits)
    if grant.attempts_open:
        raise NotSettleable("an attempt is under way")
    if grant.outstanding_until >= a:
        raise NotSettleable("an attempt may still apply, or applied after the reading")
    if grant.push_seq != reading.push_seq:
        raise NotSettleable("an attempt started after the read was sent")
    if grant.settleable_after(limits) >= a:
        raise NotSettleable("a lowering was in quarantine when the read was sent")
    if grant.lowered_until >= a and reading.quantity > 0:
        raise NotSettleable("a zero may still apply")


# ------------------------------------------------------------------ slices of live channels


def resize_slice(grant: Grant, exposure: int, *, takeable: int) -> Grant:
    """Set the protected slice of a channel that holds no number of its own.

    Raises:
        PushConflict: the channel holds a number; push it instead.
        InsufficientFree: the slice would grow by more than `takeable`.
    """
    if grant.semantics is not PushSemantics.LIVE:
        raise PushConflict(f"{grant.semantics} holds a number: open a push")
    growth = exposure - (grant.exposure or 0)
    if growth > max(takeable, 0):
        raise InsufficientFree(growth, takeable)
    return replace(grant, exposure=exposure)


def _require_positive(units: int) -> None:
    if units <= 0:
        raise InvariantViolated(f"{units} units counted; a fact moves at least one")
