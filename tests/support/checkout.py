"""What tests ask of the checkout they run in."""

from __future__ import annotations

import ast
import subprocess
import tomllib
from functools import cache
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
SOURCE_FOLDERS = ("src", "connectors", "migrations", "bench", "spec", "templates")


@cache
def pyproject() -> dict[str, Any]:
    return tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))


def connector_folders() -> list[Path]:
    return sorted(
        folder
        for folder in (ROOT / "connectors").iterdir()
        if folder.is_dir() and any(folder.rglob("*.py"))
    )


def source_files(*folders: str) -> list[Path]:
    """Python files of these folders, or of all that hold production code."""
    return sorted(
        path for folder in folders or SOURCE_FOLDERS for path in (ROOT / folder).rglob("*.py")
    )


def parse(path: Path) -> ast.Module:
    return ast.parse(path.read_text(encoding="utf-8"), filename=str(path))


def project_files() -> list[Path]:
    """Every file that is, or would be, in the repository."""
    listed = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT,
        check=True,
        capture_output=True,
        text=True,
    )
    names = sorted(set(filter(None, listed.stdout.split("\0"))))
    return [ROOT / name for name in names if (ROOT / name).is_file()]
