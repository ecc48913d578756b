"""Places: locations that the configuration names, written ahead of the daemon's first start.

A merchant counts his stock before he lets the daemon sell it; the counts need their locations.
"""

from __future__ import annotations

from collections.abc import Iterable

import sqlalchemy as sa

from channelsync.engine.setup import LocationSetup
from channelsync.store.database import Database
from channelsync.store.locks import lock_setup
from channelsync.store.tables import locations

__all__ = ["add_missing_locations"]


async def add_missing_locations(database: Database, wanted: Iterable[LocationSetup]) -> None:
    """Add what is missing and change nothing that is there: the daemon does the rest."""
    async with database.read() as tx:
        known = set((await tx.execute(sa.select(locations.c.code))).scalars())
    missing = [location for location in wanted if location.code not in known]
    if not missing:
        return
    async with database.write() as tx:
        # A daemon may have its first start at this moment.
        await lock_setup(tx)
        known = set((await tx.execute(sa.select(locations.c.code))).scalars())
        rows = [
            {
                "code": location.code,
                "name": location.name,
                "pool": location.pool,
                "priority": location.priority,
                "active": True,
            }
            for location in missing
            if location.code not in known
        ]
        if rows:
            await tx.execute(sa.insert(locations), rows)
