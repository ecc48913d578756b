"""Whatever lies in the queue or in an answer: it is understood, or refused in words of ours."""

from __future__ import annotations

import json
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from channelsync.sdk.errors import BadDelivery, Retryable
from channelsync.sdk.types import Delivery
from channelsync_amazon.feeds import _read_report
from channelsync_amazon.notifications import parse, reduce
from tests.unit.amazon.test_notifications import FEED, ORDER, QUANTITY, SELLER

LEAVES = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20)
VALUES = st.recursive(
    LEAVES,
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=12), inner, max_size=3)
    ),
    max_leaves=8,
)


def places(message: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """Every place of a message."""
    found = [path] if path else []
    entries = (
        message.items()
        if isinstance(message, dict)
        else enumerate(message)
        if isinstance(message, list)
        else ()
    )
    for name, inner in entries:
        found += places(inner, (*path, name))
    return found


SAMPLES = [(message, place) for message in (ORDER, QUANTITY, FEED) for place in places(message)]


def understood_or_refused(body: bytes) -> None:
    try:
        delivery = reduce(body, seller_id=SELLER)
    except BadDelivery:
        return
    stored = json.loads(json.dumps(delivery.reduced))
    try:
        parse(Delivery(dedupe_key=delivery.dedupe_key, topic=delivery.topic, reduced=stored))
    except BadDelivery:
        return


@settings(max_examples=150)
@given(st.binary(max_size=200))
def test_any_bytes(body: bytes) -> None:
    understood_or_refused(body)


@settings(max_examples=400)
@given(st.sampled_from(SAMPLES), VALUES)
def test_any_value_at_any_place_of_a_notification(
    sample: tuple[dict[str, Any], tuple[Any, ...]], value: Any
) -> None:
    message, place = sample
    changed = json.loads(json.dumps(message))
    inner = changed
    for name in place[:-1]:
        inner = inner[name]
    inner[place[-1]] = value
    understood_or_refused(json.dumps(changed).encode())


@settings(max_examples=150)
@given(st.binary(max_size=200) | VALUES.map(lambda value: json.dumps(value).encode()))
def test_any_report_of_a_feed(content: bytes) -> None:
    for compression in (None, "GZIP"):
        try:
            _read_report(content, compression)
        except Retryable:
            continue
