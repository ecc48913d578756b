"""Books of a large merchant, written straight into a store: everything settled, nothing due."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from time import time

import sqlalchemy as sa

from bench.house import skus
from channelsync.bootstrap import OpenedChannels, system_environment
from channelsync.domain.allocation_rules import Rule
from channelsync.domain.vocabulary import PushSemantics
from channelsync.engine.core import Engine
from channelsync.engine.policy import Policy
from channelsync.queue.in_process import InProcessBus
from channelsync.store import migrate, tables
from channelsync.store.database import Database, sqlite_url

__all__ = ["CHANNELS", "EXPOSURE", "ON_HAND", "open_books"]

CHANNELS = ("shop-a", "shop-b", "shop-c")
ON_HAND = 20
EXPOSURE = 6
_ROWS_AT_ONCE = 10_000


@asynccontextmanager
async def open_books(folder: Path, items: int, rule: Rule) -> AsyncIterator[Engine]:
    """An engine over such books; the rule's quotas are what the merchant wants from now on."""
    url = sqlite_url(folder / "channelsync.db")
    await migrate.upgrade(url)
    database = Database(url)
    try:
        await _fill(database, skus(items))
        yield Engine(
            database=database,
            channels=OpenedChannels(),
            environment=system_environment(),
            bus=InProcessBus(),
            policy=Policy(rules={"main": (rule,)}),
        )
    finally:
        await database.close()


async def _fill(database: Database, names: Sequence[str]) -> None:
    """Items at one location, each offered on every channel, which hold a part of it."""
    now = time()
    async with database.write() as tx:
        await tx.execute(sa.insert(tables.locations).values(id=1, code="dc", pool="main"))
        for channel in CHANNELS:
            await tx.execute(
                sa.insert(tables.channels).values(
                    name=channel, connector="shopify", pool="main", state="active", baseline_at=now
                )
            )
    for first in range(0, len(names), _ROWS_AT_ONCE):
        await _fill_part(database, first, names[first : first + _ROWS_AT_ONCE], now)


async def _fill_part(database: Database, first: int, names: Sequence[str], now: float) -> None:
    ids = {sku: first + place + 1 for place, sku in enumerate(names)}
    offers = [
        (len(CHANNELS) * item_id + place, channel, sku, item_id)
        for sku, item_id in ids.items()
        for place, channel in enumerate(CHANNELS)
    ]
    async with database.write() as tx:
        await tx.execute(
            sa.insert(tables.items),
            [{"id": key, "sku": sku, "created_at": now} for sku, key in ids.items()],
        )
        await tx.execute(
            sa.insert(tables.stock),
            [{"item_id": key, "location_id": 1, "on_hand": ON_HAND} for key in ids.values()],
        )
        await tx.execute(
            sa.insert(tables.listings),
            [
                {
                    "id": key,
                    "channel": channel,
                    "sku": sku,
                    "semantics": PushSemantics.KEYED_COMPARE_AND_SET,
                    "exposure": EXPOSURE,
                    "remote": EXPOSURE,
                    "settled_at": now,
                }
                for key, channel, sku, _ in offers
            ],
        )
        await tx.execute(
            sa.insert(tables.recipes),
            [{"listing_id": key, "item_id": item_id, "units": 1} for key, _, _, item_id in offers],
        )
