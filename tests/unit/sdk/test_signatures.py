"""Signatures agree with what others published, and never let a difference pass."""

from __future__ import annotations

import base64

import pytest
from hypothesis import given
from hypothesis import strategies as st

from channelsync.sdk.signatures import (
    base64_hmac_sha256,
    decode_standard_secret,
    matches_any,
    standard_webhook_signature,
)


def test_the_marketplaces_example_is_reproduced() -> None:
    signature = base64_hmac_sha256(b"hush", b'{"id":1}')
    assert signature == "VnKUjZsLuN5iZWjn5EntcBVCF9kMN43LglzCE1/GSeY="


def test_the_example_of_rfc_4231_is_reproduced() -> None:
    expected = bytes.fromhex("5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843")
    signature = base64_hmac_sha256(b"Jefe", b"what do ya want for nothing?")
    assert base64.b64decode(signature) == expected


def test_the_example_of_standard_webhooks_is_reproduced() -> None:
    signature = standard_webhook_signature(
        decode_standard_secret("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"),
        "msg_p5jXN8AQM9LWM0D4loKWxJek",
        1_614_265_330,
        b'{"test": 2432232314}',
    )
    assert signature == "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="


@given(st.binary(min_size=24, max_size=64))
def test_a_secret_of_24_to_64_bytes_is_decoded_with_and_without_its_prefix(key: bytes) -> None:
    text = base64.b64encode(key).decode()
    assert decode_standard_secret(f"whsec_{text}") == key
    assert decode_standard_secret(text) == key


@pytest.mark.parametrize("size", [0, 1, 23, 65])
def test_a_secret_of_another_length_is_refused(size: int) -> None:
    with pytest.raises(ValueError, match=f"{size} bytes"):
        decode_standard_secret("whsec_" + base64.b64encode(b"x" * size).decode())


@given(st.text())
def test_any_other_secret_is_refused_with_a_value_error_and_nothing_else(text: str) -> None:
    try:
        key = decode_standard_secret(text)
    except ValueError:
        return
    assert 24 <= len(key) <= 64


@pytest.mark.parametrize("text", ["whsec_*", "whsec_AAAA\n", "whsec_A", "whsec_ü"])
def test_what_is_not_base64_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"secret|ASCII"):
        decode_standard_secret(text)


@given(st.text(), st.lists(st.text(st.characters(codec="ascii")), max_size=4))
def test_a_signature_matches_if_and_only_if_it_is_among_the_expected(
    given_text: str, expected: list[str]
) -> None:
    assert matches_any(given_text, expected) is (given_text in expected)
    assert matches_any(given_text, [*expected, "v1,x"]) is (given_text in [*expected, "v1,x"])


def test_a_signature_with_odd_characters_matches_nothing_and_does_not_crash() -> None:
    assert not matches_any("\udcff\ud800", ["v1,AAAA"])


def test_nothing_matches_no_expectation() -> None:
    assert not matches_any("", [])


@given(st.binary(max_size=200), st.data())
def test_a_message_that_differs_has_another_signature(body: bytes, data: st.DataObject) -> None:
    other = data.draw(st.binary(max_size=200).filter(lambda one: one != body))
    assert base64_hmac_sha256(b"k" * 32, body) != base64_hmac_sha256(b"k" * 32, other)
