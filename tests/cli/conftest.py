"""Shops with a shell."""

from __future__ import annotations

import asyncio
import os
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
def bare(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> Shop:
    """A folder with nothing in it, and no variable that any of this reads."""
    for name in list(os.environ):
        if name.startswith("CHANNELSYNC_") or name in {"COLUMNS", "NO_COLOR", "FORCE_COLOR"}:
            monkeypatch.delenv(name)
    return Shop(folder=tmp_path, capture=capsys)


@pytest.fixture
def shop(migrated: Path, bare: Shop) -> Shop:
    """The specification's example, stock and orders in place, the daemon not started yet."""
    copy_migrated(migrated, bare)
    return canonical_shop(bare)


@pytest.fixture
def migrated_shop(migrated: Path, bare: Shop) -> Shop:
    """A shop with an empty database and nothing else."""
    copy_migrated(migrated, bare)
    return bare
