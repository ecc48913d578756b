"""The guide to a new connector, followed to the letter in an environment of its own.

Only wheels are installed there: channelsync's, and then the new package. Their dependencies are the
locked ones that this environment holds, lent by a path file, so that nothing is fetched.
"""

from __future__ import annotations

import contextlib
import json
import os
import re
import signal
import subprocess
import sys
import sysconfig
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import httpx
import pytest

from tests.support.checkout import ROOT
from tests.support.served import free_port

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]

GUIDE: Final = ROOT / "docs" / "how-to" / "write-a-connector.md"
BLOCK: Final = re.compile(r"^```(\w+) [^\n]*\n(.*?)^```$", re.MULTILINE | re.DOTALL)
PATIENCE_SECONDS: Final = 60.0
OFFLINE: Final = {
    "PIP_NO_INDEX": "1",
    "PIP_NO_BUILD_ISOLATION": "0",  # pip reads this one backwards
    "PIP_DISABLE_PIP_VERSION_CHECK": "1",
    "PIP_QUIET": "1",
}


@dataclass
class Desk:
    """A folder, a clean environment and the guide's own words."""

    folder: Path
    environment: dict[str, str]
    simulator_port: int
    running: list[subprocess.Popen[bytes]] = field(default_factory=list)

    @property
    def package(self) -> Path:
        return self.folder / "channelsync-acme"

    def blocks(self, kind: str) -> list[str]:
        text = GUIDE.read_text(encoding="utf-8").replace("8090", str(self.simulator_port))
        return [body for found, body in BLOCK.findall(text) if found == kind]

    def follow(self, commands: str, *, at: Path | None = None) -> str:
        """Run the lines of a block in one shell, as somebody at a terminal would."""
        done = subprocess.run(
            ["/bin/sh", "-eu", "-c", commands],
            check=False,
            capture_output=True,
            text=True,
            cwd=at or self.folder,
            env=self.environment,
        )
        assert done.returncode == 0, f"{commands}\n{done.stdout}\n{done.stderr}"
        return done.stdout

    def start(self, command: str) -> None:
        """Run a line of a block until the end."""
        with (self.folder / f"log-{len(self.running)}.txt").open("wb") as log:
            process = subprocess.Popen(
                ["/bin/sh", "-c", f"exec {command}"],
                stdout=log,
                stderr=log,
                cwd=self.folder,
                env=self.environment,
            )
        self.running.append(process)

    def wait_until(self, holds: Callable[[], bool], what: str) -> None:
        """Look again until it holds."""
        end = time.monotonic() + PATIENCE_SECONDS
        while not holds():
            logs = [one.read_text()[-2_000:] for one in sorted(self.folder.glob("log-*.txt"))]
            assert time.monotonic() < end, f"{what}: never\n{'---'.join(logs)}"
            ended = [one.args for one in self.running if one.poll() is not None]
            assert not ended, f"{ended} ended by itself\n{'---'.join(logs)}"
            time.sleep(0.3)

    def says(self, command: str, expected: str) -> Callable[[], bool]:
        """Whether a command prints this now."""

        def look() -> bool:
            with contextlib.suppress(AssertionError):
                return expected in self.follow(command)
            return False

        return look


@pytest.fixture(scope="module")
def desk(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Desk]:
    folder = tmp_path_factory.mktemp("desk")
    wheels = tmp_path_factory.mktemp("wheels")
    venv = tmp_path_factory.mktemp("clean") / "venv"
    _run(sys.executable, "-m", "venv", "--without-pip", str(venv))
    python = venv / "bin" / "python"
    libraries = _run(python, "-c", "import sysconfig; print(sysconfig.get_path('purelib'))")
    lent = Path(libraries.strip()) / "lent_by_the_lock.pth"
    lent.write_text(sysconfig.get_path("purelib") + "\n", encoding="utf-8")
    build = ("wheel", "--no-deps", "--wheel-dir", str(wheels), str(ROOT))
    _run(sys.executable, "-m", "pip", *build, cwd=wheels)
    [wheel] = wheels.glob("channelsync-*.whl")
    _run(python, "-m", "pip", "install", "--no-deps", "--ignore-installed", str(wheel))
    port = free_port()
    kept = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith(("PYTHON", "PYTEST", "CHANNELSYNC", "PIP", "VIRTUAL"))
    }
    environment = {
        **kept,
        **OFFLINE,
        "PATH": f"{venv / 'bin'}{os.pathsep}{os.environ['PATH']}",
        # Without compiled modules every command would take seconds to start.
        "PYTHONPYCACHEPREFIX": os.environ.get("PYTHONPYCACHEPREFIX", str(folder / "pycache")),
        "CHANNELSYNC_PORT": str(free_port()),
        "CHANNELSYNC_DATA_DIR": str(folder / "data"),
        "CHANNELSYNC_ALLOW_HOSTS": f"127.0.0.1:{port}",
        "ACME_TOKEN": "token-of-a-simulated-account",
        "ACME_SECRET": "secret-of-simulated-webhooks",
    }
    made = Desk(folder=folder, environment=environment, simulator_port=port)
    yield made
    for process in made.running:
        process.send_signal(signal.SIGTERM)
        process.wait(timeout=20)


