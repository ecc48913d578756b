"""Which pushes are opened, and which never are."""

from __future__ import annotations

from typing import Any

import pytest
from msgspec.structs import replace

from channelsync.domain.errors import InvariantViolated
from channelsync.domain.intents import (
    Cut,
    Drain,
    ItemState,
    ListingState,
    Policy,
    Raise,
    Resize,
    Set,
    Zero,
)
from channelsync.domain.rebalance import rebalance
from channelsync.domain.vocabulary import PushSemantics

NOW = 1_000_000.0
AMAZON = ListingState(
    listing_id="amazon",
    channel="amazon",
    semantics=PushSemantics.ABSOLUTE,
    exposure=40,
    target=40,
    settle_seconds=30.0,
)
SHOPIFY = ListingState(
    listing_id="shopify",
    channel="shopify",
    semantics=PushSemantics.KEYED_COMPARE_AND_SET,
    exposure=24,
    target=24,
    settle_seconds=1.0,
)
TILL = ListingState(
    listing_id="till",
    channel="till",
    semantics=PushSemantics.LIVE,
    exposure=16,
    target=16,
)


def item(
    *listings: ListingState, free: int = 0, takeable: int | None = None, **more: Any
) -> ItemState:
    return ItemState(
        now=NOW,
        free=free,
        takeable=max(free, 0) if takeable is None else takeable,
        listings=listings,
        policy=more.pop("policy", Policy()),
        **more,
    )


def planned(state: ItemState) -> list[object]:
    return [replace(intent, reason="") for intent in rebalance(state).intents]


def test_listings_at_their_targets_are_left_alone() -> None:
    assert rebalance(item(AMAZON, SHOPIFY, TILL)).intents == ()


def test_a_channel_that_sold_its_own_units_is_not_pushed() -> None:
    sold = replace(SHOPIFY, exposure=14, target=20)
    assert planned(item(replace(AMAZON, target=36), sold, replace(TILL, target=14))) == []


def test_below_low_water_a_listing_is_raised_to_its_target_from_free() -> None:
    low = replace(SHOPIFY, exposure=11)
    assert planned(item(AMAZON, low, free=20)) == [Raise("shopify", 13, "")]
    assert planned(item(AMAZON, low, free=5)) == [Raise("shopify", 5, "")]


def test_a_live_channel_gets_a_wider_slice_instead_of_a_push() -> None:
    assert planned(item(replace(TILL, exposure=2), free=6)) == [Resize("till", 8, "")]


def test_an_absolute_listing_is_set_only_when_free_covers_the_whole_number_and_gains() -> None:
    low = replace(AMAZON, exposure=10)
    assert planned(item(low, free=25)) == [Set("amazon", 25, "")]
    assert planned(item(low, free=60)) == [Set("amazon", 40, "")]
    shown = replace(low, remote_quantity=3)
    assert planned(item(shown, free=8)) == [Set("amazon", 8, "")]


def test_an_absolute_listing_that_holds_as_much_as_free_is_drained_and_set_again() -> None:
    stuck = replace(AMAZON, exposure=18)
    assert planned(item(stuck, free=18)) == [Drain("amazon", 36, "")]
    draining = replace(stuck, push_open=True, returning=18, drain_target=36)
    assert planned(item(draining, free=18)) == []
    drained = replace(AMAZON, exposure=0, drain_target=36)
    thirsty = replace(SHOPIFY, exposure=0, rank=-1)
    assert planned(item(thirsty, drained, free=36)) == [
        Set("amazon", 36, ""),
    ]


def test_a_drain_that_costs_more_sales_than_it_gains_is_not_begun() -> None:
    hot = replace(AMAZON, exposure=18, rate_per_hour=7_200.0)
    assert planned(item(hot, free=18)) == []


def test_others_are_cut_only_as_far_as_a_listing_in_need_lacks_units() -> None:
    full = replace(SHOPIFY, exposure=60, target=24)
    assert planned(item(full, AMAZON)) == []
    empty = replace(TILL, exposure=0, target=10)
    assert planned(item(full, empty, free=2)) == [Cut("shopify", 8, ""), Resize("till", 2, "")]


def test_units_already_on_their_way_are_not_cut_for_again() -> None:
    cutting = replace(SHOPIFY, exposure=60, target=24, push_open=True, returning=10)
    other = replace(SHOPIFY, listing_id="second", exposure=60, target=24)
    empty = replace(TILL, exposure=0, target=10)
    assert planned(item(cutting, other, empty)) == []


def test_an_absolute_donor_goes_to_zero_and_back_to_its_target() -> None:
    full = replace(AMAZON, exposure=60, target=40)
    empty = replace(SHOPIFY, exposure=0)
    assert planned(item(full, empty)) == [Drain("amazon", 40, "")]
    nothing_back = replace(full, target=0)
    assert planned(item(nothing_back, empty)) == [Zero("amazon", "")]


def test_zeros_come_before_cuts_and_cuts_before_raises() -> None:
    state = item(
        replace(SHOPIFY, exposure=3, target=20),
        replace(SHOPIFY, listing_id="second", exposure=30, target=0),
        replace(AMAZON, target=0, withdraw=True),
        replace(SHOPIFY, listing_id="third", target=0, exposure=5, withdraw=True),
        free=5,
    )
    kinds = [type(intent) for intent in rebalance(state).intents]
    assert kinds == [Zero, Cut, Raise]


