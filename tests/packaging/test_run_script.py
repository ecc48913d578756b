"""`./run` on machines that lack something: one line that says what to do."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path

import pytest

from tests.support.checkout import ROOT

NEEDED_TOOLS = ("sh", "dirname", "cat")


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """A checkout with no environment yet."""
    shutil.copy(ROOT / "run", tmp_path / "run")
    (tmp_path / "tools").mkdir()
    for tool in NEEDED_TOOLS:
        found = shutil.which(tool)
        assert found, f"{tool} is missing on this machine"
        (tmp_path / "tools" / tool).symlink_to(found)
    return tmp_path


def _add_python(checkout: Path, name: str, script: str) -> None:
    path = checkout / "tools" / name
    path.write_text(f"#!/bin/sh\n{script}\n", encoding="utf-8")
    path.chmod(0o755)


def _run(checkout: Path, *arguments: str, **variables: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [str(checkout / "tools" / "sh"), str(checkout / "run"), *arguments],
        check=False,
        capture_output=True,
        text=True,
        env={"PATH": str(checkout / "tools"), **variables},
        cwd=checkout,
    )


def test_without_any_python_it_says_which_is_needed(checkout: Path) -> None:
    done = _run(checkout, "setup")
    assert done.returncode == 1
    assert done.stderr.splitlines() == [
        "run: no Python 3.11 or newer on PATH: install one, or name it in CHANNELSYNC_PYTHON"
    ]


def test_an_old_python_does_not_count(checkout: Path) -> None:
    _add_python(checkout, "python3", "exit 1")
    done = _run(checkout, "setup")
    assert done.returncode == 1
    assert "no Python 3.11 or newer" in done.stderr


def test_a_python_without_venv_names_the_package_to_install(checkout: Path) -> None:
    script = "case $2 in *version_info\\[1\\]*) echo python3.12-venv;; *ensurepip*) exit 1;; esac"
    _add_python(checkout, "python3", script)
    done = _run(checkout, "setup")
    assert done.returncode == 1
    assert done.stderr.splitlines() == [
        "run: python3 lacks its venv module: install the package python3.12-venv, then try again"
    ]
    assert not (checkout / ".venv").exists()


def test_a_chosen_python_that_is_too_old_is_named(checkout: Path) -> None:
    _add_python(checkout, "mine", "exit 1")
    done = _run(checkout, "setup", CHANNELSYNC_PYTHON="mine")
    assert done.stderr.splitlines() == [
        "run: CHANNELSYNC_PYTHON=mine is not a Python 3.11 or newer"
    ]


def test_an_unknown_command_shows_the_commands(checkout: Path) -> None:
    done = _run(checkout, "tset")
    assert done.returncode == 1
    assert "usage: ./run" in done.stderr
    assert done.stderr.rstrip().endswith("run: there is no command 'tset'")


def test_help_lists_every_command_and_no_other(checkout: Path) -> None:
    script = (ROOT / "run").read_text(encoding="utf-8")
    handled = re.findall(r"^([a-z]+)\) ", script[script.rindex("case $command") :], re.MULTILINE)
    listed = re.findall(r"^  ([a-z]+) ", _run(checkout, "help").stdout, re.MULTILINE)
    assert sorted(listed) == sorted([*handled, "help"])
