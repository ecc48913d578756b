"""The suite's own promise: what does not run is counted by reason, and fails a build server."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from spec.spin import NOT_RUN
from tests.support.checkout import ROOT, project_files

TESTS = """
import pytest

def test_runs():
    pass

@pytest.mark.parametrize("number", [1, 2])
def test_needs_a_server(number):
    {skip}

@pytest.mark.contracts
def test_against_the_schemas(contracts_folder):
    assert contracts_folder.is_dir()
"""
CONFIGURATION = "[pytest]\nmarkers = contracts: schemas\n"


def _pytest_over(
    folder: Path, body: str, *options: str, **variables: str
) -> subprocess.CompletedProcess[str]:
    shutil.copy(ROOT / "tests" / "conftest.py", folder)
    (folder / "test_sample.py").write_text(body, encoding="utf-8")
    (folder / "pytest.ini").write_text(CONFIGURATION, encoding="utf-8")
    kept = {
        name: value
        for name, value in os.environ.items()
        if name not in {"CI", "CHANNELSYNC_CONTRACTS"} and not name.startswith("PYTEST_")
    }
    return subprocess.run(
        [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", *options, str(folder)],
        check=False,
        capture_output=True,
        text=True,
        cwd=folder,
        # Bare: what other plugins do on top is not under test, and takes seconds to load.
        env={
            **kept,
            "PYTHONPATH": str(ROOT),  # the suite's own helpers, which its conftest imports
            "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1",
            **variables,
        },
    )


def test_a_missing_server_is_counted(tmp_path: Path) -> None:
    done = _pytest_over(tmp_path, TESTS.format(skip='pytest.skip("needs Redis")'))
    assert done.returncode == 0, done.stdout
    assert "not run: 2 × needs Redis" in done.stdout


@pytest.mark.parametrize("options", [(), ("-p", "xdist", "-n", "2")], ids=["alone", "spread"])
def test_a_missing_server_fails_a_build_server(tmp_path: Path, options: tuple[str, ...]) -> None:
    body = TESTS.format(skip='pytest.skip("needs Redis")')
    done = _pytest_over(tmp_path, body, *options, CI="true")
    assert done.returncode == 1, done.stdout
    assert "not run: 2 × needs Redis" in done.stdout


def test_missing_schemas_alone_are_forgiven(tmp_path: Path) -> None:
    done = _pytest_over(tmp_path, TESTS.format(skip="pass"), CI="true")
    assert done.returncode == 0, done.stdout
    assert "not run: 1 × needs the marketplaces' schemas" in done.stdout


def test_a_missing_model_checker_is_told_and_forgiven(tmp_path: Path) -> None:
    done = _pytest_over(tmp_path, TESTS.format(skip=f'pytest.skip("{NOT_RUN}")'), CI="true")
    assert done.returncode == 0, done.stdout
    assert f"not run: 2 × {NOT_RUN}" in done.stdout


def test_what_a_declaration_rules_out_is_counted_and_forgiven(tmp_path: Path) -> None:
    skip = 'pytest.skip("does not apply: push_semantics is live")'
    done = _pytest_over(tmp_path, TESTS.format(skip=skip), CI="true")
    assert done.returncode == 0, done.stdout
    assert "2 × does not apply: push_semantics is live" in done.stdout
    assert "not run: 2" not in done.stdout


def test_only_the_contract_says_that_something_does_not_apply() -> None:
    """So that nobody else's test is forgiven for not running."""
    written = re.compile(r"skip\(\s*f?[\"'](?:does not apply|\{DOES_NOT_APPLY\})")
    places = [
        str(path.relative_to(ROOT))
        for path in project_files()
        if path.suffix == ".py" and written.search(path.read_text(encoding="utf-8"))
    ]
    contract = "src/channelsync/sdk/testing/contract/clauses.py"
    assert places == [contract, str(Path(__file__).relative_to(ROOT))]


def test_schemas_that_are_there_are_used(tmp_path: Path) -> None:
    body = TESTS.format(skip="pass")
    done = _pytest_over(tmp_path, body, CI="true", CHANNELSYNC_CONTRACTS=str(tmp_path))
    assert done.returncode == 0, done.stdout
    assert "not run" not in done.stdout


def test_the_mark_and_the_fixture_cannot_be_parted(tmp_path: Path) -> None:
    body = TESTS.format(skip="pass").replace("@pytest.mark.contracts\n", "")
    done = _pytest_over(tmp_path, body)
    assert done.returncode == pytest.ExitCode.USAGE_ERROR
    assert "go together" in done.stderr + done.stdout
