#!/usr/bin/env python3
"""Build the image and run it as it is meant to be run, against a simulated shop.

What is checked: it runs as a user without a name and without rights, over a root file system that
it cannot write; it answers its probes and its own health check; it takes stock in and brings the
shop's number to it; it ends by itself on SIGTERM, with exit code 0.

With a Docker daemon the base image comes from its registry. Without one, as root, buildah and
podman build and run it over a stand-in for that image, made of the distribution's own packages.
Exit code: 0 all of it holds, 1 something does not, 2 the tools are missing (one line says which).
"""

from __future__ import annotations

import argparse
import asyncio
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from random import Random

import httpx

from bench.house import House
from bench.serving import served

ROOT = Path(__file__).resolve().parents[1]
IMAGE = "channelsync:check"
BASE = "docker.io/library/python:3.11-slim-bookworm"
"""The name that the stand-in takes."""
USER = 10_001
UNITS = 12
PATIENCE_SECONDS = 90.0
DRAIN_SECONDS_MAX = 15.0
STAND_IN_TOOLS = ("buildah", "podman", "runc", "mmdebstrap")
PACKAGES = "python3,python3-venv,python3-pip,ca-certificates"
CERTIFICATES = Path("/etc/ssl/certs/ca-certificates.crt")
HEALTH = (
    "python",
    "-c",
    (
        "import os, urllib.request as r;"
        " r.urlopen(f\"http://127.0.0.1:{os.environ['CHANNELSYNC_PORT']}/livez\", timeout=4)"
    ),
)


class CheckFailed(Exception):
    """The image does not do what it should."""


def say(words: str) -> None:
    """One line of progress."""
    sys.stderr.write(f"container: {words}\n")


# ------------------------------------------------------------------ tools


@dataclass(slots=True)
class Tools:
    """The commands that build and run here."""

    build: Sequence[str]
    run: Sequence[str]
    """Everything before `run`, `exec`, `kill` …"""
    run_options: Sequence[str] = ()
    prepare: Callable[[], None] = lambda: None


def find_tools(store: Path) -> Tools | str:
    """The tools to use, or what is missing."""
    if _answers("docker", "info"):
        return Tools(build=("docker", "build"), run=("docker",))
    missing = [name for name in STAND_IN_TOOLS if shutil.which(name) is None]
    if os.geteuid() != 0:
        missing.append("the rights of root")
    if missing:
        return f"no Docker daemon answers, and without one it needs {', '.join(missing)}"
    places = ("--root", str(store / "store"), "--runroot", str(store / "run"))
    driver = ("--storage-driver", "vfs")
    buildah = ("buildah", *places, *driver)
    podman: tuple[str, ...] = ("podman", *places, *driver, "--cgroup-manager", "cgroupfs")
    podman += ("--events-backend", "file", "--runtime", "runc")
    # Where rights to raise limits are missing, the default limits cannot be set.
    limits = ("--ulimit", "nofile=1024:1024", "--ulimit", "nproc=1024:1024", "--no-healthcheck")
    return Tools(
        build=(*buildah, "bud", "--isolation", "chroot", "--pull-never", "--format", "docker"),
        run=podman,
        run_options=limits,
        prepare=lambda: _stand_in(store, buildah),
    )


def _answers(*command: str) -> bool:
    if shutil.which(command[0]) is None:
        return False
    done = subprocess.run(  # noqa: S603 - commands of this file
        command, check=False, capture_output=True, timeout=30
    )
    return done.returncode == 0


def _stand_in(store: Path, buildah: Sequence[str]) -> None:
    """An image of the base's name, made of the distribution's packages."""
    say("making a stand-in for the base image out of the distribution's packages")
    context = store / "base"
    context.mkdir(parents=True)
    archive = str(context / "rootfs.tar")
    call("mmdebstrap", "--variant=minbase", f"--include={PACKAGES}", "bookworm", archive)
    (context / "Dockerfile").write_text(
        "FROM scratch\nADD rootfs.tar /\nRUN ln -s /usr/bin/python3 /usr/local/bin/python\n",
        encoding="ascii",
    )
    bud = ("bud", "--isolation", "chroot", "--pull-never", "-t", BASE, str(context))
    call(*buildah, *bud)


