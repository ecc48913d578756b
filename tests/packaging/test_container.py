"""The image's build has all that the wheel needs, and the compose file is one."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import jsonschema
import pytest
from ruamel.yaml import YAML

from channelsync.settings import unknown_variables
from tests.support.checkout import ROOT, pyproject

COMPOSE_FILES = [ROOT / "compose.yaml", ROOT / "deploy" / "compose.scaled.yaml"]


def loaded(path: Path) -> Any:
    return YAML(typ="safe", pure=True).load(path.read_text(encoding="utf-8"))


def needed_for_the_wheel() -> set[str]:
    wheel = pyproject()["tool"]["hatch"]["build"]["targets"]["wheel"]
    return {*wheel["only-include"], *wheel["force-include"], "LICENSE", "README.md"}


def test_the_image_is_built_from_all_that_the_wheel_needs() -> None:
    text = (ROOT / "Dockerfile").read_text(encoding="utf-8")
    copied = {
        name
        for words in re.findall(r"^COPY (?!--from)(.+)$", text, flags=re.MULTILINE)
        for name in words.split()[:-1]
    }
    assert needed_for_the_wheel() - copied == set()


def test_nothing_of_it_is_kept_out_of_the_build() -> None:
    lines = (ROOT / ".dockerignore").read_text(encoding="utf-8").splitlines()
    admitted = {line.removeprefix("!") for line in lines if line.startswith("!")}
    assert needed_for_the_wheel() - admitted == set()


@pytest.mark.parametrize("path", COMPOSE_FILES, ids=lambda path: path.name)
def test_a_compose_file_keeps_to_the_specification(path: Path) -> None:
    schema = json.loads((ROOT / "tests/support/compose-spec.json").read_text(encoding="utf-8"))
    jsonschema.validate(loaded(path), schema)


def test_the_compose_file_runs_one_careful_process() -> None:
    [service] = loaded(ROOT / "compose.yaml")["services"].values()
    assert service["command"] == ["run"]
    assert service["read_only"]
    assert service["cap_drop"] == ["ALL"]
    assert service["user"] == "10001:10001"
    assert service["ports"] == ["127.0.0.1:8484:8484"]
    environment = {name: str(value) for name, value in service["environment"].items()}
    assert unknown_variables(environment) == ()


def test_without_its_tools_the_check_says_in_one_line_what_is_missing(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "scripts/container.py"],
        check=False,
        capture_output=True,
        text=True,
        cwd=ROOT,
        env={"PATH": str(tmp_path), "PYTHONPATH": str(ROOT)},
    )
    assert done.returncode == 2, done.stderr
    [line] = done.stderr.splitlines()
    assert "buildah, podman, runc, mmdebstrap" in line
