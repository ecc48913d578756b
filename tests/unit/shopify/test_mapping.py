"""The arithmetic of an order line, for states that Shopify can be in and some it should not."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from channelsync.sdk.types import CancelEffect, OrderFact
from channelsync_shopify.mapping import (
    LineView,
    OrderView,
    Refunded,
    Shipment,
    facts_of,
    safe_origin,
    safe_status,
    units_shipped,
)

HERE, ELSEWHERE = "gid://shopify/Location/1", "gid://shopify/Location/2"


def fact_of(line: dict[str, Any], **order: Any) -> OrderFact:
    defaults: dict[str, Any] = {"shipped": 0, "sku": "MUG", "tracked": True}
    given_line = defaults | {"standing": line.get("shipped", 0)} | line
    view = OrderView.model_validate(
        {
            "order_id": "gid://shopify/Order/1",
            "test": False,
            "confirmed": True,
            "financial_status": "PAID",
            "source": "web",
            "created_at": 100.0,
            "updated_at": 200.0,
            "lines": [LineView(line_id="gid://shopify/LineItem/1", **given_line)],
        }
        | order
    )
    [fact] = facts_of(view, location=HERE, count_test_orders=True)
    return fact


def refund(
    units: int, restock: str, at: float | None = 150.0, location: str | None = HERE
) -> Refunded:
    return Refunded(
        units=units,
        restock=restock,
        at=at,
        location=None if restock == "NO_RESTOCK" else location,
    )


def test_an_unconfirmed_order_is_pending_and_its_counter_has_not_surely_moved() -> None:
    fact = fact_of({"quantity": 1, "current": 1, "unfulfilled": 1}, confirmed=False)
    assert (fact.pending, fact.sold_at) == (True, None)


@pytest.mark.parametrize("source", ["pos", "shopify_draft_order", "580111", ""])
def test_only_the_online_stores_orders_tell_when_the_counter_moved(source: str) -> None:
    line = {"quantity": 1, "current": 1, "unfulfilled": 1}
    assert fact_of(line, source=source).sold_at is None
    assert fact_of(line).sold_at == 100.0


def test_units_restocked_elsewhere_did_not_surely_come_back_here() -> None:
    line = {
        "quantity": 2,
        "current": 0,
        "unfulfilled": 0,
        "refunded": (refund(2, "CANCEL", location=ELSEWHERE),),
    }
    assert fact_of(line).cancel_effect is CancelEffect.UNSURE
    returned = {
        "quantity": 2,
        "current": 0,
        "unfulfilled": 0,
        "shipped": 2,
        "refunded": (refund(2, "RETURN", location=ELSEWHERE),),
    }
    assert (fact_of(returned).returned, fact_of(returned).relisted) == (2, 0)


def test_an_old_kind_of_restock_is_unsure() -> None:
    line = {
        "quantity": 2,
        "current": 1,
        "unfulfilled": 1,
        "refunded": (refund(1, "LEGACY_RESTOCK"),),
    }
    assert fact_of(line).cancel_effect is CancelEffect.UNSURE


def test_the_time_of_a_cancel_is_that_of_the_last_one() -> None:
    line = {
        "quantity": 3,
        "current": 1,
        "unfulfilled": 1,
        "refunded": (refund(1, "CANCEL", 150.0), refund(1, "CANCEL", 190.0)),
    }
    assert fact_of(line).cancelled_at == 190.0
    undated = line | {"refunded": (refund(1, "CANCEL", 150.0), refund(1, "CANCEL", None))}
    assert fact_of(undated).cancelled_at is None
    assert fact_of(undated, cancelled_at=195.0).cancelled_at == 195.0


def test_a_line_that_shopify_does_not_track_leaves_its_counter_alone() -> None:
    line = {"quantity": 1, "current": 1, "unfulfilled": 1}
    assert fact_of(line | {"tracked": False}).moves_counter is False
    assert fact_of(line | {"tracked": None}).moves_counter is True


def test_the_time_of_a_shipment_is_that_of_the_latest() -> None:
    first = Shipment(status="SUCCESS", units=1, at=10.0)
    second = Shipment(status="SUCCESS", units=1, at=20.0)
    assert units_shipped(3, [first, second]).at == 20.0
    assert units_shipped(3, [first, Shipment(status="OPEN", units=1, at=None)]).at is None
    assert units_shipped(3, []).at is None


def test_a_shipment_that_was_taken_back_stays_shipped() -> None:
    shipped = units_shipped(
        3,
        [
            Shipment(status="CANCELLED", units=2, at=10.0),
            Shipment(status="SUCCESS", units=2, at=20.0),
        ],
    )
    assert (shipped.ever, shipped.standing) == (3, 2)


@pytest.mark.parametrize(
    ("given_text", "kept"),
    [
        ("web", "web"),
        ("580111", "580111"),
        (None, ""),
        ("Jane Doe's order", "other"),
        ("é", "other"),
    ],
)
def test_a_source_is_kept_only_if_it_is_a_word(given_text: str | None, kept: str) -> None:
    assert safe_origin(given_text) == kept


def test_a_status_is_a_word_in_capitals_or_nothing() -> None:
    assert safe_status("partially_refunded") == "PARTIALLY_REFUNDED"
    assert safe_status("jane@example.com") == safe_status(None) == ""


UNITS = st.integers(min_value=0, max_value=6)
REFUNDS = st.lists(
    st.builds(
        refund,
        UNITS,
        st.sampled_from(["CANCEL", "RETURN", "NO_RESTOCK", "LEGACY_RESTOCK"]),
        st.sampled_from([None, 150.0, 160.0]),
        st.sampled_from([HERE, ELSEWHERE, None]),
    ),
    max_size=3,
)


@given(
    quantity=UNITS,
    current=UNITS,
    unfulfilled=UNITS,
    ever=UNITS,
    standing=UNITS,
    refunds=REFUNDS,
    called_off=st.booleans(),
)
def test_whatever_shopify_claims_the_counts_of_a_fact_add_up(
    *,
    quantity: int,
    current: int,
    unfulfilled: int,
    ever: int,
    standing: int,
    refunds: list[Refunded],
    called_off: bool,
) -> None:
    line = {
        "quantity": quantity,
        "current": min(current, quantity),
        "unfulfilled": unfulfilled,
        "shipped": min(ever, quantity),
        "standing": min(standing, ever, quantity),
        "refunded": tuple(refunds),
    }
    fact = fact_of(line, cancelled_at=180.0 if called_off else None)
    assert 0 <= fact.cancelled <= fact.ordered - fact.shipped
    assert 0 <= fact.relisted <= fact.returned <= fact.shipped
    if called_off:
        assert fact.cancelled == fact.ordered - fact.shipped
    restocked_here = sum(
        one.units for one in refunds if one.restock != "NO_RESTOCK" and one.location != ELSEWHERE
    )
    if fact.cancel_effect is CancelEffect.NOT_RELISTED and fact.cancelled:
        # Only where nothing at all can have been put back beyond what `relisted` says.
        assert restocked_here <= max(fact.relisted, fact.returned)
