from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

from channelsync import resources
from channelsync.resources import resource_folder
from tests.support.checkout import ROOT


def _folder_seen_from(package_root: Path, name: str) -> subprocess.CompletedProcess[str]:
    code = f"from channelsync.resources import resource_folder as f; print(f({name!r}))"
    return subprocess.run(
        [sys.executable, "-c", code],
        check=False,
        capture_output=True,
        text=True,
        env={**os.environ, "PYTHONPATH": str(package_root)},
        cwd=package_root,
    )


def _installed_copy(package_root: Path) -> Path:
    package = package_root / "channelsync"
    package.mkdir()
    (package / "__init__.py").touch()
    shutil.copy(resources.__file__, package)
    return package


def test_a_checkout_uses_its_own_folders() -> None:
    assert resource_folder("migrations") == ROOT / "migrations"
    assert resource_folder("config") == ROOT / "config"
    assert resource_folder("templates") == ROOT / "templates"


def test_an_installation_uses_the_folders_that_came_in_its_wheel(tmp_path: Path) -> None:
    shipped = _installed_copy(tmp_path) / "_resources" / "migrations"
    shipped.mkdir(parents=True)
    (tmp_path.parent / "migrations").mkdir()  # a stranger's, without a pyproject.toml beside it
    seen = _folder_seen_from(tmp_path, "migrations")
    assert seen.stdout.strip() == str(shipped), seen.stderr


def test_an_incomplete_installation_says_what_to_do(tmp_path: Path) -> None:
    _installed_copy(tmp_path)
    seen = _folder_seen_from(tmp_path, "config")
    assert seen.returncode == 1
    assert "has no folder 'config': install it again" in seen.stderr
