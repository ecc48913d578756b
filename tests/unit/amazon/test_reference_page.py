"""The page about Amazon says what the connector does."""

from __future__ import annotations

import re
from typing import Any

from channelsync.configuration.document import read_document
from channelsync_amazon.answers import ROLES
from channelsync_amazon.connector import MANIFEST
from channelsync_amazon.feeds import FEED_MAX
from channelsync_amazon.settings import AmazonSettings
from channelsync_amazon.subscriptions import WANTED
from tests.support.checkout import ROOT

PAGE = (ROOT / "docs" / "reference" / "connectors" / "amazon.md").read_text(encoding="utf-8")


def example() -> dict[str, Any]:
    text = PAGE.split("```yaml channels\n", 1)[1].split("```", 1)[0]
    channel: dict[str, Any] = read_document(text.encode(), name="page").plain()["channels"][
        "amazon-eu"
    ]
    return channel


def test_its_example_is_a_channel_that_opens() -> None:
    settings = AmazonSettings.model_validate(example()["settings"])
    assert settings.queue is not None
    assert settings.queue.arn in PAGE


def test_the_page_tells_every_default_as_it_is() -> None:
    lag = AmazonSettings.model_fields["visibility_lag_seconds"].default
    assert f"| {MANIFEST.apply_limit_seconds:g} s | `apply_limit_seconds`" in PAGE
    assert f"| {lag:g} s | `visibility_lag_seconds`" in PAGE
    assert f"at most {FEED_MAX:,} SKUs each" in PAGE


def test_every_role_and_subscription_is_named() -> None:
    for word in {*ROLES.values(), *WANTED}:
        assert word in PAGE


def test_every_setting_that_it_names_exists() -> None:
    named = set(re.findall(r"`([a-z]+(?:_[a-z0-9]+)+)(?::[^`]*)?`", PAGE))
    known = {*AmazonSettings.model_fields, "apply_limit_seconds"}
    alarms = {"apply_limit_exceeded", "order_shown_late", "push_hangs", "sole_writer"}
    metrics = {"channelsync_apply_seconds", "channelsync_order_lag_seconds"}
    assert named <= known | alarms | metrics
