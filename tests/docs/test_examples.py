"""A channel that a page shows is one that the program reads."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any, Final

import pytest
from ruamel.yaml import YAML

from channelsync.bootstrap import read_configuration
from channelsync.plugins.discovery import discover
from channelsync.settings import Settings
from tests.docs.pages import Block, blocks_of, pages
from tests.docs.practice import TILL_SECRET

HOSTS: Final = "till.example.com"
"""A till's own API, which the operator has to allow."""
SHOWN: Final = [block for page in pages() for block in blocks_of(page) if "channels" in block.words]


def _whole(block: Block) -> dict[str, Any]:
    """The example with no more around it than every file has."""
    given: dict[str, Any] = YAML(typ="safe").load(block.text)
    settings = [channel["settings"] for channel in given["channels"].values()]
    places = {one["location"] for one in settings if "location" in one} or {"warehouse"}
    return {"version": 1, "locations": {name: {} for name in sorted(places)}} | given


@pytest.mark.parametrize("block", SHOWN, ids=[block.where for block in SHOWN])
def test_an_example_of_a_channel_is_read(
    block: Block, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in re.findall(r"\$\{(\w+)\}", block.text):
        is_tills = name.startswith("TILL") and name.endswith("SECRET")
        monkeypatch.setenv(name, TILL_SECRET if is_tills else "a-secret-of-many-characters")
    path = tmp_path / "channelsync.yaml"
    YAML(typ="safe").dump(_whole(block), path)
    settings = Settings.model_validate({"config": path, "allow_hosts": HOSTS})
    read = read_configuration(settings, discover(), path)
    assert set(read.channels) == set(_whole(block)["channels"])


def test_every_connector_has_an_example() -> None:
    channels = [one for block in SHOWN for one in _whole(block)["channels"].values()]
    shown = {channel["connector"] for channel in channels}
    assert shown == {"amazon", "pos", "shopify", "square"}
