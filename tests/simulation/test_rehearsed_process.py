"""A process of a rehearsal that dies leaves its file as a killed one does."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from random import Random

import pytest

from channelsync.rehearsal.driver import Connection
from channelsync.rehearsal.loop import VirtualLoop
from channelsync.rehearsal.process import Process
from channelsync.rehearsal.stage import Stage


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """A file with three rows."""
    path = tmp_path / "books.db"
    with closing(sqlite3.connect(path)) as books:
        books.executescript(
            "PRAGMA journal_mode=WAL;"
            "CREATE TABLE stock (on_hand INTEGER); INSERT INTO stock VALUES (1), (2), (3);"
        )
    return path


@pytest.fixture
def stage() -> Iterator[Stage]:
    """A stage on which nothing has happened yet."""
    stage = Stage(1, VirtualLoop(Random(1)))
    yield stage
    stage.loop.close()


def test_whoever_dies_between_a_statement_and_its_rows_holds_no_lock_afterwards(
    path: Path, stage: Stage
) -> None:
    process = Process(stage, "daemon-a", 1, Random(1), on_commit=lambda _process, _touched: None)
    connection = Connection(path, process)

    async def write_and_die() -> object:
        await connection.begin_writing()
        cursor = await connection.execute("UPDATE stock SET on_hand = 0 RETURNING on_hand")
        process.kill("between a statement and its rows")
        return cursor

    # Kept, as the coroutine of a dead process, which never goes on, keeps it.
    kept = stage.loop.run_until_complete(write_and_die())
    with closing(sqlite3.connect(path, timeout=0, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        assert other.execute("SELECT sum(on_hand) FROM stock").fetchone() == (6,)
    del kept
