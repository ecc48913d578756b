"""How much the machines do: the configured floor, and a count of what was really done."""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import Final

STEPS_FLOOR: Final = 100_000
"""Steps of the machines in a run of the default profile, altogether."""
PROFILE: Final = os.environ.get("HYPOTHESIS_PROFILE", "ci")


@dataclass(frozen=True, slots=True)
class Budget:
    """Examples of one machine and steps of one example."""

    examples: int
    steps: int


BUDGETS: Final = {
    "quick": Budget(examples=20, steps=40),
    "ci": Budget(examples=300, steps=60),
    "nightly": Budget(examples=5_000, steps=100),
}
CHOSEN: Final = BUDGETS.get(PROFILE, BUDGETS["ci"])
"""What each machine gets in this run."""

_counted: dict[str, int] = {}


def count_step(machine: str) -> None:
    _counted[machine] = _counted.get(machine, 0) + 1


def counted() -> dict[str, int]:
    """Steps really taken in this process, by machine."""
    return dict(_counted)


def add(counts: dict[str, int]) -> None:
    """Take over the counts of another process."""
    for machine, steps in counts.items():
        _counted[machine] = _counted.get(machine, 0) + steps
