"""The file of the design, and what comes of it."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from channelsync.configuration.configuration import Configuration
from channelsync.domain.allocation_rules import Guarantee, Strategy, match_rule
from tests.unit.configuration.samples import DESIGN, AmazonSettings, loaded


@pytest.fixture
def configuration() -> Configuration:
    return loaded(DESIGN)


def instant(text: str) -> float:
    return datetime.fromisoformat(text).replace(tzinfo=UTC).timestamp()


def test_locations_pools_and_channels_are_as_written(configuration: Configuration) -> None:
    assert configuration.locations["ny-dc"].name == "New York DC"
    assert configuration.pools["main"].locations == ("ny-dc", "soho")
    assert configuration.pools["main"].channels == ("amazon-us", "shopify-us", "soho-till")
    assert {one.pool for one in configuration.channels.values()} == {"main"}
    assert {one.mode for one in configuration.channels.values()} == {"live"}


def test_settings_are_the_connectors_own(configuration: Configuration) -> None:
    settings = configuration.channels["amazon-us"].settings
    assert isinstance(settings, AmazonSettings)
    assert settings.marketplace_ids == ("ATVPDKIKX0DER",)
    assert settings.client_secret.get_secret_value() == "amzn1.oa2-cs.v1.secret"


def test_times_are_the_connectors_where_the_file_is_silent(configuration: Configuration) -> None:
    shopify = configuration.channels["shopify-us"]
    assert shopify.quarantine_seconds == 1_800
    assert (shopify.poll_interval_seconds, shopify.quiet_limit_seconds) == (60, 900)


def test_the_default_rule_is_the_allocation_itself(configuration: Configuration) -> None:
    *_, default = configuration.rules_for("main")
    assert default.name == "default"
    assert default.quotas == {"amazon-us": 5_000, "shopify-us": 3_000, "soho-till": 2_000}
    assert default.strategy is Strategy.QUOTA
    assert default.guarantee is Guarantee.STRICT
    assert default.safety_stock == 5
    assert default.low_water == 0.5
    assert configuration.safety_stock_for("main") == 5


def test_a_rule_inherits_what_it_does_not_say(configuration: Configuration) -> None:
    black_friday, _ = configuration.rules_for("main")
    assert black_friday.skus == ("IPHONE-*",)
    assert black_friday.quotas == {"shopify-us": 8_000, "amazon-us": 2_000}
    assert black_friday.safety_stock == 5
    assert black_friday.low_water_basis_points == 5_000
    limits = black_friday.limits_of("amazon-us")
    assert (limits.cap, limits.floor, limits.buffer, limits.stop_sell_at) == (40, 0, 1, 2)
    assert black_friday.window_from == instant("2026-11-27T00:00:00")
    assert black_friday.window_to == instant("2026-11-30T23:59:59")


@pytest.mark.parametrize(
    ("sku", "when", "name"),
    [
        ("IPHONE-15", "2026-11-28T12:00:00", "black friday"),
        ("IPHONE-15", "2026-12-01T00:00:00", "default"),
        ("MUG", "2026-11-28T12:00:00", "default"),
    ],
)
def test_the_right_rule_matches(
    configuration: Configuration, sku: str, when: str, name: str
) -> None:
    rule = match_rule(configuration.rules_for("main"), sku, (), instant(when))
    assert rule is not None
    assert rule.name == name


def test_holds_last_a_quarter_of_an_hour_unless_told_otherwise(
    configuration: Configuration,
) -> None:
    assert configuration.hold_ttl_seconds == 900
    assert loaded(DESIGN + "holds: {default_ttl: 2h}\n").hold_ttl_seconds == 7_200
