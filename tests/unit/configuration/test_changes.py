"""Reload: what differs between two configurations."""

from __future__ import annotations

import pytest

from channelsync.configuration.changes import ChannelChange, compare
from tests.unit.configuration.samples import DESIGN, ENVIRONMENT, SECRET, SMALL, loaded


def test_a_file_does_not_differ_from_itself() -> None:
    assert compare(loaded(DESIGN), loaded(DESIGN)).is_empty
    assert compare(loaded(DESIGN), loaded(DESIGN)).lines() == ()


def test_layout_comments_and_the_order_of_keys_change_neither_content_nor_fingerprint() -> None:
    other = SMALL.replace("locations:\n  soho: {}\n", "") + "# a comment\nlocations: {soho: {}}\n"
    assert loaded(other).fingerprint == loaded(SMALL).fingerprint
    assert compare(loaded(SMALL), loaded(other)).is_empty


def test_a_default_written_out_leaves_the_fingerprint_alone() -> None:
    written = SMALL + "    mode: live\nholds: {default_ttl: 15m}\ntimezone: UTC\n"
    assert loaded(written).fingerprint == loaded(SMALL).fingerprint


def test_the_fingerprint_changes_with_the_content_and_not_with_a_secret() -> None:
    changed = loaded(SMALL + "    mode: paused\n")
    rotated = loaded(SMALL, environment={**ENVIRONMENT, "SHOPIFY_TOKEN": "another"})
    assert changed.fingerprint != loaded(SMALL).fingerprint
    assert rotated.fingerprint == loaded(SMALL).fingerprint
    assert len(rotated.fingerprint) == 64


def test_a_secret_that_changed_behind_its_reference_reopens_the_channel() -> None:
    rotated = loaded(SMALL, environment={**ENVIRONMENT, "SHOPIFY_TOKEN": "another"})
    diff = compare(loaded(SMALL), rotated)
    assert diff.channels_changed == (
        ChannelChange(channel="shop", keys=("settings.access_token",)),
    )
    assert diff.channels_changed[0].reopens
    assert SECRET not in repr(diff)
    assert "another" not in repr(diff)
    assert diff.lines() == ("channel changed: shop (settings.access_token)",)


@pytest.mark.parametrize(
    ("added", "line"),
    [
        ("    mode: shadow\n", "channel changed: shop (mode)"),
        ("    quarantine_seconds: 3600\n", "channel changed: shop (quarantine_seconds)"),
        ("    poll_interval_seconds: 30\n", "channel changed: shop (poll_interval_seconds)"),
        ("allocation: {safety_stock: 3}\n", "allocation changed"),
        ("allocation: {quotas: {shop: 40%}}\n", "allocation changed"),
        ("holds: {default_ttl: 20m}\n", "holds changed"),
        ("listings: {shop: {A: {recipe: {B: 2}}}}\n", "listings changed: shop"),
    ],
)
def test_each_change_is_told_alone(added: str, line: str) -> None:
    diff = compare(loaded(SMALL), loaded(SMALL + added))
    assert diff.lines() == (line,)
    assert not any(change.reopens for change in diff.channels_changed)


def test_channels_that_came_and_went_are_told_apart_from_those_that_stay() -> None:
    other = SMALL.replace("  shop:\n", "  store:\n")
    diff = compare(loaded(SMALL), loaded(other))
    assert (diff.channels_added, diff.channels_removed) == (("store",), ("shop",))
    assert diff.channels_changed == ()
    assert diff.pools_changed == ("main",)


def test_locations_and_pools_are_compared() -> None:
    other = SMALL.replace("soho: {}", "soho: {name: SoHo shop}\n  ny-dc: {}")
    diff = compare(loaded(SMALL), loaded(other))
    assert (diff.locations_added, diff.locations_changed) == (("ny-dc",), ("soho",))
    back = compare(loaded(other), loaded(SMALL))
    assert back.locations_removed == ("ny-dc",)
    assert "pool changed: main" in back.lines()


def test_another_connector_under_the_same_name_reopens_the_channel() -> None:
    other = SMALL[: SMALL.index("    connector")] + (
        "    connector: square\n"
        "    settings: {access_token: '${SQUARE_TOKEN}', webhook_key: '${SQUARE_WEBHOOK_KEY}',"
        " location_id: L1}\n"
    )
    (change,) = compare(loaded(SMALL), loaded(other)).channels_changed
    assert {"connector", "settings"} <= set(change.keys)
    assert change.reopens
