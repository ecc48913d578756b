"""Migrated databases: one is made, every test gets a copy."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from channelsync.store import migrate
from channelsync.store.database import sqlite_url
from tests.support.ledger_books import Books, copy_of


@pytest.fixture(scope="session")
def migrated(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("migrated") / "empty.db"
    asyncio.run(migrate.upgrade(sqlite_url(path)))
    return path


@pytest.fixture
async def books(migrated: Path, tmp_path: Path) -> AsyncIterator[Books]:
    books = Books(copy_of(migrated, tmp_path))
    await books.begin()
    yield books
    await books.database.close()
