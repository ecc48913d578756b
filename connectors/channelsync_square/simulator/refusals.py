"""How a simulated Square says no."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

__all__ = ["Refusal"]

CATEGORIES: Final = {
    "RATE_LIMITED": "RATE_LIMIT_ERROR",
    "UNAUTHORIZED": "AUTHENTICATION_ERROR",
    "ACCESS_TOKEN_EXPIRED": "AUTHENTICATION_ERROR",
    "ACCESS_TOKEN_REVOKED": "AUTHENTICATION_ERROR",
    "FORBIDDEN": "AUTHENTICATION_ERROR",
    "INSUFFICIENT_SCOPES": "AUTHENTICATION_ERROR",
    "INTERNAL_SERVER_ERROR": "API_ERROR",
    "SERVICE_UNAVAILABLE": "API_ERROR",
}


class Refusal(Exception):
    """An answer other than success."""

    def __init__(
        self, status: int, code: str, field: str | None = None, detail: str | None = None
    ) -> None:
        super().__init__(code)
        self.status = status
        error: dict[str, Any] = {
            "category": CATEGORIES.get(code, "INVALID_REQUEST_ERROR"),
            "code": code,
            "detail": detail or code.replace("_", " ").capitalize(),
        }
        if field is not None:
            error["field"] = field
        self.errors: list[dict[str, Any]] = [error]

    @classmethod
    def of_several(cls, refusals: Sequence[Refusal]) -> Refusal:
        """One answer for several complaints; the first one's status."""
        whole = refusals[0]
        whole.errors = [error for one in refusals for error in one.errors]
        return whole
