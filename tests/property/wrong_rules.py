"""The protocol with one rule bent in each class: what each rule is there for.

The names F1 to F12 and "retry", "key", "raise before cut" are those of the protocol's review.
"""

from __future__ import annotations

from collections.abc import Iterable

from msgspec.structs import replace
from typing_extensions import override

from channelsync.domain import escrow
from channelsync.domain.books import ItemBooks
from channelsync.domain.escrow import ChannelLimits, Grant, Outcome, Push, Reading, UnitsAround
from channelsync.domain.orders import LineChange, LineEvent, LineEventKind, LineState
from channelsync.domain.vocabulary import CancelEffect, Instant, PushKind
from tests.property.rules import Rules


def with_exposure(grant: Grant, exposure: int) -> Grant:
    return replace(grant, exposure=max(exposure, 0))


class RetryIsNotCharged(Rules):
    """A further copy of an absolute set costs nothing."""

    @override
    def start_attempt(self, grant: Grant, *, now: Instant, takeable: int) -> Grant:
        started = super().start_attempt(grant, now=now, takeable=1_000)
        return replace(started, exposure=grant.exposure)


class PushesCarryNoKey(Rules):
    """Compare-and-set alone: a retry may match again."""

    sends_key = False


class RaiseBeforeCut(Rules):
    """Units that a cut will free are given away when the cut is opened."""

    promised = 0

    @override
    def open_push(self, grant: Grant, push: Push, *, takeable: int) -> Grant:
        opened = super().open_push(grant, push, takeable=takeable)
        if push.kind is PushKind.CUT:
            self.promised += push.units
        return opened

    @override
    def takeable(self, books: ItemBooks) -> int:
        return super().takeable(books) + self.promised


class SmallerSetReleasesAtOnce(Rules):
    """An absolute set is taken to be in force when the channel has accepted it."""

    @override
    def finish_attempt(
        self, grant: Grant, push: Push, outcome: Outcome, *, now: Instant, limits: ChannelLimits
    ) -> Grant:
        ended = super().finish_attempt(grant, push, outcome, now=now, limits=limits)
        lowers = push.kind in {PushKind.SET, PushKind.ZERO} and ended.exposure is not None
        if lowers and outcome in {Outcome.ACCEPTED, Outcome.APPLIED}:
            return with_exposure(ended, min(ended.exposure or 0, push.units))
        return ended


class SettleSubtractsWhatWasCounted(Rules):
    """F1: units counted since the read, by our clock, whenever they were sold."""

    @override
    def around(
        self, heard: Iterable[tuple[LineEvent, Instant]], reading: Reading, limits: ChannelLimits
    ) -> UnitsAround:
        facts = [event for event, at in heard if at >= reading.sent_at]
        sold = sum(event.units for event in facts if event.kind is LineEventKind.SALE)
        back = sum(event.units for event in facts if event.kind is not LineEventKind.SALE)
        return UnitsAround(sold_after=sold, relisted_after=back)


class SettleForgetsCancels(Rules):
    """F1: sales after the read are subtracted, units put back after it are not added."""

    @override
    def around(
        self, heard: Iterable[tuple[LineEvent, Instant]], reading: Reading, limits: ChannelLimits
    ) -> UnitsAround:
        return replace(super().around(heard, reading, limits), relisted_after=0)


class SettleLooksOnlyAtNow(Rules):
    """F2: no attempt outstanding when settling, whatever was when the read was sent."""

    @override
    def settle(
        self,
        grant: Grant,
        reading: Reading,
        around: UnitsAround,
        *,
        watermark: Instant,
        limits: ChannelLimits,
    ) -> Grant:
        quiet = replace(grant, outstanding_until=min(grant.outstanding_until, 0.0))
        at_once = replace(reading, push_seq=grant.push_seq)
        return super().settle(quiet, at_once, around, watermark=watermark, limits=limits)


class SettleLooksOnlyAtTheRead(Rules):
    """F2: no attempt outstanding when the read was sent, whatever started since."""

    @override
    def settle(
        self,
        grant: Grant,
        reading: Reading,
        around: UnitsAround,
        *,
        watermark: Instant,
        limits: ChannelLimits,
    ) -> Grant:
        started = grant.push_seq - reading.push_seq
        then = replace(reading, push_seq=grant.push_seq)
        before = replace(grant, attempts_open=max(grant.attempts_open - started, 0))
        after = super().settle(before, then, around, watermark=watermark, limits=limits)
        return replace(after, attempts_open=grant.attempts_open)


class ReadsAreTakenAsFresh(Rules):
    """F2: a read-back from a lagging copy counts as true when it was sent."""

    @override
    def settle(
        self,
        grant: Grant,
        reading: Reading,
        around: UnitsAround,
        *,
        watermark: Instant,
        limits: ChannelLimits,
    ) -> Grant:
        fresh = replace(limits, read_lag_seconds=0.0, clock_skew_seconds=0.0)
        return super().settle(grant, reading, around, watermark=watermark, limits=fresh)


class AnyRefusalIsProof(Rules):
    """F3: one negative answer uncharges a raise though another copy may have applied."""

    @override
    def finish_attempt(
        self, grant: Grant, push: Push, outcome: Outcome, *, now: Instant, limits: ChannelLimits
    ) -> Grant:
        ended = super().finish_attempt(grant, push, outcome, now=now, limits=limits)
        still = ended.push
        if outcome is not Outcome.REFUSED or still is None or still.push_id != push.push_id:
            return ended
        return replace(with_exposure(ended, (ended.exposure or 0) - still.charged), push=None)


