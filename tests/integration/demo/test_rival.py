"""The rival is a fair one: it hears as we do, and errs only where it must."""

from __future__ import annotations

from random import Random

from channelsync.demo.catalogue import SHARES
from channelsync.demo.rival import Delays, Rival

AT_ONCE = Delays(heard=lambda _: 0.0, applies=lambda _: 0.0)
LATE = Delays(heard=lambda rng: rng.uniform(1.0, 3.0), applies=lambda _: 0.1)
LATE_TO_APPLY = Delays(heard=lambda _: 0.0, applies=lambda rng: rng.uniform(2.0, 15.0))


def rival(delays: Delays, units: int = 50) -> Rival:
    return Rival({"MUG": units}, dict.fromkeys(SHARES, delays), Random(5))


def shop_until_dry(shop: Rival, *, per_second: float, seconds: float) -> int:
    rng = Random(9)
    sold = 0
    for step in range(int(per_second * seconds)):
        channel = rng.choice(list(SHARES))
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


def test_numbers_that_apply_late_oversell_though_every_sale_is_heard_of_at_once() -> None:
    shop = rival(LATE_TO_APPLY)
    shop_until_dry(shop, per_second=20, seconds=30)
    assert shop.oversold > 0


def test_slow_shoppers_are_served_right_in_spite_of_delays() -> None:
    shop = rival(LATE)
    shop_until_dry(shop, per_second=0.1, seconds=3_000)
    assert shop.oversold == 0


def test_a_cancel_and_a_delivery_are_for_sale_again() -> None:
    shop = rival(AT_ONCE, units=2)
    assert shop.attempt("amazon", "MUG", 1.0)
    assert not shop.attempt("shopify", "MUG", 2.0)
    shop.cancel("amazon", "MUG", 3.0)
    assert shop.accepted["MUG"] == 0
    shop.restock("MUG", 8, 4.0)
    shop.advance(5.0)
    assert sum(shop.attempt("amazon", "MUG", 6.0) for _ in range(9)) == 9
    assert shop.oversold == 0
