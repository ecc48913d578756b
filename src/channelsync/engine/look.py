"""Where a channel tells us to look: deliveries say it, and pages of the order feed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection

from channelsync.domain.vocabulary import Instant
from channelsync.engine.follow import hasten
from channelsync.engine.settle import request_drift_check
from channelsync.engine.work import WorkKind, mark, mark_many
from channelsync.sdk.types import LookAt, ShownQuantity
from channelsync.store import tables

__all__ = ["fetch_key", "look"]

ECHO_SECONDS = 10.0
"""How far a channel's clock and ours may differ when it tells what it showed."""


def fetch_key(channel: str, order_id: str) -> str:
    """The key of `WorkKind.FETCH`."""
    return f"{channel}\t{order_id}"


async def look(tx: AsyncConnection, channel: str, at: LookAt, *, now: Instant) -> None:
    """Mark what must be looked at: orders, the feed, the catalogue, offers that contradict us."""
    keys = sorted({fetch_key(channel, order_id) for order_id in at.orders})
    await mark_many(tx, WorkKind.FETCH, keys, not_before=now)
    wanted = (
        (WorkKind.DISCOVER, at.catalogue),
        (WorkKind.POLL, at.feed),
        (WorkKind.SUBSCRIBE, at.subscriptions),
    )
    for kind in (kind for kind, asked in wanted if asked):
        await mark(tx, kind, channel, not_before=now)
    await hasten(tx, channel, at.tickets, now=now)
    suspects: set[int] = set()
    for rows in await _matching(tx, channel, at.listings):
        suspects.update(row.id for row in rows)
    told = await _matching(tx, channel, [shown.external for shown in at.shown])
    for shown, rows in zip(at.shown, told, strict=True):
        for row in rows:
            if await _contradicts(tx, row, shown):
                suspects.add(row.id)
    if suspects:
        await request_drift_check(tx, channel, suspects, now=now)


async def _contradicts(tx: AsyncConnection, row: Any, shown: ShownQuantity) -> bool:
    """Whether the counter showed more than the books have held since a little before then."""
    if row.exposure is None or shown.quantity <= row.exposure:
        return False
    moved = tables.movements
    lowered = sa.select(sa.func.coalesce(sa.func.sum(moved.c.delta), 0)).where(
        moved.c.listing_id == row.id, moved.c.at >= shown.at - ECHO_SECONDS, moved.c.delta < 0
    )
    held = row.exposure - int((await tx.execute(lowered)).scalar_one())
    return bool(shown.quantity > held)


async def _matching(
    tx: AsyncConnection, channel: str, externals: Sequence[Mapping[str, str]]
) -> list[list[Any]]:
    """For each set of the channel's identifiers, the listings that carry all of them.

    One statement for every identifier in use, however many deliveries name it: each is a pass over
    the channel's listings.
    """
    listings = tables.listings
    columns = sa.select(listings.c.id, listings.c.exposure, listings.c.external)
    found: dict[tuple[str, str], list[Any]] = {}
    # Each is looked up by one identifier; the others are compared.
    firsts = [min(one.items()) for one in externals]
    for name in sorted({name for name, _ in firsts}):
        values = {value for one, value in firsts if one == name}
        carried = listings.c.external[name].as_string()
        query = columns.where(listings.c.channel == channel, carried.in_(sorted(values)))
        for row in await tx.execute(query):
            found.setdefault((name, row.external[name]), []).append(row)
    return [
        [row for row in found.get(first, ()) if one.items() <= row.external.items()]
        for one, first in zip(externals, firsts, strict=True)
    ]
