"""What Amazon's refusals mean, as data. Status decides; the codes in the bodies are not stable.

`InvalidInput`, `Invalid Input`, `BAD_REQUEST` and `400` all occur for the same thing in Amazon's
published sandbox cases, so `code` and `details` only tell an expired token from a missing role.
"""

from __future__ import annotations

from collections.abc import Mapping
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
from channelsync.sdk.types import Outcome

__all__ = ["ROLES", "Refusal", "is_expired_token", "refusal_of", "shortened", "words_of"]

REASON_LENGTH_MAX: Final = 240


@dataclass(frozen=True, slots=True, kw_only=True)
class Refusal:
    """What an HTTP status other than success means for a write and for a read."""

    push: Outcome
    read: type[ConnectorError]
    message: str
    after_seconds: float | None = None


REFUSALS: Final[Mapping[int, Refusal]] = MappingProxyType(
    {
        400: Refusal(
            push=Outcome.REFUSED, read=Misconfigured, message="Amazon calls the request invalid"
        ),
        401: Refusal(
            push=Outcome.UNKNOWN,
            read=NeedsReauthorization,
            message="Amazon refuses the access token",
        ),
        403: Refusal(
            push=Outcome.UNKNOWN,
            read=NeedsReauthorization,
            message="Amazon denies access; grant the app the role, then let the seller authorise it"
            " again",
        ),
        404: Refusal(
            push=Outcome.REFUSED, read=Misconfigured, message="Amazon knows nothing of this name"
        ),
        413: Refusal(
            push=Outcome.REFUSED, read=Misconfigured, message="the request is too large for Amazon"
        ),
        415: Refusal(
            push=Outcome.REFUSED,
            read=Misconfigured,
            message="Amazon does not take this kind of content",
        ),
        429: Refusal(push=Outcome.UNKNOWN, read=Throttled, message="Amazon asks us to slow down"),
        500: Refusal(
            push=Outcome.UNKNOWN,
            read=Retryable,
            message="Amazon failed to answer",
            after_seconds=5.0,
        ),
        503: Refusal(
            push=Outcome.UNKNOWN,
            read=Retryable,
            message="Amazon is unavailable for a moment",
            after_seconds=5.0,
        ),
    }
)
MOVED: Final = Refusal(
    push=Outcome.UNKNOWN,
    read=Misconfigured,
    message="Amazon redirects the call; is base_url right? Credentials do not follow",
)
BROKEN: Final = REFUSALS[500]
STRANGE: Final = Refusal(
    push=Outcome.UNKNOWN, read=Misconfigured, message="an answer that no model of Amazon's explains"
)

ROLES: Final[Mapping[str, str]] = MappingProxyType(
    {
        "patchListingsItem": "Product Listing",
        "getListingsItem": "Product Listing",
        "searchListingsItems": "Product Listing",
        "createFeedDocument": "Product Listing",
        "createFeed": "Product Listing",
        "getFeed": "Product Listing",
        "getFeedDocument": "Product Listing",
        "searchOrders": "Inventory and Order Tracking",
        "getOrder": "Inventory and Order Tracking",
        "getOrders": "Inventory and Order Tracking",
        "getOrderItems": "Inventory and Order Tracking",
        "confirmShipment": "Inventory and Order Tracking",
    }
)
"""The role that a seller must grant for an operation; others need none beyond the app itself."""


def refusal_of(status: int) -> Refusal:
    """The row for a status that is no success."""
    classes = {3: MOVED, 5: BROKEN}
    return REFUSALS.get(status) or classes.get(status // 100, STRANGE)


def is_expired_token(status: int, body: Mapping[str, Any] | None) -> bool:
    """Whether a refusal means that the token's hour is over, rather than a missing role.

    Both are 403 `Unauthorized`; only `details` tells (practitioners' clients match it alike).
    """
    if status not in {401, 403}:
        return False
    said = words_of(body).lower()
    return "token" in said and "expired" in said


def words_of(body: Mapping[str, Any] | None) -> str:
    """Code, message and details of the first error, one line; empty where there is none."""
    errors = (body or {}).get("errors")
    first = errors[0] if isinstance(errors, list) and errors else None
    if not isinstance(first, Mapping):
        return ""
    parts = (str(first.get(name) or "") for name in ("code", "message", "details"))
    return shortened(": ".join(part for part in parts if part))


def shortened(text: object) -> str:
    """Amazon's words, one line, bounded."""
    return " ".join(str(text).split())[:REASON_LENGTH_MAX]
