"""A hold ends once, whoever comes first, and keeps its units exactly until then."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from channelsync.domain import holds
from channelsync.domain.errors import HoldConflict
from channelsync.domain.holds import Hold, HoldState

STEPS = st.lists(
    st.tuples(
        st.sampled_from(("extend", "confirm", "release", "ship", "expire")), st.floats(0, 30)
    ),
    max_size=12,
)


def step(hold: Hold, what: str, now: float) -> Hold:
    """One request."""
    if what == "extend":
        return holds.extend(hold, now + 10, now=now)
    action = {
        "confirm": holds.confirm,
        "release": holds.release,
        "ship": holds.ship,
        "expire": holds.expire,
    }[what]
    return action(hold, now=now)


@given(STEPS)
def test_a_hold_ends_at_most_once_and_never_after_its_time(steps: list[tuple[str, float]]) -> None:
    hold, now, ends = Hold(hold_id="h", owner="cart", expires_at=20.0), 0.0, 0
    for what, passed in steps:
        now += passed
        before = hold
        try:
            hold = step(hold, what, now)
        except HoldConflict:
            assert hold is before
            continue
        ends += before.keeps_units and not hold.keeps_units
        assert before.keeps_units, "an ended hold changed"
        if what in {"confirm", "extend"}:
            assert before.state is HoldState.ACTIVE
            assert now < before.expires_at
        if what == "expire":
            assert now >= before.expires_at
            assert before.state is HoldState.ACTIVE
    assert ends <= 1
    assert hold.keeps_units == (ends == 0)


def test_confirming_and_expiring_exclude_each_other() -> None:
    hold = Hold(hold_id="h", owner="cart", expires_at=20.0)
    confirmed = holds.confirm(hold, now=19.9)
    with pytest.raises(HoldConflict):
        holds.expire(confirmed, now=25.0)
    expired = holds.expire(hold, now=20.0)
    with pytest.raises(HoldConflict, match="is expired: make a new one"):
        holds.confirm(expired, now=20.0)


def test_an_active_hold_does_not_ship() -> None:
    hold = Hold(hold_id="h", owner="cart", expires_at=20.0)
    with pytest.raises(HoldConflict, match="confirm it before it ships"):
        holds.ship(hold, now=1.0)


def test_extending_never_shortens() -> None:
    hold = Hold(hold_id="h", owner="cart", expires_at=20.0)
    assert holds.extend(hold, 5.0, now=1.0).expires_at == 20.0
