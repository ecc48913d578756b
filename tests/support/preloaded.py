"""The program as a process that has its modules already: a fork of one that imported them.

A page of documents runs many commands, and a start costs more than all the rest of a command. What
a fork lacks to a real start is the import of modules; everything else (arguments, environment,
files, signals, exit code) is a process's own. `channelsync` in the folder that `commands` makes
asks the server for a fork, passes its streams on, and lives and dies with it.
"""

from __future__ import annotations

import asyncio
import contextlib
import gc
import importlib
import json
import os
import pkgutil
import runpy
import select
import signal
import socket
import subprocess
import sys
import traceback
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, NoReturn

from channelsync.cli import main
from channelsync.cli.application import build
from tests.support.checkout import ROOT

__all__ = ["Fork", "commands", "start"]

PACKAGES: Final = (
    "channelsync",
    "channelsync_amazon",
    "channelsync_pos",
    "channelsync_shopify",
    "channelsync_square",
)
SCRIPTS: Final = ("sqlalchemy.dialects.sqlite.aiosqlite", "typer.rich_utils", "uvicorn.logging")
"""What only a run would import."""
CLIENT: Final = """\
#!{python} -IS
import json, os, signal, socket, sys
if {kind!r} == "python" and not sys.argv[1].endswith(".py"):
    os.execv({python!r}, [{python!r}, *sys.argv[1:]])
asked = {{"kind": {kind!r}, "arguments": sys.argv[1:], "folder": os.getcwd(),
          "environment": dict(os.environ)}}
line = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
line.connect({address!r})
told = json.dumps(asked).encode() + b"\\n"
sent = socket.send_fds(line, [told[:1]], [0, 1, 2])
line.sendall(told[1:])
answers = line.makefile("rb")
process = int(answers.readline())
for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
    signal.signal(number, lambda which, _frame: os.kill(process, which))
code = answers.readline()
sys.exit(int(code) if code else 70)
"""
"""What stands for a command. It imports next to nothing, and is quick."""


@contextlib.contextmanager
def commands(folder: Path) -> Iterator[Path]:
    """A folder for PATH with `channelsync` and `python` in it, for as long as the block lasts."""
    address = folder / "server"
    server = subprocess.Popen(
        [sys.executable, "-m", __name__, str(address)],
        cwd=ROOT,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
    )
    try:
        assert server.stdout is not None
        if server.stdout.readline() != b"ready\n":
            raise RuntimeError("the server of commands did not start")
        for name, kind in (("channelsync", "channelsync"), ("python", "python")):
            path = folder / name
            text = CLIENT.format(python=sys.executable, address=str(address), kind=kind)
            path.write_text(text, encoding="utf-8")
            path.chmod(0o755)
        yield folder
    finally:
        server.kill()
        server.communicate()


@dataclass(slots=True)
class Fork:
    """A process that a test has started itself, to stop or kill it."""

    pid: int
    line: socket.socket
    said: bytes = b""

    @property
    def returncode(self) -> int | None:
        """Its exit code, less than 0 for a signal; None while it runs."""
        if not self.said and select.select([self.line], [], [], 0)[0]:
            self.said = self.line.recv(16)
        if not self.said:
            return None
        code = int(self.said)
        return code if code <= 128 else 128 - code

    def send_signal(self, number: signal.Signals) -> None:
        """Send a signal to the process itself."""
        os.kill(self.pid, number)

    async def wait(self) -> int:
        """Wait for its end."""
        self.said = self.said or await asyncio.get_running_loop().sock_recv(self.line, 16)
        self.line.close()
        assert self.returncode is not None
        return self.returncode


