"""Where the ledger's head is told: the operator's variables, and what is opened for them."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from channelsync.bootstrap import open_application
from channelsync.plugins.registry import Registry
from channelsync.settings import PREFIX, SettingsInvalid, read_settings

SECRET = "whsec_" + "QUJDREVGR0hJSktMTU5PUFFSU1RVVldYWVowMTIz"
URL = "https://audit.example.com/heads"


@pytest.fixture(autouse=True)
def _clean(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in list(os.environ):
        if name.upper().startswith(PREFIX):
            monkeypatch.delenv(name)


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"anchor_url": URL}, "ANCHOR_SECRET: CHANNELSYNC_ANCHOR_URL needs it"),
        ({"anchor_url": URL, "anchor_secret": "whsec_c2hvcnQ="}, "ANCHOR_SECRET: the secret holds"),
        ({"anchor_url": "ftp://x/y", "anchor_secret": SECRET}, "ANCHOR_URL: write it like https:"),
        ({"anchor_url": "https://u:p@x/y", "anchor_secret": SECRET}, "ANCHOR_URL: write it like"),
        ({"anchor_url": "http://audit/heads", "anchor_secret": SECRET}, "name its port"),
        ({"anchor_interval_seconds": 5}, "ANCHOR_INTERVAL_SECONDS"),
    ],
)
def test_what_cannot_be_used_is_named_and_no_secret_shown(
    given: dict[str, object], message: str
) -> None:
    with pytest.raises(SettingsInvalid, match=message) as caught:
        read_settings(**given)
    assert SECRET not in str(caught.value)


def test_the_secret_may_be_a_file(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "secret").write_text(SECRET + "\n")
    monkeypatch.setenv("CHANNELSYNC_ANCHOR_SECRET_FILE", str(tmp_path / "secret"))
    secret = read_settings(anchor_url=URL).anchor_secret
    assert secret is not None
    assert secret.get_secret_value() == SECRET
    assert SECRET not in str(secret)


async def places(tmp_path: Path, **given: object) -> tuple[list[str], float]:
    config = tmp_path / "channelsync.yaml"
    config.write_text("version: 1\nlocations:\n  dc: {}\n")
    settings = read_settings(data_dir=tmp_path / "data", config=config, **given)
    opening = open_application(settings, configuration_path=config, registry=Registry())
    async with opening as application:
        told = application.anchoring
        return [place.name for place in told.places], told.interval_seconds


async def test_the_log_is_always_told_and_the_rest_where_asked_for(tmp_path: Path) -> None:
    assert await places(tmp_path) == (["log"], 3_600.0)
    everywhere = {
        "anchor_file": tmp_path / "heads.jsonl",
        "anchor_url": "http://127.0.0.1:9/heads",
        "anchor_secret": SECRET,
        "anchor_interval_seconds": 60,
    }
    assert await places(tmp_path, **everywhere) == (["log", "file", "webhook"], 60.0)
