"""The store opened for one command about stock, with the locations that the configuration names."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

from channelsync.cli.failures import Refused
from channelsync.cli.session import Session

if TYPE_CHECKING:
    from channelsync.store.database import Database

__all__ = ["open_at", "open_books"]


@asynccontextmanager
async def open_books(session: Session, *, create: bool = True) -> AsyncIterator[Database]:
    """The store; with `create` it is made where missing and knows the configured locations.

    A merchant counts his stock before the daemon first starts, hence before it has written them.
    """
    async with session.store(create=create) as database:
        if create:
            await _add_locations(session, database)
        yield database


async def _add_locations(session: Session, database: Database) -> None:
    from channelsync.bootstrap import setup_of
    from channelsync.engine.places import add_missing_locations

    configuration = session.configuration_if_valid("locations that were added to it")
    if configuration is not None:
        await add_missing_locations(database, setup_of(configuration).locations)


@asynccontextmanager
async def open_at(session: Session, location: str | None) -> AsyncIterator[tuple[Database, str]]:
    """The store, and the location meant: the one given, or the only one there is.

    Raises:
        Refused: there are several locations, or none.
    """
    async with open_books(session) as database:
        yield database, location or await _only_location(database)


async def _only_location(database: Database) -> str:
    from channelsync.store.stock_queries import load_locations

    async with database.read() as tx:
        codes = [place.code for place in (await load_locations(tx)).values() if place.active]
    if len(codes) == 1:
        return codes[0]
    if not codes:
        raise Refused("there is no location yet: name one in the configuration")
    raise Refused(f"say where, with --location: {', '.join(codes)}")
