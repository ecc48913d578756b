"""The one open push of a listing: charged, sent in copies, answered, closed.

States of the one open push of a listing:

    open --attempts--> applied (raise)                       -> closed, the charge stays
                       applied (cut)  -> quarantine -> read  -> released, closed
                       every copy refused                    -> uncharged, closed
                       unknown, accepted, key too old        -> closed by a settle only
                       overtaken by a zero (absolute set)    -> closed, its charge stays
"""

from __future__ import annotations

from msgspec.structs import replace

from channelsync.domain.errors import InsufficientFree, NotSettleable, PushConflict
from channelsync.domain.grant import (
    ChannelLimits,
    Grant,
    Outcome,
    Push,
    Reading,
    SettleReason,
    uncharge,
    want_settle,
)
from channelsync.domain.vocabulary import Instant, PushKind, PushSemantics

__all__ = [
    "finish_attempt",
    "give_up",
    "is_lowering",
    "may_be_overtaken",
    "may_retry",
    "open_push",
    "release_cut",
    "start_attempt",
    "withdraw",
]


def is_lowering(kind: PushKind) -> bool:
    """Whether a push of this kind can only take units away."""
    return kind in {PushKind.CUT, PushKind.ZERO}


def open_push(grant: Grant, push: Push, *, takeable: int) -> Grant:
    """Open the one push of a listing, charging what it may put on sale.

    A raise charges its distance, a set its whole value (for its first attempt), a cut and a zero
    nothing. `takeable` is what `free` allows for every component, in listing units, read in the
    same transaction.

    A zero overtakes an absolute set of which copies have left: the set closes, sends no more of
    them, and stays charged in full until a settle, for it may still apply before or after the zero.

    Raises:
        PushConflict: another push is open, or this kind of push does not fit the channel.
        InsufficientFree: the charge exceeds `takeable`.
    """
    if _overtakes(grant, push):
        grant = want_settle(replace(grant, push=None), SettleReason.ABSOLUTE_PUSH)
    _check_fits(grant, push)
    charge = 0 if is_lowering(push.kind) else push.units
    if charge > max(takeable, 0):
        raise InsufficientFree(charge, takeable)
    exposure = grant.exposure
    if exposure is not None:
        exposure += charge
    return replace(grant, push=replace(push, charged=charge), exposure=exposure)


def may_be_overtaken(push: Push | None) -> bool:
    """Whether a zero may go out beside what is known of this push: a set that is under way."""
    return push is not None and push.kind is PushKind.SET and push.copies > 0


def _overtakes(grant: Grant, push: Push) -> bool:
    return push.kind is PushKind.ZERO and may_be_overtaken(grant.push)


def _check_fits(grant: Grant, push: Push) -> None:
    kind, semantics = push.kind, grant.semantics
    if grant.push is not None:
        raise PushConflict(f"push {grant.push.push_id} is not closed")
    if push.copies or push.closed_to_retry or push.release_after is not None:
        raise PushConflict(f"push {push.push_id} was open before: every push is a new one")
    if semantics is PushSemantics.LIVE:
        raise PushConflict("a live channel holds no number: resize its slice")
    if grant.exposure is None and not is_lowering(kind):
        raise PushConflict("a listing that was never settled may only be lowered")
    absolute = semantics is PushSemantics.ABSOLUTE
    if absolute != (kind in {PushKind.SET, PushKind.ZERO}):
        raise PushConflict(f"{kind} does not fit {semantics}")
    if (push.units == 0) != (kind is PushKind.ZERO) or push.units < 0:
        raise PushConflict(f"{kind} by {push.units} units")
    needs_compare = semantics is PushSemantics.KEYED_COMPARE_AND_SET and kind is PushKind.CUT
    if needs_compare and push.compare is None:
        raise PushConflict("a cut by compare-and-set names the value that it replaces")


def may_retry(grant: Grant, *, now: Instant, takeable: int) -> bool:
    """Whether another copy of the open push may leave now."""
    push = grant.push
    if push is None or push.closed_to_retry or push.release_after is not None:
        return False
    if push.kind is PushKind.SET and push.copies > 0:
        return push.units <= max(takeable, 0)
    return grant.semantics is PushSemantics.ABSOLUTE or now < push.retry_until


def start_attempt(grant: Grant, *, now: Instant, takeable: int) -> Grant:
    """Account for one more copy, committed before its bytes leave.

    Keyed copies share one key, hence one charge. Every attempt of an absolute set is charged.

    Raises:
        PushConflict: there is no open push, or its key is too old.
        InsufficientFree: a further absolute attempt finds too little in `free`.
    """
    push = grant.push
    if push is None or push.closed_to_retry or push.release_after is not None:
        raise PushConflict("no push is open to be sent")
    if grant.semantics is not PushSemantics.ABSOLUTE and now >= push.retry_until:
        raise PushConflict(f"the key of push {push.push_id} is too old to be sent again")
    exposure, charged = grant.exposure, push.charged
    if push.kind is PushKind.SET and push.copies > 0:
        if push.units > max(takeable, 0):
            raise InsufficientFree(push.units, takeable)
        charged += push.units
        exposure = None if exposure is None else exposure + push.units
    nonzero = push.kind is not PushKind.ZERO
    return replace(
        grant,
        exposure=exposure,
        push=replace(push, copies=push.copies + 1, charged=charged),
        push_seq=grant.push_seq + nonzero,
        attempts_open=grant.attempts_open + 1,
    )


