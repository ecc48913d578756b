"""The program as a process: what a shell and a build server see of it."""

from __future__ import annotations

import os
import signal
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
    process = subprocess.Popen(
        [*PROGRAM, "simulate", "--scenario", "deep", "--trials", "100000", "-v"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONUNBUFFERED": "1"},
    )
    assert process.stderr is not None
    assert "simulating" in process.stderr.readline(), "it has begun"
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=60)
    assert process.returncode == 130
    assert out == ""
    assert "Traceback" not in err


def test_a_closed_pipe_is_no_disaster() -> None:
    done = subprocess.run(
        f"{sys.executable} -m channelsync --help | head -1",
        shell=True,  # noqa: S602 - the shell's pipe is what is tested
        check=False,
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert "Traceback" not in done.stderr
