"""What the wheel holds: both source roots, migrations and configuration, and nothing else."""

from __future__ import annotations

import subprocess
import sys
import zipfile
from configparser import ConfigParser
from pathlib import Path
from typing import Final

import pytest

from channelsync import __version__
from tests.support.checkout import ROOT, connector_folders, project_files, pyproject

pytestmark = pytest.mark.slow

DIST_INFO: Final = f"channelsync-{__version__}.dist-info"


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> zipfile.ZipFile:
    folder = tmp_path_factory.mktemp("wheel")
    command = [sys.executable, "-m", "pip", "wheel", "--quiet", "--no-index", "--no-deps"]
    command += ["--disable-pip-version-check", "--no-build-isolation", "--wheel-dir", str(folder)]
    built = subprocess.run(
        [*command, str(ROOT)], check=False, capture_output=True, text=True, cwd=folder
    )
    assert built.returncode == 0, built.stderr
    (path,) = folder.glob("*.whl")
    return zipfile.ZipFile(path)


def _tracked_below(folder: str) -> set[str]:
    base = ROOT / folder
    return {str(path.relative_to(base)) for path in project_files() if path.is_relative_to(base)}


def _names_below(wheel: zipfile.ZipFile, prefix: str) -> set[str]:
    return {name.removeprefix(prefix) for name in wheel.namelist() if name.startswith(prefix)}


@pytest.mark.parametrize("folder", ["migrations", "config", "templates"])
def test_what_is_no_package_ships_as_a_resource(wheel: zipfile.ZipFile, folder: str) -> None:
    shipped = _names_below(wheel, f"channelsync/_resources/{folder}/")
    assert _tracked_below(folder)
    assert shipped >= _tracked_below(folder)


def test_every_connector_and_every_module_ships(wheel: zipfile.ZipFile) -> None:
    shipped = set(wheel.namelist())
    assert shipped >= _tracked_below("src")
    assert shipped >= _tracked_below("connectors")
    assert "channelsync/py.typed" in shipped


def test_nothing_but_our_packages_reaches_the_top_level(wheel: zipfile.ZipFile) -> None:
    top = {Path(name).parts[0] for name in wheel.namelist()}
    assert top == {"channelsync", DIST_INFO, *(folder.name for folder in connector_folders())}


def test_the_metadata_names_the_command_and_the_connectors(wheel: zipfile.ZipFile) -> None:
    parser = ConfigParser()
    parser.read_string(wheel.read(f"{DIST_INFO}/entry_points.txt").decode())
    project = pyproject()["project"]
    assert dict(parser["console_scripts"]) == project["scripts"]
    assert (
        dict(parser["channelsync.connectors"])
        == (project["entry-points"]["channelsync.connectors"])
    )


def test_the_licence_travels_with_the_code(wheel: zipfile.ZipFile) -> None:
    assert b"Apache License" in wheel.read(f"{DIST_INFO}/licenses/LICENSE")
