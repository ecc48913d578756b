"""Redaction: the one point through which every log line goes on its way out.

Two nets: the very secrets that this process was given, and whatever looks like one. Both are the
last resort; nothing is meant to log a secret. Source: OWASP ASVS 5.0.0, 16.2.5.
"""

from __future__ import annotations

import logging
import re
from collections.abc import Iterable, Iterator
from typing import Final

from pydantic import BaseModel, SecretStr
from typing_extensions import override

__all__ = ["RedactingFormatter", "hide_secrets_of", "hide_values", "redacted"]

HIDDEN: Final = "[hidden]"
CHARACTERS_MIN: Final = 8
"""What is shorter is no secret worth the name, and would blot out innocent words."""

_SHAPES: Final = re.compile(
    r"""
      (?P<key>\bcsk_[0-9a-f]{12}_)[\w-]{20,}                 # an API key: its public part stays
    | \bwhsec_[A-Za-z0-9+/=]{16,}                            # a secret of Standard Webhooks
    | \bshp(?:at|ca|pa|ss|ua)_[A-Za-z0-9]{8,}                # Shopify's tokens
    | \bEAAA[\w-]{16,}                                       # Square's
    | \bAtz[ar]\|[\w|%+/=-]{8,}                              # Amazon's
    | \bamzn1\.oa2-cs\.[\w.]{8,}
    | (?P<scheme>\b(?:Bearer|Basic)\ )[\w.~+/=-]{8,}
    | (?P<user>\b[a-z][a-z0-9+.-]*://[^\s/:@"']*:)[^\s/@"']+(?=@)   # a password in a URL
    | (?P<query>(?<!/setup)[?&](?:access_token|api_key|apikey|client_secret|code|hmac|key|password
        |refresh_token|secret|sig|signature|token)=)[^&\s"'\\]+
    | (?P<field>["'](?:access_token|authorization|client_secret|password|refresh_token|secret
        |webhook_secret|x-amz-access-token|x-shopify-access-token)["']:\ ?["'])[^"'\\]+
    """,
    re.VERBOSE | re.IGNORECASE,
)
_known: Final[set[str]] = set()


def redacted(text: str) -> str:
    """The text without secrets; what tells which secret it was stays where it is public."""
    for secret in sorted(_known, key=len, reverse=True):
        text = text.replace(secret, HIDDEN)
    return _SHAPES.sub(_hidden, text)


def _hidden(found: re.Match[str]) -> str:
    public = next((part for part in found.groupdict().values() if part), "")
    return public + HIDDEN


def hide_secrets_of(*models: BaseModel | None) -> None:
    """From now on every secret field of these models is hidden wherever it turns up."""
    for model in models:
        if model is not None:
            hide_values(_secrets(model))


def hide_values(secrets: Iterable[str]) -> None:
    """From now on these are hidden wherever they turn up."""
    _known.update(one for one in secrets if len(one) >= CHARACTERS_MIN)


def _secrets(value: object) -> Iterator[str]:
    if isinstance(value, SecretStr):
        yield value.get_secret_value()
    elif isinstance(value, BaseModel):
        for name in type(value).model_fields:
            yield from _secrets(getattr(value, name))
    elif isinstance(value, dict):
        for one in value.values():
            yield from _secrets(one)
    elif isinstance(value, Iterable) and not isinstance(value, str | bytes):
        for one in value:
            yield from _secrets(one)


class RedactingFormatter(logging.Formatter):
    """For what libraries log by themselves: one line each, redacted."""

    @override
    def format(self, record: logging.LogRecord) -> str:
        """The record as text."""
        return redacted(super().format(record))