def test_a_withdrawn_listing_is_cut_although_nobody_needs_its_units() -> None:
    away: dict[str, Any] = {"target": 0, "withdraw": True}
    state = item(replace(AMAZON, **away), replace(SHOPIFY, **away), replace(TILL, **away))
    assert planned(state) == [
        Zero("amazon", ""),
        Resize("till", 0, ""),
        Cut("shopify", 24, ""),
    ]
    assert planned(item(replace(AMAZON, exposure=None, **away))) == [Zero("amazon", "")]


def test_in_a_deficit_slices_and_keyed_channels_are_cut_before_anything_is_zeroed() -> None:
    assert planned(item(AMAZON, SHOPIFY, TILL, free=-20)) == [
        Resize("till", 0, ""),
        Cut("shopify", 4, ""),
    ]
    assert planned(item(AMAZON, SHOPIFY, free=-30)) == [
        Drain("amazon", 40, ""),
        Cut("shopify", 24, ""),
    ]


def test_a_deficit_that_is_being_cut_is_not_cut_twice() -> None:
    cutting = replace(SHOPIFY, push_open=True, returning=5)
    assert planned(item(AMAZON, cutting, free=-5)) == []


def test_a_deficit_raises_nothing() -> None:
    empty = replace(SHOPIFY, exposure=0)
    assert planned(item(replace(AMAZON, push_open=True), empty, free=-1)) == []


def test_while_a_listing_is_unsettled_nothing_is_taken_from_free() -> None:
    unsettled = replace(AMAZON, exposure=None)
    empty = replace(SHOPIFY, exposure=0)
    for policy in (Policy(), Policy(hold_back=True)):
        state = item(unsettled, empty, free=50, takeable=0, policy=policy)
        assert planned(state) == []


@pytest.mark.parametrize("busy", [{"push_open": True}, {"settling": True}])
def test_a_listing_with_an_open_push_or_an_inexact_number_is_left_alone(
    busy: dict[str, Any],
) -> None:
    assert planned(item(replace(SHOPIFY, exposure=0, **busy), free=50)) == []


def test_between_two_pushes_of_a_listing_lies_a_gap() -> None:
    low = replace(SHOPIFY, exposure=0, last_push_at=NOW - 20)
    plan = rebalance(item(low, free=50, policy=Policy(min_gap_seconds=60)))
    assert plan.intents == ()
    assert plan.look_again_at == NOW + 40


def test_a_bundle_is_raised_as_far_as_its_scarcest_component_goes() -> None:
    bundle = replace(SHOPIFY, exposure=0, units=3)
    assert planned(item(bundle, free=50)) == [Raise("shopify", 16, "")]
    assert planned(item(replace(bundle, takeable_elsewhere=5), free=50)) == [
        Raise("shopify", 5, "")
    ]


def test_the_common_pool_is_drawn_in_rank_order_but_empty_listings_go_first() -> None:
    first = replace(SHOPIFY, listing_id="first", exposure=5, target=20, rank=1)
    second = replace(SHOPIFY, listing_id="second", exposure=5, target=20, rank=2)
    empty = replace(SHOPIFY, listing_id="empty", exposure=0, target=6, rank=3)
    assert planned(item(second, first, empty, free=25)) == [
        Raise("empty", 6, ""),
        Raise("first", 15, ""),
        Raise("second", 4, ""),
    ]


LAST = replace(TILL, semantics=PushSemantics.KEYED_DELTA, exposure=1, target=0, settle_seconds=10.0)


@pytest.mark.parametrize("hold_back", [False, True])
def test_last_units_move_after_a_dwell_and_only_to_a_clearly_faster_listing(
    *, hold_back: bool
) -> None:
    policy = Policy(hold_back=hold_back)
    slow = replace(LAST, rate_per_hour=1.0, last_sale_at=NOW - 90.0)
    fast = replace(SHOPIFY, exposure=0, target=1, rate_per_hour=4.0)
    known: dict[str, Any] = {"policy": policy, "last_sale_at": NOW - 90.0}
    assert planned(item(slow, fast, **known)) == [Cut("till", 1, "")]
    fresh = replace(slow, last_sale_at=NOW - 89.0)
    plan = rebalance(item(fresh, fast, **known))
    assert (plan.intents, plan.look_again_at) == ((), NOW + 1.0)
    hardly_faster = replace(fast, rate_per_hour=1.4)
    assert planned(item(slow, hardly_faster, **known)) == []


def test_a_keyed_cut_goes_no_further_than_what_the_channel_shows() -> None:
    full = replace(SHOPIFY, exposure=60, target=10, remote_quantity=4)
    empty = replace(TILL, exposure=0, target=30)
    assert planned(item(full, empty)) == [Cut("shopify", 4, "")]


def test_states_that_cannot_be_are_refused() -> None:
    with pytest.raises(InvariantViolated):
        replace(SHOPIFY, units=0)
    with pytest.raises(InvariantViolated):
        replace(SHOPIFY, withdraw=True)
    with pytest.raises(InvariantViolated):
        Policy(rate_ratio=0.5)
