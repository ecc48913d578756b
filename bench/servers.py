"""Real servers for measurements, with every durability switched on."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from contextlib import contextmanager

from channelsync.store import migrate
from tests.support.databases import async_url
from tests.support.servers import Postgres, running_postgres

__all__ = ["empty_database", "postgres", "with_driver"]

_numbers = itertools.count(1)


@contextmanager
def postgres() -> Iterator[Postgres]:
    """A PostgreSQL that waits for the disk at every commit.

    Raises:
        ServerMissing: none can be started here.
    """
    with running_postgres(durable=True) as server:
        yield server


async def empty_database(server: Postgres) -> str:
    """One more database with our tables. Returns its address, as operators write it."""
    name = f"measured_{next(_numbers)}"
    await server.execute(f"CREATE DATABASE {name}")
    await migrate.upgrade(async_url(server, name))
    return server.url(name)


def with_driver(address: str) -> str:
    """An address as operators write it, with the asynchronous driver in it."""
    return address.replace("postgresql://", "postgresql+asyncpg://", 1)
