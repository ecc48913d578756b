"""Whoever cannot sign gets one answer, whatever he sends."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from channelsync.sdk.errors import Unauthentic
from channelsync.sdk.signatures import decode_standard_secret
from channelsync.sdk.types import WebhookRequest
from channelsync_pos.webhooks import TOLERANCE_SECONDS, authenticate
from tests.support.till import NOW, OLD_SECRET, SECRET, event, heard_till, sale, signed

KEYS = (decode_standard_secret(SECRET),)
GENUINE = signed(event("pos.sale.completed", sale()))
HEADERS = sorted(GENUINE.headers)


def with_header(name: str, value: str | None) -> WebhookRequest:
    headers = dict(GENUINE.headers)
    if value is None:
        del headers[name]
    else:
        headers[name] = value
    return replace(GENUINE, headers=headers)


def test_the_specifications_own_example_is_authentic() -> None:
    request = WebhookRequest(
        url="https://shop.example/",
        headers={
            "webhook-id": "msg_p5jXN8AQM9LWM0D4loKWxJek",
            "webhook-timestamp": "1614265330",
            "webhook-signature": "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=",
        },
        body=b'{"test": 2432232314}',
        received_at=1_614_265_330.0,
    )
    assert authenticate(request, KEYS) == "msg_p5jXN8AQM9LWM0D4loKWxJek"


@pytest.mark.parametrize("name", HEADERS)
def test_a_missing_header_is_unauthentic_and_named(name: str) -> None:
    with pytest.raises(Unauthentic, match=name):
        authenticate(with_header(name, None), KEYS)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("webhook-signature", "garbage"),
        ("webhook-signature", "v1,a"),
        ("webhook-signature", "v1,x,y"),
        ("webhook-signature", "v1,"),
        ("webhook-signature", ""),
        ("webhook-signature", " "),
        ("webhook-signature", "v1," + "A" * 5_000),
        ("webhook-signature", " ".join(["v1,AAAA"] * 100)),
        ("webhook-signature", "v1,\udcff\udc00"),
        ("webhook-signature", "v1,ü="),
        ("webhook-timestamp", ""),
        ("webhook-timestamp", "now"),
        ("webhook-timestamp", "1e9"),
        ("webhook-timestamp", "-1795255200"),
        ("webhook-timestamp", "1795255200.0"),
        ("webhook-timestamp", " 1795255200"),
        ("webhook-timestamp", "01795255200"),
        ("webhook-timestamp", "١٧٩٥٢٥٥٢٠٠"),
        ("webhook-timestamp", "9" * 5_000),
        ("webhook-id", ""),
        ("webhook-id", "msg.1"),
        ("webhook-id", "msg_1\n"),
        ("webhook-id", "\udcff"),
        ("webhook-id", "m" * 5_000),
    ],
)
def test_a_malformed_header_is_unauthentic(name: str, value: str) -> None:
    with pytest.raises(Unauthentic):
        authenticate(with_header(name, value), KEYS)


def test_an_asymmetric_signature_is_not_taken_for_a_symmetric_one() -> None:
    symmetric = GENUINE.headers["webhook-signature"]
    with pytest.raises(Unauthentic):
        authenticate(with_header("webhook-signature", symmetric.replace("v1,", "v1a,")), KEYS)


def test_one_good_signature_in_a_list_suffices() -> None:
    good = GENUINE.headers["webhook-signature"]
    listed = with_header("webhook-signature", f"v1a,AAAA v1,BBBB {good}")
    assert authenticate(listed, KEYS) == "msg_1"


async def test_the_old_secret_is_accepted_during_a_rotation_and_not_after() -> None:
    request = signed(event("pos.sale.completed", sale()), secret=OLD_SECRET)
    rotating = await heard_till(webhook_secret_old=OLD_SECRET)
    assert rotating.verify_webhook(request).topic == "pos.sale.completed"
    with pytest.raises(Unauthentic):
        (await heard_till()).verify_webhook(request)


@pytest.mark.parametrize("age", [-TOLERANCE_SECONDS, 0.0, TOLERANCE_SECONDS])
def test_five_minutes_of_clock_difference_are_tolerated(age: float) -> None:
    assert authenticate(replace(GENUINE, received_at=NOW + age), KEYS)


@pytest.mark.parametrize("age", [-TOLERANCE_SECONDS - 1, TOLERANCE_SECONDS + 1])
def test_an_older_or_later_attempt_is_unauthentic_and_says_why(age: float) -> None:
    with pytest.raises(Unauthentic, match="clock"):
        authenticate(replace(GENUINE, received_at=NOW + age), KEYS)


@given(st.data())
@settings(max_examples=150)
def test_flipping_any_byte_of_the_body_is_unauthentic(data: st.DataObject) -> None:
    place = data.draw(st.integers(0, len(GENUINE.body) - 1))
    flip = data.draw(st.integers(1, 255))
    body = bytearray(GENUINE.body)
    body[place] ^= flip
    with pytest.raises(Unauthentic):
        authenticate(replace(GENUINE, body=bytes(body)), KEYS)


@given(st.sampled_from(HEADERS), st.data())
@settings(max_examples=150)
def test_flipping_any_character_of_any_header_is_unauthentic(
    name: str, data: st.DataObject
) -> None:
    value = GENUINE.headers[name]
    place = data.draw(st.integers(0, len(value) - 1))
    other = data.draw(st.characters().filter(lambda one: one != value[place]))
    with pytest.raises(Unauthentic):
        authenticate(with_header(name, value[:place] + other + value[place + 1 :]), KEYS)


@given(
    st.dictionaries(st.sampled_from(HEADERS), st.text(max_size=300)),
    st.binary(max_size=300),
)
@settings(max_examples=150)
def test_whatever_a_stranger_sends_is_unauthentic_and_never_a_crash(
    headers: dict[str, str], body: bytes
) -> None:
    request = WebhookRequest(url="", headers=headers, body=body, received_at=NOW)
    with pytest.raises(Unauthentic):
        authenticate(request, KEYS)


async def test_a_retry_is_the_same_delivery_and_other_news_under_its_id_is_not() -> None:
    till = await heard_till()
    first = till.verify_webhook(GENUINE)
    body = GENUINE.body
    retry = signed(body, timestamp=int(NOW) + 60, received_at=NOW + 60)
    assert till.verify_webhook(retry).dedupe_key == first.dedupe_key
    other = signed(event("pos.sale.completed", sale(sale_id="T3-000872", sequence=872)))
    assert till.verify_webhook(other).dedupe_key != first.dedupe_key
    assert till.verify_webhook(signed(body, message_id="msg_2")).dedupe_key != first.dedupe_key