async def start(found: Path, arguments: list[str], environment: dict[str, str], log: Path) -> Fork:
    """Run `channelsync` with these arguments; `found` is what `commands` gave."""
    asked = {
        "kind": "channelsync",
        "arguments": arguments,
        "folder": str(log.parent),
        "environment": environment,
    }
    told = json.dumps(asked).encode() + b"\n"
    line = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    line.connect(str(found / "server"))
    _send_streams(line, told[:1], log)
    line.setblocking(False)
    loop = asyncio.get_running_loop()
    await loop.sock_sendall(line, told[1:])
    pid, _, rest = (await loop.sock_recv(line, 32)).partition(b"\n")
    return Fork(int(pid), line, rest)


def _send_streams(line: socket.socket, first: bytes, log: Path) -> None:
    with Path(os.devnull).open("rb") as nothing, log.open("wb") as output:
        socket.send_fds(line, [first], [nothing.fileno(), output.fileno(), output.fileno()])


# ------------------------------------------------------------------ the server


def serve(address: str) -> None:
    """Import everything, then answer every connection with a process, until killed."""
    for package in PACKAGES:
        for found in pkgutil.walk_packages(
            importlib.import_module(package).__path__, f"{package}."
        ):
            if not found.name.endswith("__main__"):
                importlib.import_module(found.name)
    for name in SCRIPTS:
        importlib.import_module(name)
    build()
    gc.freeze()  # nobody writes to pages that every process shares
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as door:
        door.bind(address)
        door.listen(64)
        sys.stdout.write("ready\n")
        sys.stdout.flush()
        while True:
            line, _ = door.accept()
            if os.fork() == 0:
                door.close()
                _keep(line)
            line.close()


def _keep(line: socket.socket) -> NoReturn:
    """Start the process, say which it is, and how it ended; it ends when nobody listens."""
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    first, streams, _, _ = socket.recv_fds(line, 1, 3)
    with line.makefile("rb") as said:
        asked = json.loads(first + said.readline())
    process = os.fork()
    if process == 0:
        line.close()
        _become(asked, streams)
    for stream in streams:
        os.close(stream)
    with contextlib.suppress(OSError):  # whoever asked may be gone: then nobody listens, below
        line.sendall(f"{process}\n".encode())
    ended = os.pidfd_open(process)
    ready, _, _ = select.select([line.fileno(), ended], [], [])
    if ended not in ready:
        os.kill(process, signal.SIGKILL)
    code = os.waitstatus_to_exitcode(os.waitpid(process, 0)[1])
    with contextlib.suppress(OSError):
        line.sendall(f"{code if code >= 0 else 128 - code}\n".encode())
    os._exit(0)


def _become(asked: Any, streams: list[int]) -> NoReturn:
    """Be the process that was asked for."""
    for number, stream in enumerate(streams):
        os.dup2(stream, number)
    for stream in streams:
        if stream > 2:
            os.close(stream)
    os.chdir(asked["folder"])
    os.environ.clear()
    os.environ.update(asked["environment"])
    signal.signal(signal.SIGINT, signal.default_int_handler)
    os._exit(_run(asked["kind"], asked["arguments"]))


def _run(kind: str, arguments: list[str]) -> int:
    sys.argv[:] = [kind, *arguments]
    try:
        code = main(arguments) if kind == "channelsync" else _script(arguments)
    except SystemExit as asked_for:
        code = _exit_code(asked_for.code)
    except BaseException:  # noqa: BLE001 - what an interpreter does
        traceback.print_exc()
        code = 1
    for stream in (sys.stdout, sys.stderr):
        with contextlib.suppress(OSError):
            stream.flush()
    return code


def _script(arguments: list[str]) -> int:
    sys.argv[:] = arguments
    sys.path.insert(0, str(Path(arguments[0]).resolve().parent))
    runpy.run_path(arguments[0], run_name="__main__")
    return 0


def _exit_code(code: object) -> int:
    if isinstance(code, int):
        return code
    if code is not None:
        sys.stderr.write(f"{code}\n")
    return 0 if code is None else 1


if __name__ == "__main__":
    serve(sys.argv[1])
