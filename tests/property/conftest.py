"""Profiles of the property tests, and the count of steps in the terminal's summary.

`HYPOTHESIS_PROFILE` chooses: `ci` (the default; the same examples in every run), `nightly` (many
more, new ones in every run) or `quick` (for work on the tests themselves).
"""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import HealthCheck, settings

from tests.property import budget

COMMON: dict[str, Any] = {
    "deadline": None,
    "database": None,
    # The world is stateful: many rules find nothing to do, and an example takes its time.
    "suppress_health_check": [HealthCheck.too_slow, HealthCheck.filter_too_much],
    "print_blob": False,
}
settings.register_profile("ci", derandomize=True, **COMMON)
settings.register_profile("quick", derandomize=True, **COMMON)
settings.register_profile("nightly", **COMMON | {"print_blob": True})
settings.load_profile(budget.PROFILE if budget.PROFILE in budget.BUDGETS else "ci")

STEPS_KEY = "channelsync_machine_steps"


def pytest_sessionfinish(session: pytest.Session) -> None:
    output = getattr(session.config, "workeroutput", None)
    if output is not None:
        output[STEPS_KEY] = budget.counted()


@pytest.hookimpl(optionalhook=True)
def pytest_testnodedown(node: Any) -> None:
    """A worker of pytest-xdist has ended: take over its count."""
    budget.add(getattr(node, "workeroutput", {}).get(STEPS_KEY, {}))


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    counts = budget.counted()
    if counts:
        each = ", ".join(f"{name} {steps:,}" for name, steps in sorted(counts.items()))
        terminalreporter.write_line(f"machine steps: {sum(counts.values()):,} ({each})")
