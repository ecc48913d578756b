"""Objects of a batch say what a webhook with the same event says."""

from __future__ import annotations

from typing import Any

import pytest

from channelsync.sdk.connector import AcceptsSales
from channelsync.sdk.errors import BadDelivery
from channelsync_pos.connector import TillChannel
from tests.support.till import Clock, context, event, sale, settings, signed

TILL = TillChannel(context(Clock(), settings()), settings())


def test_a_till_accepts_batches() -> None:
    assert isinstance(TILL, AcceptsSales)


def test_an_object_without_a_type_is_a_sale_and_says_what_the_webhook_says() -> None:
    webhook = TILL.verify_webhook(signed(event("pos.sale.completed", sale())))
    assert TILL.parse_batch(sale()) == TILL.parse(webhook)
    assert TILL.accept_sale(sale()).reduced == webhook.reduced


def test_an_object_with_a_type_is_what_it_says() -> None:
    beat = {"type": "pos.register.heartbeat", "register_id": "T1", "sequence": 5}
    assert TILL.accept_sale(beat).topic == "pos.register.heartbeat"
    assert TILL.parse_batch(beat).sequences[0].sequence == 5


def test_the_same_object_again_is_the_same_delivery_and_a_changed_one_is_not() -> None:
    first = TILL.accept_sale(sale())
    unread = TILL.accept_sale(sale(customer={"name": "Ada Canary"}))
    changed = TILL.accept_sale(sale(location="attic"))
    assert first.dedupe_key == unread.dedupe_key
    assert first.dedupe_key != changed.dedupe_key
    assert "anary" not in repr(unread)


@pytest.mark.parametrize(
    "data",
    [
        {},
        sale(type="orders/create"),
        sale(type=3),
        sale(type=None),
        sale(lines=[{"line_id": "1", "sku": "MUG", "quantity": "0.5"}]),
        {"type": "pos.stock.counted", "register_id": "T1", "sequence": 1, "lines": [],
         "as_of": "2026-11-21T09:00:00Z"},
    ],
)  # fmt: skip
def test_a_bad_object_is_refused_by_itself(data: dict[str, Any]) -> None:
    with pytest.raises(BadDelivery):
        TILL.parse_batch(data)


def test_an_unknown_type_is_repeated_in_part_only() -> None:
    with pytest.raises(BadDelivery) as refused:
        TILL.parse_batch(sale(type="x" * 5_000))
    assert len(str(refused.value)) < 300
