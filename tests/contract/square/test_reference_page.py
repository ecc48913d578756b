"""What the reference page of the connector says is what the connector does."""

from __future__ import annotations

import re
from typing import Any

import pytest
from ruamel.yaml import YAML

from channelsync_square.answers import CODES
from channelsync_square.connector import MANIFEST
from channelsync_square.feed import VISIBILITY_LAG_SECONDS
from channelsync_square.settings import Mode, SquareSettings
from channelsync_square.simulator import SCOPES
from channelsync_square.webhooks import EVENT_TYPES
from tests.support.checkout import ROOT

PAGE = (ROOT / "docs/reference/connectors/square.md").read_text(encoding="utf-8")


def test_its_example_is_a_channel_that_opens() -> None:
    [example] = re.findall(r"```yaml channels\n(.*?)```", PAGE, re.DOTALL)
    given: Any = YAML(typ="safe").load(example)
    channel = given["channels"]["soho-till"]
    assert channel["connector"] == MANIFEST.name
    settings = SquareSettings.model_validate(channel["settings"])
    assert settings.location in given["locations"]


@pytest.mark.parametrize("name", [*EVENT_TYPES, *sorted(SCOPES), *Mode, "webhook_key_old"])
def test_every_event_right_and_mode_is_named(name: str) -> None:
    assert f"`{name}`" in PAGE


def test_its_settings_are_settings_and_its_codes_are_codes() -> None:
    named = set(re.findall(r"`([a-z]+_[a-z_]+)`", PAGE))
    elsewhere = {
        *("stockable_conversion", "transaction_id", "reference_id"),
        *("poll_interval_seconds", "quarantine_seconds"),
    }
    assert named - elsewhere <= set(SquareSettings.model_fields)
    assert {code for code in re.findall(r"`([A-Z]+_[A-Z]+)`", PAGE) if code in CODES} == {
        "NOT_FOUND",
        "INVALID_CURSOR",
    }


def test_its_figures_are_those_of_the_manifest() -> None:
    assert MANIFEST.batch_size == 100
    assert f"`poll_interval_seconds` ({MANIFEST.poll_interval_seconds:.0f})" in PAGE
    assert f"{VISIBILITY_LAG_SECONDS:.0f} s are allowed for" in PAGE
    assert f"{MANIFEST.requests_per_second:.0f} a second" in PAGE
    assert f"after {MANIFEST.quarantine_seconds / 60:.0f} minutes (`quarantine_seconds`)" in PAGE
    assert MANIFEST.key_life_seconds * 0.8 < 19.3 * 3_600
