"""Grant a selling listing what it will surely sell soon, and weigh every slow push.

A unit on a listing serves that channel's buyers only; a unit in `free` serves whoever comes first,
after one push. Channels that apply a push within seconds ("quick": keyed and live) therefore get a
little less than their share, and more when they run low; what is late ("slow": absolute sets) is
pushed when the refusals that it is expected to save are worth a push. All that is free is drawn on
in order of need: no part of it is kept for a slow channel that could not be reached in time.

Figures that no theory gives (the constants below) were found by simulation; see
docs/explanation/allocation.md for the measurements. Quantities are item units unless said
otherwise, speeds are item units a second.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from math import ceil, floor, inf, sqrt

from channelsync.domain.draft import Draft, is_absolute
from channelsync.domain.intents import ListingState
from channelsync.domain.refusals import APPLY_SPREAD, expected_refusals

__all__ = ["pace"]

SECONDS_PER_HOUR = 3_600.0

RAISE_BELOW_DEVIATIONS = 3.6
"""A quick listing is raised when it holds less than it will sell until the raise shows, plus this
many standard deviations of what it sells within its whole lead."""
HOLD_BACK_DEVIATIONS = 0.5
"""A raise stops this many square roots short of the listing's share."""
TOP_UP_DEVIATIONS = 0.5
"""But it goes at least this many square roots above the level at which it would come again."""
ROUND_UP_ABOVE = 0.6
"""A share of 1.6 units and less counts as 1."""
SLOW_SHARE = 0.98
"""A slow listing is set to this part of its share: a rest is sold faster elsewhere."""
SET_SAVES = 0.3
"""Refusals that a set must save to be worth its push."""
DRAIN_SAVES = 0.9
"""The same for a zero, a settle and, perhaps, a set."""
MOVE_GAINS = 1.3
"""A unit moves between quick listings when the one is over, and the other under its share by
more than this together: more than 1, so that moving it back can never seem right."""
LEAD_VARIANCE = 3.0
"""Sales elsewhere until a set shows are this many times as uncertain as Poisson sales at a known
rate and delay: the rate is an estimate."""


def pace(draft: Draft) -> None:
    """Push what is worth a push, given the speed of every listing."""
    state = draft.state
    listings = [one for one in state.listings if not one.withdraw and one.exposure is not None]
    speeds = {one.listing_id: one.rate_per_hour * one.units / SECONDS_PER_HOUR for one in listings}
    if state.takeable < max(state.free, 0):
        return  # a listing of the item is unsettled: nothing may be taken, so nothing is weighed
    whole = sum(speeds.values())
    if whole <= 0:
        return
    pacer = _Pacer(draft, listings, speeds, whole)
    slow = [one for one in listings if is_absolute(one)]
    for listing in sorted(slow, key=lambda one: one.drain_target is None):
        pacer.weigh_set(listing)
    pacer.raise_quick()
    pacer.move_units()
    for listing in slow:
        pacer.weigh_drain(listing)


