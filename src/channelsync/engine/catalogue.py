"""Catalogue: a search of a channel's offers that is read in parts and outlives a restart.

Every page is kept as it comes, with the cursor of the next one, in one transaction. Only when the
last page is there are the offers mapped, in batches, for only the whole shows which SKU is
ambiguous. A run ends after a while, long before its lease does, and the next one goes on.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection

from channelsync.domain.vocabulary import Instant
from channelsync.sdk.types import OfferPage, RemoteListing
from channelsync.store import tables

__all__ = [
    "Search",
    "begin_search",
    "end_search",
    "kept_offers",
    "load_search",
    "note_page",
    "note_search",
]

AGE_SECONDS_MAX = 6 * 3_600.0
"""A search that began longer ago says too little of now: it begins anew."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Search:
    """Where a search stands."""

    began_at: Instant
    cursor: str | None
    """Where the next page begins."""
    read: bool
    """Whether the last page is there."""
    stored: int
    """Listings that were mapped since."""


async def load_search(tx: AsyncConnection, channel: str, *, now: Instant) -> Search | None:
    """The search that goes on, if there is one and it is not too old."""
    columns = tables.channels.c
    query = sa.select(
        columns.search_began_at, columns.search_cursor, columns.search_read, columns.search_stored
    ).where(columns.name == channel)
    row = (await tx.execute(query)).one()
    if row.search_began_at is None or now - row.search_began_at > AGE_SECONDS_MAX:
        return None
    return Search(
        began_at=row.search_began_at,
        cursor=row.search_cursor,
        read=row.search_read,
        stored=row.search_stored,
    )


async def begin_search(tx: AsyncConnection, channel: str, *, now: Instant) -> Search:
    """Forget what an earlier search has kept, and begin."""
    search = Search(began_at=now, cursor=None, read=False, stored=0)
    await _forget(tx, channel)
    await note_search(tx, channel, search)
    return search


async def note_page(tx: AsyncConnection, channel: str, search: Search, page: OfferPage) -> Search:
    """Keep the offers of a page; the search stands behind it."""
    rows = [
        {
            "channel": channel,
            "sku": one.sku,
            "external": dict(one.external),
            "title": one.title,
            "quantity": one.quantity,
            "refused": one.refused,
        }
        for one in page.offers
    ]
    if rows:
        await tx.execute(sa.insert(tables.offers), rows)
    following = Search(
        began_at=search.began_at, cursor=page.cursor, read=page.cursor is None, stored=0
    )
    await note_search(tx, channel, following)
    return following


async def note_search(tx: AsyncConnection, channel: str, search: Search) -> None:
    """The search stands there."""
    channels = tables.channels
    await tx.execute(
        sa.update(channels)
        .where(channels.c.name == channel)
        .values(
            search_began_at=search.began_at,
            search_cursor=search.cursor,
            search_read=search.read,
            search_stored=search.stored,
        )
    )


async def kept_offers(tx: AsyncConnection, channel: str) -> Sequence[RemoteListing]:
    """The offers of all pages, in their order."""
    offers = tables.offers
    query = sa.select(offers).where(offers.c.channel == channel).order_by(offers.c.id)
    return [
        RemoteListing(
            sku=row.sku,
            external=row.external,
            title=row.title,
            quantity=row.quantity,
            refused=row.refused,
        )
        for row in await tx.execute(query)
    ]


async def end_search(tx: AsyncConnection, channel: str) -> None:
    """The search is over; its offers are listings now."""
    await _forget(tx, channel)
    channels = tables.channels
    await tx.execute(
        sa.update(channels)
        .where(channels.c.name == channel)
        .values(search_began_at=None, search_cursor=None, search_read=False, search_stored=0)
    )


async def _forget(tx: AsyncConnection, channel: str) -> None:
    await tx.execute(sa.delete(tables.offers).where(tables.offers.c.channel == channel))
