"""What a till's events mean, and which of them are refused."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from channelsync.sdk.errors import BadDelivery
from channelsync.sdk.types import (
    CancelEffect,
    Delivery,
    OrderFact,
    OrderVoid,
    Parsed,
    RegisterSequence,
    StockCount,
)
from channelsync_pos.connector import TillChannel
from channelsync_pos.times import instant
from tests.support.till import NOW, Clock, Shelves, context, event, sale, settings, signed

SOLD_AT = instant("2026-11-21T09:58:11Z")
TILL = TillChannel(context(Clock(), settings()), settings())

VOID = {
    "register_id": "T1",
    "sequence": 412,
    "sale_id": "T3-000871",
    "sale_register_id": "T3",
    "occurred_at": "2026-11-21T09:59:00Z",
}
RETURN = {
    "register_id": "T1",
    "sequence": 413,
    "return_id": "R-00017",
    "occurred_at": "2026-11-21T09:59:30Z",
    "lines": [
        {"line_id": "1", "sku": "MUG-RED", "quantity": "1", "restock": True},
        {"line_id": "2", "sku": "CAP", "quantity": "3", "restock": False},
    ],
}
COUNT = {
    "register_id": "T1",
    "sequence": 414,
    "location": "attic",
    "as_of": "2026-11-21T09:00:00Z",
    "lines": [{"sku": "MUG-RED", "quantity": "7"}, {"sku": "CAP", "quantity": "0"}],
}


def heard(kind: str, data: dict[str, Any]) -> Parsed:
    delivery = TILL.verify_webhook(signed(event(kind, data)))
    stored = json.loads(json.dumps(delivery.reduced))
    return TILL.parse(
        Delivery(dedupe_key=delivery.dedupe_key, topic=delivery.topic, reduced=stored)
    )


def test_a_sale_is_an_order_whose_units_have_left_the_shop() -> None:
    parsed = heard("pos.sale.completed", sale(recorded_offline=True))
    assert parsed == Parsed(
        facts=(
            OrderFact(
                order_id="T3/T3-000871",
                line_id="1/MUG-RED",
                sku="MUG-RED",
                ordered=2,
                shipped=2,
                version=0.0,
                sold_at=SOLD_AT,
                shipped_at=SOLD_AT,
                cancel_effect=CancelEffect.NOT_RELISTED,
                location="soho",
                origin="till, offline",
            ),
        ),
        sequences=(RegisterSequence(register_id="T3", sequence=871),),
    )


def test_a_sale_draws_the_tills_slice() -> None:
    assert heard("pos.sale.completed", sale()).facts[0].moves_counter


def test_a_sale_belongs_to_the_location_that_it_names() -> None:
    assert heard("pos.sale.completed", sale(location="attic")).facts[0].location == "attic"


def test_a_void_names_its_sale_by_the_register_that_made_it() -> None:
    void = OrderVoid(
        order_id="T3/T3-000871",
        at=instant("2026-11-21T09:59:00Z"),
        cancel_effect=CancelEffect.NOT_RELISTED,
    )
    assert heard("pos.sale.voided", VOID).voids == (void,)
    own = {name: value for name, value in VOID.items() if name != "sale_register_id"}
    assert heard("pos.sale.voided", own).voids[0].order_id == "T1/T3-000871"


def test_a_void_before_its_sale_leaves_nothing_sold() -> None:
    shelves = Shelves()
    shelves.hear(heard("pos.sale.voided", VOID))
    shelves.hear(heard("pos.sale.completed", sale()))
    assert shelves.net_units() == {"MUG-RED": 0}


def test_a_return_without_a_sale_puts_back_what_was_looked_at_and_no_more() -> None:
    mug, cap = heard("pos.return.completed", RETURN).facts
    assert (mug.order_id, mug.line_id) == ("T1/returns/R-00017", "1/MUG-RED")
    assert (mug.ordered, mug.returned, mug.restocked, mug.relisted) == (0, 1, 1, 0)
    assert (cap.ordered, cap.returned, cap.restocked, cap.relisted) == (0, 3, 0, 0)
    assert mug.returned_at == instant("2026-11-21T09:59:30Z")
    assert mug.location == "soho"
    assert mug.origin == "till, return"


def test_a_return_of_a_known_sale_says_so_and_counts_alike() -> None:
    named = heard("pos.return.completed", RETURN | {"sale_id": "S1", "sale_register_id": "T3"})
    unnamed = heard("pos.return.completed", RETURN)
    assert {fact.origin for fact in named.facts} == {"till, return of T3/S1"}
    assert [fact.restocked for fact in named.facts] == [fact.restocked for fact in unnamed.facts]


def test_two_returns_of_one_sale_add_up_and_each_counts_once() -> None:
    shelves = Shelves()
    shelves.hear(heard("pos.sale.completed", sale()))
    first = RETURN | {"sale_id": "T3-000871", "sale_register_id": "T3"}
    second = first | {"return_id": "R-00018", "sequence": 420}
    for data in (first, second, first, second):
        shelves.hear(heard("pos.return.completed", data))
    assert shelves.net_units()["MUG-RED"] == 0


def test_a_count_states_every_shelf_with_the_instant_it_was_taken() -> None:
    at = instant("2026-11-21T09:00:00Z")
    told = [("MUG-RED", 7), ("CAP", 0)]
    assert heard("pos.stock.counted", COUNT).counts == tuple(
        StockCount(
            sku=sku,
            location="attic",
            on_hand=units,
            counted_at=at,
            reference="register T1, event 414",
        )
        for sku, units in told
    )


def test_a_heartbeat_says_only_its_number() -> None:
    parsed = heard("pos.register.heartbeat", {"register_id": "T1", "sequence": 591})
    assert parsed == Parsed(sequences=(RegisterSequence(register_id="T1", sequence=591),))


@given(st.permutations([3, 1, 5]), st.booleans())
def test_one_sale_id_with_different_baskets_counts_each_line_at_its_largest(
    quantities: list[int], twice: bool
) -> None:
    shelves = Shelves()
    for number, quantity in enumerate(quantities * (1 + twice)):
        line = {"line_id": "1", "sku": "MUG-RED", "quantity": str(quantity)}
        other = {"line_id": "2", "sku": "CAP", "quantity": "1"}
        lines = [line, other] if quantity == 3 else [line]
        at = f"2026-11-21T09:5{number}:00Z"
        shelves.hear(heard("pos.sale.completed", sale(lines=lines, occurred_at=at)))
    assert shelves.net_units() == {"MUG-RED": 5, "CAP": 1}


def test_one_sale_id_with_another_sku_on_the_same_line_counts_both() -> None:
    shelves = Shelves()
    for sku in ("MUG-RED", "MUG-BLUE", "MUG-RED"):
        line = {"line_id": "1", "sku": sku, "quantity": "2"}
        shelves.hear(heard("pos.sale.completed", sale(lines=[line])))
    assert shelves.net_units() == {"MUG-RED": 2, "MUG-BLUE": 2}


@pytest.mark.parametrize(
    ("written", "units"),
    [("1", 1), ("2.000", 2), ("0007", 7), ("1000000", 1_000_000), (3, 3)],
)
def test_whole_quantities_are_read(written: object, units: int) -> None:
    line = {"line_id": "1", "sku": "MUG", "quantity": written}
    assert heard("pos.sale.completed", sale(lines=[line])).facts[0].ordered == units


@pytest.mark.parametrize(
    ("written", "why"),
    [
        ("0.5", "fraction"),
        ("1.000000001", "fraction"),
        ("0", "greater than or equal to 1"),
        ("1000001", "less than or equal"),
        ("-1", "decimal text"),
        ("+1", "decimal text"),
        ("1e3", "decimal text"),
        ("1,5", "decimal text"),
        ("٣", "decimal text"),
        ("", "decimal text"),
        (" 1", "decimal text"),
        (2.0, "decimal text"),
        (True, "decimal text"),
        (None, "decimal text"),
        ([], "decimal text"),
        ("9" * 5_000, "decimal text"),
    ],
)
def test_other_quantities_are_refused_with_the_place_and_the_reason(
    written: object, why: str
) -> None:
    line = {"line_id": "1", "sku": "MUG", "quantity": written}
    with pytest.raises(BadDelivery, match=rf"lines\.0\.quantity: .*{why}"):
        heard("pos.sale.completed", sale(lines=[line]))


@pytest.mark.parametrize(
    ("changes", "place"),
    [
        ({"sequence": 0}, "sequence"),
        ({"sequence": "871"}, "sequence"),
        ({"sequence": 2**60}, "sequence"),
        ({"register_id": "T3/1"}, "register_id"),
        ({"register_id": "x" * 65}, "register_id"),
        ({"sale_id": ""}, "sale_id"),
        ({"sale_id": "jane doe"}, "sale_id"),
        ({"occurred_at": "2026-11-21T09:58:11"}, "occurred_at: .*offset"),
        ({"occurred_at": "yesterday"}, "occurred_at"),
        ({"occurred_at": 1_795_255_200}, "occurred_at"),
        ({"occurred_at": "1970-01-01T00:00:00Z"}, "occurred_at: .*clock"),
        ({"occurred_at": "0001-01-01T00:00:00+14:00"}, "occurred_at: .*clock"),
        ({"occurred_at": "9999-12-31T23:59:59-14:00"}, "occurred_at: .*clock"),
        ({"location": ""}, "location"),
        ({"lines": []}, "lines"),
        ({"lines": "none"}, "lines"),
        ({"lines": [{"line_id": "1", "sku": " ", "quantity": "1"}]}, "sku"),
        ({"lines": [{"line_id": "1", "sku": "A\x00B", "quantity": "1"}]}, "sku"),
        ({"lines": [{"line_id": "1", "sku": "A", "quantity": "1"}] * 2}, "line_id '1'"),
        ({"lines": [{"line_id": "1", "sku": "A", "quantity": "1"}] * 501}, "lines"),
    ],
)
def test_a_malformed_sale_is_refused_and_the_place_is_named(
    changes: dict[str, Any], place: str
) -> None:
    with pytest.raises(BadDelivery, match=place):
        heard("pos.sale.completed", sale(**changes))


def test_an_unknown_type_is_refused_with_the_known_ones() -> None:
    with pytest.raises(BadDelivery) as refused:
        heard("pos.sale.complete", sale())
    assert "'pos.sale.complete'" in str(refused.value)
    for known in ("pos.sale.completed", "pos.sale.voided", "pos.register.heartbeat"):
        assert known in str(refused.value)


def test_a_count_of_one_sku_on_two_lines_is_ambiguous() -> None:
    lines = [{"sku": "MUG", "quantity": "1"}, {"sku": "MUG", "quantity": "2"}]
    with pytest.raises(BadDelivery, match="'MUG' stands on two lines"):
        heard("pos.stock.counted", COUNT | {"lines": lines})


def test_a_count_from_the_future_is_refused() -> None:
    with pytest.raises(BadDelivery, match="register T1"):
        heard("pos.stock.counted", COUNT | {"as_of": "2026-11-21T10:30:00Z"})


def test_a_restock_must_be_said_in_so_many_words() -> None:
    line = {"line_id": "1", "sku": "MUG", "quantity": "1"}
    with pytest.raises(BadDelivery, match="restock"):
        heard("pos.return.completed", RETURN | {"lines": [line]})
    with pytest.raises(BadDelivery, match="restock"):
        heard("pos.return.completed", RETURN | {"lines": [line | {"restock": "yes"}]})


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"null",
        b"[]",
        b"{}",
        b'{"type":"pos.sale.completed"}',
        b'{"type":1,"data":{}}',
        b'{"type":"pos.sale.completed","data":[]}',
        b"\xff\xfe",
        b'{"type":"pos.sale.completed","data":' + b"[" * 5_000 + b"]" * 5_000 + b"}",
        b'{"type":"pos.sale.completed","data":{"sequence":' + b"9" * 5_000 + b"}}",
    ],
)
def test_a_signed_body_of_another_form_is_a_bad_delivery(body: bytes) -> None:
    with pytest.raises(BadDelivery):
        TILL.verify_webhook(signed(body))


CANARY = "canary@mail.example"
PERSON = {"name": "Ada Canary", "email": CANARY, "phone": "555 0100"}


@pytest.mark.parametrize(
    ("kind", "data"),
    [
        ("pos.sale.completed", sale()),
        ("pos.sale.voided", VOID),
        ("pos.return.completed", RETURN),
        ("pos.stock.counted", COUNT),
        ("pos.register.heartbeat", {"register_id": "T1", "sequence": 591}),
    ],
)
def test_no_person_gets_past_the_door(kind: str, data: dict[str, Any]) -> None:
    planted = {**data, "customer": PERSON, "note": CANARY, "cashier": PERSON}
    if "lines" in data:
        planted["lines"] = [{**line, "note": CANARY, "for": PERSON} for line in data["lines"]]
    whole = {**event(kind, planted), "customer": PERSON}
    delivery = TILL.verify_webhook(signed(whole))
    for kept in (delivery, TILL.parse(delivery)):
        assert "anary" not in repr(kept)
        assert "555" not in repr(kept)


@pytest.mark.parametrize("where", ["sale_id", "register_id", "occurred_at", "sequence"])
def test_a_refusal_repeats_nothing_of_what_was_sent(where: str) -> None:
    with pytest.raises(BadDelivery) as refused:
        heard("pos.sale.completed", sale(**{where: f"Ada Canary <{CANARY}>"}))
    assert "anary" not in str(refused.value)
    assert refused.value.__cause__ is None


def test_what_is_stored_can_be_stored_again_unchanged() -> None:
    for kind, data in (("pos.sale.completed", sale()), ("pos.return.completed", RETURN)):
        once = TILL.verify_webhook(signed(event(kind, data)))
        again = TILL.verify_webhook(signed(event(kind, dict(once.reduced))))
        assert again.reduced == once.reduced
        assert TILL.parse(again) == TILL.parse(once)


def test_a_reduction_that_we_did_not_write_is_a_bad_delivery() -> None:
    with pytest.raises(BadDelivery):
        TILL.parse(Delivery(dedupe_key="x", topic="orders/create", reduced={}))


EVENTS: list[tuple[str, dict[str, Any]]] = [
    ("pos.sale.completed", sale()),
    ("pos.sale.completed", sale(sequence=872, sale_id="T3-000872")),
    ("pos.sale.voided", VOID),
    ("pos.return.completed", RETURN | {"sale_id": "T3-000872", "sale_register_id": "T3"}),
    ("pos.stock.counted", COUNT),
    ("pos.register.heartbeat", {"register_id": "T1", "sequence": 591}),
]


@given(st.permutations(EVENTS * 2))
def test_the_order_of_arrival_and_repetition_change_nothing(
    arrivals: list[tuple[str, dict[str, Any]]],
) -> None:
    shuffled, straight = Shelves(), Shelves()
    for kind, data in arrivals:
        shuffled.hear(heard(kind, data))
    for kind, data in EVENTS:
        straight.hear(heard(kind, data))
    assert shuffled.lines == straight.lines
    assert shuffled.net_units() == straight.net_units() == {"MUG-RED": 1, "CAP": 0}
    assert shuffled.numbers == {"T3": {871, 872}, "T1": {412, 413, 414, 591}}


def test_now_is_what_the_examples_say() -> None:
    assert instant("2026-11-21T10:00:00Z") == NOW
