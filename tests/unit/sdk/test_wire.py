"""What connectors to JSON APIs share."""

from __future__ import annotations

from typing import Any

import httpx
import pytest

from channelsync.sdk.errors import Misconfigured, Retryable
from channelsync.sdk.wire import (
    CamelWire,
    JsonAnswer,
    StoredPlace,
    after_seconds,
    http_date,
    json_bytes,
    shaped,
)

NOON = 1_795_262_400.0
NOON_DATE = "Sat, 21 Nov 2026 12:00:00 GMT"


def answered(content: bytes = b"{}", **headers: str) -> JsonAnswer:
    response = httpx.Response(200, content=content, headers=headers)
    return JsonAnswer.of(response, sent_at=NOON - 3.0, received_at=NOON + 1.0)


@pytest.mark.parametrize(("text", "at"), [(NOON_DATE, NOON), ("yesterday", None), (None, None)])
def test_a_date_header_is_read_where_it_can_be(text: str | None, at: float | None) -> None:
    assert http_date(text) == at


def test_an_answer_was_not_made_before_its_request_left_nor_before_its_own_date() -> None:
    assert answered().not_before == NOON - 3.0
    assert answered(date=NOON_DATE).not_before == NOON - 4.0
    ahead = "Sat, 21 Nov 2026 13:00:00 GMT"
    assert answered(date=ahead).not_before == NOON - 3.0


@pytest.mark.parametrize(
    ("content", "body"), [(b'{"a": 1}', {"a": 1}), (b"[1]", None), (b"<html>", None), (b"", None)]
)
def test_only_a_json_object_is_a_body(content: bytes, body: Any) -> None:
    assert answered(content).body == body


@pytest.mark.parametrize(
    ("header", "seconds"),
    [
        ("3", 3.0),
        ("1.5", 1.5),
        ("86400", 600.0),
        ("-1", 0.0),
        ("inf", 600.0),
        ("nan", 7.0),
        ("soon", 7.0),
    ],
)
def test_we_wait_as_long_as_we_are_asked_within_bounds(header: str, seconds: float) -> None:
    assert after_seconds(httpx.Headers({"retry-after": header}), 7.0) == seconds


def test_without_a_header_the_default_holds() -> None:
    assert after_seconds(httpx.Headers(), None) is None


def test_the_same_content_is_the_same_bytes() -> None:
    assert json_bytes({"sku": "M\u00fcg", "units": 1}) == '{"sku":"M\u00fcg","units":1}'.encode()


class Offer(CamelWire):
    seller_sku: str
    units: int


def test_a_shape_keeps_what_it_names_and_nothing_else() -> None:
    offer = shaped(Offer, {"sellerSku": "MUG", "units": 2, "buyer": "Jane Doe"}, of="Acme")
    assert offer.model_dump() == {"seller_sku": "MUG", "units": 2}


def test_an_answer_of_another_shape_names_the_field_and_repeats_nothing() -> None:
    with pytest.raises(Retryable) as caught:
        shaped(Offer, {"sellerSku": "MUG", "units": "Jane Doe"}, of="Acme")
    words = "Acme's answer is not of the documented shape (Offer: units)"
    assert str(caught.value) == words
    assert caught.value.__cause__ is None
    with pytest.raises(Retryable, match="its top"):
        shaped(Offer, None, of="Acme")


class Place(StoredPlace):
    WHERE = "Acme's orders"

    since: float
    page: str | None = None


def test_a_place_is_read_as_it_was_handed_out() -> None:
    place = Place(since=NOON)
    assert place.text() == f'{{"since":{NOON}}}'
    assert Place.read(place.text()) == place


@pytest.mark.parametrize("text", ["", "null", "{}", '{"since": NaN}', '{"since": 1, "x": 1}'])
def test_a_place_that_is_not_ours_says_what_to_do(text: str) -> None:
    with pytest.raises(Misconfigured, match=r"Acme's orders is unreadable .* adopt the channel"):
        Place.read(text)