def finish_attempt(
    grant: Grant, push: Push, outcome: Outcome, *, now: Instant, limits: ChannelLimits
) -> Grant:
    """Take the end of one attempt of `push` into the books.

    `push` is the push that the attempt belonged to as it was when the attempt left; when a settle
    has closed it meanwhile, its end only updates what is outstanding.
    """
    grant = _end_attempt(grant, push, outcome, now, limits)
    current = grant.push
    if current is None or current.push_id != push.push_id:
        return grant
    match outcome:
        case Outcome.APPLIED:
            return _applied(grant, current, now, limits)
        case Outcome.REFUSED:
            return _refused(grant, current)
        case Outcome.UNSENT:
            return _unsent(grant, current)
        case Outcome.ACCEPTED | Outcome.UNKNOWN:
            return _undecided(grant, current, outcome, now)


def _end_attempt(
    grant: Grant, push: Push, outcome: Outcome, now: Instant, limits: ChannelLimits
) -> Grant:
    """What an ended attempt leaves behind, whatever became of its push."""
    may_apply_later = outcome in {Outcome.ACCEPTED, Outcome.UNKNOWN}
    applies_by = now + limits.apply_limit_seconds if may_apply_later else now
    # A set may be smaller than what it replaces, so it too can leave old checkouts behind.
    may_lower = push.kind is not PushKind.RAISE
    proven_absent = outcome in {Outcome.REFUSED, Outcome.UNSENT}
    if may_lower and not proven_absent:
        lowered = max(grant.lowered_until, applies_by + limits.quarantine_seconds)
        grant = replace(grant, lowered_until=lowered)
    outstanding = grant.outstanding_until
    if push.kind is not PushKind.ZERO and not proven_absent:
        # One that is proven to have applied was outstanding until now: a read that lags may
        # show what was before it.
        outstanding = max(outstanding, applies_by)
    return replace(grant, attempts_open=grant.attempts_open - 1, outstanding_until=outstanding)


def _applied(grant: Grant, push: Push, now: Instant, limits: ChannelLimits) -> Grant:
    if grant.semantics is PushSemantics.ABSOLUTE:
        done = replace(grant, push=replace(push, closed_to_retry=True))
        return want_settle(done, SettleReason.ABSOLUTE_PUSH)
    if push.kind is PushKind.RAISE:
        done = replace(grant, push=None)
        return want_settle(done, SettleReason.SWALLOWED_UNITS) if grant.swallows_units else done
    # A read that lags shows what was before it was sent.
    release_after = now + limits.quarantine_seconds + limits.read_lag_seconds
    return replace(grant, push=replace(push, release_after=release_after))


def _unsent(grant: Grant, push: Push) -> Grant:
    """No byte of this copy left, so it never was one: the push waits as it did before."""
    if push.kind is PushKind.SET and push.copies > 1:
        grant = uncharge(grant, push.units)
        push = replace(push, charged=push.charged - push.units)
    return replace(grant, push=replace(push, copies=push.copies - 1))


def _refused(grant: Grant, push: Push) -> Grant:
    """A negative answer of one copy; it proves something only when every copy has one."""
    push = replace(push, refused=push.refused + 1)
    if grant.semantics is PushSemantics.ABSOLUTE and push.kind is PushKind.SET:
        closed = replace(grant, push=replace(push, closed_to_retry=True))
        return want_settle(closed, SettleReason.ABSOLUTE_PUSH)
    if push.refused == push.copies:
        return replace(uncharge(grant, push.charged), push=None)
    # A refusal beside an unanswered copy proves nothing, and the key is of no further use.
    doubtful = replace(grant, push=replace(push, closed_to_retry=True))
    return want_settle(doubtful, SettleReason.UNKNOWN_PUSH)


def _undecided(grant: Grant, push: Push, outcome: Outcome, now: Instant) -> Grant:
    if grant.semantics is PushSemantics.ABSOLUTE:
        accepted = outcome is Outcome.ACCEPTED
        push = replace(push, closed_to_retry=push.closed_to_retry or accepted)
        return want_settle(replace(grant, push=push), SettleReason.ABSOLUTE_PUSH)
    if now >= push.retry_until:
        push = replace(push, closed_to_retry=True)
        return want_settle(replace(grant, push=push), SettleReason.UNKNOWN_PUSH)
    return grant


def give_up(grant: Grant) -> Grant:
    """Send no further copy of the open push; what it charged stays until a settle closes it."""
    if grant.push is None:
        return grant
    if grant.push.copies == 0:
        return withdraw(grant)
    if grant.push.release_after is not None:
        return grant
    push = replace(grant.push, closed_to_retry=True)
    return want_settle(replace(grant, push=push), SettleReason.UNKNOWN_PUSH)


def withdraw(grant: Grant) -> Grant:
    """Take back a push of which no copy ever left.

    Raises:
        PushConflict: a copy left already.
    """
    push = grant.push
    if push is None or push.copies:
        raise PushConflict("only a push that was never sent can be withdrawn")
    return replace(uncharge(grant, push.charged), push=None)


def release_cut(grant: Grant, reading: Reading) -> Grant:
    """Give the units of a proven cut back to `free`, once nobody can buy them any more.

    The read must have been sent after the quarantine. A counter below 0 shows that old checkouts
    sold past the cut: then only a settle may decide.

    Raises:
        NotSettleable: there is no proven cut, or the read was sent too early.
    """
    push = grant.push
    if push is None or push.release_after is None:
        raise NotSettleable("no proven cut waits for its release")
    if reading.sent_at < push.release_after:
        raise NotSettleable("the read was sent inside the quarantine")
    if reading.quantity < 0:
        return want_settle(grant, SettleReason.NEGATIVE_COUNTER)
    return replace(uncharge(grant, push.units), push=None)
