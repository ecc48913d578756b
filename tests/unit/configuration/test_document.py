"""YAML 1.2, its places, and nothing but documented errors whatever the bytes are."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from channelsync.configuration.document import Document, read_document
from channelsync.configuration.loading import load_bytes
from channelsync.configuration.nodes import DEPTH_MAX
from channelsync.configuration.problems import ConfigurationInvalid
from tests.unit.configuration.samples import DESIGN, SMALL, surroundings


def read(text: str) -> Document:
    return read_document(text.encode(), name="shop.yaml")


@pytest.mark.parametrize(
    ("written", "value"),
    [
        ("NO", "NO"),
        ("yes", "yes"),
        ("on", "on"),
        ("12:30", "12:30"),
        ("2026-11-27", "2026-11-27"),
        ("2026-11-27T00:00:00", "2026-11-27T00:00:00"),
        ("50%", "50%"),
        ("1_000", "1_000"),
        ("0x1F", "0x1F"),
        ("0o17", "0o17"),
        (".nan", ".nan"),
        (".inf", ".inf"),
        ("1e999", "1e999"),
        ("9" * 19, "9" * 19),
        ("true", True),
        ("False", False),
        ("~", None),
        ("null", None),
        ("12", 12),
        ("-3", -3),
        ("1.50", 1.5),
        ("1e3", 1000.0),
        ('"12"', "12"),
        ("'true'", "true"),
        ("'it''s'", "it's"),
        (r'"a\tb\u00e9"', "a\tbé"),
    ],
)
def test_a_plain_scalar_means_what_yaml_1_2_says(written: str, value: object) -> None:
    found = read(f"key: {written}\n").plain()["key"]
    assert found == value
    assert type(found) is type(value)


def test_keys_are_the_text_as_written() -> None:
    assert read('007: a\n1.50: b\nNO: c\n"x y": d\n').plain() == {
        "007": "a",
        "1.50": "b",
        "NO": "c",
        "x y": "d",
    }


def test_blocks_folds_and_flows_are_read() -> None:
    text = "a: |\n  one\n  two\nb: >-\n  one\n  two\nc: [1, {d: 2}, [3]]\ne:\n- f: 1\n  g: 2\n- h\n"
    assert read(text).plain() == {
        "a": "one\ntwo\n",
        "b": "one two",
        "c": [1, {"d": 2}, [3]],
        "e": [{"f": 1, "g": 2}, "h"],
    }


def test_an_alias_stands_for_its_anchor() -> None:
    assert read("a: &x {b: [1]}\nc: *x\n").plain() == {"a": {"b": [1]}, "c": {"b": [1]}}


def test_a_byte_order_mark_and_windows_line_ends_are_no_obstacle() -> None:
    document = read_document(b"\xef\xbb\xbfa: 1\r\nb: [x,\r\n  y]\r\n", name="shop.yaml")
    assert document.plain() == {"a": 1, "b": ["x", "y"]}
    assert document.span(("b", 1)).line == 3


def test_every_place_is_known() -> None:
    document = read("a:\n  - b: 1\n    c d: x\n")
    assert (document.span(("a", 0, "b")).line, document.span(("a", 0, "b")).column) == (2, 8)
    assert document.span(("a", 0, "c d"), key=True).column == 5
    assert document.span(("a", 0, "c d")).column == 10
    # What is not there is where it would be.
    assert document.span(("a", 0, "missing")).line == 2
    assert document.span(("nowhere",)).line == 1
    assert document.known_part(("a", 0, "missing", "deeper")) == ("a", 0)
    assert document.known_part(("a", 7)) == ("a",)


def test_the_deepest_allowed_nesting_is_read() -> None:
    nested: Any = read("a: " + "[" * (DEPTH_MAX - 1) + "]" * (DEPTH_MAX - 1)).plain()["a"]
    for _ in range(DEPTH_MAX - 2):
        (nested,) = nested
    assert nested == []
    with pytest.raises(ConfigurationInvalid, match="nested deeper than 32 levels"):
        read("a: " + "[" * DEPTH_MAX + "]" * DEPTH_MAX)


def test_directives_of_yaml_1_2_are_accepted() -> None:
    assert read("%YAML 1.2\n---\na: 1\n...\n").plain() == {"a": 1}


WORDS = st.sampled_from(
    [
        *"[]{}:,-?!&*#|>%@`\"'\\~ \n\t\r.",
        *(
            "\n  ",
            "\n    ",
            ": ",
            "- ",
            "? ",
            "---\n",
            "...\n",
            "<<: ",
            "&a ",
            "*a",
            "!!str ",
            "${X}",
        ),
        *(
            "version: 1\n",
            "locations:\n",
            "channels:\n",
            "soho: {}\n",
            "50%",
            "file:x",
            "%YAML 1.2\n",
        ),
        *("connector: shopify\n", "settings: {", "allocation:\n", "quotas: {", "rules:\n", "null"),
        *("\\u", "\\x", "\\U0011ffff", '"\\', "\u2028", "\x85", "\ufeff", "\x00", "\ud800", "é"),
    ]
)
SOUP = st.lists(st.one_of(WORDS, st.text(max_size=8)), max_size=40).map("".join)


@st.composite
def mutated(draw: st.DrawFn) -> str:
    """A good file with a few pieces cut out, doubled or replaced."""
    text = draw(st.sampled_from([SMALL, DESIGN]))
    for _ in range(draw(st.integers(1, 4))):
        start = draw(st.integers(0, len(text)))
        end = min(len(text), start + draw(st.integers(0, 30)))
        text = text[:start] + draw(st.one_of(SOUP, st.just(text[start:end] * 2))) + text[end:]
    return text


def check(content: bytes) -> None:
    try:
        configuration = load_bytes(content, surroundings(), name="shop.yaml")
    except ConfigurationInvalid as invalid:
        problems = invalid.problems
    else:
        assert configuration.pools
        return
    assert problems
    for problem in problems:
        assert problem.text()
        assert problem.as_json()["message"]
        assert 0 <= (problem.caret or 0) <= len(problem.source or "")


@given(SOUP)
@settings(max_examples=250, deadline=None)
@example('"\\U0011ffff"')
@example('a: "\\ud800"')
@example("%YAML 9.9\n---\n")
@example("&a &b x")
@example("? ")
@example("[*a, &a]")
@example("- \n\t-")
@example("version: 1\nlocations: {soho: {}}\ntimezone: ''")
@example("version: 1\nlocations: {soho: {}}\ntimezone: /etc/passwd")
@example("version: 1\nlocations: {soho: {}}\ntimezone: ../../etc")
def test_no_text_raises_anything_but_the_documented_error(text: str) -> None:
    check(text.encode("utf-8", "surrogatepass"))


@given(mutated())
@settings(max_examples=250, deadline=None)
def test_no_damaged_file_raises_anything_but_the_documented_error(text: str) -> None:
    check(text.encode("utf-8", "surrogatepass"))


@given(st.binary(max_size=200))
@settings(max_examples=100, deadline=None)
def test_no_bytes_raise_anything_but_the_documented_error(content: bytes) -> None:
    check(content)


JSON = st.recursive(
    st.one_of(
        st.none(),
        st.booleans(),
        st.integers(-10, 200),
        st.floats(allow_nan=False),
        st.text(max_size=6),
    ),
    lambda inner: st.one_of(
        st.lists(inner, max_size=3), st.dictionaries(st.text(max_size=6), inner, max_size=3)
    ),
    max_leaves=8,
)
KEYS = st.sampled_from(
    [
        *("version", "timezone", "locations", "pools", "channels", "allocation", "listings"),
        *("holds", "quotas", "rules", "limits", "settings", "connector", "window", "from", "a"),
    ]
)
SHAPED = st.recursive(
    JSON,
    lambda inner: st.dictionaries(KEYS, st.one_of(inner, st.lists(inner, max_size=2)), max_size=5),
    max_leaves=20,
)


@given(SHAPED)
@settings(max_examples=200, deadline=None)
def test_no_well_formed_nonsense_raises_anything_but_the_documented_error(content: object) -> None:
    check(json.dumps(content).encode())
