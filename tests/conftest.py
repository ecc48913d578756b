"""What cannot run here is said in one counted line per reason, and fails a build server's run.

A test that needs something of the machine calls `pytest.skip("needs …")`; a test that needs the
marketplaces' own schemas carries `@pytest.mark.contracts` and takes the `contracts_folder` fixture.
Those schemas are nobody's to install, so their absence is forgiven, and so is that of the model
checker and the browser, packages of the system, which `./run ci` installs where it may. A clause of
the connector contract that a connector's own declaration rules out says `does not apply: …`:
nothing is missing where it does not run, so it is counted apart and forgiven as well.

`HYPOTHESIS_PROFILE` chooses the examples of the property tests: `ci` (the default; the same ones
in every run), `nightly` (many more, new ones in every run) or `quick` (for work on the tests).
"""

from __future__ import annotations

import gc
import os
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import pytest
import structlog
from hypothesis import HealthCheck, settings

from channelsync.sdk.testing.contract import DOES_NOT_APPLY
from spec.spin import NOT_RUN as WITHOUT_SPIN
from tests.browser.not_run import WITHOUT_CHROMIUM
from tests.monitoring.promtool import NOT_RUN as WITHOUT_PROMTOOL

# Tests make and drop very many small objects: looking for cycles less often saves a tenth of the
# processor time of them all.
gc.set_threshold(50_000, 20, 100)

COMMON: dict[str, Any] = {
    "deadline": None,
    "database": None,
    # The world is stateful: many rules find nothing to do, and an example takes its time.
    "suppress_health_check": [HealthCheck.too_slow, HealthCheck.filter_too_much],
    "print_blob": False,
}
pytest_plugins = ("tests.support.databases",)
"""Servers and databases, for whatever test asks for one."""

settings.register_profile("ci", derandomize=True, **COMMON)
settings.register_profile("quick", derandomize=True, **COMMON)
settings.register_profile("nightly", **COMMON | {"print_blob": True})
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "ci"))

CONTRACTS_VARIABLE: Final = "CHANNELSYNC_CONTRACTS"
WITHOUT_CONTRACTS: Final = (
    f"needs the marketplaces' schemas: {CONTRACTS_VARIABLE} names no folder that holds them"
)
FORGIVEN: Final = frozenset({WITHOUT_CHROMIUM, WITHOUT_CONTRACTS, WITHOUT_PROMTOOL, WITHOUT_SPIN})
"""Reasons that do not fail a build server's run."""


@pytest.fixture(scope="session")
def contracts_folder() -> Path:
    """The folder with the marketplaces' own schemas, one subfolder each."""
    named = os.environ.get(CONTRACTS_VARIABLE)
    if not named or not Path(named).is_dir():
        pytest.skip(WITHOUT_CONTRACTS)
    return Path(named)


@pytest.fixture(autouse=True)
def _logs_end_with_their_test() -> Iterator[None]:
    """A command configures logs for its process; the next test has streams of its own."""
    yield
    structlog.reset_defaults()


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        marked = item.get_closest_marker("contracts") is not None
        asks = "contracts_folder" in getattr(item, "fixturenames", ())
        if marked != asks:
            msg = f"{item.nodeid}: the contracts mark and the contracts_folder fixture go together"
            raise pytest.UsageError(msg)


def _not_run(config: pytest.Config) -> Counter[str]:
    reporter = config.pluginmanager.get_plugin("terminalreporter")
    skipped = reporter.stats.get("skipped", []) if reporter else []
    return Counter(str(report.longrepr[2]).removeprefix("Skipped: ") for report in skipped)


def pytest_terminal_summary(
    terminalreporter: pytest.TerminalReporter, config: pytest.Config
) -> None:
    for reason, count in sorted(_not_run(config).items()):
        if reason.startswith(DOES_NOT_APPLY):
            terminalreporter.write_line(f"{count} × {reason}")
        else:
            terminalreporter.write_line(f"not run: {count} × {reason}", yellow=True)


@pytest.hookimpl(tryfirst=True)
def pytest_sessionfinish(session: pytest.Session) -> None:
    unforgiven = {
        reason
        for reason in _not_run(session.config)
        if reason not in FORGIVEN and not reason.startswith(DOES_NOT_APPLY)
    }
    if os.environ.get("CI") and unforgiven and session.exitstatus == pytest.ExitCode.OK:
        session.exitstatus = pytest.ExitCode.TESTS_FAILED
