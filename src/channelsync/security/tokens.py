"""Tokens: 256 random bits each, shown once, kept only as SHA-256.

A fast hash is right here: nobody guesses 256 random bits, however fast guesses are.
"""

from __future__ import annotations

import hashlib
import hmac
import re
import secrets
from dataclasses import dataclass
from typing import Final

__all__ = ["ApiKey", "csrf_token", "digest", "new_key", "new_token", "parse_key", "set_up_token"]

TOKEN_BYTES: Final = 32
KEY_ID_BYTES: Final = 6
_KEY: Final = re.compile(r"csk_([0-9a-f]{12})_[A-Za-z0-9_-]{43}")


@dataclass(frozen=True, slots=True)
class ApiKey:
    """A key as its holder has it."""

    id: str
    """Its public part: what it is found and spoken of by."""
    text: str


def new_token() -> str:
    """A token that nobody guesses."""
    return secrets.token_urlsafe(TOKEN_BYTES)


def digest(token: str) -> str:
    """What is kept of a token."""
    return hashlib.sha256(token.encode("utf-8", "surrogatepass")).hexdigest()


def new_key() -> ApiKey:
    """A fresh API key."""
    key_id = secrets.token_hex(KEY_ID_BYTES)
    return ApiKey(key_id, f"csk_{key_id}_{new_token()}")


def parse_key(text: str) -> ApiKey | None:
    """A key as it was sent; None where it can be none of ours."""
    found = _KEY.fullmatch(text)
    return None if found is None else ApiKey(found[1], text)


def csrf_token(session: str) -> str:
    """The second token of a session's forms: known only to whoever was served one."""
    return hmac.new(session.encode(), b"forms", hashlib.sha256).hexdigest()


def set_up_token(key: bytes) -> str:
    """The token of the set-up link: the same on every process that shares the secret key."""
    return hmac.new(key, b"the first user", hashlib.sha256).hexdigest()
