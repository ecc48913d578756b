"""Values are changed in the text of a file; everything else stays to the character."""

from __future__ import annotations

import difflib
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from channelsync.configuration.document import read_document
from channelsync.configuration.layout import LayoutRefused, Value, edited
from channelsync.configuration.problems import KeyPath
from channelsync.resources import resource_folder

EXAMPLE = (resource_folder("config") / "example.yaml").read_text(encoding="utf-8")
QUOTAS = ("allocation", "quotas")


def changed(text: str, changes: dict[KeyPath, Value]) -> list[str]:
    """The lines that went and came."""
    lines = difflib.unified_diff(text.splitlines(), edited(text, changes).splitlines(), n=0)
    return [line for line in lines if line[:1] in "+-" and line[:3] not in {"+++", "---"}]


def test_one_number_changes_and_nothing_beside_it() -> None:
    assert changed(EXAMPLE, {(*QUOTAS, "shopify"): "60%"}) == [
        "-  quotas: {shopify: 70%, till: 30%}",
        "+  quotas: {shopify: 60%, till: 30%}",
    ]


def test_comments_blank_lines_and_columns_stay() -> None:
    text = "q:   # shares\n    a: 50%    # most\n    'b':   20%\n\n# end\n"
    assert edited(text, {("q", "a"): "40%", ("q", "b"): "1%", ("q", "c"): "5%"}) == (
        "q:   # shares\n    a: 40%    # most\n    'b':   1%\n    c: 5%\n\n# end\n"
    )


def test_new_keys_stand_before_the_long_ones() -> None:
    assert changed(EXAMPLE, {("allocation", "limits", "till", "cap"): 9}) == [
        "+  limits: {till: {cap: 9}}"
    ]
    text = edited(EXAMPLE, {("allocation", "limits", "till", "cap"): 9})
    assert text.index("limits: {till") < text.index("# Exceptions;")


def test_a_mapping_without_entries_goes_as_a_whole() -> None:
    rule = ("allocation", "rules", 0, "limits", "shopify")
    gone: dict[KeyPath, Value] = {(*rule, "cap"): None, (*rule, "stop_sell_at"): None}
    assert changed(EXAMPLE, gone) == [
        "-      limits:",
        "-        shopify: {stop_sell_at: 2, cap: 40}",
    ]


@pytest.mark.parametrize(
    ("text", "changes", "after"),
    [
        ("a: {}\n", {("a", "x"): 1}, "a: {x: 1}\n"),
        ("a:\nb: 1\n", {("a", "x"): 1}, "a: {x: 1}\nb: 1\n"),
        ("a: {x: 1, y: 2, }\n", {("a", "y"): None}, "a: {x: 1, }\n"),
        ("a: {x: 1, y: 2}\n", {("a", "x"): None}, "a: {y: 2}\n"),
        ("a: 1", {("b", "c"): "x: y"}, 'a: 1\nb: {c: "x: y"}\n'),
        ("a: {p: [x, y], z: 1}\n", {("a", "p"): ["y"]}, "a: {z: 1, p: [y]}\n"),
        ("a:\n  p:\n  - x\n  z: 1\n", {("a", "p"): ["y"]}, "a:\n  z: 1\n  p: [y]\n"),
        ("a:\r\n  x: 1\r\n", {("a", "y"): 2}, "a:\r\n  x: 1\r\n  y: 2\r\n"),
        ("a: {p: 1, x: }\n", {("a", "x"): 2}, "a: {p: 1, x: 2 }\n"),
        ("a:\n  x:  # why\n  y: 1\n", {("a", "x"): None}, "a:\n  y: 1\n"),
        ("a: {x: 1}\n", {("a", "y"): None}, "a: {x: 1}\n"),
        ("a: {x: 1}\n", {("b", "y"): None}, "a: {x: 1}\n"),
        ("a: {x: 1}\n", {("a", "x"): "yes"}, 'a: {x: "yes"}\n'),
        ("a: {x: 1}\n", {("a", "x"): "7"}, 'a: {x: "7"}\n'),
    ],
)
def test_it_is_written_as_a_person_would(
    text: str, changes: dict[KeyPath, Value], after: str
) -> None:
    assert edited(text, changes) == after


@pytest.mark.parametrize(
    ("text", "path"),
    [
        ("a: &q {x: 1}\nb: *q\n", ("b", "y")),
        ("a: &q {x: 1}\nb: *q\n", ("a", "x")),
        ("a: |\n  some\n  text\n", ("b",)),
        ("a:\n- x: 1\n  y: 2\n", ("a", 0, "x")),
        ("a: [1, 2]\n", ("a", "x")),
    ],
)
def test_what_cannot_be_changed_alone_is_refused(text: str, path: KeyPath) -> None:
    with pytest.raises(LayoutRefused, match="change it in the text"):
        edited(text, {path: None if path == ("a", 0, "x") else 5})


NAMES = st.sampled_from(["amazon", "shop", "till", "no", "1e5"])
SHARES = st.one_of(st.none(), st.integers(0, 100).map(lambda one: f"{one}%"))
PLACES = st.sampled_from([QUOTAS, ("allocation", "rules", 0, "quotas")])


SMALL = """# the head
allocation:
  strategy: quota   # as before
  quotas: {amazon: 50%, till: 20%}
  # exceptions
  rules:
    - name: sale  # once a year
      quotas:
        shop: 5%
# the end
"""


@settings(max_examples=25)
@given(st.dictionaries(st.tuples(PLACES, NAMES), SHARES, max_size=4))
def test_whatever_is_changed_reads_as_asked_for_and_keeps_every_comment(
    wanted: dict[tuple[KeyPath, str], str | None],
) -> None:
    changes: dict[KeyPath, Value] = {(*place, name): v for (place, name), v in wanted.items()}
    after = edited(SMALL, changes)
    content: Any = read_document(after.encode(), name="").plain()
    for (place, name), share in wanted.items():
        holder = content["allocation"]
        holder = (holder["rules"][0] if "rules" in place else holder).get("quotas") or {}
        assert holder.get(name) == share
    assert [line for line in after.splitlines() if "#" in line] == [
        line for line in SMALL.splitlines() if "#" in line
    ]
