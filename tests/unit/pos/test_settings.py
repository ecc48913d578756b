"""A till's settings refuse what could not work, with a sentence."""

from __future__ import annotations

import base64
from typing import Any

import httpx
import pytest
from pydantic import ValidationError

from channelsync.sdk import connector as sdk
from channelsync.sdk.signatures import decode_standard_secret
from channelsync.sdk.types import Enforces, PushSemantics
from channelsync_pos import connector
from channelsync_pos.times import iso, retry_after_seconds
from tests.support.till import (
    API,
    NOW,
    OLD_SECRET,
    SECRET,
    Clock,
    asked_till,
    context,
    heard_till,
    settings,
)


@pytest.mark.parametrize(
    ("changes", "why"),
    [
        ({"webhook_secret": "hush"}, "secret"),
        ({"webhook_secret": "whsec_" + base64.b64encode(b"short").decode()}, "24 to 64"),
        ({"webhook_secret": "whsec_ü"}, "webhook_secret"),
        ({"webhook_secret_old": "whsec_!"}, "base64"),
        ({"location": ""}, "location"),
        ({"registers": ["T 1"]}, "registers"),
        ({"base_url": "till.test"}, "base address"),
        ({"base_url": "ftp://till.test"}, "base address"),
        ({"base_url": "https://user:pass@till.test"}, "base address"),
        ({"base_url": "https://till.test/?a=1"}, "query"),
        ({"base_url": "https://[::1"}, "not an address"),
        ({"quiet_limit_seconds": 0}, "greater than 0"),
        ({"webhook_secrets": SECRET}, "not permitted"),
    ],
)
def test_a_wrong_setting_is_refused_with_a_sentence(changes: dict[str, Any], why: str) -> None:
    with pytest.raises(ValidationError, match=why):
        settings(**changes)


def test_a_base_address_loses_its_last_slash() -> None:
    assert settings(base_url="https://till.test/api/").base_url == "https://till.test/api"


def test_secrets_show_in_no_representation() -> None:
    chosen = settings(webhook_secret_old=OLD_SECRET, api_token="tok-canary")
    assert chosen.secrets == tuple(decode_standard_secret(one) for one in (SECRET, OLD_SECRET))
    for text in (repr(chosen), str(chosen), chosen.model_dump_json()):
        assert "canary" not in text
        assert SECRET.removeprefix("whsec_") not in text


async def test_capabilities_follow_from_the_settings() -> None:
    heard = await heard_till()
    asked = await asked_till(httpx.MockTransport(lambda _: httpx.Response(500)), Clock())
    for capability in (sdk.ReceivesWebhooks, sdk.AcceptsSales, sdk.TestsItself):
        assert isinstance(heard, capability)
        assert isinstance(asked, capability)
    for extra in (sdk.FetchesOrders, sdk.RecordsPushes):
        assert not isinstance(heard, extra)
        assert isinstance(asked, extra)
    await heard.close()
    await asked.close()


def test_the_manifest_promises_nothing_but_honest_facts() -> None:
    declared: sdk.Connector = connector
    manifest = declared.manifest
    assert manifest.name == "pos"
    assert manifest.push_semantics is PushSemantics.LIVE
    assert manifest.enforces is Enforces.NONE
    assert manifest.own_hosts == ()


async def test_a_till_without_an_api_says_what_that_means() -> None:
    checks = {one.name: one for one in await (await heard_till()).test()}
    assert all(one.ok for one in checks.values())
    assert "sent again by the till" in checks["feed"].message
    assert await (await heard_till()).check_assumptions() == ()


async def test_a_running_rotation_is_mentioned() -> None:
    checks = {one.name: one for one in await (await heard_till(webhook_secret_old=SECRET)).test()}
    assert "remove webhook_secret_old" in checks["webhook secret"].message


async def test_opening_needs_no_network() -> None:
    def no_network(request: httpx.Request) -> httpx.Response:
        raise AssertionError(f"{request.url} was called")

    await connector.open(context(Clock(), settings(base_url=API), httpx.MockTransport(no_network)))


@pytest.mark.parametrize(
    ("header", "seconds"),
    [
        ("7", 7.0),
        (" 7 ", 7.0),
        (None, None),
        ("soon", None),
        ("-1", None),
        ("Sat, 21 Nov 2026 10:00:30 GMT", 30.0),
        ("Sat, 21 Nov 2026 09:00:00 GMT", 0.0),
    ],
)
def test_retry_after_is_read_in_both_its_forms(header: str | None, seconds: float | None) -> None:
    assert retry_after_seconds(header, now=NOW) == seconds


def test_times_are_written_as_short_as_they_are_exact() -> None:
    assert iso(NOW) == "2026-11-21T10:00:00Z"
    assert iso(NOW + 0.25) == "2026-11-21T10:00:00.250000Z"