def _run(*command: str | Path, cwd: Path | None = None) -> str:
    done = subprocess.run(
        [str(part) for part in command],
        check=False,
        capture_output=True,
        text=True,
        cwd=cwd,
        env={**os.environ, **OFFLINE},
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def package(desk: Desk) -> str:
    """The guide's first block: the package is made, installed and tested. What pytest said."""
    making, *_ = desk.blocks("sh")
    assert "channelsync connectors new acme" in making
    return desk.follow(making)


def test_one_block_of_commands_leads_to_a_passing_contract(desk: Desk, package: str) -> None:
    passed = re.search(r"(\d+) passed, (\d+) skipped", package)
    assert passed is not None, package
    assert int(passed[1]) >= 35, package
    assert "failed" not in package
    reasons = re.findall(r"^SKIPPED .*", package, re.MULTILINE)
    assert reasons
    assert all("does not apply: " in reason for reason in reasons)


def test_channelsync_finds_it_beside_its_own(desk: Desk, package: str) -> None:
    _, listing, *_ = desk.blocks("sh")
    assert "acme" in desk.follow(listing)
    found = json.loads(desk.follow("channelsync connectors list --json"))["connectors"]
    by_name: dict[str, Any] = {one["connector"]: one for one in found}
    assert by_name["acme"]["package"] == "channelsync-acme 0.1.0"
    assert by_name["acme"]["broken"] is None
    assert by_name["acme"]["quality"]["done"] >= 15
    assert {"amazon", "pos", "shopify", "square"} <= by_name.keys()


def test_it_is_a_wheel_with_its_types_and_its_quality(desk: Desk, package: str) -> None:
    desk.follow("python -m pip wheel --no-deps --wheel-dir built .", at=desk.package)
    [wheel] = (desk.package / "built").glob("*.whl")
    names = desk.follow(f"python -m zipfile -l {wheel}")
    for name in ("py.typed", "quality.yaml", "connector.py", "simulator.py"):
        assert f"channelsync_acme/{name}" in names
    desk.follow(f"python -m pip install --no-deps --force-reinstall {wheel}")


def test_every_snippet_holds(desk: Desk, package: str) -> None:
    snippets = desk.blocks("python")
    assert len(snippets) >= 5
    script = desk.package / "snippets.py"
    script.write_text("\n\n".join(snippets), encoding="utf-8")
    desk.follow("PYTHONPATH=. python snippets.py", at=desk.package)


def shown(desk: Desk) -> int | None:
    """What the offer shows; None: nobody answers yet."""
    with contextlib.suppress(httpx.TransportError):
        return int(httpx.get(f"http://127.0.0.1:{desk.simulator_port}/shop/offers/MUG").text)
    return None


def test_the_daemon_syncs_one_item_through_it(desk: Desk, package: str) -> None:
    serving, preparing, running, looking = desk.blocks("sh")[2:]
    [configuration] = desk.blocks("yaml")
    (desk.folder / "channelsync.yaml").write_text(configuration, encoding="utf-8")
    show, buy, orders, explain = looking.splitlines()
    at_port = f" --port {desk.simulator_port}"
    desk.start(serving.strip() + at_port)
    desk.wait_until(lambda: shown(desk) == 0, "the simulator answers")
    desk.follow(preparing)
    desk.start(running.strip())
    desk.wait_until(lambda: shown(desk) == 10, "the offer shows ten units")
    assert desk.follow(show + at_port).strip() == "10"
    assert '"order":"order-' in desk.follow(buy + at_port)
    desk.wait_until(desk.says(orders, "MUG"), "the order is counted")
    assert re.search(r"reserved +-1\n", desk.follow(explain))