def call(*command: str, timeout: float = 900.0) -> str:
    """Run a command to its end. Returns what it printed.

    Raises:
        CheckFailed: it failed; the message holds the end of what it said.
    """
    done = subprocess.run(  # noqa: S603 - commands of this file
        command, check=False, capture_output=True, text=True, timeout=timeout, cwd=ROOT
    )
    if done.returncode:
        said = (done.stderr or done.stdout).strip()[-2_000:]
        raise CheckFailed(f"{' '.join(command[:4])} … ended with {done.returncode}:\n{said}")
    return done.stdout


# ------------------------------------------------------------------ building


def build(tools: Tools) -> None:
    """Build the image from the committed Dockerfile."""
    tools.prepare()
    say("building the image")
    options = ["--build-arg", f"PYTHON_IMAGE={BASE}", "-t", IMAGE]
    if tools.build[0] == "buildah":
        # What reaches a package index from here must reach it from within the build too.
        if CERTIFICATES.exists():
            options += ["-v", f"{CERTIFICATES}:{CERTIFICATES}:ro"]
        for name in ("PIP_INDEX_URL", "PIP_CERT", "SSL_CERT_FILE", "HTTPS_PROXY", "HTTP_PROXY"):
            if value := os.environ.get(name):
                options += ["--env", f"{name}={value}"]
    call(*tools.build, *options, str(ROOT))


# ------------------------------------------------------------------ running


@dataclass(slots=True)
class Container:
    """One running container."""

    tools: Tools
    name: str
    port: int
    checked: list[str] = field(default_factory=list)

    @property
    def url(self) -> str:
        """Where it answers."""
        return f"http://127.0.0.1:{self.port}"

    def start(self, data: Path, shop_host: str) -> None:
        """Start it as a careful operator would."""
        environment = {
            "CHANNELSYNC_HOST": "127.0.0.1",
            "CHANNELSYNC_PORT": str(self.port),
            "CHANNELSYNC_ALLOW_HOSTS": shop_host,
            "CHANNELSYNC_SECRETS_DIR": "/data/secrets",
        }
        given = [part for name, value in environment.items() for part in ("-e", f"{name}={value}")]
        careful = ("--read-only", "--cap-drop", "all", "--security-opt", "no-new-privileges")
        options = ("--detach", "--network", "host", "--tmpfs", "/tmp", "-v", f"{data}:/data")  # noqa: S108
        self._tool(
            "run", *options, *careful, *self.tools.run_options, *given, "--name", self.name, IMAGE
        )

    def execute(self, *command: str) -> str:
        """Run a command inside."""
        return self._tool("exec", self.name, *command)

    def logs(self) -> str:
        """What it said."""
        return self._tool("logs", self.name)

    def stop(self) -> int:
        """SIGTERM, and wait. Returns the exit code."""
        began = time.monotonic()
        self._tool("kill", "--signal", "TERM", self.name)
        code = int(self._tool("wait", self.name).split()[-1])
        if (took := time.monotonic() - began) > DRAIN_SECONDS_MAX:
            raise CheckFailed(f"it took {took:.0f} s to end after SIGTERM")
        return code

    def remove(self) -> None:
        """Leave nothing behind."""
        subprocess.run(  # noqa: S603 - our own container
            (*self.tools.run, "rm", "--force", self.name), check=False, capture_output=True
        )

    def _tool(self, *arguments: str) -> str:
        return call(*self.tools.run, *arguments, timeout=120.0)

    def passed(self, what: str) -> None:
        """One check holds."""
        self.checked.append(what)
        say(f"ok: {what}")


