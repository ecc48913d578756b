"""ATP, and what of it may still be taken: the arithmetic by example."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from channelsync.domain.books import Claim, ItemBooks, takeable_units
from channelsync.domain.errors import InsufficientFree, InvariantViolated
from channelsync.domain.routing import Candidate, route
from channelsync.domain.stock import StockLevel, pool_stock


def test_the_specifications_example() -> None:
    level = StockLevel(on_hand=100, reserved=15, safety_stock=5, on_order=50)
    assert (level.atp, level.future_atp) == (80, 130)


@pytest.mark.parametrize(
    ("on_hand", "reserved", "safety_stock", "atp"),
    [
        (10, 0, 0, 10),
        (10, 12, 0, -2),
        (3, 0, 5, 0),  # safety stock protects only what is there
        (3, 2, 5, -2),
        (0, 0, 5, 0),
        (-4, 0, 5, -4),  # a till sold what the books did not have
    ],
)
def test_atp_of_one_location(on_hand: int, reserved: int, safety_stock: int, atp: int) -> None:
    level = StockLevel(on_hand=on_hand, reserved=reserved, safety_stock=safety_stock)
    assert level.atp == atp


def test_a_negative_location_counts_against_its_pool() -> None:
    assert pool_stock([StockLevel(on_hand=5), StockLevel(on_hand=-2)]).atp == 3


def test_the_pools_safety_stock_applies_once_and_gives_way_to_the_locations_own() -> None:
    two = [StockLevel(on_hand=10), StockLevel(on_hand=10)]
    assert pool_stock(two, default_safety_stock=3).atp == 17
    own = [StockLevel(on_hand=10, safety_stock=1), StockLevel(on_hand=10)]
    pool = pool_stock(own, default_safety_stock=3)
    assert (pool.atp, pool.safety_stock) == (19, 1)


@pytest.mark.parametrize("wrong", [{"reserved": -1}, {"safety_stock": -1}, {"on_order": -1}])
def test_stock_that_cannot_be_is_refused(wrong: dict[str, int]) -> None:
    with pytest.raises(InvariantViolated):
        StockLevel(**wrong)


def claim(name: str, exposure: int | None, units: int = 1) -> Claim:
    return Claim(listing_id=name, units=units, exposure=exposure)


def test_free_is_what_no_listing_may_sell() -> None:
    books = ItemBooks(atp=80, claims=(claim("amazon", 40), claim("pack of 3", 8, units=3)))
    assert (books.exposure, books.free, books.takeable, books.deficit) == (64, 16, 16, 0)
    books.require(16)
    with pytest.raises(InsufficientFree):
        books.require(17)


def test_in_a_deficit_nothing_may_be_taken() -> None:
    books = ItemBooks(atp=5, claims=(claim("amazon", 7),))
    assert (books.free, books.takeable, books.deficit) == (-2, 0, 2)


def test_a_listing_that_was_never_settled_counts_as_all() -> None:
    books = ItemBooks(atp=80, claims=(claim("amazon", 10), claim("new", None)))
    assert (books.takeable, books.unsettled) == (0, ("new",))


def test_the_scarcest_component_decides_how_many_bundles_there_are() -> None:
    recipe = {1: 2, 2: 1}
    assert takeable_units(recipe, [(1, 9), (2, 3), (3, 0)]) == 3
    assert takeable_units(recipe, [(1, 3), (2, 30)]) == 1
    with pytest.raises(InvariantViolated, match="no books for items"):
        takeable_units(recipe, [(1, 3)])


def place(number: int, available: int, *, preferred: bool = False) -> Candidate:
    return Candidate(location_id=number, available=available, priority=number, preferred=preferred)


@pytest.mark.parametrize(
    ("units", "places", "plan"),
    [
        (3, [place(1, 5), place(2, 9)], {1: 3}),
        (7, [place(1, 5), place(2, 9)], {2: 7}),  # one parcel rather than two
        (12, [place(1, 5), place(2, 9)], {2: 9, 1: 3}),
        (20, [place(1, 5), place(2, 9)], {2: 9, 1: 11}),  # a sale is a fact
        (4, [place(1, 9), place(2, 0, preferred=True)], {2: 4}),
        (2, [place(1, -3)], {1: 2}),
    ],
)
def test_an_order_goes_to_few_places_by_priority(
    units: int, places: list[Candidate], plan: dict[int, int]
) -> None:
    assert route(units, places) == plan


@given(
    units=st.integers(1, 50),
    available=st.lists(st.integers(-5, 30), min_size=1, max_size=5),
    preferred=st.booleans(),
)
def test_every_unit_is_served_exactly_once(
    units: int, available: list[int], *, preferred: bool
) -> None:
    places = [
        place(index, count, preferred=preferred and index == 0)
        for index, count in enumerate(available)
    ]
    plan = route(units, places)
    assert sum(plan.values()) == units
    assert all(count > 0 for count in plan.values())


def test_a_pool_without_locations_serves_nobody() -> None:
    with pytest.raises(InvariantViolated):
        route(1, [])
