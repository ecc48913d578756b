"""The scaled-out deployment starts what exists, keeps secrets in files and waits for readiness."""

from __future__ import annotations

from typing import Any

import pytest
from ruamel.yaml import YAML

from channelsync.cli.tree import commands
from channelsync.settings import PREFIX, SECRETS, unknown_variables
from tests.support.checkout import ROOT

FILE = ROOT / "deploy" / "compose.scaled.yaml"
OURS = {"schema", "web", "worker"}


@pytest.fixture
def compose() -> dict[str, Any]:
    loaded: dict[str, Any] = YAML(typ="safe", pure=True).load(FILE.read_text(encoding="utf-8"))
    return loaded


def test_every_command_exists(compose: dict[str, Any]) -> None:
    known = {one.text.removeprefix("channelsync ") for one in commands()}
    started = {" ".join(compose["services"][name]["command"]) for name in OURS}
    assert started == {"db upgrade", "web", "worker"}
    assert started <= known


def test_every_variable_is_one_of_ours(compose: dict[str, Any]) -> None:
    for name in OURS:
        environment = compose["services"][name]["environment"]
        assert unknown_variables({key: str(value) for key, value in environment.items()}) == ()


def test_secrets_come_from_files_alone(compose: dict[str, Any]) -> None:
    named = {f"{PREFIX}{name.upper()}" for name in SECRETS} - {"CHANNELSYNC_REDIS_URL"}
    for name, service in compose["services"].items():
        environment = service.get("environment", {})
        assert not named & environment.keys(), name
        assert "POSTGRES_PASSWORD" not in environment
        for key, value in environment.items():
            if key.endswith("_FILE"):
                assert value.removeprefix("/run/secrets/") in service["secrets"], key
    assert all(set(one) == {"file"} for one in compose["secrets"].values())


def test_nobody_starts_before_what_he_needs(compose: dict[str, Any]) -> None:
    services = compose["services"]
    for name in OURS:
        for needed, how in services[name]["depends_on"].items():
            if how["condition"] == "service_healthy":
                assert "test" in services[needed]["healthcheck"]
    for name in ("web", "worker"):
        assert services[name]["depends_on"]["schema"] == {
            "condition": "service_completed_successfully"
        }
        assert "redis" not in services[name]["depends_on"], "nothing waits for Redis"


def test_containers_may_do_little(compose: dict[str, Any]) -> None:
    for name in OURS:
        service = compose["services"][name]
        assert service["read_only"]
        assert service["cap_drop"] == ["ALL"]
    assert compose["services"]["web"]["ports"] == ["127.0.0.1:8484:8484"]
