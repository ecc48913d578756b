"""Small books for tests of the store: one pool, two locations, three items, one channel."""

from __future__ import annotations

import itertools
import shutil
import sqlite3
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection

from channelsync.ports import Environment
from channelsync.store import tables
from channelsync.store.chain import append_seals, links_after, load_head, read_horizon
from channelsync.store.database import Database, sqlite_url
from channelsync.store.ledger import StockMove, move_stock
from channelsync.store.tables import MovementKind, Quantity

NOON = 1_760_000_400.0
ITEMS = {"MUG": 1, "PLATE": 2, "BOWL": 3}
LOCATIONS = {"dc": 1, "soho": 2}


@dataclass(slots=True)
class Books:
    """An open database with a clock in hand."""

    database: Database
    now: float = NOON
    _ids: Any = field(default_factory=lambda: itertools.count(1))

    @property
    def environment(self) -> Environment:
        return Environment(
            now=lambda: self.now, new_id=lambda: f"id-{next(self._ids)}", owner="test"
        )

    async def begin(self) -> None:
        """Write the items, locations and the channel."""
        async with self.database.write() as tx:
            rows = [{"id": key, "sku": sku, "created_at": 0.0} for sku, key in ITEMS.items()]
            await tx.execute(sa.insert(tables.items), rows)
            places = [
                {"id": key, "code": code, "name": code.title(), "pool": "main", "priority": key}
                for code, key in LOCATIONS.items()
            ]
            await tx.execute(sa.insert(tables.locations), places)
            shop = {"name": "shop", "connector": "memory", "pool": "main", "baseline_at": 0.0}
            await tx.execute(sa.insert(tables.channels).values(shop))
            await restart_numbers(tx)

    async def move(self, *changes: tuple[str, str, Quantity, int], **facts: Any) -> None:
        """Move stock: SKU, location, quantity, delta."""
        moves = [stock_move(*change, at=facts.pop("at", self.now), **facts) for change in changes]
        async with self.database.write() as tx:
            await move_stock(tx, moves)

    async def seal(self) -> None:
        """Seal everything that is committed."""
        async with self.database.read() as tx:
            horizon = await read_horizon(tx)
        async with self.database.write() as tx:
            head = await load_head(tx)
            links = await links_after(tx, head, up_to=horizon.movement_id, limit=100_000)
            await append_seals(tx, head, links, now=self.now)

    async def run(self, statement: str, **values: Any) -> None:
        """Raw SQL, as somebody with a database shell would."""
        async with self.database.write() as tx:
            await tx.execute(sa.text(statement), values)

    async def run_in_a_shell(self, statement: str) -> None:
        """Raw SQL where nobody looks at foreign keys: SQLite's own shell does not."""
        if self.database.is_sqlite:
            path = sa.make_url(self.database.url).database
            with closing(sqlite3.connect(str(path))) as shell, shell:
                shell.execute(statement)
            return
        async with self.database.write() as tx:
            await tx.execute(sa.text("SET LOCAL session_replication_role = replica"))
            await tx.execute(sa.text(statement))

    async def unguard(self) -> None:
        """Take away what keeps movements append-only, as somebody with a database shell could."""
        if self.database.is_sqlite:
            await self.run("DROP TRIGGER movements_no_delete")
        else:
            await self.run("DROP TRIGGER movements_kept ON movements")

    async def rows(self, query: sa.Table | sa.Select[Any]) -> list[Any]:
        """What a query finds, or all of a table in the order of its keys."""
        if isinstance(query, sa.Table):
            query = sa.select(query).order_by(*query.primary_key)
        async with self.database.read() as tx:
            return list((await tx.execute(query)).all())

    async def levels(self, sku: str, location: str = "dc") -> tuple[int, int, int, int]:
        """On hand, reserved, safety stock, on order."""
        key = (
            tables.stock.c.item_id == ITEMS[sku],
            tables.stock.c.location_id == LOCATIONS[location],
        )
        row = (await self.rows(sa.select(tables.stock).where(*key)))[0]
        return row.on_hand, row.reserved, row.safety_stock, row.on_order

    async def count_of(self, table: sa.Table) -> int:
        """How many rows a table has."""
        return len(await self.rows(table))


def stock_move(sku: str, location: str, quantity: Quantity, delta: int, **facts: Any) -> StockMove:
    """A movement with everything that a test does not care for."""
    defaults: dict[str, Any] = {"kind": MovementKind.ADJUSTMENT, "actor": "test", "at": NOON}
    return StockMove(
        item_id=ITEMS[sku],
        location_id=LOCATIONS[location],
        quantity=quantity,
        delta=delta,
        **(defaults | facts),
    )


async def insert(tx: AsyncConnection, table: sa.Table, **values: Any) -> Any:
    """One row; returns its first key."""
    result = await tx.execute(sa.insert(table).values(values))
    return result.inserted_primary_key[0] if result.inserted_primary_key else None


async def restart_numbers(tx: AsyncConnection) -> None:
    """After rows with ids of our own: PostgreSQL goes on counting behind them."""
    if tx.dialect.name == "sqlite":
        return
    for table in tables.metadata.sorted_tables:
        if table.autoincrement_column is None or table.name == "hold_lines":
            continue
        column = table.autoincrement_column.name
        await tx.execute(
            sa.text(
                f"SELECT setval(pg_get_serial_sequence('{table.name}', '{column}'),"  # noqa: S608
                f" (SELECT COALESCE(MAX({column}), 0) + 1 FROM {table.name}), false)"
            )
        )


def copy_of(migrated: Path, folder: Path) -> Database:
    """A fresh database of the present schema, without the time that a migration takes."""
    target = folder / "books.db"
    shutil.copy(migrated, target)
    return Database(sqlite_url(target))
