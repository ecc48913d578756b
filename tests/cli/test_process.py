"""The program as a process: what a shell and a build server see of it."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest

from channelsync import __version__
from channelsync.cli.shapes import SHAPES

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
        "heavy = {'sqlalchemy', 'pydantic', 'alembic', 'fastapi', 'httpx', 'uvicorn', 'structlog',"
        " 'asyncio', 'ruamel', 'prometheus_client', 'jinja2'};"
        "sys.stderr.write(' '.join(sorted(heavy & sys.modules.keys()))); sys.exit(code)"
    )
    done = subprocess.run(
        [sys.executable, "-c", script], check=False, capture_output=True, text=True, timeout=60
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert "explain" in done.stdout


def test_ctrl_c_ends_with_130_and_without_a_traceback(tmp_path: Path) -> None:
    script = (
        "import os, signal, sys; from channelsync.cli import main;"
        # A build server's shell may start everything with interrupts ignored.
        "signal.signal(signal.SIGINT, signal.default_int_handler);"
        "from channelsync.cli.session import Outside;"
        "from channelsync.bootstrap import system_environment;"
        "stop = lambda: os.kill(os.getpid(), signal.SIGINT) or system_environment();"
        "sys.exit(main(sys.argv[1:], outside=Outside(registry=stop, environment=stop)))"
    )
    for command in (["connectors", "list", "-v"], ["stock", "import", __file__, "-v"]):
        done = subprocess.run(
            [sys.executable, "-c", script, *command],
            check=False,
            cwd=tmp_path,
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


@contextmanager
def daemon(folder: Path, *options: str) -> Iterator[subprocess.Popen[str]]:
    """A daemon that is up."""
    (folder / "shop.yaml").write_text("version: 1\nlocations:\n  shop: {}\n", encoding="utf-8")
    where = ("-c", str(folder / "shop.yaml"), "--data-dir", str(folder / "data"))
    with subprocess.Popen(
        [*PROGRAM, *where, "run", *options], stderr=subprocess.PIPE, text=True
    ) as process:
        try:
            yield process
        finally:
            process.kill()


def until_up(process: subprocess.Popen[str]) -> str:
    """The daemon's address, from the log line that says that it is up."""
    assert process.stderr is not None
    for line in process.stderr:
        if "channelsync is up" in line:
            return str(json.loads(line)["url"])
    raise AssertionError("it ended before it was up")


def test_the_daemon_runs_until_it_is_told_to_stop(tmp_path: Path) -> None:
    with daemon(tmp_path, "--port", "0") as process:
        address = until_up(process)
        port = address.rstrip("/").rpartition(":")[2]
        with daemon(tmp_path, "--port", "0") as second:
            _, said = second.communicate()
            assert second.returncode == 1
            assert "another channelsync works on" in said
        other = tmp_path / "other"
        other.mkdir()
        with daemon(other, "--port", port) as third:
            _, said = third.communicate()
            assert third.returncode == 1
            assert f"127.0.0.1:{port} cannot be listened on" in said
            assert "Traceback" not in said
        process.send_signal(signal.SIGTERM)
        assert process.wait() == 0


def invitation(process: subprocess.Popen[str]) -> str:
    """The set-up link that a daemon without users prints."""
    assert process.stderr is not None
    for line in process.stderr:
        if "nobody can sign in yet" in line:
            return str(json.loads(line)["url"])
    raise AssertionError("it ended before it invited anybody")


def test_the_daemon_prints_the_link_of_the_first_user_until_there_is_one(tmp_path: Path) -> None:
    with daemon(tmp_path, "--port", "0") as process:
        link = httpx.URL(invitation(process))
        password = "correct horse battery"
        form = {"token": link.params["token"], "name": "ada"}
        form |= {"password": password, "again": password}
        with httpx.Client(base_url=f"http://127.0.0.1:{link.port}", timeout=30) as browser:
            assert browser.get("/api/v1/me").json()["name"] == "local"
            assert browser.get(link.raw_path.decode()).status_code == 200
            assert browser.post("/setup", data=form).status_code == 303
            assert browser.get("/api/v1/me").json()["name"] == "user:ada"
            assert httpx.get(f"http://127.0.0.1:{link.port}/api/v1/me").status_code == 401
        process.send_signal(signal.SIGTERM)
        assert process.wait() == 0
    with daemon(tmp_path, "--port", "0") as process:
        assert until_up(process)
        process.send_signal(signal.SIGTERM)
        _, said = process.communicate()
        assert "nobody can sign in" not in said


def test_a_daemon_with_a_wrong_configuration_does_not_start(tmp_path: Path) -> None:
    (tmp_path / "wrong.yaml").write_text("version: 2\n", encoding="utf-8")
    done = run("run", "-c", str(tmp_path / "wrong.yaml"), "--data-dir", str(tmp_path / "data"))
    assert done.returncode == 4
    assert "wrong.yaml:1:10" in done.stderr
    assert not (tmp_path / "data" / "channelsync.db").exists()


@pytest.mark.slow
def test_the_demo_ends_by_itself_with_nothing_oversold() -> None:
    done = run("demo", "--seconds", "2", "--port", "0", "--no-browser", "--json")
    assert done.returncode == 0, done.stderr
    data = json.loads(done.stdout)
    assert data["oversold"] == 0
    assert list(data) == list(SHAPES["demo"])
    assert done.stderr.startswith("channelsync demo: http://127.0.0.1:")
