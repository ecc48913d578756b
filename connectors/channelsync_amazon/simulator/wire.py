"""What every part of the simulated API shares: a request taken apart, an answer, an error."""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Final

__all__ = ["Asked", "Called", "Reply", "error", "page_token", "read_token", "stamp"]

TOKEN_SECONDS: Final = 86_400.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """One request, authenticated and within its plan."""

    path: Mapping[str, str]
    query: Mapping[str, str]
    body: Any
    now: float
    origin: str = ""
    """How the caller names this server."""

    def listed(self, name: str) -> list[str]:
        """A comma-separated parameter."""
        return [one for one in self.query.get(name, "").split(",") if one]


@dataclass(frozen=True, slots=True)
class Reply:
    """One answer."""

    status: int
    body: Any = None
    headers: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Called:
    """One call that was answered, kept for checks."""

    operation: str
    method: str
    path: str
    query: str
    headers: Mapping[str, str]
    body: Any
    status: int
    answer: Any
    answer_headers: Mapping[str, str]


def error(status: int, code: str, message: str, details: str = "") -> Reply:
    """A refusal in Amazon's shape."""
    return Reply(status, {"errors": [{"code": code, "message": message, "details": details}]})


def stamp(at: float) -> str:
    """ISO 8601, UTC, with milliseconds, as Amazon writes it."""
    return (
        datetime.fromtimestamp(at, UTC).strftime("%Y-%m-%dT%H:%M:%S.") + f"{at % 1 * 1000:03.0f}Z"
    )


def page_token(offset: int, query: Mapping[str, str], free: frozenset[str], now: float) -> str:
    """Where the next page begins; good for the same parameters and for a day."""
    content = {"offset": offset, "for": _print(query, free), "at": now}
    return base64.urlsafe_b64encode(json.dumps(content).encode()).decode()


def read_token(
    token: str, query: Mapping[str, str], free: frozenset[str], now: float
) -> int | None:
    """The offset that a token stands for; None: it is not good (any more)."""
    try:
        content = json.loads(base64.urlsafe_b64decode(token.encode()))
        offset, made_for, at = int(content["offset"]), content["for"], float(content["at"])
    except (ValueError, KeyError, TypeError):
        return None
    return offset if made_for == _print(query, free) and now - at <= TOKEN_SECONDS else None


def _print(query: Mapping[str, str], free: frozenset[str]) -> str:
    bound = sorted((name, value) for name, value in query.items() if name not in free)
    return hashlib.sha256(json.dumps(bound).encode()).hexdigest()[:16]
