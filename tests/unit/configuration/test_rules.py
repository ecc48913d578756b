"""Pools, rules and listings as the rest of the program reads them."""

from __future__ import annotations

import pytest

from channelsync.configuration.values import basis_points, percent_text
from channelsync.domain.allocation_rules import WHOLE, Strategy
from tests.unit.configuration.samples import SMALL, loaded, refused

TILL = (
    "  {name}: {{connector: square, settings: {{access_token: '${{SQUARE_TOKEN}}',"
    " webhook_key: '${{SQUARE_WEBHOOK_KEY}}', location_id: L1}}}}\n"
)


def shops(*names: str) -> str:
    locations = "".join(f"  at-{name}: {{}}\n" for name in names)
    channels = "".join(TILL.format(name=name) for name in names)
    return f"version: 1\nlocations:\n{locations}channels:\n{channels}"


POOLS = """\
pools:
  east: {locations: [at-a, at-b], channels: [a, b]}
  west: {locations: [at-c], channels: [c]}
"""


def test_without_pools_there_is_one_of_everything() -> None:
    configuration = loaded(shops("a", "b"))
    assert configuration.pools["main"].channels == ("a", "b")
    assert configuration.pools["main"].locations == ("at-a", "at-b")
    assert configuration.locations["at-a"].name == "at-a"


def test_without_quotas_the_shares_are_equal_and_whole() -> None:
    (default,) = loaded(shops("a", "b", "c")).rules_for("main")
    assert default.quotas == {"a": 3_334, "b": 3_333, "c": 3_333}
    assert sum(default.quotas.values()) == WHOLE


def test_each_pool_has_its_own_hundred_percent() -> None:
    text = shops("a", "b", "c") + POOLS + "allocation: {quotas: {a: 70%, b: 30%, c: 100%}}\n"
    configuration = loaded(text)
    assert configuration.rules_for("east")[0].quotas == {"a": 7_000, "b": 3_000}
    assert configuration.rules_for("west")[0].quotas == {"c": 10_000}
    assert configuration.channels["c"].pool == "west"
    assert configuration.locations["at-b"].pool == "east"


def test_quotas_above_a_pools_hundred_percent_name_the_pool() -> None:
    text = shops("a", "b", "c") + POOLS + "allocation: {quotas: {a: 70%, b: 31%, c: 100%}}\n"
    assert "the quotas add up to 101% in pool east; 100% is all there is" in refused(text).text()


def test_a_rule_for_channels_of_another_pool_does_not_reach_this_one() -> None:
    rules = "allocation: {rules: [{name: west, channels: [c], low_water: 9%}]}\n"
    configuration = loaded(shops("a", "b", "c") + POOLS + rules)
    assert [rule.name for rule in configuration.rules_for("west")] == ["west", "default"]
    assert [rule.name for rule in configuration.rules_for("east")] == ["default"]


def test_an_unknown_pool_is_refused() -> None:
    with pytest.raises(KeyError):
        loaded(shops("a")).rules_for("north")


def test_every_strategy_reaches_its_rule() -> None:
    text = shops("a", "b") + (
        "allocation:\n"
        "  strategy: demand\n"
        "  margins: {a: 2.5}\n"
        "  demand: {half_life: 12h, prior_units: 5}\n"
        "  limits: {a: {cap: 9}, b: {multiple: 6}}\n"
        "  rules:\n"
        "    - {name: fixed, skus: [F], strategy: fixed, fixed: {a: 7}, priority: [b, a]}\n"
        "    - {name: first, tags: [new], strategy: priority, priority: [b, a],\n"
        "       limits: {a: {cap: 1}}, low_water: 12.5%}\n"
    )
    fixed, first, default = loaded(text).rules_for("main")
    assert (fixed.strategy, fixed.fixed, fixed.priority) == (Strategy.FIXED, {"a": 7}, ("b", "a"))
    assert (first.strategy, first.tags) == (Strategy.PRIORITY, ("new",))
    assert first.low_water_basis_points == 1_250
    assert (first.limits_of("a").cap, first.limits_of("b").multiple) == (1, 6)
    assert (default.strategy, default.margins) == (Strategy.DEMAND, {"a": 2.5})
    assert (default.demand_half_life_seconds, default.demand_prior_units) == (43_200, 5)


def test_windows_are_in_the_files_time_zone_unless_they_say_otherwise() -> None:
    text = shops("a") + (
        "timezone: America/New_York\n"
        "allocation:\n"
        "  rules:\n"
        "    - {name: local, window: {from: 2026-11-27T00:00:00}}\n"
        "    - {name: offset, window: {to: 2026-11-27T00:00:00+01:00}}\n"
    )
    local, offset, _ = loaded(text).rules_for("main")
    assert (local.window_from, local.window_to) == (1_795_755_600, None)
    assert (offset.window_from, offset.window_to) == (None, 1_795_734_000)


def test_listings_mapped_by_hand_are_found_by_channel() -> None:
    text = SMALL + "listings: {shop: {MUG-2PK: {recipe: {MUG: 2}}, SET: {recipe: {A: 1, B: 3}}}}\n"
    configuration = loaded(text)
    assert configuration.recipes_for("shop") == {"MUG-2PK": {"MUG": 2}, "SET": {"A": 1, "B": 3}}
    assert configuration.recipes_for("other") == {}


def test_a_merchant_may_lengthen_times_but_not_shorten_the_quarantine() -> None:
    times = ("quarantine_seconds: 3600", "poll_interval_seconds: 30", "quiet_limit_seconds: 600")
    shop = loaded(SMALL + "".join(f"    {line}\n" for line in times)).channels["shop"]
    assert (shop.quarantine_seconds, shop.poll_interval_seconds, shop.quiet_limit_seconds) == (
        3_600,
        30,
        600,
    )
    said = refused(SMALL + "    quarantine_seconds: 1799\n").text()
    assert "Shopify needs at least 1800; it may be longer, not shorter" in said


def test_a_merchant_may_wait_longer_for_what_was_sent_but_not_shorter() -> None:
    assert loaded(SMALL).channels["shop"].apply_limit_seconds == 60
    longer = loaded(SMALL + "    apply_limit_seconds: 7200\n")
    assert longer.channels["shop"].apply_limit_seconds == 7_200
    said = refused(SMALL + "    apply_limit_seconds: 59\n").text()
    assert "Shopify needs at least 60; it may be longer, not shorter" in said


def test_one_mistake_does_not_hide_another() -> None:
    text = SMALL.replace("soho: {}", "soho: {nme: x}") + (
        "    mode: lve\n"
        "allocation: {quotas: {shop: 101%, nobody: 1%}, guarantee: bounded}\n"
        "listings: {nobody: {}}\n"
    )
    paths = [problem["path"] for problem in refused(text).as_json()]
    assert paths == [
        "locations.soho.nme",
        "channels.shop.mode",
        "allocation.quotas.shop",
        "allocation.quotas.nobody",
        "allocation.guarantee",
        "listings.nobody",
    ]


@pytest.mark.parametrize(
    ("written", "points"),
    [("0%", 0), ("50%", 5_000), ("33.33%", 3_333), ("2.5 %", 250), ("100%", WHOLE)],
)
def test_percentages_are_exact(written: str, points: int) -> None:
    assert basis_points(written) == points
    assert basis_points(percent_text(points)) == points


@pytest.mark.parametrize(
    "written", ["", "%", "-1%", "1,5%", "100.01%", "1e2%", "٣%", "50", 50, True, None]
)
def test_anything_else_is_no_percentage(written: object) -> None:
    with pytest.raises(ValueError, match=r"percent|100%"):
        basis_points(written)
