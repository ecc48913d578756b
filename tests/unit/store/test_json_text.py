"""JSON of the store: whatever Python's own module writes is read, and the other way round."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from channelsync.store.json_text import from_text, to_text

VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)


@given(VALUES)
def test_a_value_comes_back_whoever_wrote_it(value: Any) -> None:
    assert from_text(to_text(value)) == json.loads(to_text(value)) == value
    assert from_text(json.dumps(value)) == value


@pytest.mark.parametrize("value", ["half of a pair: \ud800", {"\ud800": 10**5_00}])
def test_half_of_a_surrogate_pair_comes_back_as_well(value: Any) -> None:
    assert from_text(to_text(value)) == from_text(json.dumps(value)) == value


def test_a_deep_nesting_is_read() -> None:
    text = "[" * 400 + "]" * 400
    assert from_text(text) == json.loads(text)


def test_what_is_no_json_is_refused() -> None:
    with pytest.raises(ValueError, match="line 1"):
        from_text("{")
    with pytest.raises(TypeError):
        to_text(object())