@dataclass(slots=True)
class _Pacer:
    draft: Draft
    listings: list[ListingState]
    speeds: dict[str, float]
    whole: float
    held: dict[str, float] = field(init=False)
    """What each listing is expected to have on sale: its exposure less sales not yet heard of."""
    kept: int = 0
    """Of `available`, units that wait for a slow listing's set."""
    missing: int = 0
    """Units that those in need lack, beyond `available`."""
    slow_lacks: int = 0
    """The part of `missing` for slow listings."""
    under: float = -inf
    """How far the neediest quick listing is under its share."""
    taker_rate: float = 0.0
    """The fastest listing in need."""

    def __post_init__(self) -> None:
        self.held = {one.listing_id: self._holds(one) for one in self.listings}
        for one in self.listings:
            if one.drain_target is not None:
                # What its zero gives back covers a part of its set; the rest waits in `free`.
                self._keep(max(one.drain_target - one.returning, 0) * one.units)

    def _holds(self, listing: ListingState) -> float:
        exposure = listing.exposure or 0
        unheard = self.speeds[listing.listing_id] * listing.feed_seconds
        on_sale = max(exposure * listing.units - unheard, 0.0)
        if not is_absolute(listing) or not listing.push_open:
            return on_sale
        if listing.drain_target is not None:
            return float(listing.drain_target * listing.units)
        return min(on_sale, max(exposure - listing.returning, 0) * listing.units)

    def _keep(self, units: int) -> None:
        self.kept = min(self.kept + units, max(self.draft.available, 0))

    @property
    def _open_units(self) -> int:
        return max(self.draft.available - self.kept, 0)

    # -------------------------------------------------------------- slow listings

    def weigh_set(self, listing: ListingState) -> None:
        """Set a slow listing if that is expected to save more refusals than it is worth."""
        identity = listing.listing_id
        share = self.speeds[identity] / self.whole
        if not 0 < share < 1 or not self.draft.open_to(listing):
            return
        here, elsewhere = self.held[identity], self._elsewhere(identity)
        room = min(self.draft.room(listing), self._open_units // listing.units)
        if listing.drain_target is not None and listing.exposure == 0:
            self.kept = max(self.kept - listing.drain_target * listing.units, 0)
            room = min(self.draft.room(listing), self._open_units // listing.units)
            units = self._elsewhere(identity)
            self._set(listing, min(room, max(round(share * units / listing.units), 1)))
            return
        speed, apply = self.speeds[identity], listing.apply_seconds
        sold = min(here, speed * apply) + (self.whole - speed) * apply
        quantity = round(SLOW_SHARE * share * (here + elsewhere - sold) / listing.units)
        runs_dry = here < 0.5 * listing.units
        if not runs_dry:
            quantity = min(quantity, room)
        # Only towards its share: time alone lowers the expected refusals, and that is no merit.
        is_under = here < share * (here + elsewhere)
        if quantity < 1 or is_under != (quantity * listing.units > here - speed * apply):
            return
        # By the time it shows, sales will have made room for it; unless nothing sells.
        sells = listing.last_sale_at > listing.last_push_at
        if is_under and quantity <= (listing.exposure or 0) and not sells:
            return
        saved = expected_refusals(here, elsewhere, share) - self._refusals_after_set(
            listing, quantity * listing.units, share
        )
        if saved <= SET_SAVES:
            return
        if quantity <= room:
            self._set(listing, quantity)
        else:
            self._ask_for(listing, quantity, room)

    def _set(self, listing: ListingState, quantity: int) -> None:
        if quantity > 0:
            self.draft.set_to(listing, quantity, "as many as it will sell of what is left")
            self.held[listing.listing_id] = float(quantity * listing.units)

    def _ask_for(self, listing: ListingState, quantity: int, room: int) -> None:
        """An empty slow listing wants units that quick ones hold beyond their share."""
        lacks = (quantity - room) * listing.units
        left = sum(self.held.values()) + self._open_units - quantity * listing.units
        if any(self._over(one, left) > 0.4 * one.units for one in self._quick()):
            self._keep(room * listing.units)
            self.missing += lacks
            self.slow_lacks += quantity * listing.units
            self.taker_rate = max(self.taker_rate, listing.rate_per_hour)
        else:
            self._set(listing, room)

    def _elsewhere(self, identity: str) -> float:
        return sum(self.held.values()) - self.held[identity] + self._open_units

    def _refusals_after_set(self, listing: ListingState, units: int, share: float) -> float:
        """Refusals to expect if the listing is set to `units` now, over the spread of delays.

        Until the set shows, its units are charged and sell nowhere; what it replaces comes back
        only when it has settled.
        """
        identity = listing.listing_id
        here, elsewhere = self.held[identity], self._elsewhere(identity)
        speed = self.speeds[identity]
        others = self.whole - speed
        total = 0.0
        for factor in APPLY_SPREAD:
            seconds = factor * listing.apply_seconds
            replaced = max(here - speed * seconds, 0.0)
            refused = max(speed * seconds - here, 0.0)
            left = elsewhere - units - others * seconds
            refused += max(-left, 0.0)
            left = max(left, 0.0)
            until_settled = others * listing.settle_seconds
            if replaced > 0:
                refused += min(max(until_settled - left, 0.0), until_settled)
            variance = LEAD_VARIANCE * others * seconds / (1 - share) ** 2
            total += refused + expected_refusals(
                units, left + replaced, share, extra_variance=variance
            )
        return total / len(APPLY_SPREAD)

    def weigh_drain(self, listing: ListingState) -> None:
        """Zero a slow listing, and set it again, if its units are needed that much elsewhere."""
        identity = listing.listing_id
        share = self.speeds[identity] / self.whole
        if self._open_units or self.kept or not listing.exposure or not 0 < share < 1:
            return
        speed, here = self.speeds[identity], self.held[identity]
        elsewhere, apply = self._elsewhere(identity), listing.apply_seconds
        others = self.whole - speed
        back = here - speed * apply
        # By a unit at least, or the set that follows would bring back what the zero took.
        is_over = here >= share * (here + elsewhere) + listing.units
        if not is_over or back < 0.9 * listing.units or not self.draft.open_to(listing):
            return
        lost = max(others * (apply + listing.settle_seconds) - elsewhere, 0.0)
        lost += speed * listing.settle_seconds
        left = back + max(elsewhere - others * (apply + listing.settle_seconds), 0.0)
        best, again = expected_refusals(0, left, share), 0
        at_set = left - others * apply
        if at_set > 0:
            quantity = round(share * at_set / listing.units)
            units = quantity * listing.units
            kept = speed * apply + expected_refusals(units, at_set - units, share)
            if kept + SET_SAVES < best:
                best, again = kept, quantity
        saved = expected_refusals(here, elsewhere, share) - lost - best
        taker = max((one.rate_per_hour for one in self._quick()), default=0.0)
        if saved > DRAIN_SAVES and self.draft.may_give_last_units(listing, taker):
            self.draft.lower(listing, 0, "its units are needed elsewhere", back=again)

    # -------------------------------------------------------------- quick listings

    def _quick(self) -> list[ListingState]:
        return [one for one in self.listings if not is_absolute(one)]

    def _share(self, listing: ListingState, units: float) -> float:
        """The listing's part of `units` that only the quick ones share."""
        among = sum(self.speeds[one.listing_id] for one in self._quick())
        return units * self.speeds[listing.listing_id] / among if among else 0.0

    def _over(self, listing: ListingState, units: float) -> float:
        return self.held[listing.listing_id] - self._share(listing, units)

    def _reachable(self) -> float:
        """Units that quick listings hold or can be given."""
        return sum(self.held[one.listing_id] for one in self._quick()) + self._open_units

    def raise_quick(self) -> None:
        """Raise the quick listings that run low, the one furthest under its share first.

        In that order a unit cut from one listing for another cannot go back where it came from.
        """
        units = self._reachable()
        quick = [one for one in self._quick() if self.speeds[one.listing_id] > 0]
        for listing in sorted(quick, key=lambda one: (self._over(one, units), one.listing_id)):
            speed, held = self.speeds[listing.listing_id], self.held[listing.listing_id]
            share = self._share(listing, units)
            low = speed * listing.apply_seconds
            low += RAISE_BELOW_DEVIATIONS * sqrt(speed * listing.lead_seconds * listing.units)
            if held > low or held >= max(share, listing.units) or not self.draft.open_to(listing):
                continue
            wanted = _raise_to(low / listing.units, share / listing.units)
            lacking = wanted - floor(held / listing.units)
            given = min(lacking, self.draft.room(listing), self._open_units // listing.units)
            if given > 0:
                self.draft.raise_by(listing, given, "runs low")
            elif lacking > 0:
                self.missing += max(1, round(wanted - held / listing.units)) * listing.units
                self.under = max(self.under, (share - held) / listing.units)
                self.taker_rate = max(self.taker_rate, listing.rate_per_hour)

    def move_units(self) -> None:
        """Cut quick listings that hold more than their share, for those in need."""
        missing = self.missing - self._returning()
        units = self._reachable()
        if self.slow_lacks:
            units = sum(self.held.values()) + max(self.draft.available, 0) - self.slow_lacks
        donors = sorted(self._quick(), key=lambda one: (-self._over(one, units), one.listing_id))
        for listing in donors:
            if missing <= 0:
                return
            over = self._over(listing, units) / listing.units
            count = min(self._movable(over), ceil(missing / listing.units))
            count = min(count, self.draft.cuttable(listing))
            if (
                count > 0
                and self.draft.open_to(listing)
                and self.draft.may_give_last_units(listing, self.taker_rate)
            ):
                self.draft.lower(listing, count, "holds more than it will sell")
                missing -= count * listing.units

    def _movable(self, over: float) -> int:
        """Listing units that a donor may give: each must leave the two better balanced."""
        if self.slow_lacks:
            return max(floor(over + ROUND_UP_ABOVE), 0)
        if over <= 0:
            return 0
        return max(ceil((over + self.under - MOVE_GAINS) / 2), 0)

    def _returning(self) -> int:
        return sum(one.returning * one.units for one in self._quick())


def _raise_to(low: float, share: float) -> int:
    """Listing units to raise to, between the level of the next raise and the share."""
    short_of_share = round(share - HOLD_BACK_DEVIATIONS * sqrt(share))
    above_low = ceil(low + TOP_UP_DEVIATIONS * sqrt(low))
    return max(min(above_low, ceil(share - ROUND_UP_ABOVE)), short_of_share, 1)
