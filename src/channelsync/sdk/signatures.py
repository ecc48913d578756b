"""Signatures of webhooks: constant time, raw bytes, several secrets during a rotation."""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
from collections.abc import Iterable

__all__ = [
    "base64_hmac_sha256",
    "decode_standard_secret",
    "matches_any",
    "standard_webhook_signature",
]


def base64_hmac_sha256(secret: bytes, message: bytes) -> str:
    """Base64 of HMAC-SHA256, the form used by Shopify and Square."""
    return base64.b64encode(hmac.new(secret, message, hashlib.sha256).digest()).decode("ascii")


def matches_any(given: str, expected: Iterable[str]) -> bool:
    """Whether `given` equals one of `expected`. Compares all of them, each in constant time."""
    seen = given.encode("utf-8", "surrogatepass")
    found = False
    for one in expected:
        found |= hmac.compare_digest(seen, one.encode("utf-8"))
    return found


def decode_standard_secret(secret: str) -> bytes:
    """The key bytes of a Standard Webhooks secret (`whsec_` + base64 of 24 to 64 bytes).

    Raises:
        ValueError: it is not of that form.
    """
    try:
        key = base64.b64decode(secret.removeprefix("whsec_"), validate=True)
    except binascii.Error as error:
        raise ValueError("the secret is not base64 after its whsec_ prefix") from error
    if not 24 <= len(key) <= 64:  # noqa: PLR2004 - the specification's own bounds
        raise ValueError(f"the secret holds {len(key)} bytes; the specification asks for 24 to 64")
    return key


def standard_webhook_signature(secret: bytes, message_id: str, timestamp: int, body: bytes) -> str:
    """The `v1,…` signature of the Standard Webhooks specification."""
    signed = f"{message_id}.{timestamp}.".encode() + body
    return f"v1,{base64_hmac_sha256(secret, signed)}"
