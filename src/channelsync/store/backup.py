"""A consistent copy of a SQLite database while it is in use.

`VACUUM INTO` reads one snapshot and keeps no writer waiting. The copy is written beside its final
name, checked, and then takes that name: a file of that name is always a whole backup.
"""

from __future__ import annotations

import asyncio
import os
import sqlite3
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

import sqlalchemy as sa

from channelsync.store.folder import sync

__all__ = ["Backup", "BackupRefused", "backup"]

_BUSY_SECONDS = 60.0


class BackupRefused(Exception):
    """Nothing was written; the message says why and what to do."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Backup:
    """A finished copy."""

    path: Path
    size_bytes: int


async def backup(url: str, target: Path) -> Backup:
    """Copy the SQLite database at `url` to the new file `target`.

    Raises:
        BackupRefused: the database is not SQLite or not there, `target` exists or cannot be
            written, or the copy did not pass SQLite's own check.
    """
    parsed = sa.make_url(url)
    if parsed.get_backend_name() != "sqlite":
        raise BackupRefused(
            "this command copies SQLite databases; for PostgreSQL use pg_dump --format=custom"
        )
    return await asyncio.to_thread(_copy, Path(parsed.database or ""), target)


def _copy(source: Path, target: Path) -> Backup:
    if not source.is_file():
        raise BackupRefused(f"there is no database at {source}")
    if target.exists():
        raise BackupRefused(f"{target} exists already: name a new file")
    if not target.parent.is_dir():
        raise BackupRefused(f"there is no folder {target.parent}")
    part = target.with_name(f".{target.name}.part")
    try:
        # Nobody else may read what is about to be written, whatever the umask.
        os.close(os.open(part, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600))
        with closing(_open(source)) as connection:
            connection.execute("VACUUM INTO ?", (str(part),))
        _check(part)
        sync(part)
        part.rename(target)
        sync(target.parent)
    except FileExistsError as error:
        raise BackupRefused(
            f"{part} exists: another backup is running, or one died; then remove that file"
        ) from error
    except (OSError, sqlite3.Error) as error:
        part.unlink(missing_ok=True)
        raise BackupRefused(f"{source} could not be copied to {target}: {error}") from error
    return Backup(path=target, size_bytes=target.stat().st_size)


def _check(part: Path) -> None:
    with closing(_open(part)) as copy:
        (verdict,) = copy.execute("PRAGMA integrity_check").fetchone()
    if verdict != "ok":
        raise sqlite3.DatabaseError(f"the copy is damaged, check the disk: {verdict}")


def _open(path: Path) -> sqlite3.Connection:
    return sqlite3.connect(path, timeout=_BUSY_SECONDS, isolation_level=None)
