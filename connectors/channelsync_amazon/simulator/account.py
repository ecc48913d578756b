"""Who may call: access tokens, roles, and the usage plan of every operation."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final

from channelsync_amazon.buckets import PLANS, Bucket, Plan

__all__ = ["ROLES", "Account", "Plan", "Quota"]

TOKEN_SECONDS: Final = 3_600
ROLES: Final = frozenset({"listings", "orders"})


@dataclass(slots=True, kw_only=True)
class Account:
    """The app's credentials and what the seller has granted it."""

    client_id: str
    client_secret: str
    refresh_token: str
    roles: set[str] = field(default_factory=lambda: set(ROLES))
    tokens: dict[str, tuple[float, bool]] = field(default_factory=dict)
    """The end of every token, and whether it is the app's own (grantless)."""
    issued: int = 0
    revoked: bool = False

    def issue(self, now: float, *, grantless: bool) -> str:
        """A fresh token."""
        self.issued += 1
        token = f"Atza|{self.issued:032x}"
        self.tokens[token] = (now + TOKEN_SECONDS, grantless)
        return token

    def standing(self, token: str, now: float) -> str:
        """`good`, `grantless`, `expired` or `unknown`."""
        held = self.tokens.get(token)
        if held is None:
            return "unknown"
        end, grantless = held
        if end <= now:
            return "expired"
        return "grantless" if grantless else "good"

    def expire_tokens(self) -> None:
        """Every token's hour is over."""
        self.tokens = {token: (0.0, grantless) for token, (_, grantless) in self.tokens.items()}


class Quota:
    """Usage plans, one bucket an operation."""

    def __init__(self, now: Callable[[], float], *, unlimited: bool = False) -> None:
        self.unlimited = unlimited
        self.plans: dict[str, Plan] = dict(PLANS)
        self._now = now
        self._buckets: dict[str, Bucket] = {}

    def set_plan(self, operation: str, plan: Plan) -> None:
        """Amazon grants this account another rate."""
        self.plans[operation] = plan
        self._buckets.pop(operation, None)

    def take(self, operation: str) -> bool:
        """Whether the operation may run now."""
        if self.unlimited:
            return True
        if operation not in self._buckets:
            self._buckets[operation] = Bucket(self.plans[operation], self._now)
        return self._buckets[operation].take() == 0.0

    def rate(self, operation: str) -> str:
        """As the header tells it."""
        return f"{self.plans[operation].per_second:g}"
