"""Commands of a store that several processes share."""

from __future__ import annotations

import asyncio
import json
import os
import shutil
import sys
from pathlib import Path
from typing import Any

import pytest

from channelsync.cli.exit_codes import ExitCode
from channelsync.store.database import Database, sqlite_url
from channelsync.store.presence import DatabasePresence
from channelsync.store.tables import Quantity
from tests.support.ledger_books import Books

CONFIG = "version: 1\nlocations:\n  dc: {name: DC}\n  soho: {name: Soho}\nchannels: {}\n"


async def run(folder: Path, *arguments: str, **variables: str) -> tuple[int, Any]:
    """Run a command; gives its exit code and what it printed as JSON."""
    (folder / "channelsync.yaml").write_text(CONFIG)
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "channelsync", *arguments, "--json"),
        *("--config", str(folder / "channelsync.yaml")),
        env={**os.environ, "CHANNELSYNC_DATA_DIR": str(folder / "data"), **variables},
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
        stdin=asyncio.subprocess.DEVNULL,
    )
    out, err = await process.communicate()
    assert process.returncode is not None
    return process.returncode, json.loads(out) if out.strip() else err.decode()


def as_operators_write(url: str) -> str:
    return url.replace("postgresql+asyncpg://", "postgresql://", 1)


async def test_a_file_is_copied_into_postgresql(
    migrated: Path, postgres_url: str, tmp_path: Path
) -> None:
    file = tmp_path / "old.db"
    shutil.copy(migrated, file)
    books = Books(Database(sqlite_url(file)))
    await books.begin()
    await books.move(("MUG", "dc", Quantity.ON_HAND, 7))
    await books.database.close()
    there = {"CHANNELSYNC_DATABASE_URL": as_operators_write(postgres_url)}
    code, copied = await run(tmp_path, "db", "copy", str(file), **there)
    assert (code, copied["rows"]["movements"]) == (ExitCode.DONE, 1)
    code, refused = await run(tmp_path, "db", "copy", str(file), **there)
    assert code == ExitCode.FAILED
    assert "not empty" in refused["error"]["message"]
    code, shown = await run(tmp_path, "stock", "show", "MUG", **there)
    assert code == ExitCode.DONE
    assert json.dumps(shown).count('"on_hand": 7')


@pytest.mark.parametrize("part", ["web", "worker"])
async def test_several_processes_need_postgresql(tmp_path: Path, part: str) -> None:
    code, said = await run(tmp_path, part)
    assert code == ExitCode.FAILED
    assert "they need PostgreSQL" in str(said)


async def test_a_restore_is_stated_while_nobody_works(postgres_url: str, tmp_path: Path) -> None:
    there = {"CHANNELSYNC_DATABASE_URL": as_operators_write(postgres_url)}
    worker = DatabasePresence(postgres_url, "worker-1-0badcafe")
    await worker.start()
    code, refused = await run(tmp_path, "db", "restored", **there)
    assert code == ExitCode.FAILED
    assert "stop every process" in refused["error"]["message"]
    await worker.close()
    code, done = await run(tmp_path, "db", "restored", **there)
    assert (code, done) == (ExitCode.DONE, {"channels": 0, "listings": 0})


async def test_a_database_that_is_not_there_is_named_without_its_password(tmp_path: Path) -> None:
    gone = "postgresql://me:hunter2@127.0.0.1:1/nothing"
    code, said = await run(tmp_path, "status", CHANNELSYNC_DATABASE_URL=gone)
    assert code == ExitCode.UNREACHABLE
    assert "cannot be reached" in str(said)
    assert "hunter2" not in str(said)
