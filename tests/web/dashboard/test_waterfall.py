"""The picture of an item: every step begins where the last one ends."""

from __future__ import annotations

from dataclasses import replace

from channelsync.engine.explain import ListingExplanation, OpenPush, PoolExplanation
from channelsync.engine.plan import StockNumbers
from channelsync.web.dashboard.waterfall import waterfall


def listing(channel: str, *, quota: float, target: int, exposure: int | None) -> ListingExplanation:
    return ListingExplanation(
        channel=channel,
        sku="MUG",
        units=1,
        mode="live",
        quota=quota,
        allocated=target,
        target=target,
        exposure=exposure,
        shown=exposure,
        shown_at=None,
        settled_at=None,
        settle_reasons=(),
        waits=None,
        next_push=None,
        open_push=None,
    )


def pool(*listings: ListingExplanation, free: int) -> PoolExplanation:
    """The example of the specification: 100 on hand, 15 reserved, 5 kept back."""
    return PoolExplanation(
        pool="main",
        stock=StockNumbers(
            on_hand=100, reserved=15, safety_stock=5, atp=80, on_order=0, future_atp=80
        ),
        exposure=80 - free,
        free=free,
        rule="default",
        strategy="quota",
        guarantee="strict",
        listings=listings,
        trace=(),
    )


NAMES = ("amazon", "shopify", "till")


def test_each_step_begins_where_the_last_one_ends() -> None:
    shares = [
        listing("amazon", quota=50.0, target=40, exposure=40),
        listing("shopify", quota=30.0, target=24, exposure=20),
        listing("till", quota=20.0, target=16, exposure=16),
    ]
    falls = waterfall(pool(*shares, free=4), NAMES)
    numbers = [(fall.label, fall.number) for fall in falls]
    assert numbers == [
        ("On hand", "100"),
        ("Reserved", "−15"),
        ("Safety stock", "−5"),
        ("ATP", "80"),
        ("amazon", "40"),
        ("shopify", "20"),
        ("till", "16"),
        ("Free", "4"),
    ]
    drawn = [fall.bars[-1] for fall in falls]
    assert [(bar.look, bar.x, bar.width) for bar in drawn] == [
        ("whole", 0.0, 100.0),
        ("reserved", 85.0, 15.0),
        ("safety", 80.0, 5.0),
        ("whole", 0.0, 80.0),
        ("c0", 0.0, 40.0),
        ("c1", 40.0, 20.0),
        ("c2", 60.0, 16.0),
        ("free", 76.0, 4.0),
    ]
    assert falls[5].note == "30 % of 80 is 24, it may sell 20, shows 20"
    assert falls[5].bars[0].look == "share"


def test_a_deficit_is_drawn_past_atp_and_named() -> None:
    over = waterfall(pool(listing("amazon", quota=100.0, target=80, exposure=90), free=-10), NAMES)
    assert (over[-1].label, over[-1].number) == ("Deficit", "−10")
    assert [(bar.look, bar.x, bar.width) for bar in over[-1].bars] == [("over", 80.0, 10.0)]


def test_a_listing_that_was_never_settled_counts_as_all() -> None:
    unknown = waterfall(
        pool(listing("amazon", quota=50.0, target=0, exposure=None), free=80), NAMES
    )
    assert unknown[4].number == "all"
    assert "never settled" in unknown[4].note


def test_a_number_below_zero_is_told_only_where_nothing_is_under_way() -> None:
    below = replace(listing("amazon", quota=50.0, target=40, exposure=0), shown=-3)
    assert "shows −3" in waterfall(pool(below, free=80), NAMES)[4].note
    push = OpenPush(
        kind="set",
        units=40,
        state="doubtful",
        copies=1,
        cause="",
        last_outcome=None,
        opened_at=0.0,
        release_at=None,
    )
    changing = waterfall(pool(replace(below, open_push=push), free=80), NAMES)[4].note
    assert changing.endswith("what it shows is being changed")
