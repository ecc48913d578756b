"""The rival is a fair one: it hears as we do, and errs only where it must."""

from __future__ import annotations

from random import Random

from channelsync.demo.rival import Delays, Rival

AT_ONCE = Delays(heard_min=0.0, heard_max=0.0, lost=0.0, poll=0.0, push=0.0)
LATE = Delays(heard_min=1.0, heard_max=3.0, lost=0.05, poll=2.0, push=0.1)


def rival(delays: Delays, units: int = 50) -> Rival:
    return Rival({"MUG": units}, delays, Random(5))


def shop_until_dry(shop: Rival, *, per_second: float, seconds: float) -> int:
    rng = Random(9)
    sold = 0
    for step in range(int(per_second * seconds)):
        channel = rng.choice(("shop-a", "shop-b", "till"))
        sold += shop.attempt(channel, "MUG", step / per_second)
    return sold


def test_without_delays_it_oversells_nothing() -> None:
    shop = rival(AT_ONCE)
    sold = shop_until_dry(shop, per_second=10, seconds=60)
    assert shop.oversold == 0
    assert sold == shop.accepted["MUG"] <= 50


def test_with_delays_a_rush_oversells() -> None:
    shop = rival(LATE)
    shop_until_dry(shop, per_second=20, seconds=30)
    assert shop.oversold > 0
    assert shop.oversold == shop.accepted["MUG"] - 50


def test_slow_shoppers_are_served_right_in_spite_of_delays() -> None:
    shop = rival(LATE)
    shop_until_dry(shop, per_second=0.1, seconds=3_000)
    assert shop.oversold == 0


def test_a_cancel_and_a_delivery_are_for_sale_again() -> None:
    shop = rival(AT_ONCE, units=2)
    assert shop.attempt("shop-a", "MUG", 1.0)
    assert not shop.attempt("shop-b", "MUG", 2.0)
    shop.cancel("shop-a", "MUG", 3.0)
    assert shop.accepted["MUG"] == 0
    shop.restock("MUG", 8, 4.0)
    shop.advance(5.0)
    assert sum(shop.attempt("shop-a", "MUG", 6.0) for _ in range(9)) == 9
    assert shop.oversold == 0
