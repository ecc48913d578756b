"""Programs under measurement, as processes of their own: started, looked at, stopped."""

from __future__ import annotations

import asyncio
import gc
import json
import os
import signal
import sys
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from time import perf_counter

import channelsync
from channelsync.garbage import leave_the_program_out

__all__ = [
    "START_SECONDS_MAX",
    "Running",
    "collecting_as_the_program_does",
    "environment",
    "forget_peak",
    "peak_megabytes",
    "run_cli",
    "running",
]

START_SECONDS_MAX = 120.0
STOP_SECONDS_MAX = 30.0
ROOT = Path(__file__).resolve().parents[1]


@dataclass(slots=True)
class Running:
    """A process that said where it listens."""

    process: asyncio.subprocess.Process
    url: str
    started_in_seconds: float

    def resident_megabytes(self) -> float:
        """Memory that it holds now, in 10^6 bytes.

        Raises:
            OSError: this system has no /proc.
        """
        return _megabytes("VmRSS:", str(self.process.pid))

    def peak_megabytes(self) -> float:
        """The most memory that it has held since its start, in 10^6 bytes."""
        return _megabytes("VmHWM:", str(self.process.pid))


@contextmanager
def collecting_as_the_program_does() -> Iterator[None]:
    """Meanwhile cycles are looked for as seldom as by the daemon and by `channelsync plan`."""
    before = gc.get_threshold()
    leave_the_program_out()
    try:
        yield
    finally:
        gc.unfreeze()
        gc.set_threshold(*before)


def forget_peak() -> float:
    """From here on a new peak counts. Returns the memory that this process holds now.

    Raises:
        OSError: this system has no /proc.
    """
    Path("/proc/self/clear_refs").write_text("5", encoding="ascii")  # proc(5)
    return _megabytes("VmRSS:")


def peak_megabytes() -> float:
    """The most memory that this process held since then, in 10^6 bytes."""
    return _megabytes("VmHWM:")


def _megabytes(name: str, process: str = "self") -> float:
    status = Path(f"/proc/{process}/status").read_text(encoding="ascii")
    kilobytes = next(line.split()[1] for line in status.splitlines() if name in line)
    return int(kilobytes) * 1_024 / 1e6


def environment(folder: Path, *hosts: str) -> dict[str, str]:
    """The operator's environment over one folder; nothing of ours comes from outside."""
    own = {
        "CHANNELSYNC_CONFIG": str(folder / "channelsync.yaml"),
        "CHANNELSYNC_DATA_DIR": str(folder / "data"),
        "CHANNELSYNC_SECRETS_DIR": str(folder / "secrets"),
        "CHANNELSYNC_ALLOW_HOSTS": ",".join(hosts),
        "CHANNELSYNC_PORT": "0",
        "CHANNELSYNC_LOG_FORMAT": "json",
        "PYTHONPATH": str(ROOT),
    }
    kept = {key: value for key, value in os.environ.items() if not key.startswith("CHANNELSYNC_")}
    return kept | own


async def run_cli(variables: Mapping[str, str], *arguments: str) -> str:
    """Run one of our commands to its end. Returns what it printed.

    Raises:
        RuntimeError: it failed; the message holds its output.
    """
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", channelsync.__name__, *arguments),
        env=variables,
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    output, errors = await process.communicate()
    if process.returncode:
        raise RuntimeError(f"channelsync {' '.join(arguments)}: {errors.decode()}")
    return output.decode()


@asynccontextmanager
async def running(command: Sequence[str], variables: Mapping[str, str]) -> AsyncIterator[Running]:
    """A Python program that logs `{"url": …}` as soon as it listens; stopped by SIGTERM.

    Raises:
        RuntimeError: it ended before it listened.
    """
    began = perf_counter()
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, *command),
        env=variables,
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.DEVNULL,
        stderr=asyncio.subprocess.PIPE,
    )
    if process.stderr is None:
        raise RuntimeError("the program has no standard error to listen to")
    drain = None
    try:
        async with asyncio.timeout(START_SECONDS_MAX):
            url = await _url(process.stderr)
        started = perf_counter() - began
        # Its log goes on; a full pipe would stop it.
        drain = asyncio.create_task(_swallow(process.stderr))
        yield Running(process, url, started)
    finally:
        await _stop(process)
        if drain is not None:
            await drain


async def _url(log: asyncio.StreamReader) -> str:
    said = []
    while line := await log.readline():
        said.append(line.decode(errors="replace"))
        if line.startswith(b"{") and (url := json.loads(line).get("url")):
            return str(url).rstrip("/")
    raise RuntimeError(f"it ended before it listened:\n{''.join(said)}")


async def _swallow(log: asyncio.StreamReader) -> None:
    while await log.read(65_536):
        pass


async def _stop(process: asyncio.subprocess.Process) -> None:
    if process.returncode is None:
        process.send_signal(signal.SIGTERM)
    try:
        async with asyncio.timeout(STOP_SECONDS_MAX):
            await process.wait()
    except TimeoutError:
        process.kill()
        await process.wait()
