"""The lock files hold what pyproject.toml asks for, each package with its hashes."""

from __future__ import annotations

import re

import pytest

from tests.support.checkout import ROOT, pyproject

LOCKS = ["requirements.lock", "requirements-dev.lock", "requirements-build.lock"]
PIN = re.compile(r"^(?P<name>[a-z0-9][a-z0-9._-]*)==(?P<version>[^ ;\\]+)")
NAME = re.compile(r"^[A-Za-z0-9._-]+")


def _normal(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


def _named_in(requirements: list[str]) -> set[str]:
    return {_normal(match[0]) for text in requirements if (match := NAME.match(text))}


def _pins(lock: str) -> dict[str, str]:
    lines = (ROOT / lock).read_text(encoding="utf-8").splitlines()
    return {match["name"]: match["version"] for line in lines if (match := PIN.match(line))}


def _runtime_requirements() -> list[str]:
    project = pyproject()["project"]
    extras = project["optional-dependencies"].values()
    return [*project["dependencies"], *(text for extra in extras for text in extra)]


def test_the_runtime_lock_pins_every_dependency_and_extra() -> None:
    assert _named_in(_runtime_requirements()) - set(_pins("requirements.lock")) == set()


def test_the_development_lock_pins_the_development_tools_too() -> None:
    wanted = _named_in(_runtime_requirements() + pyproject()["dependency-groups"]["dev"])
    assert wanted - set(_pins("requirements-dev.lock")) == set()


def test_the_build_lock_pins_what_the_build_asks_for() -> None:
    wanted = _named_in(pyproject()["build-system"]["requires"])
    assert wanted - set(_pins("requirements-build.lock")) == set()


def test_tests_run_against_the_versions_that_ship() -> None:
    runtime, development = _pins("requirements.lock"), _pins("requirements-dev.lock")
    assert {name: development.get(name) for name in runtime} == runtime


@pytest.mark.parametrize("lock", [*LOCKS, "requirements-installer.lock"])
def test_every_pin_has_hashes(lock: str) -> None:
    text = (ROOT / lock).read_text(encoding="utf-8")
    entries = re.split(r"\n(?=[a-z0-9])", text)
    pinned = [entry for entry in entries if PIN.match(entry)]
    assert pinned
    assert [entry for entry in pinned if "--hash=sha256:" not in entry] == []
