"""Rules found for many items at one instant are those found for each alone."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from channelsync.domain.allocation_rules import Rule, RulesNow, match_rule

CHANNELS = ("a", "b")
INSTANTS = st.none() | st.floats(0, 4)


@st.composite
def rules(draw: st.DrawFn, *, particular: bool) -> Rule:
    """A rule; one that is not `particular` looks at no item's SKU or tags."""
    some = 1 if particular else 0
    start, length = draw(INSTANTS), draw(st.floats(0.5, 3))
    return Rule(
        name=draw(st.text("xyz", max_size=3)),
        skus=tuple(draw(st.lists(st.sampled_from(("MUG", "MUG-*", "*")), max_size=some))),
        tags=tuple(draw(st.lists(st.sampled_from(("red", "new")), max_size=2 * some))),
        channels=tuple(draw(st.lists(st.sampled_from(CHANNELS), max_size=2))),
        window_from=start,
        window_to=draw(st.sampled_from((None, (start or 0.0) + length))),
    )


@given(
    given_rules=st.booleans().flatmap(lambda one: st.lists(rules(particular=one), max_size=4)),
    now=st.floats(0, 5),
    items=st.lists(
        st.tuples(
            st.sampled_from(("MUG", "MUG-2PK", "CAP")),
            st.sets(st.sampled_from(("red", "new"))),
            st.frozensets(st.sampled_from(CHANNELS)),
        ),
        max_size=5,
    ),
)
def test_many_items_are_matched_as_each_alone(
    given_rules: list[Rule], now: float, items: list[tuple[str, set[str], frozenset[str]]]
) -> None:
    at_once = RulesNow(given_rules, now)
    for sku, tags, channels in items:
        alone = match_rule(given_rules, sku, tags, now, channels)
        assert at_once.match(sku, tags, channels) is alone


@given(given_rules=st.lists(rules(particular=False), max_size=4), now=st.floats(0, 5))
def test_where_channels_do_not_matter_a_rule_is_found_without_them(
    given_rules: list[Rule], now: float
) -> None:
    at_once = RulesNow(given_rules, now)
    if not at_once.by_channel:
        alone = match_rule(given_rules, "MUG", (), now, CHANNELS)
        assert at_once.match("MUG", (), frozenset()) is alone
