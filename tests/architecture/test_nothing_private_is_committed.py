"""The repository names no machine and no package index: a clone works the same everywhere."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tests.support.checkout import ROOT, project_files

# Put together here, so that this file may stand among those it reads.
INDEX_HOSTS = [
    ".".join(parts)
    for parts in (
        ("pypi", "org"),
        ("pythonhosted", "org"),
        ("registry", "npmjs", "org"),
        ("deb", "debian", "org"),
        ("security", "debian", "org"),
    )
]
HOST = re.compile("|".join(map(re.escape, INDEX_HOSTS)), re.IGNORECASE)
MACHINE_PATH = re.compile(r"(?<![\w.$}~-])/(?:work|farm|root|tmp|home/\w+|Users/\w+)/\w")
LOCK_LEAK = re.compile(r"://|--(?:index-url|extra-index-url|find-links|trusted-host)|file:")


def _text_files() -> list[tuple[Path, str]]:
    found = []
    for path in project_files():
        try:
            found.append((path, path.read_text(encoding="utf-8")))
        except UnicodeDecodeError:
            continue
    return found


def _places(pattern: re.Pattern[str], files: list[tuple[Path, str]]) -> list[str]:
    return [
        f"{path.relative_to(ROOT)}:{number}: {line.strip()[:100]}"
        for path, text in files
        for number, line in enumerate(text.splitlines(), start=1)
        if pattern.search(line)
    ]


def test_no_file_names_a_package_index() -> None:
    assert _places(HOST, _text_files()) == []


def test_no_file_names_a_path_of_one_machine() -> None:
    own = re.compile(re.escape(f"{ROOT}/"))
    files = _text_files()
    assert _places(MACHINE_PATH, files) + _places(own, files) == []


def test_lock_files_say_nothing_of_where_packages_came_from() -> None:
    locks = [(path, text) for path, text in _text_files() if path.suffix == ".lock"]
    assert len(locks) >= 4
    assert _places(LOCK_LEAK, locks) == []


@pytest.mark.parametrize(
    "line",
    ["see /" + "work/main/x", 'open("/' + "home/ann/x.db" + '")', "cp a /" + "tmp/build"],
)
def test_a_path_of_one_machine_is_recognised(line: str) -> None:
    assert MACHINE_PATH.search(line)


@pytest.mark.parametrize(
    "line", ["POST /api/" + "home/x", "$HOME/" + "work/x", "~/" + "work/x", "docs/" + "work/x"]
)
def test_a_path_that_everybody_has_is_let_pass(line: str) -> None:
    assert not MACHINE_PATH.search(line)


def test_large_files_stay_outside() -> None:
    sizes = {str(path.relative_to(ROOT)): path.stat().st_size for path in project_files()}
    assert {name: size for name, size in sizes.items() if size > 1_000_000} == {}
