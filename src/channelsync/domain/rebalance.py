"""Which listings to push, given what they hold, what they should hold and what is free.

The cheapest push is the one not sent: a channel that sold its own units has already counted them
down. So a listing is pushed only to be topped up, to give units to one that needs them more, or
because its units must come back (deficit, withdrawal). Zeros come first, then cuts, then raises;
one push of a listing at a time; and what is decided depends on the state alone, so that a lost or
doubled wake-up changes nothing.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from math import ceil, inf

from channelsync.domain.intents import (
    Cut,
    Drain,
    Intent,
    ItemState,
    ListingState,
    Plan,
    Raise,
    Resize,
    Set,
    Zero,
)
from channelsync.domain.vocabulary import Instant, PushSemantics

__all__ = ["rebalance"]

SECONDS_PER_HOUR = 3_600.0


def rebalance(state: ItemState) -> Plan:
    """What to push now for one item, and when to look again though nothing happens.

    Every intent may be opened at once and in the given order: together they take no more than
    `state.takeable`. What a cut gives back is spent by a later call.
    """
    planner = _Planner(state, state.takeable)
    planner.withdraw()
    if state.deficit:
        planner.cut_deficit()
    else:
        planner.top_up()
        planner.cut_for_the_needy()
    return planner.plan()


@dataclass(slots=True)
class _Planner:
    """One decision in the making: what is left of `takeable`, and what is wanted so far."""

    state: ItemState
    available: int
    lowerings: list[Intent] = field(default_factory=list)
    raises: list[Intent] = field(default_factory=list)
    decided: set[str] = field(default_factory=set)
    short: dict[str, int] = field(default_factory=dict)
    """Listing -> item units that it needs and `free` does not have."""
    look_again_at: Instant = inf

    def plan(self) -> Plan:
        """Zeros and drains first, then cuts, then raises."""
        order = sorted(self.lowerings, key=lambda intent: isinstance(intent, Cut))
        again = None if self.look_again_at == inf else self.look_again_at
        return Plan(intents=(*order, *self.raises), look_again_at=again)

    # -------------------------------------------------------------- what must come back

    def withdraw(self) -> None:
        """Take everything back from listings that may not sell, needed elsewhere or not."""
        for listing in self.state.listings:
            if listing.withdraw and not listing.push_open and listing.exposure != 0:
                self._lower(listing, listing.exposure, "withdrawn")

    def cut_deficit(self) -> None:
        """Lower what was promised to what there is: slices and keyed channels before zeros.

        An absolute listing can only be zeroed, so one missing unit may cost it everything: it goes
        last, and only for what the others do not cover.
        """
        missing = self.state.deficit - self._returning() - self._lowered()
        donors = [one for one in self.state.listings if one.movable and one.exposure]
        donors = [one for one in donors if one.listing_id not in self.decided]
        for listing in sorted(donors, key=_deficit_order):
            if missing <= 0:
                return
            exposure = listing.exposure or 0
            wanted = min(ceil(missing / listing.units), _cuttable(listing))
            if wanted <= 0:
                continue
            self._lower(listing, wanted, "deficit")
            absolute = listing.semantics is PushSemantics.ABSOLUTE
            missing -= (exposure if absolute else wanted) * listing.units

    # -------------------------------------------------------------- topping up

    def top_up(self) -> None:
        """Raise from `free`: a drain's closing set first, then the emptiest, then by rank."""
        needy = [one for one in self.state.listings if self._needs(one)]
        for listing in sorted(needy, key=_need_order):
            missing = listing.target - (listing.exposure or 0)
            again = listing.last_push_at + self.state.policy.min_gap_seconds
            if again > self.state.now:
                self.look_again_at = min(self.look_again_at, again)
                continue
            given = self._give(listing, missing)
            if given < missing and self._below_water(listing, (listing.exposure or 0) + given):
                self.short[listing.listing_id] = (missing - given) * listing.units

    def _needs(self, listing: ListingState) -> bool:
        if listing.listing_id in self.decided or not listing.movable:
            return False
        return self._below_water(listing, listing.exposure or 0)

    def _below_water(self, listing: ListingState, exposure: int) -> bool:
        low = listing.target * self.state.policy.low_water
        expected = listing.rate_per_hour * listing.lead_seconds / SECONDS_PER_HOUR
        return exposure < listing.target and (exposure == 0 or exposure < max(low, expected))

    def _give(self, listing: ListingState, missing: int) -> int:
        """Raise by up to `missing`; returns the listing units that it will gain."""
        exposure = listing.exposure or 0
        room = self.available // listing.units
        if listing.takeable_elsewhere is not None:
            room = min(room, listing.takeable_elsewhere)
        if listing.semantics is not PushSemantics.ABSOLUTE:
            units = min(missing, room)
            if units > 0:
                self._take(listing, units)
                live = listing.semantics is PushSemantics.LIVE
                identity, reason = listing.listing_id, "below its target"
                self.raises.append(
                    Resize(identity, exposure + units, reason)
                    if live
                    else Raise(identity, units, reason)
                )
            return units
        return self._set(listing, min(listing.target, room))

    def _set(self, listing: ListingState, quantity: int) -> int:
        """An absolute set is charged in full; it gains only what it shows above the old number."""
        exposure = listing.exposure or 0
        shown = exposure if listing.remote_quantity is None else listing.remote_quantity
        if quantity > max(shown, 0):
            self._take(listing, quantity)
            self.raises.append(Set(listing.listing_id, quantity, "below its target"))
            return quantity - exposure
        return 0

    def _take(self, listing: ListingState, units: int) -> None:
        self.available -= units * listing.units
        self.decided.add(listing.listing_id)

    # -------------------------------------------------------------- moving units

    def cut_for_the_needy(self) -> None:
        """Cut listings above their target, as far as others need units that `free` lacks."""
        wanted = sum(self.short.values()) - self._returning() - self._lowered()
        fastest = max(
            (one.rate_per_hour for one in self.state.listings if one.listing_id in self.short),
            default=0.0,
        )
        donors = [one for one in self.state.listings if self._above_target(one)]
        for listing in sorted(donors, key=_donor_order):
            if wanted <= 0:
                return
            spare = min((listing.exposure or 0) - listing.target, _cuttable(listing))
            units = min(spare, ceil(wanted / listing.units))
            if units > 0 and self._may_give(listing, fastest):
                self._lower(listing, units, "units needed elsewhere")
                wanted -= units * listing.units

    def _above_target(self, listing: ListingState) -> bool:
        if listing.listing_id in self.decided or not listing.movable:
            return False
        return (listing.exposure or 0) > listing.target and listing.drain_target is None

    def _may_give(self, listing: ListingState, fastest: float) -> bool:
        """Whether a donor may be cut now: the gap, and for last units dwell and rates."""
        policy, now = self.state.policy, self.state.now
        again = listing.last_push_at + policy.min_gap_seconds
        if (listing.exposure or 0) <= policy.last_units:
            if fastest <= 0 or fastest < policy.rate_ratio * listing.rate_per_hour:
                return False
            quiet_since = max(self.state.last_sale_at, listing.last_push_at)
            again = max(again, quiet_since + policy.dwell_seconds)
        if again > now:
            self.look_again_at = min(self.look_again_at, again)
            return False
        off_sale = listing.apply_seconds + listing.settle_seconds
        lost = listing.rate_per_hour * off_sale / SECONDS_PER_HOUR
        absolute = listing.semantics is PushSemantics.ABSOLUTE
        return not absolute or (listing.exposure or 0) - listing.target > min(lost, listing.target)

    # -------------------------------------------------------------- lowering

    def _lower(self, listing: ListingState, units: int | None, reason: str) -> None:
        """Lower a listing by `units`; an absolute one goes to zero, and back if it has a target."""
        identity, exposure = listing.listing_id, listing.exposure
        match listing.semantics:
            case PushSemantics.ABSOLUTE:
                back = listing.target if reason != "withdrawn" else 0
                zero = Zero(identity, reason)
                self.lowerings.append(Drain(identity, back, reason) if back else zero)
            case PushSemantics.LIVE:
                self.lowerings.append(Resize(identity, (exposure or 0) - (units or 0), reason))
            case _ if exposure is None:
                return
            case _:
                distance = min(units or 0, _cuttable(listing))
                if distance <= 0:
                    return
                self.lowerings.append(Cut(identity, distance, reason))
        self.decided.add(identity)

    def _lowered(self) -> int:
        """Item units that the lowerings decided in this call will give back."""
        by_id = {one.listing_id: one for one in self.state.listings}
        total = 0
        for intent in self.lowerings:
            listing = by_id[intent.listing_id]
            exposure = listing.exposure or 0
            match intent:
                case Cut():
                    units = intent.units
                case Resize():
                    units = exposure - intent.exposure
                case _:
                    units = exposure
            total += units * listing.units
        return total

    def _returning(self) -> int:
        return sum(one.returning * one.units for one in self.state.listings)


def _cuttable(listing: ListingState) -> int:
    """A keyed cut goes no further than what the channel is believed to show."""
    exposure = listing.exposure or 0
    shown = listing.remote_quantity
    keyed = listing.semantics in {PushSemantics.KEYED_COMPARE_AND_SET, PushSemantics.KEYED_DELTA}
    return min(exposure, max(shown, 0)) if keyed and shown is not None else exposure


def _deficit_order(listing: ListingState) -> tuple[bool, bool, int, str]:
    """Slices cost no push, cuts lose nothing, zeros cost everything; the fullest first."""
    semantics = listing.semantics
    above = ((listing.exposure or 0) - listing.target) * listing.units
    absolute = semantics is PushSemantics.ABSOLUTE
    return absolute, semantics is not PushSemantics.LIVE, -above, listing.listing_id


def _need_order(listing: ListingState) -> tuple[bool, bool, int, str]:
    empty = listing.exposure == 0
    return listing.drain_target is None, not empty, listing.rank, listing.listing_id


def _donor_order(listing: ListingState) -> tuple[bool, int, str]:
    absolute = listing.semantics is PushSemantics.ABSOLUTE
    return absolute, listing.target - (listing.exposure or 0), listing.listing_id
