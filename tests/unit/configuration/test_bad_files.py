"""A corpus of wrong files, each with everything that is said about it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from channelsync.configuration.document import BYTES_MAX
from channelsync.configuration.problems import ConfigurationInvalid
from tests.unit.configuration.samples import ENVIRONMENT, SMALL, loaded, refused

CORPUS = Path(__file__).parent / "bad"
FILES = sorted(CORPUS.glob("*.yaml"))


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.stem)
def test_everything_wrong_with_a_bad_file_is_told_at_once(file: Path) -> None:
    said = refused(file.read_bytes()).text()
    assert said + "\n" == file.with_suffix(".txt").read_text(encoding="utf-8")


def test_the_corpus_is_whole() -> None:
    assert len(FILES) >= 30
    assert {file.stem for file in FILES} == {file.stem for file in CORPUS.glob("*.txt")}


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.stem)
def test_no_message_holds_a_secret_or_a_control_character(file: Path) -> None:
    invalid = refused(file.read_bytes())
    said = invalid.text() + json.dumps(invalid.as_json(), ensure_ascii=False)
    literals = (
        "shpat_0",
        "hush",
        "s p a c e",
        "12345678",
        "and more",
        "oa2-cs",
        "pa55",
        "deep: [hidden",
    )
    values = [value for name, value in ENVIRONMENT.items() if name not in {"BATCH", "EMPTY"}]
    assert not [value for value in (*literals, *values) if value in said]
    assert all(line.isprintable() for line in said.splitlines())


def test_problems_are_objects_for_programs_too() -> None:
    (first, *_) = refused((CORPUS / "typo.yaml").read_bytes()).as_json()[2:]
    assert first == {
        "file": "shop.yaml",
        "line": 7,
        "column": 5,
        "path": "channels.amazon.qouta",
        "message": "unknown key",
        "suggestion": 'did you mean "quotas", which belongs under allocation?',
        "source": "    qouta: 50%",
        "caret": 4,
    }


def test_a_file_above_one_mebibyte_is_not_read() -> None:
    said = refused(b"#" * (BYTES_MAX + 1)).text()
    assert said == "shop.yaml: the file is larger than 1048576 bytes"


def test_more_problems_than_anybody_reads_are_counted() -> None:
    wrong = "version: 1\nlocations: {soho: {}}\n" + "".join(f"k{i}: 1\n" for i in range(150))
    said = refused(wrong).text().splitlines()
    assert said[-1] == "… and 50 more"


def test_a_line_with_several_secrets_and_an_error_shows_none_of_them() -> None:
    text = SMALL + (
        "  two: {connector: shopify, settings: {shop: x, access_token: one, webhook_secret: two,"
        " location_id: L1, signing: {key: three, old: [four, '${SHOPIFY_TOKEN}']}}}\n"
    )
    said = refused(text).text()
    assert not [
        word for word in ("one,", "two,", "three", "four") if word in said.replace("  two:", "")
    ]
    assert "${SHOPIFY_TOKEN}" in said


def test_a_connector_that_repeats_a_secret_is_not_repeated() -> None:
    environment = {**ENVIRONMENT, "SHOPIFY_TOKEN": "wrong-token-value"}
    said = refused(SMALL, environment=environment).text()
    assert "access_token: ******** is not a token" in said
    assert "wrong-token-value" not in said


def test_a_secret_of_a_letter_or_two_does_not_blot_out_the_words_that_hold_it() -> None:
    said = refused(SMALL, environment={**ENVIRONMENT, "SHOPIFY_TOKEN": "to"}).text()
    assert "access_token: ******** is not a token" in said


def test_a_secret_kept_under_an_anchor_elsewhere_is_hidden_there() -> None:
    text = SMALL.replace("soho: {}", "soho: {name: &token hidden-here, nme: x}").replace(
        "${SHOPIFY_TOKEN}", "*token"
    )
    said = refused(text).text()
    assert "unknown key" in said
    assert "a secret must not stand in the file" in said
    assert "hidden-here" not in said


def test_a_secret_in_the_wrong_place_is_hidden() -> None:
    text = SMALL.replace("    connector:", "    access_token: short\n    connector:")
    said = refused(text).text()
    assert "access_token: unknown key" in said
    assert "short" not in said


def test_the_problem_of_a_missing_file_says_how_to_make_one(tmp_path: Path) -> None:
    from channelsync.configuration.loading import load
    from tests.unit.configuration.samples import surroundings

    with pytest.raises(
        ConfigurationInvalid, match=r"No such file.*; make one with: channelsync init"
    ):
        load(tmp_path / "none.yaml", surroundings())
    with pytest.raises(ConfigurationInvalid, match="cannot be read: Is a directory"):
        load(tmp_path, surroundings())


def test_small_samples_load() -> None:
    assert loaded(SMALL).channels["shop"].connector == "shopify"
