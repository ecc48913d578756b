"""What Shopify's refusals mean, as data.

Sources: the enums `InventorySetQuantitiesUserErrorCode` and
`InventoryAdjustQuantitiesUserErrorCode` of Admin API 2026-04 to 2026-10, "Error handling" and
"Idempotent requests" on shopify.dev, and the status codes that Shopify's own JavaScript library
retries. A code that stands in no table proves nothing.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final

from channelsync.sdk.errors import (
    ConnectorError,
    Misconfigured,
    NeedsReauthorization,
    Retryable,
    Throttled,
)
from channelsync.sdk.types import Outcome

__all__ = [
    "HTTP_REFUSALS",
    "TOP_LEVEL",
    "USER_ERRORS",
    "HttpRefusal",
    "TopLevel",
    "UserError",
    "http_refusal",
    "shortened",
]

REASON_LENGTH_MAX: Final = 240


@dataclass(frozen=True, slots=True, kw_only=True)
class UserError:
    """What a code in a mutation's `userErrors` proves of this copy, and what to do."""

    outcome: Outcome
    stale: bool = False
    unfit: bool = False
    """The listing cannot be synced at all."""
    after_seconds: float | None = None


STALE = UserError(outcome=Outcome.REFUSED, stale=True)
UNFIT = UserError(outcome=Outcome.REFUSED, unfit=True)
OUR_MISTAKE = UserError(outcome=Outcome.REFUSED)
EARLIER_COPY_FAILED = UserError(outcome=Outcome.REFUSED)
"""Says that nothing happened now; another copy may still be answered otherwise."""
ANOTHER_COPY_RUNS = UserError(outcome=Outcome.UNKNOWN, after_seconds=2.0)
MAY_HAVE_RUN = UserError(outcome=Outcome.UNKNOWN, after_seconds=5.0)

USER_ERRORS: Final[Mapping[str, UserError]] = MappingProxyType(
    {
        "CHANGE_FROM_QUANTITY_STALE": STALE,
        "COMPARE_QUANTITY_STALE": STALE,
        "IDEMPOTENCY_CONCURRENT_REQUEST": ANOTHER_COPY_RUNS,
        "IDEMPOTENCY_PREVIOUS_ATTEMPT_FAILED": EARLIER_COPY_FAILED,
        "IDEMPOTENCY_KEY_PARAMETER_MISMATCH": OUR_MISTAKE,
        "INVALID_INVENTORY_ITEM": UNFIT,
        "INVALID_LOCATION": UNFIT,
        "NON_MUTABLE_INVENTORY_ITEM": UNFIT,
        "ITEM_NOT_STOCKED_AT_LOCATION": UNFIT,
        "INVALID_NAME": OUR_MISTAKE,
        "INVALID_REASON": OUR_MISTAKE,
        "INVALID_REFERENCE_DOCUMENT": OUR_MISTAKE,
        "INVALID_QUANTITY_NEGATIVE": OUR_MISTAKE,
        "INVALID_QUANTITY_TOO_HIGH": OUR_MISTAKE,
        "INVALID_QUANTITY_TOO_LOW": OUR_MISTAKE,
        "NO_DUPLICATE_INVENTORY_ITEM_ID_GROUP_ID_PAIR": OUR_MISTAKE,
        "COMPARE_QUANTITY_REQUIRED": OUR_MISTAKE,
        "SERVICE_UNAVAILABLE": MAY_HAVE_RUN,
        "ADJUST_QUANTITIES_FAILED": MAY_HAVE_RUN,
        "INVALID_QUANTITY_NAME": OUR_MISTAKE,
        "INVALID_LEDGER_DOCUMENT": OUR_MISTAKE,
        "INTERNAL_LEDGER_DOCUMENT": OUR_MISTAKE,
        "INVALID_AVAILABLE_DOCUMENT": OUR_MISTAKE,
        "INVALID_QUANTITY_DOCUMENT": OUR_MISTAKE,
        "MAX_ONE_LEDGER_DOCUMENT": OUR_MISTAKE,
    }
)


