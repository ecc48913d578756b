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

from dataclasses import replace
from math import inf

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
    "count_cancel",
    "count_relisted_return",
    "count_sale",
    "finish_attempt",
    "give_up",
    "is_lowering",
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
    if grant.below_zero:
        # Some of these units only filled the hole below 0.
        back = want_settle(back, SettleReason.NEGATIVE_COUNTER)
    if grant.semantics is PushSemantics.ABSOLUTE and grant.lowered_until > -inf:
        # A zero that is still on its way may take them off sale again.
        back = want_settle(back, SettleReason.ABSOLUTE_PUSH)
    return back


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
    return replace(
        grant,
        exposure=max(proven, 0),
        push=None,
        lowered_until=grant.lowered_until if zero_pending else -inf,
        below_zero=min(reading.quantity, proven) < 0,
        settle_reasons=frozenset(reasons),
    )


def _check_settleable(
    grant: Grant, reading: Reading, *, watermark: Instant, limits: ChannelLimits
) -> None:
    a, b = reading.earliest(limits), reading.latest(limits)
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
    if watermark < b:
        raise NotSettleable("orders up to the read are not all counted")


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
