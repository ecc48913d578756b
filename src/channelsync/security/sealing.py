"""Sealing: AES-256-GCM, every sealed value bound to its name.

What is sealed cannot be read without its key, and cannot be changed or put in another's place
without being noticed. A sealed value is a nonce of 96 random bits and the ciphertext with its tag.
Values are sealed by data keys; a data key is sealed by a master key, which is derived from what the
operator gives (HKDF-SHA256). Source: NIST SP 800-38D; OWASP ASVS 5.0.0, 11.3 and 13.3.
"""

from __future__ import annotations

import hashlib
import hmac
import secrets
from dataclasses import dataclass, field
from functools import cache
from typing import Final

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

__all__ = ["MasterKeys", "SealBroken", "new_data_key", "open_sealed", "seal"]

KEY_BYTES: Final = 32
NONCE_BYTES: Final = 12
_MASTER: Final = b"channelsync master key 1"


class SealBroken(Exception):
    """The value was changed, moved, or sealed under another key."""


def new_data_key() -> bytes:
    """256 random bits."""
    return secrets.token_bytes(KEY_BYTES)


def seal(key: bytes, name: str, value: bytes) -> bytes:
    """Seal a value, bound to its name."""
    nonce = secrets.token_bytes(NONCE_BYTES)
    return nonce + AESGCM(key).encrypt(nonce, value, name.encode())


def open_sealed(key: bytes, name: str, sealed: bytes) -> bytes:
    """The value.

    Raises:
        SealBroken: it is not as it was sealed, under this key and for this name.
    """
    try:
        return AESGCM(key).decrypt(sealed[:NONCE_BYTES], sealed[NONCE_BYTES:], name.encode())
    except (InvalidTag, ValueError):
        raise SealBroken(f"{name} cannot be opened: it was changed, moved or damaged") from None


@dataclass(frozen=True, slots=True)
class MasterKeys:
    """What the operator gives: the key of today and, while it is changed, the one before."""

    current: bytes = field(repr=False)
    former: bytes | None = field(default=None, repr=False)

    @property
    def current_id(self) -> str:
        """What the key of today is spoken of by."""
        return _id_of(_derived(self.current))

    def wrap(self, key_id: str, data_key: bytes) -> bytes:
        """A data key, sealed under the key of today."""
        return seal(_derived(self.current), _name_of(key_id), data_key)

    def unwrap(self, key_id: str, wrapped: bytes, wrapped_by: str) -> bytes | None:
        """A data key; None: it was sealed under a key that is not given.

        Raises:
            SealBroken: it is not as it was sealed.
        """
        for given in (self.current, self.former):
            if given is not None and _id_of(master := _derived(given)) == wrapped_by:
                return open_sealed(master, _name_of(key_id), wrapped)
        return None


def _name_of(key_id: str) -> str:
    return f"data key {key_id}"


@cache
def _derived(given: bytes) -> bytes:
    return HKDF(algorithm=SHA256(), length=KEY_BYTES, salt=None, info=_MASTER).derive(given)


def _id_of(master: bytes) -> str:
    return hmac.new(master, b"its id", hashlib.sha256).hexdigest()[:12]
