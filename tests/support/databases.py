"""Fixtures: servers of one test process, and fresh migrated databases on either engine.

A database of PostgreSQL is copied from a migrated template, one of SQLite from a migrated file, so
that a test pays milliseconds and shares nothing.
"""

from __future__ import annotations

import asyncio
import itertools
import shutil
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path

import pytest

from channelsync.store import migrate
from channelsync.store.database import Database, sqlite_url
from tests.support.servers import (
    Postgres,
    Redis,
    ServerMissing,
    running_postgres,
    running_redis,
)

__all__ = [
    "ENGINES",
    "NewDatabase",
    "any_database",
    "any_url",
    "async_url",
    "empty_postgres_urls",
    "migrated",
    "new_database",
    "postgres_server",
    "postgres_template",
    "postgres_url",
    "redis_server",
]

ENGINES = ("sqlite", "postgresql")
TEMPLATE = "template_of_tests"
_numbers = itertools.count(1)

NewDatabase = Callable[[], str]
"""Makes one more migrated PostgreSQL database; gives its URL for SQLAlchemy."""


def async_url(server: Postgres, name: str) -> str:
    """The address with the asynchronous driver."""
    return server.url(name).replace("postgresql://", "postgresql+asyncpg://", 1)


@pytest.fixture(scope="session")
def postgres_server() -> Iterator[Postgres]:
    """A PostgreSQL that no test may harm."""
    try:
        with running_postgres() as server:
            yield server
    except ServerMissing as missing:
        pytest.skip(str(missing))


@pytest.fixture(scope="session")
def redis_server() -> Iterator[Redis]:
    """A Redis that no test may harm; a test empties it as it likes."""
    try:
        with running_redis() as server:
            yield server
    except ServerMissing as missing:
        pytest.skip(str(missing))


@pytest.fixture(scope="session")
def postgres_template(postgres_server: Postgres) -> Postgres:
    """The server, with a migrated template in it."""
    postgres_server.run(f"CREATE DATABASE {TEMPLATE}")
    asyncio.run(migrate.upgrade(async_url(postgres_server, TEMPLATE)))
    return postgres_server


@pytest.fixture
def new_database(postgres_template: Postgres) -> Iterator[NewDatabase]:
    """Databases of one test; dropped with it."""
    made: list[str] = []

    def make() -> str:
        name = f"test_{next(_numbers)}"
        postgres_template.run(f"CREATE DATABASE {name} TEMPLATE {TEMPLATE} STRATEGY file_copy")
        made.append(name)
        return async_url(postgres_template, name)

    yield make
    for name in made:
        postgres_template.run(f"DROP DATABASE {name} WITH (FORCE)")


@pytest.fixture
def empty_postgres_urls(postgres_server: Postgres) -> Iterator[NewDatabase]:
    """Databases without a single table; dropped with their test."""
    made: list[str] = []

    def make() -> str:
        name = f"empty_{next(_numbers)}"
        postgres_server.run(f"CREATE DATABASE {name} STRATEGY file_copy")
        made.append(name)
        return async_url(postgres_server, name)

    yield make
    for name in made:
        postgres_server.run(f"DROP DATABASE {name} WITH (FORCE)")


@pytest.fixture
def postgres_url(new_database: NewDatabase) -> str:
    """A migrated PostgreSQL database."""
    return new_database()


@pytest.fixture(scope="session")
def migrated(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A migrated SQLite file, to be copied."""
    path = tmp_path_factory.mktemp("migrated") / "empty.db"
    asyncio.run(migrate.upgrade(sqlite_url(path)))
    return path


@pytest.fixture(params=ENGINES)
def any_url(request: pytest.FixtureRequest, migrated: Path, tmp_path: Path) -> str:
    """A migrated database, once on SQLite and once on PostgreSQL."""
    if request.param == "sqlite":
        target = tmp_path / "books.db"
        shutil.copy(migrated, target)
        return sqlite_url(target)
    url: str = request.getfixturevalue("postgres_url")
    return url


@pytest.fixture
async def any_database(any_url: str) -> AsyncIterator[Database]:
    """The same, open."""
    database = Database(any_url)
    yield database
    await database.close()