@dataclass(frozen=True, slots=True, kw_only=True)
class TopLevel:
    """What a code in the answer's `errors` proves of a push, and what a read does about it."""

    push: Outcome
    read: type[ConnectorError]
    after_seconds: float | None = None


NOTHING_RAN = TopLevel(push=Outcome.REFUSED, read=Misconfigured)

TOP_LEVEL: Final[Mapping[str, TopLevel]] = MappingProxyType(
    {
        "THROTTLED": TopLevel(push=Outcome.UNKNOWN, read=Throttled),
        "INTERNAL_SERVER_ERROR": TopLevel(push=Outcome.UNKNOWN, read=Retryable, after_seconds=5.0),
        "TIMEOUT": TopLevel(push=Outcome.UNKNOWN, read=Retryable, after_seconds=5.0),
        "SHOP_INACTIVE": TopLevel(push=Outcome.UNKNOWN, read=Misconfigured, after_seconds=300.0),
        "ACCESS_DENIED": NOTHING_RAN,
        "MAX_COST_EXCEEDED": NOTHING_RAN,
        "BAD_REQUEST": NOTHING_RAN,
        "INVALID_FIELD_ARGUMENTS": NOTHING_RAN,
        "INVALID_VARIABLE": NOTHING_RAN,
        "argumentLiteralsIncompatible": NOTHING_RAN,
        "argumentNotAccepted": NOTHING_RAN,
        "missingRequiredArguments": NOTHING_RAN,
        "missingRequiredInputObjectAttribute": NOTHING_RAN,
        "undefinedDirective": NOTHING_RAN,
        "undefinedField": NOTHING_RAN,
        "undefinedType": NOTHING_RAN,
    }
)


@dataclass(frozen=True, slots=True, kw_only=True)
class HttpRefusal:
    """What an HTTP status other than 200 means. A push that meets one is always undecided."""

    read: type[ConnectorError]
    message: str
    after_seconds: float | None = None


HTTP_REFUSALS: Final[Mapping[int, HttpRefusal]] = MappingProxyType(
    {
        400: HttpRefusal(
            read=Misconfigured,
            message="Shopify calls the request malformed; is base_url right?",
            after_seconds=300.0,
        ),
        401: HttpRefusal(
            read=NeedsReauthorization,
            message="Shopify refuses the access token: make a new one, or install the app again",
            after_seconds=30.0,
        ),
        402: HttpRefusal(
            read=Misconfigured,
            message="the shop is frozen for want of payment to Shopify: settle its bill",
            after_seconds=300.0,
        ),
        403: HttpRefusal(
            read=Misconfigured,
            message="Shopify forbids the call: the app lacks a scope, or the shop is locked",
            after_seconds=300.0,
        ),
        404: HttpRefusal(
            read=Misconfigured,
            message="nothing answers at this address: check shop and api_version",
            after_seconds=300.0,
        ),
        423: HttpRefusal(
            read=Misconfigured,
            message="the shop is locked by Shopify: ask its support",
            after_seconds=300.0,
        ),
        429: HttpRefusal(read=Throttled, message="Shopify asks us to slow down", after_seconds=2.0),
        503: HttpRefusal(
            read=Retryable, message="Shopify is unavailable for a moment", after_seconds=5.0
        ),
    }
)

MOVED = HttpRefusal(
    read=Misconfigured,
    message="Shopify redirects the call; was the shop renamed? Credentials do not follow",
    after_seconds=300.0,
)
BROKEN = HttpRefusal(read=Retryable, message="Shopify failed to answer", after_seconds=5.0)
STRANGE = HttpRefusal(
    read=Misconfigured, message="an answer that no document of Shopify's explains"
)


def http_refusal(status: int) -> HttpRefusal:
    """The row for a status other than 200."""
    classes = {3: MOVED, 5: BROKEN}
    return HTTP_REFUSALS.get(status) or classes.get(status // 100, STRANGE)


def shortened(text: object) -> str:
    """Shopify's words, one line, bounded."""
    return " ".join(str(text).split())[:REASON_LENGTH_MAX]
