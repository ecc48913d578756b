"""Once shopping stops the pushes end, and no unit lies where nobody can buy it.

Random listings and stock, pushes that end in any order, and no shopper: the plan must come to rest,
within takeable at every step, and what it leaves must be right.
"""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from channelsync.domain.draft import Draft
from channelsync.domain.intents import ListingState, Policy
from channelsync.domain.leveling import below_water
from channelsync.domain.vocabulary import PushSemantics
from tests.unit.domain_allocation.shelf import Shelf

START = 1_000_000.0


@st.composite
def shelves(draw: st.DrawFn) -> Shelf:
    count = draw(st.integers(2, 4))
    names = [f"l{index}" for index in range(count)]
    # Rates a factor of 1.6 apart: the last units have a clearly faster place to go to, or none.
    rates = {name: 8.0 * 1.6**rank for rank, name in enumerate(draw(st.permutations(names)))}
    held = {name: draw(st.integers(0, 30)) for name in names}
    atp = sum(held.values()) + draw(st.integers(0, 40))
    listings = {
        name: ListingState(
            listing_id=name,
            channel=name,
            semantics=draw(st.sampled_from(PushSemantics)),
            exposure=held[name],
            target=0,
            rate_per_hour=rates[name],
            rank=index,
            lead_seconds=draw(st.sampled_from([2.0, 30.0, 150.0])),
            settle_seconds=draw(st.sampled_from([0.5, 30.0])),
        )
        for index, name in enumerate(names)
    }
    policy = Policy(
        hold_back=draw(st.booleans()),
        min_gap_seconds=draw(st.sampled_from([0.0, 60.0])),
        low_water=draw(st.sampled_from([0.25, 0.5, 0.9])),
    )
    return Shelf(START, atp, listings, policy, last_sale_at=START)


@settings(deadline=None, max_examples=300)
@given(shelf=shelves(), data=st.data())
def test_without_shoppers_the_pushes_come_to_rest_and_nothing_lies_idle(
    shelf: Shelf, data: st.DataObject
) -> None:
    shelf.run_to_rest(lambda open_pushes: data.draw(st.integers(0, open_pushes - 1)))
    state = shelf.state()
    draft = Draft(state, state.takeable)
    low = [one for one in state.listings if below_water(draft, one, one.exposure or 0)]
    for listing in low:
        exposure = listing.exposure or 0
        if listing.semantics is not PushSemantics.ABSOLUTE:
            assert state.free == 0, "a quick listing is low while units are free"
        else:
            # A set gains nothing, and a drain would cost more sales than the units it adds.
            hours = (listing.lead_seconds + listing.settle_seconds) / 3_600
            lost = listing.rate_per_hour * hours
            assert state.free <= exposure
            assert min(state.free, listing.target - exposure) <= lost
    if any(not one.exposure and one.target for one in low):
        donors = [
            one
            for one in state.listings
            if (one.exposure or 0) > one.target + 2 and one.semantics is not PushSemantics.ABSOLUTE
        ]
        assert not donors, "a listing is empty while another holds units beyond its target"


@settings(deadline=None, max_examples=300)
@given(shelf=shelves(), data=st.data())
def test_a_deficit_is_cut_away_without_a_single_raise(shelf: Shelf, data: st.DataObject) -> None:
    exposed = sum(one.exposure or 0 for one in shelf.listings.values())
    shelf.atp = data.draw(st.integers(0, max(exposed - 1, 0)))
    while shelf.state().deficit:
        before = sum(one.exposure or 0 for one in shelf.listings.values())
        shelf.run_to_rest(lambda open_pushes: open_pushes - 1)
        after = sum(one.exposure or 0 for one in shelf.listings.values())
        assert after < before
    assert shelf.state().free >= 0
