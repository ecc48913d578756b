"""Authentic news that no database can hold is set aside, and its neighbours are counted."""

from __future__ import annotations

from typing import Any

import pytest
from msgspec.structs import replace

from channelsync.engine.holdable import (
    UNITS_MAX,
    require_holdable,
    require_storable,
    with_storable_texts,
)
from channelsync.engine.receive import _parse_all
from channelsync.sdk.errors import BadDelivery
from channelsync.sdk.types import (
    Delivery,
    LookAt,
    OrderFact,
    OrderPage,
    OrderVoid,
    Parsed,
    WebhookRequest,
)

FACT = OrderFact(order_id="1", line_id="1", sku="MUG", ordered=UNITS_MAX, version=1.0)


@pytest.mark.parametrize(
    "fact",
    [
        replace(FACT, sku="MU\0G"),
        replace(FACT, sku="\ud800"),
        replace(FACT, external={"id\0": "x"}),
        replace(FACT, ordered=UNITS_MAX + 1),
        replace(FACT, ordered=10**5_000),
        replace(FACT, version=float("inf")),
        replace(FACT, sold_at=float("nan")),
    ],
)
def test_a_text_or_number_beyond_every_column_is_refused(fact: OrderFact) -> None:
    with pytest.raises(BadDelivery):
        require_holdable(Parsed(facts=(FACT, fact)))


def test_what_a_column_holds_is_taken() -> None:
    look = LookAt(orders=("Größe 大",), listings=({"id": "x"},), catalogue=True)
    require_holdable(Parsed(facts=(FACT,), look_at=look))


@pytest.mark.parametrize("field", ["dedupe_key", "topic"])
def test_a_key_or_topic_with_a_nul_is_refused_before_it_is_stored(field: str) -> None:
    """Square's `type` becomes both; PostgreSQL holds no NUL in a text."""
    delivery = Delivery(dedupe_key="k", topic="t", reduced={})
    require_storable(delivery)
    changes: dict[str, Any] = {field: "\0"}
    with pytest.raises(BadDelivery):
        require_storable(replace(delivery, **changes))


@pytest.mark.parametrize("number", [float("nan"), float("inf")])
def test_a_reduction_that_is_no_json_is_refused_before_it_is_stored(number: float) -> None:
    """Python reads `1e999` and writes `Infinity`; PostgreSQL does not."""
    delivery = Delivery(dedupe_key="k", topic="t", reduced={"available": number})
    with pytest.raises(BadDelivery, match="no JSON"):
        require_storable(delivery)


class Door:
    """A connector that says whatever it was sent."""

    def verify_webhook(self, request: WebhookRequest) -> Delivery:
        return Delivery(dedupe_key="k", topic="t", reduced={"sku": request.body.decode()})

    def parse(self, delivery: Delivery) -> Parsed:
        return Parsed(facts=(replace(FACT, sku=delivery.reduced["sku"]),))


def test_one_such_delivery_does_not_keep_its_neighbours_from_being_counted() -> None:
    rows = [
        (number, str(number), "t", {"sku": sku}, None)
        for number, sku in enumerate(["MUG", "MU\0G", "CUP"])
    ]
    parsed, bad = _parse_all(Door(), rows)
    assert [one.facts[0].sku for one in parsed] == ["MUG", "CUP"]
    assert [number for number, _ in bad] == [1]
    assert "no database holds" in bad[0][1]


@pytest.mark.parametrize("bad", ["MU\0G", "MU\ud800G"])
def test_a_polled_page_is_kept_with_other_texts_in_place_of_those_that_no_database_holds(
    bad: str,
) -> None:
    fact = replace(FACT, order_id=bad, line_id=bad, sku=bad, location=bad, external={bad: bad})
    page = OrderPage(
        facts=(FACT, fact), voids=(OrderVoid(order_id=bad, at=1.0),), cursor="", more=False
    )
    kept = with_storable_texts(page)
    require_holdable(Parsed(facts=kept.facts, voids=kept.voids))
    assert kept.facts[0] == FACT
    assert kept.voids[0].order_id == kept.facts[1].order_id
    assert kept.facts[1].sku != FACT.sku
    assert with_storable_texts(page) == kept


def test_two_orders_that_differ_in_what_no_database_holds_stay_two() -> None:
    pair = (replace(FACT, order_id="1\0"), replace(FACT, order_id="1\ud800"))
    kept = with_storable_texts(OrderPage(facts=pair, cursor="", more=False))
    assert len({fact.order_id for fact in kept.facts} | {"1"}) == 3


def test_a_page_of_sound_texts_is_itself() -> None:
    page = OrderPage(facts=(FACT,), cursor="", more=False)
    assert with_storable_texts(page) is page
