"""`db copy`, `db restored`: a store that changes its place, or falls back in time."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Annotated

import typer

from channelsync.cli.failures import Refused, unreachable
from channelsync.cli.output import Screen
from channelsync.cli.session import Session
from channelsync.domain.wording import counted

__all__ = ["copy", "restored"]


async def copy(
    session: Session,
    file: Annotated[Path, typer.Argument(help="The SQLite database to copy, of a stopped daemon.")],
) -> None:
    """Copy a SQLite database into the configured PostgreSQL, which has the schema and no rows.

    The file stays as it is. Everything is copied or nothing.
    """
    from channelsync.store import migrate
    from channelsync.store.audit_chain import Change
    from channelsync.store.copying import copy_store
    from channelsync.store.database import Database, sqlite_url
    from channelsync.store.folder import data_lock

    if not file.is_file():
        raise Refused(f"there is no database at {file}")
    change = Change(
        at=session.environment.now(),
        actor=session.actor,
        action="database.copy",
        subject="database",
        after={"file": file.name},
    )
    source_url, target_url = sqlite_url(file.absolute()), session.settings.database
    with data_lock(file.absolute().parent), unreachable(target_url):
        await migrate.require_current(source_url)
        await migrate.require_current(target_url)
        source, target = Database(source_url), Database(target_url, answer_seconds=None)
        try:
            copied = await copy_store(source, target, change)
        finally:
            await source.close()
            await target.close()
    rows = {name: count for name, count in copied.rows.items() if count}

    def show(screen: Screen) -> None:
        for name, count in sorted(rows.items()):
            screen.line(f"{name}: {counted(count, 'row')}")
        screen.line("the copy's books add up; put the old file away, so that nobody starts on it")

    session.output.result({"rows": rows}, show)


async def restored(session: Session) -> None:
    """Say that this database was restored from a backup: every listing must be proven anew.

    Run it after restoring and before the daemon starts. Until a channel is polled and settled
    again, nothing of its items is raised anywhere.
    """
    from channelsync.engine.witness import Witness

    configuration = session.configuration_if_valid("what its channels promise about time")
    async with session.store() as database, _nobody_works(session):
        engine = session.engine(database, configuration)
        witness = Witness(session.settings.seen_file)
        doubted = await witness.doubt(engine, actor=session.actor)
    said = (
        f"{counted(doubted.listings, 'listing')} of {counted(doubted.channels, 'channel')} will be"
        " settled anew; start the daemon"
    )
    session.output.result(doubted, lambda screen: screen.line(said))


@asynccontextmanager
async def _nobody_works(session: Session) -> AsyncIterator[None]:
    """For as long as the block lasts, no daemon works on the store.

    Raises:
        AlreadyRunning: one does.
    """
    import sqlalchemy as sa

    from channelsync.store.folder import AlreadyRunning, data_lock
    from channelsync.store.presence import DatabasePresence

    settings = session.settings
    if sa.make_url(settings.database).get_backend_name() == "sqlite":
        with data_lock(settings.data_dir):
            yield
        return
    presence = DatabasePresence(settings.database, session.environment.owner)
    await presence.start()
    try:
        others = await presence.count() - 1
        if others:
            raise AlreadyRunning(
                f"{counted(others, 'daemon')} still on this database: stop every process of"
                " channelsync first"
            )
        yield
    finally:
        await presence.close()
