"""Connectors are found by entry point; what is broken is listed, the rest starts."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from dataclasses import replace
from importlib.metadata import EntryPoint
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from pydantic import BaseModel

from channelsync.plugins.discovery import GROUP, discover
from channelsync.plugins.registry import Registry, UnknownConnector
from channelsync.sdk.connector import SDK_VERSION
from channelsync.sdk.declarations import faults_of_connector
from channelsync.sdk.types import Enforces, PushSemantics
from tests.unit.plugins.world import MarketConnector, manifest

MODULE = "connectors_made_for_a_test"


@pytest.fixture
def module() -> Iterator[ModuleType]:
    made = ModuleType(MODULE)
    sys.modules[MODULE] = made
    yield made
    del sys.modules[MODULE]


def point(name: str, value: str = "") -> EntryPoint:
    return EntryPoint(name=name, value=value or f"{MODULE}:{name}", group=GROUP)


def put(module: ModuleType, name: str, connector: object) -> EntryPoint:
    setattr(module, name, connector)
    return point(name)


def test_the_built_in_connectors_are_found_like_anybody_elses() -> None:
    registry = discover()
    assert {"pos", "shopify"} <= registry.connectors.keys()
    assert registry.broken == {}
    assert registry.manifests["shopify"].push_semantics is PushSemantics.KEYED_COMPARE_AND_SET


def test_one_broken_connector_does_not_stop_the_others(module: ModuleType, tmp_path: Path) -> None:
    (tmp_path / "syntax_is_wrong_here.py").write_text("def (:\n")
    (tmp_path / "leaves_at_once.py").write_text("import sys\nsys.exit('bye')\n")
    sys.path.insert(0, str(tmp_path))
    try:
        registry = discover(
            [
                put(module, "good", MarketConnector(manifest(name="good"))),
                point("gone", "no_such_module_anywhere:connector"),
                point("syntax", "syntax_is_wrong_here:connector"),
                point("leaves", "leaves_at_once:connector"),
                point("missing", f"{MODULE}:missing"),
                put(module, "thing", object()),
                put(module, "old", MarketConnector(manifest(name="old", sdk_version=0))),
                put(module, "alias", MarketConnector(manifest(name="other"))),
            ]
        )
        reasons = dict(registry.broken)
    finally:
        sys.path.remove(str(tmp_path))
    assert list(registry.connectors) == ["good"]
    assert reasons.keys() == {"gone", "syntax", "leaves", "missing", "thing", "old", "alias"}
    assert "ModuleNotFoundError: No module named" in reasons["gone"]
    assert "SyntaxError" in reasons["syntax"]
    assert "SystemExit: bye" in reasons["leaves"]
    assert "AttributeError" in reasons["missing"]
    assert "no manifest" in reasons["thing"]
    assert f"made for version 0 of the SDK; this is version {SDK_VERSION}" in reasons["old"]
    assert reasons["alias"] == "it calls itself 'other', its entry point 'alias'"


def test_whoever_uses_one_connector_loads_no_other(module: ModuleType, tmp_path: Path) -> None:
    good = put(module, "good", MarketConnector(manifest(name="good")))
    registry = discover([good, point("later", "not_there_yet:later")])
    assert registry.manifests["good"] is registry.get("good").manifest
    (tmp_path / "not_there_yet.py").write_text("later = None\n")
    sys.path.insert(0, str(tmp_path))
    try:
        assert registry.broken["later"].startswith("it has no manifest")
    finally:
        sys.path.remove(str(tmp_path))
    assert list(registry.manifests) == ["good"]
    assert "later" not in registry.connectors
    assert "good" not in registry.broken


def test_two_packages_that_offer_one_name_are_both_refused(module: ModuleType) -> None:
    put(module, "market", MarketConnector())
    registry = discover([point("market"), point("market", f"{MODULE}_copy:market")])
    assert registry.connectors == {}
    assert registry.broken["market"].startswith("more than one package offers it: ")


def test_the_same_entry_point_seen_twice_is_one(module: ModuleType) -> None:
    put(module, "market", MarketConnector())
    assert list(discover([point("market"), point("market")]).connectors) == ["market"]


class Careless(BaseModel):
    """Accepts unknown keys."""


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"batch_size": 0}, "its batch_size is 0, below 1"),
        ({"requests_per_second": 0.0}, "its requests_per_second is 0.0"),
        ({"quarantine_seconds": -1.0}, "its quarantine_seconds is -1.0"),
        ({"apply_limit_seconds": float("inf")}, "its apply_limit_seconds is inf"),
        ({"quiet_limit_seconds": 60.0}, "its quiet_limit_seconds is not above"),
        ({"settings_model": Careless}, 'give it extra="forbid"'),
        ({"settings_model": dict}, "no pydantic model"),
        ({"push_semantics": PushSemantics.LIVE}, "it is live, holds no number of its own"),
    ],
)
def test_a_declaration_that_cannot_be_true_is_refused(changes: dict[str, Any], reason: str) -> None:
    assert reason in faults_of_connector(MarketConnector(manifest(**changes)))


def test_a_connector_without_a_door_is_refused() -> None:
    class Doorless:
        manifest = manifest()

        def open(self, context: object) -> object:
            return context

    assert "async def open" in faults_of_connector(Doorless())


def test_a_live_channel_that_enforces_nothing_is_fine() -> None:
    live = manifest(push_semantics=PushSemantics.LIVE, enforces=Enforces.NONE)
    assert faults_of_connector(MarketConnector(live)) == ""


def test_a_registry_names_what_it_has_when_asked_for_what_it_has_not() -> None:
    registry = Registry(broken={"etsy": "no module named etsy"}).with_connector(MarketConnector())
    assert registry.get("market").manifest.title == "Market"
    with pytest.raises(UnknownConnector, match="there is no connector ebay; installed: market"):
        registry.get("ebay")
    with pytest.raises(UnknownConnector, match="etsy is broken: no module named etsy"):
        registry.get("etsy")


def test_a_connector_registered_by_hand_is_checked_like_any_other() -> None:
    registry = Registry().with_connector(MarketConnector())
    with pytest.raises(ValueError, match="there is a connector market already"):
        registry.with_connector(MarketConnector())
    with pytest.raises(ValueError, match="cannot be used: its batch_size"):
        registry.with_connector(MarketConnector(replace(manifest(name="b"), batch_size=0)))
    repaired = Registry(broken={"market": "old"}).with_connector(MarketConnector())
    assert repaired.broken == {}
