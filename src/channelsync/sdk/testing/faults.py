"""Faults that a simulated marketplace injects, seeded: on its answers and on its deliveries."""

from __future__ import annotations

from dataclasses import dataclass, field
from random import Random

__all__ = ["AnswerFault", "DeliveryPlan", "FaultPlan"]


@dataclass(slots=True, kw_only=True)
class AnswerFault:
    """Chances, each in [0, 1], of what may happen to one API call."""

    throttled: float = 0.0
    server_error_before: float = 0.0
    """5xx, nothing applied."""
    server_error_after: float = 0.0
    """5xx although the change was applied."""
    timeout_before: float = 0.0
    timeout_after: float = 0.0
    """The change was applied, the answer is lost."""

    def draw(self, rng: Random) -> str | None:
        """The fault of this call, by name, or None."""
        roll = rng.random()
        for name in (
            "throttled",
            "server_error_before",
            "server_error_after",
            "timeout_before",
            "timeout_after",
        ):
            roll -= getattr(self, name)
            if roll < 0:
                return name
        return None


@dataclass(slots=True, kw_only=True)
class DeliveryPlan:
    """Chances and delays of webhook deliveries. Delays in seconds."""

    lose: float = 0.0
    double: float = 0.0
    delay_seconds_min: float = 0.0
    delay_seconds_max: float = 0.0
    """Spread wide enough, deliveries overtake each other."""

    def draw(self, rng: Random) -> list[float]:
        """The delays after which copies of one delivery leave; empty: it is lost."""
        if rng.random() < self.lose:
            return []
        copies = 2 if rng.random() < self.double else 1
        return [rng.uniform(self.delay_seconds_min, self.delay_seconds_max) for _ in range(copies)]


@dataclass(slots=True, kw_only=True)
class FaultPlan:
    """Everything that goes wrong on one simulated marketplace, and how often it did."""

    answers: AnswerFault = field(default_factory=AnswerFault)
    deliveries: DeliveryPlan = field(default_factory=DeliveryPlan)
    offline: bool = False
    """Every call fails to connect (answered 503 over real HTTP)."""
    injected: dict[str, int] = field(default_factory=dict)

    def count(self, name: str) -> None:
        """Remember that a fault happened."""
        self.injected[name] = self.injected.get(name, 0) + 1
