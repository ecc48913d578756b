"""The program as a process: what a shell and a build server see of it."""

from __future__ import annotations

import os
import subprocess
import sys

from channelsync import __version__

PROGRAM = (sys.executable, "-m", "channelsync")


def run(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [*PROGRAM, *arguments], check=False, capture_output=True, text=True, timeout=60
    )


def test_the_version_is_said() -> None:
    done = run("--version")
    assert (done.returncode, done.stdout) == (0, f"channelsync {__version__}\n")


def test_a_wrong_command_line_ends_with_64() -> None:
    done = run("nonsense")
    assert (done.returncode, done.stdout) == (64, "")
    assert "Traceback" not in done.stderr


def test_help_loads_nothing_heavy() -> None:
    script = (
        "import sys; from channelsync.cli import main; code = main(['--help']);"
        "heavy = {'sqlalchemy', 'pydantic', 'alembic', 'fastapi', 'httpx', 'uvicorn', 'structlog'};"
        "sys.stderr.write(' '.join(sorted(heavy & sys.modules.keys()))); sys.exit(code)"
    )
    done = subprocess.run(
        [sys.executable, "-c", script], check=False, capture_output=True, text=True, timeout=60
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert "explain" in done.stdout


def test_ctrl_c_ends_with_130_and_without_a_traceback() -> None:
    script = (
        "import os, signal, sys; from channelsync.cli import main;"
        "from channelsync.cli.session import Outside;"
        "from channelsync.bootstrap import system_environment;"
        "stop = lambda: os.kill(os.getpid(), signal.SIGINT) or system_environment();"
        "sys.exit(main(sys.argv[1:], outside=Outside(registry=stop, environment=stop)))"
    )
    for command in (["connectors", "list", "-v"], ["stock", "import", __file__, "-v"]):
        done = subprocess.run(
            [sys.executable, "-c", script, *command],
            check=False,
            capture_output=True,
            text=True,
            timeout=60,
        )
        assert (done.returncode, done.stdout) == (130, "")
        assert "Traceback" not in done.stderr


def test_a_closed_pipe_is_no_disaster() -> None:
    reader, writer = os.pipe()
    os.close(reader)
    done = subprocess.run(
        [*PROGRAM, "simulate", "--scenario", "busy", "--trials", "1"],
        check=False,
        stdout=writer,
        stderr=subprocess.PIPE,
        text=True,
        timeout=60,
    )
    os.close(writer)
    assert (done.returncode, done.stderr) == (1, "")
