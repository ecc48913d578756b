"""Shops with a shell."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from channelsync.store import migrate
from channelsync.store.database import sqlite_url
from tests.cli.shop import Shop, canonical_shop, copy_migrated


@pytest.fixture(scope="session")
def migrated(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("migrated") / "empty.db"
    asyncio.run(migrate.upgrade(sqlite_url(path)))
    return path


@pytest.fixture
def bare(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Shop:
    """A folder with nothing in it."""
    return Shop(folder=tmp_path, capture=capsys)


@pytest.fixture
def shop(migrated: Path, bare: Shop) -> Shop:
    """The specification's example, stock and orders in place, the daemon not started yet."""
    copy_migrated(migrated, bare)
    return canonical_shop(bare)
