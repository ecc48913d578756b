"""Limits: the same work by bare means, without any of ours."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path
from time import perf_counter

__all__ = ["reservations_per_second"]

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
