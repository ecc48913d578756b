"""What Square's errors mean, as data.

Sources: the enum `ErrorCode` and "Handling errors" of Square's API, version 2025-08-20. A code that
stands in no table proves nothing.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, Final

from channelsync.sdk.errors import (
    ConnectorError,
    Misconfigured,
    NeedsReauthorization,
    Retryable,
    Throttled,
)

__all__ = ["CODES", "Complaint", "Meaning", "complaints_of", "meaning_of", "shortened"]

REASON_LENGTH_MAX: Final = 240


@dataclass(frozen=True, slots=True, kw_only=True)
class Meaning:
    """What an error code means to a read, and whether it proves that a write did not happen."""

    read: type[ConnectorError]
    what_to_do: str
    refuses: bool = False
    """The write was looked at and turned down: this copy did not apply and will not."""
    unfit: bool = False
    """The object itself cannot be synced."""
    after_seconds: float | None = None


SLOW_DOWN = Meaning(read=Throttled, what_to_do="Square asks us to slow down", after_seconds=2.0)
BROKEN = Meaning(read=Retryable, what_to_do="Square failed to answer", after_seconds=5.0)
BUSY = Meaning(read=Retryable, what_to_do="Square works on the same thing", after_seconds=2.0)
TOKEN = Meaning(
    read=NeedsReauthorization,
    what_to_do="Square refuses the access token: make a new one in its developer console",
    after_seconds=30.0,
)
RIGHTS = Meaning(
    read=Misconfigured,
    what_to_do="the access token lacks a right: grant it to the application",
    after_seconds=300.0,
)
CLOSED = Meaning(
    read=Misconfigured,
    what_to_do="Square has closed the application or the account: ask its support",
    after_seconds=300.0,
)
VERSION = Meaning(
    read=Misconfigured, what_to_do="Square does not serve this version: check square_version"
)
OUR_MISTAKE = Meaning(
    read=Misconfigured, what_to_do="Square does not accept what we sent", refuses=True
)
KEY_REUSED = Meaning(
    read=Misconfigured,
    what_to_do="the idempotency key was used for something else",
    refuses=True,
)
MISSING = Meaning(
    read=Misconfigured, what_to_do="Square does not know it", refuses=True, unfit=True
)
STRANGE = Meaning(
    read=Retryable, what_to_do="an answer that no document of Square's explains", after_seconds=5.0
)


def _table() -> Mapping[str, Meaning]:
    rows = {
        SLOW_DOWN: ("RATE_LIMITED",),
        BROKEN: (
            *("INTERNAL_SERVER_ERROR", "BAD_GATEWAY", "SERVICE_UNAVAILABLE", "TEMPORARY_ERROR"),
            *("GATEWAY_TIMEOUT", "REQUEST_TIMEOUT"),
        ),
        BUSY: ("CONFLICT",),
        TOKEN: ("UNAUTHORIZED", "ACCESS_TOKEN_EXPIRED", "ACCESS_TOKEN_REVOKED"),
        RIGHTS: ("FORBIDDEN", "INSUFFICIENT_SCOPES", "V1_APPLICATION", "V1_ACCESS_TOKEN"),
        CLOSED: (
            *("CLIENT_DISABLED", "APPLICATION_DISABLED", "MERCHANT_SUBSCRIPTION_NOT_FOUND"),
            "SANDBOX_NOT_SUPPORTED",
        ),
        VERSION: ("INVALID_SQUARE_VERSION_FORMAT", "API_VERSION_INCOMPATIBLE"),
        KEY_REUSED: ("IDEMPOTENCY_KEY_REUSED",),
        MISSING: ("NOT_FOUND", "GONE"),
        OUR_MISTAKE: (
            *("BAD_REQUEST", "MISSING_REQUIRED_PARAMETER", "INCORRECT_TYPE", "INVALID_TIME"),
            *("INVALID_TIME_RANGE", "INVALID_VALUE", "INVALID_CURSOR", "UNKNOWN_QUERY_PARAMETER"),
            *("CONFLICTING_PARAMETERS", "EXPECTED_JSON_BODY", "INVALID_SORT_ORDER"),
            *("VALUE_REGEX_MISMATCH", "VALUE_TOO_SHORT", "VALUE_TOO_LONG", "VALUE_TOO_LOW"),
            *("VALUE_TOO_HIGH", "VALUE_EMPTY", "ARRAY_LENGTH_TOO_LONG", "ARRAY_LENGTH_TOO_SHORT"),
            *("ARRAY_EMPTY", "EXPECTED_BOOLEAN", "EXPECTED_INTEGER", "EXPECTED_FLOAT"),
            *("EXPECTED_STRING", "EXPECTED_OBJECT", "EXPECTED_ARRAY", "EXPECTED_MAP"),
            *("INVALID_ARRAY_VALUE", "INVALID_ENUM_VALUE", "INVALID_CONTENT_TYPE", "NO_FIELDS_SET"),
            *("TOO_MANY_MAP_ENTRIES", "INVALID_DATE", "INVALID_LOCATION", "UNEXPECTED_VALUE"),
            *("UNKNOWN_BODY_PARAMETER", "REQUEST_ENTITY_TOO_LARGE", "UNPROCESSABLE_ENTITY"),
        ),
    }
    return MappingProxyType({code: row for row, codes in rows.items() for code in codes})


CODES: Final = _table()
BY_STATUS: Final[Mapping[int, Meaning]] = MappingProxyType(
    {401: TOKEN, 403: RIGHTS, 408: BROKEN, 409: BUSY, 429: SLOW_DOWN}
)
MOVED: Final = Meaning(
    read=Misconfigured,
    what_to_do="Square redirects the call; is base_url right? Credentials do not follow",
    after_seconds=300.0,
)
NOBODY: Final = Meaning(
    read=Misconfigured,
    what_to_do="nothing answers at this address: check base_url",
    after_seconds=300.0,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Complaint:
    """One entry of an answer's `errors`."""

    code: str
    words: str
    field: str

    @property
    def text(self) -> str:
        """For people."""
        where = f" at {self.field}" if self.field else ""
        return f"{self.code or 'no code'}{where}: {self.words}"


def complaints_of(body: Mapping[str, Any] | None) -> tuple[Complaint, ...]:
    """The `errors` of an answer. What is not of the documented shape has no code."""
    errors = (body or {}).get("errors")
    if not errors:
        return ()
    if not isinstance(errors, Sequence) or isinstance(errors, str):
        return (Complaint(code="", words=shortened(errors), field=""),)
    return tuple(_complaint(one) for one in errors)


def _complaint(error: object) -> Complaint:
    if not isinstance(error, Mapping):
        return Complaint(code="", words=shortened(error), field="")
    return Complaint(
        code=str(error.get("code") or ""),
        words=shortened(error.get("detail") or ""),
        field=str(error.get("field") or "")[:REASON_LENGTH_MAX],
    )


def meaning_of(status: int, complaints: Sequence[Complaint]) -> Meaning:
    """What an answer other than a clean 200 means."""
    if complaints and complaints[0].code in CODES:
        return CODES[complaints[0].code]
    if status in BY_STATUS:
        return BY_STATUS[status]
    by_class = {3: MOVED, 5: BROKEN}
    if status == 404 and not complaints:  # noqa: PLR2004 - HTTP's own number
        return NOBODY
    return by_class.get(status // 100, STRANGE)


def shortened(text: object) -> str:
    """Square's words, one line, bounded."""
    return " ".join(str(text).split())[:REASON_LENGTH_MAX]