class UnansweredIsProof(Rules):
    """F3: a timeout, a 401, a 429 or a 5xx counts as a refusal."""

    @override
    def finish_attempt(
        self, grant: Grant, push: Push, outcome: Outcome, *, now: Instant, limits: ChannelLimits
    ) -> Grant:
        known = Outcome.REFUSED if outcome is Outcome.UNKNOWN else outcome
        return super().finish_attempt(grant, push, known, now=now, limits=limits)


class OldKeysAreSentAgain(Rules):
    """F4: copies leave whatever the age of their key."""

    @override
    def start_attempt(self, grant: Grant, *, now: Instant, takeable: int) -> Grant:
        push = grant.push
        if push is not None and now >= push.retry_until:
            grant = replace(grant, push=replace(push, retry_until=now + 1.0))
        return super().start_attempt(grant, now=now, takeable=takeable)


class SettleIgnoresQuarantine(Rules):
    """F5: a read proves the exposure though checkouts older than a lowering may still sell."""

    @override
    def settle(
        self,
        grant: Grant,
        reading: Reading,
        around: UnitsAround,
        *,
        watermark: Instant,
        limits: ChannelLimits,
    ) -> Grant:
        over = replace(grant, lowered_until=0.0)
        return super().settle(over, reading, around, watermark=watermark, limits=limits)


class SettleLeavesThePushOpen(Rules):
    """F5: a cut that a settle has already taken into account is released once more."""

    @override
    def settle(
        self,
        grant: Grant,
        reading: Reading,
        around: UnitsAround,
        *,
        watermark: Instant,
        limits: ChannelLimits,
    ) -> Grant:
        settled = super().settle(grant, reading, around, watermark=watermark, limits=limits)
        return replace(settled, push=grant.push)


class LostLeaseEndsTheAttempt(Rules):
    """F6: a stalled sender counts as ended; it wakes and sends."""

    lost_lease_ends_attempt = True


class CutIsReleasedEarly(Rules):
    """F7: the read that releases a cut is sent inside the quarantine."""

    @override
    def release_cut(self, grant: Grant, reading: Reading) -> Grant:
        push = grant.push
        if push is not None and push.release_after is not None:
            grant = replace(grant, push=replace(push, release_after=0.0))
        return super().release_cut(grant, reading)


class CutIsReleasedByALaggingRead(Rules):
    """F7: the read is sent after the quarantine, and shows the counter of before its end."""

    @override
    def finish_attempt(
        self, grant: Grant, push: Push, outcome: Outcome, *, now: Instant, limits: ChannelLimits
    ) -> Grant:
        ended = super().finish_attempt(grant, push, outcome, now=now, limits=limits)
        still = ended.push
        if still is None or still.release_after is None:
            return ended
        at = still.release_after - limits.read_lag_seconds
        return replace(ended, push=replace(still, release_after=at))


class CutBelowZeroIsReleased(Rules):
    """F5, L1: a counter below 0 releases a cut like any other."""

    @override
    def release_cut(self, grant: Grant, reading: Reading) -> Grant:
        shown = replace(reading, quantity=max(reading.quantity, 0))
        return super().release_cut(grant, shown)


class CancelsGoToFree(Rules):
    """F8: cancelled units are booked as back with us though the channel put them on sale."""

    @override
    def count_cancel(self, grant: Grant, units: int, effect: CancelEffect) -> Grant:
        return super().count_cancel(grant, units, CancelEffect.NOT_RELISTED)


class ExcessIsForgotten(Rules):
    """F9: a sale beyond the grant leaves `free` as it was."""

    @override
    def units_to_reserve(self, units: int, excess: int) -> int:
        return units - excess


class AdoptionFreezesNothing(Rules):
    """F10: a listing that was never settled counts as nothing."""

    @override
    def takeable(self, books: ItemBooks) -> int:
        return max(books.free, 0)


class ClientRepeatsWrites(Rules):
    """F11: one attempt may apply twice."""

    repeats_writes = True


class WatermarkPassesUncountedLines(Rules):
    """F12: a settle does not wait for a line that could not be counted."""

    watermark_skips_lines = True


class CutIsFreeAtOnce(Rules):
    """A cut is released when it is opened."""

    @override
    def open_push(self, grant: Grant, push: Push, *, takeable: int) -> Grant:
        opened = super().open_push(grant, push, takeable=takeable)
        if push.kind is PushKind.CUT:
            return with_exposure(opened, (opened.exposure or 0) - push.units)
        return opened


class UnsureCancelsAskForNothing(Rules):
    """L1: nobody looks whether the channel put the units back."""

    @override
    def count_cancel(self, grant: Grant, units: int, effect: CancelEffect) -> Grant:
        return escrow.count_cancel(grant, units, CancelEffect.RELISTED)

    @override
    def diff(
        self,
        known: LineState | None,
        now: LineState,
        *,
        settled_from: Instant | None,
        settled_to: Instant | None,
    ) -> LineChange:
        change = super().diff(known, now, settled_from=settled_from, settled_to=settled_to)
        return replace(change, settle_wanted=False)
