"""The count of the machines' steps, in the terminal's summary."""

from __future__ import annotations

from typing import Any

import pytest

from tests.property import budget

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
