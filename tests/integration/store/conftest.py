"""Books on either engine: whatever the store promises, it promises on both."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from channelsync.store.database import Database
from tests.support.ledger_books import Books, copy_of


@pytest.fixture
async def books(any_database: Database) -> Books:
    """The usual books, once on each engine."""
    books = Books(any_database)
    await books.begin()
    return books


@pytest.fixture
async def sqlite_books(migrated: Path, tmp_path: Path) -> AsyncIterator[Books]:
    """The same on SQLite alone, for what PostgreSQL has its own tools for."""
    books = Books(copy_of(migrated, tmp_path))
    await books.begin()
    yield books
    await books.database.close()
