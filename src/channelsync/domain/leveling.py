"""Keep listings near their targets: top up what runs low, from `free` first, then from others."""

from __future__ import annotations

from math import ceil

from channelsync.domain.draft import Draft, is_absolute
from channelsync.domain.intents import ListingState

__all__ = ["below_water", "level"]

SECONDS_PER_HOUR = 3_600.0


def level(draft: Draft) -> None:
    """Raise listings below their low water towards their targets; cut others only for them."""
    short = _top_up(draft)
    if short:
        _cut_for(draft, short)
        _drain_to_raise(draft, short)


def below_water(draft: Draft, listing: ListingState, exposure: int) -> bool:
    """Whether a listing that holds `exposure` should be topped up.

    Empty, below its low water, or likely to run out before a push of it could show.
    """
    low = listing.target * draft.state.policy.low_water
    until_shown = listing.rate_per_hour * listing.lead_seconds / SECONDS_PER_HOUR
    return exposure < listing.target and (exposure == 0 or exposure < max(low, until_shown))


def _top_up(draft: Draft) -> dict[str, int]:
    """Raise from `free`; returns the listing units that are missing still, by listing."""
    short: dict[str, int] = {}
    needy = [
        one
        for one in draft.state.listings
        if one.movable and below_water(draft, one, one.exposure or 0)
    ]
    for listing in sorted(needy, key=_need_order):
        if not draft.open_to(listing):
            continue
        exposure = listing.exposure or 0
        given = _give(draft, listing)
        if below_water(draft, listing, exposure + given):
            short[listing.listing_id] = listing.target - exposure - given
    return short


def _give(draft: Draft, listing: ListingState) -> int:
    """Raise towards the target as far as `free` goes; returns the listing units gained."""
    exposure, room = listing.exposure or 0, draft.room(listing)
    reason = f"holds {exposure} of its target {listing.target}"
    if not is_absolute(listing):
        units = min(listing.target - exposure, room)
        if units > 0:
            draft.raise_by(listing, units, reason)
        return max(units, 0)
    # A set is charged in full and gains only what it shows above the old number.
    quantity = min(listing.target, room)
    shown = exposure if listing.remote_quantity is None else max(listing.remote_quantity, 0)
    if quantity <= shown:
        return 0
    draft.set_to(listing, quantity, reason)
    return quantity - exposure


def _cut_for(draft: Draft, short: dict[str, int]) -> None:
    """Cut listings above their target, as far as others need units that `free` lacks."""
    listings = {one.listing_id: one for one in draft.state.listings}
    wanted = sum(units * listings[one].units for one, units in short.items()) - draft.on_its_way()
    fastest = max(listings[one].rate_per_hour for one in short)
    donors = [one for one in listings.values() if (one.exposure or 0) > one.target]
    for listing in sorted(donors, key=_donor_order):
        if wanted <= 0:
            return
        units = min(
            (listing.exposure or 0) - listing.target,
            draft.cuttable(listing),
            ceil(wanted / listing.units),
        )
        if units > 0 and _may_give(draft, listing, fastest):
            draft.lower(listing, units, "units needed elsewhere", back=listing.target)
            given = (listing.exposure or 0) - listing.target if is_absolute(listing) else units
            wanted -= given * listing.units


def _may_give(draft: Draft, listing: ListingState, fastest: float) -> bool:
    if listing.drain_target is not None or not draft.open_to(listing):
        return False
    surplus = (listing.exposure or 0) - listing.target
    if is_absolute(listing) and listing.target and surplus <= _lost_off_sale(listing):
        return False
    return draft.may_give_last_units(listing, fastest)


def _drain_to_raise(draft: Draft, short: dict[str, int]) -> None:
    """An absolute listing that holds as much as `free` can only be topped up from zero.

    ATP 100, target 50, it shows 20, free 20: `set 20` gains nothing, `set 40` after a drain 20.
    """
    if draft.on_its_way():
        return
    for listing in draft.state.listings:
        if listing.listing_id not in short or not is_absolute(listing):
            continue
        gain = min(listing.target - (listing.exposure or 0), draft.room(listing))
        if gain > _lost_off_sale(listing) and draft.open_to(listing):
            back = (listing.exposure or 0) + gain
            draft.lower(listing, 0, "a set alone would gain nothing", back=back)
            return


def _lost_off_sale(listing: ListingState) -> float:
    """Units that a drain costs: what the listing would have sold between zero and set."""
    seconds = listing.apply_seconds + listing.settle_seconds
    return listing.rate_per_hour * seconds / SECONDS_PER_HOUR


def _need_order(listing: ListingState) -> tuple[bool, bool, int, str]:
    """The set that ends a drain first, then the empty ones, then by rank."""
    return (
        listing.drain_target is None,
        listing.exposure != 0,
        listing.rank,
        listing.listing_id,
    )


def _donor_order(listing: ListingState) -> tuple[bool, int, str]:
    surplus = ((listing.exposure or 0) - listing.target) * listing.units
    return is_absolute(listing), -surplus, listing.listing_id
