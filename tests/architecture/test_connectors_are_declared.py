"""A connector's folder, its entry point and its import contracts stand or fall together."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from typing import Any

import pytest

from channelsync.sdk.quality import FILE_NAME, missing_tests, read_quality
from tests.support.checkout import ROOT, connector_folders, parse, pyproject, source_files

PREFIX = "channelsync_"
FOLDERS = [folder.name for folder in connector_folders()]


def _contract(kind: str, **expected: object) -> dict[str, Any]:
    found = [
        contract
        for contract in pyproject()["tool"]["importlinter"]["contracts"]
        if contract["type"] == kind
        and all(contract.get(name) == value for name, value in expected.items())
    ]
    assert len(found) == 1, f"expected one {kind} contract with {expected}, found {len(found)}"
    contract: dict[str, Any] = found[0]
    return contract


def _imported_modules(tree: ast.Module) -> Iterator[tuple[str, int]]:
    """The modules a file imports; names taken from a package count as its modules."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from ((alias.name, node.lineno) for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            yield from ((f"{node.module}.{alias.name}", node.lineno) for alias in node.names)


def _is_within(module: str, package: str) -> bool:
    return module == package or module.startswith(f"{package}.")


def test_every_folder_is_one_importable_package() -> None:
    assert FOLDERS, "there is no connector at all"
    for name in FOLDERS:
        assert name.startswith(PREFIX), f"connectors/{name} must be named {PREFIX}…"
        assert (ROOT / "connectors" / name / "__init__.py").is_file()


def test_every_folder_has_its_entry_point_and_every_entry_point_its_folder() -> None:
    declared = pyproject()["project"]["entry-points"]["channelsync.connectors"]
    assert declared == {name.removeprefix(PREFIX): f"{name}:connector" for name in FOLDERS}


def test_every_folder_is_a_root_of_the_import_contracts() -> None:
    roots = pyproject()["tool"]["importlinter"]["root_packages"]
    assert sorted(roots) == sorted(["channelsync", *FOLDERS])


def test_every_folder_is_in_each_contract_about_connectors() -> None:
    core = _contract("forbidden", source_modules=["channelsync"])
    assert sorted(core["forbidden_modules"]) == FOLDERS
    assert sorted(_contract("independence")["modules"]) == FOLDERS
    allowed = {
        f"{name}{below} -> channelsync.sdk{sdk_below}"
        for name in FOLDERS
        for below in ("", ".**")
        for sdk_below in ("", ".**")
    }
    assert set(_contract("protected")["ignore_imports"]) == allowed


@pytest.mark.parametrize("name", FOLDERS)
def test_a_connector_imports_only_the_sdk_of_ours(name: str) -> None:
    foreign = [
        f"{path.relative_to(ROOT)}:{line} imports {module}"
        for path in source_files(f"connectors/{name}")
        for module, line in _imported_modules(parse(path))
        if module.split(".")[0].startswith("channelsync")
        and not _is_within(module, "channelsync.sdk")
        and not _is_within(module, name)
    ]
    assert foreign == []


@pytest.mark.parametrize("name", FOLDERS)
def test_a_connector_ships_its_types(name: str) -> None:
    """What lies in a connector's folder is in the wheel, and is checked strictly."""
    assert (ROOT / "connectors" / name / "py.typed").is_file()
    assert pyproject()["tool"]["mypy"]["strict"]
    assert "connectors" in pyproject()["tool"]["mypy"]["mypy_path"]


@pytest.mark.parametrize("name", FOLDERS)
def test_a_connector_says_how_good_it_is(name: str) -> None:
    text = (ROOT / "connectors" / name / FILE_NAME).read_text(encoding="utf-8")
    assert missing_tests(read_quality(text), ROOT) == []


def test_the_import_reader_sees_every_way_of_importing() -> None:
    source = "import a.b\nfrom c import d\ndef f():\n    from channelsync import domain as e\n"
    assert [module for module, _ in _imported_modules(ast.parse(source))] == [
        "a.b",
        "c.d",
        "channelsync.domain",
    ]
