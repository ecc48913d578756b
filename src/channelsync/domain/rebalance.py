"""Which listings to push, given what they hold, what they should hold and what is free.

The cheapest push is the one not sent: a channel that sold its own units has already counted them
down. So a listing is pushed only to be topped up, to give units to one that needs them more, or
because its units must come back (deficit, withdrawal). Zeros come first, then cuts, then raises;
one push of a listing at a time; and what is decided depends on the state alone, so that a lost or
doubled wake-up changes nothing.
"""

from __future__ import annotations

from math import ceil, inf

from channelsync.domain.draft import Draft, is_absolute
from channelsync.domain.intents import ItemState, ListingState, Plan
from channelsync.domain.leveling import below_water, level
from channelsync.domain.pacing import pace
from channelsync.domain.vocabulary import Instant, PushSemantics

__all__ = ["rebalance"]

SECONDS_PER_HOUR = 3_600.0


def rebalance(state: ItemState) -> Plan:
    """What to push now for one item, and when to look again though nothing happens.

    Every intent may be opened at once and in the given order: together they take no more than
    `state.takeable`. What a cut gives back is spent by a later call.
    """
    draft = Draft(state, state.takeable)
    _withdraw(draft)
    if state.deficit:
        _cut_deficit(draft)
        return draft.plan()
    quiet_at = _quiet_at(state)
    if quiet_at <= state.now:
        level(draft)
        return draft.plan()
    pace(draft)
    if quiet_at < inf and any(below_water(draft, one, one.exposure or 0) for one in state.listings):
        draft.due(quiet_at)
    return draft.plan()


def _quiet_at(state: ItemState) -> Instant:
    """From when on nothing is held back: shopping has stopped, or demand is not to decide."""
    if not state.policy.hold_back:
        return -inf
    rate = sum(one.rate_per_hour * one.units for one in state.listings)
    if rate <= 0:
        return -inf
    if state.last_sale_at > -inf:
        return state.last_sale_at + state.policy.quiet_sales * SECONDS_PER_HOUR / rate
    opening = not any(one.exposure for one in state.listings)
    return inf if opening else -inf


def _withdraw(draft: Draft) -> None:
    """Take everything back from listings that may not sell, needed elsewhere or not."""
    for listing in draft.state.listings:
        unbarred = not listing.push_open or listing.overtakable
        if listing.withdraw and unbarred and listing.exposure != 0:
            draft.lower(listing, listing.exposure or 0, "withdrawn")


def _cut_deficit(draft: Draft) -> None:
    """Lower what was promised to what there is: slices and keyed channels before zeros.

    An absolute listing can only be zeroed, so one missing unit may cost it everything: it goes
    last, and only for what the others do not cover.
    """
    missing = draft.state.deficit - draft.on_its_way()
    for listing in sorted(draft.state.listings, key=_deficit_order):
        if missing <= 0:
            return
        if not listing.zeroable or listing.listing_id in draft.decided:
            continue
        units = min(ceil(missing / listing.units), draft.cuttable(listing))
        if units > 0:
            back = listing.target if is_absolute(listing) else 0
            draft.lower(listing, units, "more is promised than there is", back=back)
            given = (listing.exposure or 0) if is_absolute(listing) else units
            missing -= (given - listing.returning) * listing.units


def _deficit_order(listing: ListingState) -> tuple[bool, bool, int, str]:
    """Slices cost no push, cuts lose nothing, zeros cost everything; the fullest first."""
    above = ((listing.exposure or 0) - listing.target) * listing.units
    live = listing.semantics is PushSemantics.LIVE
    return is_absolute(listing), not live, -above, listing.listing_id
