"""What may stand below `settings:` of a Square channel."""

from __future__ import annotations

from typing import Any

import pytest
from pydantic import ValidationError

from channelsync_square.settings import SquareSettings


def settings(**given: Any) -> SquareSettings:
    return SquareSettings.model_validate({"access_token": "t", "location_id": "L1"} | given)


def test_the_shortest_settings_are_a_quota_in_squares_real_world() -> None:
    short = settings()
    assert (short.mode, short.origin) == ("quota", "https://connect.squareup.com")
    assert (short.two_locations, short.webhook_keys) == (False, ())


@pytest.mark.parametrize(
    ("given", "origin"),
    [
        ({"environment": "sandbox"}, "https://connect.squareupsandbox.com"),
        ({"base_url": "http://127.0.0.1:9/x/"}, "http://127.0.0.1:9/x"),
    ],
)
def test_where_calls_go(given: dict[str, str], origin: str) -> None:
    assert settings(**given).origin == origin


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"location_id": "L 1"}, "not a location id"),
        ({"location_id": ""}, "not a location id"),
        ({"square_version": "2026"}, "not a version"),
        ({"square_version": "2026-13-01"}, "not a version"),
        ({"base_url": "ftp://x"}, "not a base address"),
        ({"base_url": "https://user:pw@x"}, "not a base address"),
        ({"base_url": "https://x/?q=1"}, "has a query"),
        ({"base_url": "https://x:port"}, "not an address"),
        ({"mode": "mirror"}, "set `location`"),
        ({"mode": "both"}, "quota"),
        ({"taken_off_as": "NONE"}, "SOLD"),
        ({"visibility_lag_seconds": -1}, "greater than or equal"),
        ({"shop": "x"}, "Extra inputs"),
    ],
)
def test_wrong_settings_say_what_is_wanted(given: dict[str, Any], words: str) -> None:
    with pytest.raises(ValidationError, match=words):
        settings(**given)


@pytest.mark.parametrize(
    ("version", "two"), [("2025-08-20", False), ("2026-07-14", False), ("2026-07-15", True)]
)
def test_the_version_decides_on_the_shape_of_an_adjustment(version: str, *, two: bool) -> None:
    assert settings(square_version=version).two_locations is two


def test_the_newer_key_comes_first_and_no_secret_shows() -> None:
    both = settings(webhook_key="new-key", webhook_key_old="old-key")
    assert both.webhook_keys == (b"new-key", b"old-key")
    assert "new-key" not in repr(both)
