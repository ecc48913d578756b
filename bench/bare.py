"""Limits: the same work by bare means, without any of ours."""

from __future__ import annotations

import asyncio
import re
import sqlite3
from contextlib import closing
from pathlib import Path
from time import perf_counter

from tests.support.servers import Postgres

__all__ = ["postgres_reservations_per_second", "reservations_per_second"]

CLIENTS = 8

TABLES = """\
PRAGMA journal_mode=WAL;
PRAGMA synchronous=FULL;
CREATE TABLE item (id INTEGER PRIMARY KEY, on_hand INTEGER NOT NULL, reserved INTEGER NOT NULL);
CREATE TABLE reservation (
  id INTEGER PRIMARY KEY, reference TEXT UNIQUE, item_id INTEGER, units INTEGER);
CREATE TABLE movement (
  id INTEGER PRIMARY KEY, item_id INTEGER, delta INTEGER, reference TEXT, at REAL);
CREATE TABLE outbox (kind TEXT, key TEXT, version INTEGER, PRIMARY KEY (kind, key));
"""
RESERVE = "UPDATE item SET reserved = reserved + 1 WHERE id = ? AND on_hand - reserved >= 1"
WRITE = "INSERT INTO reservation (reference, item_id, units) VALUES (?, ?, 1)"
MOVE = "INSERT INTO movement (item_id, delta, reference, at) VALUES (?, 1, ?, 0)"
MARK = (
    "INSERT INTO outbox VALUES ('item', ?, 1)"
    " ON CONFLICT (kind, key) DO UPDATE SET version = version + 1"
)


def reservations_per_second(folder: Path, *, items: int, count: int) -> float:
    """Reservations by Python's own sqlite3, one a transaction, every one on the disk."""
    with closing(sqlite3.connect(folder / "bare.db", isolation_level=None)) as connection:
        connection.executescript(TABLES)
        connection.executemany(
            "INSERT INTO item VALUES (?, ?, 0)", [(item, count) for item in range(items)]
        )
        began = perf_counter()
        for number in range(count):
            item, reference = number % items, f"order-{number}"
            connection.execute("BEGIN IMMEDIATE")
            connection.execute(RESERVE, (item,))
            connection.execute(WRITE, (reference, item))
            connection.execute(MOVE, (item, reference))
            connection.execute(MARK, (str(item),))
            connection.execute("COMMIT")
        return count / (perf_counter() - began)


POSTGRES_TABLES = """\
DROP TABLE IF EXISTS item, reservation, movement, outbox;
CREATE TABLE item (id int PRIMARY KEY, on_hand int NOT NULL, reserved int NOT NULL);
CREATE TABLE reservation (
  id bigserial PRIMARY KEY, reference text UNIQUE, item_id int, units int);
CREATE TABLE movement (
  id bigserial PRIMARY KEY, item_id int, delta int, reference text, at timestamptz);
CREATE TABLE outbox (kind text, key text, version int, PRIMARY KEY (kind, key));
"""
POSTGRES_ITEMS = "INSERT INTO item SELECT n, 1000000000, 0 FROM generate_series(1, 100000) n"
SCRIPT = """\
\\set item random(1, :items)
\\set order random(1, 9000000000000000)
BEGIN;
UPDATE item SET reserved = reserved + 1 WHERE id = :item AND on_hand - reserved >= 1;
INSERT INTO reservation (reference, item_id, units) VALUES (:order::bigint::text, :item, 1);
INSERT INTO movement (item_id, delta, reference, at) VALUES (:item, 1, :order::bigint::text, now());
INSERT INTO outbox VALUES ('item', :item::int::text, 1)
  ON CONFLICT (kind, key) DO UPDATE SET version = outbox.version + 1;
COMMIT;
"""


async def postgres_reservations_per_second(server: Postgres, *, items: int, seconds: int) -> float:
    """Reservations by pgbench: six round trips each, eight clients, every one on the disk.

    Raises:
        RuntimeError: pgbench failed; the message holds what it said.
    """
    for statement in (*POSTGRES_TABLES.split(";\n"), POSTGRES_ITEMS):
        if statement:
            await server.execute(statement)
    script = server.folder / "reserve.sql"
    script.write_text(SCRIPT, encoding="ascii")
    process = await asyncio.create_subprocess_exec(
        str(server.binaries / "pgbench"),
        *("-h", str(server.folder), "-U", "postgres", "-n", "-M", "prepared"),
        *("-c", str(CLIENTS), "-j", "2", "-T", str(seconds), "-D", f"items={items}"),
        *("-f", str(script), "postgres"),
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    output, _ = await process.communicate()
    found = re.search(rb"^tps = ([0-9.]+)", output, re.MULTILINE)
    if process.returncode or found is None:
        raise RuntimeError(f"pgbench: {output.decode()}")
    return float(found[1])
