"""The auditor of rehearsals sees what was wrong when it was done, and nothing else."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from pathlib import Path
from random import Random

import pytest
import sqlalchemy as sa

from channelsync.rehearsal.auditor import Auditor, Truth
from channelsync.rehearsal.loop import VirtualLoop
from channelsync.rehearsal.markets import open_markets
from channelsync.rehearsal.stage import Stage
from channelsync.store import tables
from channelsync.store.schema import metadata

UNITS = 5
ROWS: tuple[tuple[sa.Table, dict[str, object]], ...] = (
    (tables.items, {"id": 1, "sku": "MUG", "created_at": 0.0}),
    (tables.locations, {"id": 1, "code": "dc", "pool": "main"}),
    (
        tables.channels,
        {"name": "elsewhere", "connector": "none", "pool": "main", "baseline_at": 0.0},
    ),
    (
        tables.listings,
        {"id": 1, "channel": "elsewhere", "sku": "MUG", "semantics": "absolute", "exposure": 0},
    ),
    (tables.recipes, {"listing_id": 1, "item_id": 1, "units": 1}),
    (tables.stock, {"item_id": 1, "location_id": 1}),
)


class Books:
    """A file with one listing, `UNITS` on hand and nothing on sale."""

    def __init__(self, path: Path) -> None:
        self._engine = sa.create_engine(f"sqlite:///{path}")
        metadata.create_all(self._engine)
        with self._engine.begin() as tx:
            for table, row in ROWS:
                tx.execute(sa.insert(table).values(row))
        self.move("on_hand", UNITS, "count")

    def move(self, quantity: str, delta: int, kind: str) -> None:
        """One movement, and the balance that it leads to."""
        where = {"listing_id": 1} if quantity == "exposure" else {"item_id": 1, "location_id": 1}
        told = {"at": 0.0, "actor": "test", "quantity": quantity, "delta": delta, "kind": kind}
        table = tables.listings if quantity == "exposure" else tables.stock
        with self._engine.begin() as tx:
            tx.execute(sa.insert(tables.movements).values(told | where))
            balance = table.c[quantity]
            tx.execute(sa.update(table).values({balance: balance + delta}))


@pytest.fixture
def books(tmp_path: Path) -> Books:
    return Books(tmp_path / "books.db")


@pytest.fixture
def auditor(books: Books, tmp_path: Path) -> Iterator[Auditor]:
    loop = VirtualLoop(Random(1))
    stage = Stage(1, loop)
    opened = sqlite3.connect(tmp_path / "books.db")
    made = Auditor(stage, open_markets(stage), Truth(), opened)
    made.look({"movements"})
    yield made
    made.database.close()
    loop.close()


def test_a_raise_beyond_what_is_there_is_seen(books: Books, auditor: Auditor) -> None:
    books.move("exposure", UNITS + 1, "charge")
    auditor.look({"movements"})
    assert auditor.stage.violation == "I2 covered: a raise of MUG left -1 free; unsettled: False"


def test_units_that_broke_while_on_sale_accuse_no_raise_before(
    books: Books, auditor: Auditor, tmp_path: Path
) -> None:
    """Not even when the whole file is read anew, as after a backup was restored."""
    books.move("exposure", UNITS, "charge")
    auditor.look({"movements"})
    books.move("on_hand", -1, "adjustment")
    auditor.look({"movements"})
    auditor.restored(sqlite3.connect(tmp_path / "books.db"))
    assert auditor.stage.violation is None
    books.move("exposure", 1, "charge")
    auditor.look({"movements"})
    assert auditor.stage.violation is not None
