"""Bring a database to the schema of this program, and refuse one of a newer program.

The revisions are Alembic's (`migrations/` of the checkout, or the copy in the wheel). Every command
is one transaction that begins by taking the database's write lock, so that two processes which
start at once upgrade once, and a failed upgrade leaves nothing behind. Most starts find the schema
as they want it: that is seen without Alembic, which takes as long to import as the store to open.

SchemaMismatch
├── SchemaTooNew    a newer program has upgraded the database
└── SchemaOutdated  the database waits for `channelsync db upgrade`
"""

from __future__ import annotations

import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, Final, Literal

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine, create_async_engine

from channelsync.resources import resource_folder
from channelsync.store.database import connected

__all__ = [
    "SchemaMismatch",
    "SchemaOutdated",
    "SchemaTooNew",
    "current",
    "downgrade",
    "head",
    "migrating",
    "require_current",
    "upgrade",
]

_LOCK_KEY: Final = 0x6368_616E_7379_6E63
"""PostgreSQL advisory lock of whoever migrates: "chansync" in ASCII."""
_BUSY_SECONDS: Final = 60.0
_REVISION: Final = re.compile(r'^revision: str = "(\w+)"$', re.MULTILINE)
_FOLLOWS: Final = re.compile(r'^down_revision: str \| None = (?:None|"(\w+)")$', re.MULTILINE)
_VERSIONS: Final = sa.table("alembic_version", sa.column("version_num"))


class SchemaMismatch(Exception):
    """The database's schema is not the one that this program works with."""


class SchemaTooNew(SchemaMismatch):
    """A newer program has upgraded the database; this one could misread it."""

    def __init__(self, found: str) -> None:
        super().__init__(
            f"the database has schema {found}, which this version of channelsync does not know"
            f" (its newest is {head()}): start the newer version that upgraded it, or restore a"
            " backup from before the upgrade"
        )


class SchemaOutdated(SchemaMismatch):
    """The database is older than the program, or empty."""

    def __init__(self, found: str | None) -> None:
        super().__init__(
            f"the database has {f'schema {found}' if found else 'no schema yet'} and this version"
            f" of channelsync needs {head()}: run `channelsync db upgrade`"
        )


def head() -> str:
    """The newest revision that this program knows."""
    revisions = _revisions()
    newest = revisions.keys() - set(revisions.values())
    if len(newest) != 1:
        raise SchemaMismatch("this installation of channelsync has no migrations: install it again")
    return newest.pop()


def _revisions() -> dict[str, str | None]:
    """Every revision that this program knows, and the one it follows."""
    found: dict[str, str | None] = {}
    for path in (resource_folder("migrations") / "versions").glob("*.py"):
        text = path.read_text("utf-8")
        revision, follows = _REVISION.search(text), _FOLLOWS.search(text)
        if revision is None or follows is None:
            raise SchemaMismatch(f"{path.name} does not say which revision it is, or follows")
        found[revision[1]] = follows[1]
    return found


async def current(url: str) -> str | None:
    """The revision of the database at `url`; None when it has no schema yet."""
    if _is_missing_file(url):
        return None
    engine = _engine(url, begin="BEGIN")
    try:
        async with connected(engine) as connection:
            return await connection.run_sync(_revision)
    finally:
        await engine.dispose()


async def require_current(url: str) -> None:
    """Return only when the database has exactly this program's schema.

    Raises:
        SchemaTooNew: a newer program has upgraded it.
        SchemaOutdated: it must be upgraded first.
    """
    found = await current(url)
    _refuse_newer(found)
    if found != head():
        raise SchemaOutdated(found)


async def upgrade(url: str, revision: str = "head") -> None:
    """Bring the database at `url` to `revision`; nothing happens when it is there already.

    Raises:
        SchemaTooNew: a newer program has upgraded it; nothing was changed.
    """
    if revision in {"head", head()} and await current(url) == head():
        return
    async with migrating(url) as connection:
        _refuse_newer(await connection.run_sync(_revision))
        await connection.run_sync(_run, "upgrade", revision)


async def downgrade(url: str, revision: str) -> None:
    """Take the database at `url` back to `revision`; `base` removes every table with its rows.

    Raises:
        SchemaTooNew: a newer program has upgraded it; nothing was changed.
    """
    async with migrating(url) as connection:
        _refuse_newer(await connection.run_sync(_revision))
        await connection.run_sync(_run, "downgrade", revision)


@asynccontextmanager
async def migrating(url: str) -> AsyncIterator[AsyncConnection]:
    """A transaction that holds the database's migration lock; rolled back on any exception.

    Foreign keys of SQLite rest meanwhile, since it alters a table by making it again; they are
    checked as a whole before the end.
    """
    engine = _engine(url, begin="BEGIN IMMEDIATE")
    try:
        async with connected(engine) as connection, connection.begin():
            if connection.dialect.name == "postgresql":
                await connection.execute(sa.select(sa.func.pg_advisory_xact_lock(_LOCK_KEY)))
            yield connection
            if connection.dialect.name == "sqlite":
                await _check_foreign_keys(connection)
    finally:
        await engine.dispose()


async def _check_foreign_keys(connection: AsyncConnection) -> None:
    broken = (await connection.exec_driver_sql("PRAGMA foreign_key_check")).all()
    if broken:
        tables = ", ".join(sorted({str(row[0]) for row in broken}))
        raise SchemaMismatch(f"{len(broken)} rows would point at nothing (in {tables})")


def _is_missing_file(url: str) -> bool:
    parsed = sa.make_url(url)
    is_file = parsed.get_backend_name() == "sqlite" and bool(parsed.database)
    return is_file and not Path(str(parsed.database)).exists()


def _engine(url: str, *, begin: str) -> AsyncEngine:
    if sa.make_url(url).get_backend_name() != "sqlite":
        return create_async_engine(url, poolclass=sa.NullPool)
    engine = create_async_engine(
        url, poolclass=sa.NullPool, connect_args={"timeout": _BUSY_SECONDS}
    )

    @sa.event.listens_for(engine.sync_engine, "connect")
    def _prepare(connection: Any, _record: object) -> None:
        # The driver must not open transactions by itself: DDL belongs into ours.
        connection.isolation_level = None
        cursor = connection.cursor()
        for pragma in ("synchronous=FULL", "foreign_keys=OFF"):
            cursor.execute(f"PRAGMA {pragma}")
        cursor.close()

    @sa.event.listens_for(engine.sync_engine, "begin")
    def _begin(connection: sa.Connection) -> None:
        connection.exec_driver_sql(begin)

    return engine


def _revision(connection: sa.Connection) -> str | None:
    if not sa.inspect(connection).has_table(_VERSIONS.name):
        return None
    return connection.execute(sa.select(_VERSIONS.c.version_num)).scalar_one_or_none()


def _refuse_newer(found: str | None) -> None:
    if found is not None and found not in _revisions():
        raise SchemaTooNew(found)


def _run(connection: sa.Connection, action: Literal["upgrade", "downgrade"], revision: str) -> None:
    from alembic import command
    from alembic.config import Config

    config = Config()
    config.set_main_option("script_location", str(resource_folder("migrations")).replace("%", "%%"))
    config.attributes["connection"] = connection
    getattr(command, action)(config, revision)
