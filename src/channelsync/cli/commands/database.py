"""`db …`: schema and backups of the database."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from channelsync.cli.failures import unreachable
from channelsync.cli.session import Session

__all__ = ["backup", "current", "upgrade"]


async def upgrade(session: Session) -> None:
    """Bring the database to the schema of this program; made where there is none."""
    from channelsync.store import migrate

    url = session.settings.database
    with unreachable(url):
        if session.settings.database_url is None:
            session.settings.data_dir.mkdir(parents=True, exist_ok=True)
        before = await migrate.current(url)
        await migrate.upgrade(url)
    head = migrate.head()
    if before is None:
        said = f"made, with schema {head}"
    else:
        said = f"the schema is {head}" if before == head else f"upgraded from {before} to {head}"
    session.output.result({"was": before, "schema": head}, lambda screen: screen.line(said))


async def current(session: Session) -> None:
    """Say which schema the database has, and which this program works with."""
    from channelsync.store import migrate

    with unreachable(session.settings.database):
        found = await migrate.current(session.settings.database)
    head = migrate.head()
    said = f"database: {found or 'none'}; this program: {head}"
    session.output.result({"schema": found, "program": head}, lambda screen: screen.line(said))


async def backup(
    session: Session, file: Annotated[Path, typer.Argument(help="A new file.")]
) -> None:
    """Copy the SQLite database consistently while the daemon works."""
    from channelsync.store.backup import backup as copy
    from channelsync.store.backup_note import BackupNote, write_note

    made = await copy(session.settings.database, file)
    note = BackupNote(made_at=session.environment.now(), path=str(made.path.absolute()))
    try:
        write_note(session.settings.data_dir, note)
    except OSError as error:
        session.output.warn(f"`doctor` will not know of this backup: {error}")
    session.output.result(
        made, lambda screen: screen.line(f"wrote {made.path}, {made.size_bytes:,} bytes")
    )
