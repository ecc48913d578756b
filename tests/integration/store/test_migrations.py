"""Migrations on either engine: up, down, up again, and equal to the metadata in everything."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory

from channelsync.store import migrate
from channelsync.store.database import sqlite_url
from channelsync.store.tables import metadata
from tests.support.checkout import ROOT
from tests.support.databases import ENGINES, NewDatabase

APPEND_ONLY = ("audit", "movements", "seals", "folds")
GUARDS = {
    "sqlite": {f"{table}_no_{event}" for table in APPEND_ONLY for event in ("update", "delete")},
    "postgresql": {f"{table}_append_only" for table in APPEND_ONLY}
    | {"movements_kept", "seals_kept", "folds_ended"},
}


@pytest.fixture(params=ENGINES)
def new_url(request: pytest.FixtureRequest, tmp_path: Path) -> NewDatabase:
    """Makes databases without a table."""
    if request.param == "sqlite":
        numbers = itertools.count(1)
        return lambda: sqlite_url(tmp_path / f"schema-{next(numbers)}.db")
    made: NewDatabase = request.getfixturevalue("empty_postgres_urls")
    return made


@pytest.fixture
def url(new_url: NewDatabase) -> str:
    return new_url()


def test_the_newest_revision_is_what_alembic_says() -> None:
    """Starts read it from the files alone."""
    assert migrate.head() == ScriptDirectory(str(ROOT / "migrations")).get_current_head()


async def on(url: str, look: Callable[[sa.Connection], Any]) -> Any:
    async with migrate.migrating(url) as connection:
        return await connection.run_sync(look)


def schema(connection: sa.Connection) -> dict[str, Any]:
    """All that a database can tell of its tables, in an order of its own."""
    inspector = sa.inspect(connection)
    return {
        table: {
            "columns": [
                {**column, "type": str(column["type"])} for column in inspector.get_columns(table)
            ],
            "primary key": inspector.get_pk_constraint(table),
            "foreign keys": by_name(inspector.get_foreign_keys(table)),
            "unique": by_name(inspector.get_unique_constraints(table)),
            "checks": by_name(inspector.get_check_constraints(table)),
            "indexes": by_name(inspector.get_indexes(table)),
        }
        for table in inspector.get_table_names()
        if table != "alembic_version"
    }


def by_name(found: list[Any]) -> list[Any]:
    plain = [{**one, "dialect_options": texts(one.get("dialect_options", {}))} for one in found]
    return sorted(plain, key=lambda one: str(one["name"]))


def texts(options: dict[str, Any]) -> dict[str, str]:
    """The condition of a partial index comes as an expression that equals only itself."""
    return {name: str(value) for name, value in options.items()}


def triggers(connection: sa.Connection) -> set[str]:
    if connection.dialect.name == "sqlite":
        query = "SELECT name FROM sqlite_master WHERE type = 'trigger'"
    else:
        query = "SELECT tgname FROM pg_trigger WHERE NOT tgisinternal"
    return set(connection.exec_driver_sql(query).scalars())


def guards(url: str) -> set[str]:
    """The triggers that keep movements append-only."""
    return GUARDS[sa.make_url(url).get_backend_name()]


async def test_an_empty_database_gets_the_newest_schema(url: str) -> None:
    assert await migrate.current(url) is None
    await migrate.upgrade(url)
    assert await migrate.current(url) == migrate.head()
    await migrate.require_current(url)


async def test_the_migrated_schema_is_the_metadata(new_url: NewDatabase) -> None:
    url, from_metadata = new_url(), new_url()
    await migrate.upgrade(url)
    await on(from_metadata, metadata.create_all)
    assert await on(url, schema) == await on(from_metadata, schema)


async def test_autogeneration_finds_nothing_to_change(url: str) -> None:
    await migrate.upgrade(url)

    def differences(connection: sa.Connection) -> list[Any]:
        return list(compare_metadata(MigrationContext.configure(connection), metadata))

    assert await on(url, differences) == []


async def test_a_forgotten_column_would_be_found(url: str) -> None:
    await migrate.upgrade(url)

    def differences(connection: sa.Connection) -> list[Any]:
        connection.exec_driver_sql("ALTER TABLE items DROP COLUMN name")
        return list(compare_metadata(MigrationContext.configure(connection), metadata))

    assert [change[0] for change in await on(url, differences)] == ["add_column"]


async def test_down_to_nothing_and_up_again(url: str) -> None:
    await migrate.upgrade(url)
    whole = await on(url, schema)
    assert await on(url, triggers) == guards(url)
    await migrate.downgrade(url, "base")
    assert await on(url, schema) == {}
    assert await on(url, triggers) == set()
    assert await migrate.current(url) is None
    await migrate.upgrade(url)
    assert await on(url, schema) == whole
    assert await on(url, triggers) == guards(url)


async def test_upgrading_twice_changes_nothing(url: str) -> None:
    await migrate.upgrade(url)
    await migrate.upgrade(url)
    assert await migrate.current(url) == migrate.head()


async def test_a_newer_schema_is_refused_and_left_alone(url: str) -> None:
    await migrate.upgrade(url)

    def pretend(connection: sa.Connection) -> None:
        connection.exec_driver_sql("UPDATE alembic_version SET version_num = '9999'")

    await on(url, pretend)
    for refused in (
        migrate.upgrade(url),
        migrate.downgrade(url, "base"),
        migrate.require_current(url),
    ):
        with pytest.raises(migrate.SchemaTooNew, match=r"schema 9999.*start the newer version"):
            await refused
    assert await migrate.current(url) == "9999"


async def test_an_outdated_schema_says_what_to_do(url: str) -> None:
    with pytest.raises(migrate.SchemaOutdated, match=r"no schema yet.*channelsync db upgrade"):
        await migrate.require_current(url)


async def test_looking_at_a_database_that_is_not_there_makes_none(tmp_path: Path) -> None:
    assert await migrate.current(sqlite_url(tmp_path / "schema.db")) is None
    assert not (tmp_path / "schema.db").exists()


async def test_a_migration_that_fails_leaves_nothing_behind(url: str) -> None:
    def half(connection: sa.Connection) -> None:
        connection.exec_driver_sql("CREATE TABLE items (id INTEGER)")

    await on(url, half)
    with pytest.raises(sa.exc.DBAPIError, match="already exists"):
        await migrate.upgrade(url)
    assert set(await on(url, schema)) == {"items"}
    assert await migrate.current(url) is None


async def test_rows_that_point_at_nothing_stop_a_migration(tmp_path: Path) -> None:
    url = sqlite_url(tmp_path / "schema.db")
    await migrate.upgrade(url)

    def orphan(connection: sa.Connection) -> None:
        connection.exec_driver_sql("INSERT INTO stock (item_id, location_id) VALUES (1, 1)")

    with pytest.raises(migrate.SchemaMismatch, match=r"2 rows would point at nothing \(in stock\)"):
        await on(url, orphan)


async def test_a_percent_sign_in_a_path_is_no_trouble(tmp_path: Path) -> None:
    folder = tmp_path / "100%s"
    folder.mkdir()
    await migrate.upgrade(sqlite_url(folder / "schema.db"))
    assert (folder / "schema.db").is_file()
