"""A connector's page names its settings, what it declares and the rights that it needs."""

from __future__ import annotations

import re
from typing import Final

import pytest

from channelsync.plugins.discovery import discover
from channelsync.sdk.connector import Manifest
from channelsync.sdk.quality import quality_of
from channelsync_shopify.health import SCOPES
from tests.support.checkout import ROOT

PAGES: Final = ROOT / "docs" / "reference" / "connectors"
REGISTRY: Final = discover()
SECTIONS: Final = (
    "## What it guarantees",
    "## Settings",
    "## Rights, step by step",
    "## Limits",
    "## Known gaps",
)


def _documented() -> list[str]:
    """Connectors that say of themselves that these tests show their documentation."""
    names = []
    for name, connector in REGISTRY.connectors.items():
        quality = quality_of(connector)
        shown_by = quality.answers["documented"].tests if quality is not None else ()
        if any(test.startswith("tests/docs/test_connector_pages.py::") for test in shown_by):
            names.append(name)
    return names


def _page(name: str) -> str:
    return (PAGES / f"{name}.md").read_text(encoding="utf-8")


@pytest.mark.parametrize("name", _documented())
def test_every_connector_has_its_page(name: str) -> None:
    page = _page(name)
    places = [page.find(f"\n{section}\n") for section in SECTIONS]
    assert -1 not in places, f"{name}: a section of {SECTIONS} is missing"
    assert places == sorted(places)


@pytest.mark.parametrize("name", _documented())
def test_a_page_names_every_setting_and_what_is_declared(name: str) -> None:
    page = _page(name)
    manifest = REGISTRY.manifests[name]
    named = set(re.findall(r"`(\w+)`", page.split("## Settings")[1].split("## Rights")[0]))
    assert set(manifest.settings_model.model_fields) <= named
    assert manifest.push_semantics in page
    for number in _numbers(manifest):
        assert number in page, f"{name}: {number} is declared and not on its page"


def _numbers(manifest: Manifest) -> list[str]:
    declared = [manifest.poll_interval_seconds, manifest.quiet_limit_seconds]
    if manifest.push_semantics != "live":
        declared += [manifest.apply_limit_seconds, manifest.quarantine_seconds]
        declared += [manifest.visibility_lag_seconds]
    return [f"{seconds:,.0f} s" for seconds in declared if seconds] + [str(manifest.batch_size)]


def test_the_built_in_connectors_that_were_here_first_stay_documented() -> None:
    assert {"pos", "shopify"} <= set(_documented())


def test_shopifys_page_asks_for_exactly_the_scopes_that_are_needed() -> None:
    rights = _page("shopify").split("## Rights")[1].split("## Limits")[0]
    asked = set(re.findall(r"`(read_\w+|write_\w+)`", rights))
    assert asked == {*SCOPES, "read_all_orders"}