async def until(what: str, holds: Callable[[], bool]) -> None:
    """Wait for something that another process brings about.

    Raises:
        CheckFailed: it did not come about.
    """
    ends_at = time.monotonic() + PATIENCE_SECONDS
    while not await asyncio.to_thread(holds):
        if time.monotonic() > ends_at:
            raise CheckFailed(f"it did not come about within {PATIENCE_SECONDS:.0f} s: {what}")
        await asyncio.sleep(0.25)


def answers(url: str) -> bool:
    """Whether a GET is answered by 200."""
    try:
        return httpx.get(url, timeout=5.0, trust_env=False).status_code == httpx.codes.OK
    except httpx.HTTPError:
        return False


async def check(container: Container, house: House) -> None:
    """Everything that is claimed of the image."""
    await until("/livez", lambda: answers(f"{container.url}/livez"))
    container.passed("/livez answers")
    identity = container.execute("id", "-u").strip()
    rights = container.execute("sh", "-c", "grep CapEff /proc/1/status").split()[-1]
    if identity != str(USER) or int(rights, 16):
        raise CheckFailed(f"it runs as user {identity} with capabilities {rights}")
    container.passed(f"it runs as user {identity} without capabilities")
    container.execute("sh", "-c", "! touch /opt/channelsync/x 2>/dev/null && touch /data/x")
    container.passed("its root file system is read-only, /data is not")
    container.execute(*HEALTH)
    container.passed("its health check is content")
    container.execute("channelsync", "stock", "import", "/data/stock.csv", "--create-items")
    await until("/readyz", lambda: answers(f"{container.url}/readyz"))
    container.passed("/readyz answers")
    await until("the shop offers what is in stock", lambda: _offers(house) == len(house.names))
    container.passed(f"the shop offers {UNITS} units of each of {len(house.names)} items")
    if code := container.stop():
        raise CheckFailed(f"it ended with {code} after SIGTERM:\n{container.logs()[-2_000:]}")
    container.passed("it ends by itself on SIGTERM, with exit code 0")


def _offers(house: House) -> int:
    """Items that the shop offers as many of as there are."""
    world = house.shop.world
    items = [world.item_of(sku) for sku in house.names]
    return sum(level.available == UNITS for item in items for level in item.levels.values())


async def run(tools: Tools, folder: Path) -> None:
    """Build, run, check, clean up."""
    await asyncio.to_thread(build, tools)
    house = House.build(folder / "data", items=3, units=0)
    data = folder / "data"
    await asyncio.to_thread(data.mkdir)
    async with served(house.shop.app) as host:
        house.units = UNITS
        await asyncio.to_thread(_write, house, host)
        port = Random().randrange(20_000, 30_000)  # noqa: S311 - any free port will do
        container = Container(tools, f"channelsync-check-{os.getpid()}", port)
        try:
            await asyncio.to_thread(container.start, data, host)
            await check(container, house)
        except CheckFailed:
            say("its last words:\n" + await asyncio.to_thread(container.logs))
            raise
        finally:
            await asyncio.to_thread(container.remove)


def _write(house: House, shop_host: str) -> None:
    house.write(shop_urls=[f"http://{shop_host}"], quarantine_seconds=1.0)
    for path in (house.folder, *house.folder.rglob("*")):
        os.chown(path, USER, USER)


def main() -> int:
    """The command."""
    argparse.ArgumentParser(description=__doc__.splitlines()[0]).parse_args()
    with tempfile.TemporaryDirectory(prefix="channelsync-image-") as name:
        folder = Path(name)
        folder.chmod(0o755)
        tools = find_tools(folder)
        if isinstance(tools, str):
            say(f"not run: {tools}")
            return 2
        try:
            asyncio.run(run(tools, folder))
        except CheckFailed as failure:
            say(f"FAILED: {failure}")
            return 1
    say("all of it holds")
    return 0


if __name__ == "__main__":
    sys.exit(main())
