"""A backup is whole, made beside running writers, and never in anybody's way."""

from __future__ import annotations

import sqlite3
import stat
from contextlib import closing
from pathlib import Path

import pytest

from channelsync.store import migrate
from channelsync.store.backup import BackupRefused, backup
from channelsync.store.database import sqlite_url
from channelsync.store.tables import Quantity
from tests.support.ledger_books import Books

ON_HAND = Quantity.ON_HAND


def on_hand(path: Path) -> int:
    with closing(sqlite3.connect(path)) as connection:
        (units,) = connection.execute("SELECT SUM(on_hand) FROM stock").fetchone()
    return int(units)


async def test_a_backup_has_everything_that_was_committed(
    sqlite_books: Books, tmp_path: Path
) -> None:
    await sqlite_books.move(("MUG", "dc", ON_HAND, 7))
    made = await backup(sqlite_books.database.url, tmp_path / "copy.db")
    await sqlite_books.move(("MUG", "dc", ON_HAND, 1))
    assert on_hand(made.path) == 7
    assert made.size_bytes == made.path.stat().st_size > 0
    assert await migrate.current(sqlite_url(made.path)) == migrate.head()


async def test_a_backup_waits_for_no_open_transaction(sqlite_books: Books, tmp_path: Path) -> None:
    await sqlite_books.move(("MUG", "dc", ON_HAND, 7))
    async with sqlite_books.database.write() as tx:
        await tx.exec_driver_sql("UPDATE stock SET on_hand = 99")
        made = await backup(sqlite_books.database.url, tmp_path / "copy.db")
    assert on_hand(made.path) == 7


async def test_only_the_owner_may_read_a_backup(sqlite_books: Books, tmp_path: Path) -> None:
    made = await backup(sqlite_books.database.url, tmp_path / "copy.db")
    assert stat.S_IMODE(made.path.stat().st_mode) == 0o600


async def test_an_existing_file_is_never_written_over(sqlite_books: Books, tmp_path: Path) -> None:
    target = tmp_path / "copy.db"
    target.write_text("precious")
    with pytest.raises(BackupRefused, match="exists already: name a new file"):
        await backup(sqlite_books.database.url, target)
    assert target.read_text() == "precious"


async def test_a_backup_that_another_one_is_making_is_left_alone(
    sqlite_books: Books, tmp_path: Path
) -> None:
    part = tmp_path / ".copy.db.part"
    part.write_text("half")
    with pytest.raises(BackupRefused, match="another backup is running"):
        await backup(sqlite_books.database.url, tmp_path / "copy.db")
    assert part.read_text() == "half"


async def test_a_damaged_database_gives_no_backup(tmp_path: Path) -> None:
    source = tmp_path / "damaged.db"
    source.write_bytes(b"no database at all, whatever its name says" * 100)
    with pytest.raises(BackupRefused, match="could not be copied"):
        await backup(sqlite_url(source), tmp_path / "copy.db")
    assert not (tmp_path / "copy.db").exists()
    assert not (tmp_path / ".copy.db.part").exists()


@pytest.mark.parametrize(
    ("url", "message"),
    [
        ("postgresql+asyncpg://localhost/shop", "pg_dump"),
        ("sqlite+aiosqlite:////nowhere/shop.db", "no database at /nowhere/shop.db"),
    ],
)
async def test_what_cannot_be_copied_is_said(tmp_path: Path, url: str, message: str) -> None:
    with pytest.raises(BackupRefused, match=message):
        await backup(url, tmp_path / "copy.db")


async def test_a_missing_folder_is_named(sqlite_books: Books, tmp_path: Path) -> None:
    with pytest.raises(BackupRefused, match="there is no folder"):
        await backup(sqlite_books.database.url, tmp_path / "backups" / "copy.db")
