"""What the documents show is what happens, and their links lead somewhere."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.docs.pages import CLAIMS, Block, blocks_of, matches, pages, practice_of
from tests.docs.player import Player
from tests.docs.practice import Furnished, Practice, Street, furnish, practice_street
from tests.support.checkout import ROOT
from tests.support.preloaded import commands

LINK = re.compile(r"\]\((?!https?:|mailto:)([^)#\s]+)(?:#[^)\s]*)?\)")
GENERATED = {"docs/reference/cli.md"}
"""Written by a program, and compared with what it writes by a test."""
PLAYED = [page for page in pages() if any("run" in block.words for block in blocks_of(page))]


def name_of(page: Path) -> str:
    return str(page.relative_to(ROOT))


@pytest.fixture(scope="module")
def street(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Street]:
    with commands(tmp_path_factory.mktemp("bin")) as found:
        path = os.pathsep.join([str(found), os.environ["PATH"]])
        with practice_street(path) as street:
            yield street


@pytest.fixture(scope="module")
def furnished(street: Street, tmp_path_factory: pytest.TempPathFactory) -> Furnished:
    return furnish(street, tmp_path_factory.mktemp("house"))


@pytest.mark.slow
@pytest.mark.timeout(300)
@pytest.mark.parametrize("page", PLAYED, ids=name_of)
def test_a_page_does_what_it_shows(
    page: Path, street: Street, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    house = Practice(street, tmp_path)
    wanted = practice_of(page)
    if wanted in {"", "servers"}:
        house = request.getfixturevalue("furnished").copy(street, tmp_path)
    if wanted == "servers":
        postgres = request.getfixturevalue("postgres_server")
        house.use(postgres, request.getfixturevalue("redis_server"))
    blocks = blocks_of(page)
    if wanted is not None:
        blocks = [house.lead_here(block) for block in blocks]
    player = Player(tmp_path, house.environment(all_of_it=wanted is not None), house.names)
    blocks = [player.here(block) for block in blocks]
    said = iter(player.play(blocks))
    last = ""
    for block in blocks:
        if "run" in block.words:
            last = next(said)
        elif "output" in block.words:
            assert matches(block.text, last), (
                f"{block.where} shows\n{block.text}\nbut it was\n{last}"
            )


def test_every_block_says_what_is_done_with_it() -> None:
    silent = [
        block.where
        for page in pages()
        for block in blocks_of(page)
        if block.language in CLAIMS and not block.is_settled and block.page not in GENERATED
    ]
    assert silent == []


def test_every_link_between_documents_leads_somewhere() -> None:
    broken = [
        f"{name_of(page)}: {target}"
        for page in pages()
        for target in LINK.findall(page.read_text(encoding="utf-8"))
        if not (page.parent / target).exists()
    ]
    assert broken == []


def test_every_document_is_in_the_index() -> None:
    index = ROOT / "docs" / "README.md"
    text = index.read_text(encoding="utf-8")
    listed = {(index.parent / target).resolve() for target in LINK.findall(text)}
    folders = {path for path in listed if path.is_dir()}
    missing = [
        name_of(page)
        for page in pages()
        if page.is_relative_to(ROOT / "docs")
        and page not in listed | {index}
        and not folders & set(page.parents)
    ]
    assert missing == []


@pytest.mark.parametrize(
    ("shown", "said", "same"),
    [
        ("a\nb\n", "a\nb\n", True),
        ("a\n…\nd\n", "a\nb\nc\nd\n", True),
        ("a\n…\nd\n", "a\nd\n", True),
        ("took … s\n", "took 1.5 s\n", True),
        ("a\n", "a\nb\n", False),
        ("took … s\n", "took 1.5 min\n", False),
        ("a.b\n", "axb\n", False),
    ],
)
def test_an_ellipsis_stands_for_what_is_left_out(shown: str, said: str, same: bool) -> None:
    assert matches(shown, said) is same


def test_a_wrong_exit_code_is_found(tmp_path: Path) -> None:
    block = Block("page.md", 1, "sh", ("run",), "true\nfalse\n")
    with pytest.raises(AssertionError, match=r"page\.md:1 ended with 1, not 0"):
        Player(tmp_path, dict(os.environ)).play([block])
