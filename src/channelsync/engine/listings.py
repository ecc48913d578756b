"""Listings among themselves: what a raise may take, and what becomes of an unfit one."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection

from channelsync.domain.books import takeable_units
from channelsync.domain.vocabulary import Instant
from channelsync.engine.alarms import raise_alarm
from channelsync.engine.books import StockBooks, books_of, load_stock
from channelsync.engine.core import Engine
from channelsync.engine.grants import Grants, Listing
from channelsync.engine.item_view import Facts
from channelsync.store import tables
from channelsync.store.tables import ListingState

__all__ = ["emptied", "refuse_listing", "takeable_by", "takeable_for"]


async def takeable_for(
    engine: Engine, tx: AsyncConnection, grants: Grants, listing: Listing
) -> int:
    """Listing units that the components allow, as the books stand in this transaction.

    Pending changes in `grants` count: every listing of the components is brought into the set.
    """
    await grants.load_items(listing.recipe)
    stock = await load_stock(tx, listing.pool, listing.recipe)
    return _takeable(engine, stock, grants.all(), listing)


def takeable_by(engine: Engine, facts: Facts, grants: Grants, listing: Listing) -> int:
    """The same from facts that were read for the items of the listing."""
    claims = facts.listings_of(listing.recipe, grants)
    return _takeable(engine, facts.stock[listing.pool], claims, listing)


def _takeable(
    engine: Engine, stock: StockBooks, claims: Sequence[Listing], listing: Listing
) -> int:
    pairs = []
    for item_id in listing.recipe:
        atp = stock.pool_stock(item_id, engine.policy.safety_stock_in(listing.pool)).atp
        books = books_of(item_id, listing.pool, atp, claims)
        pairs.append((item_id, books.takeable))
    return takeable_units(listing.recipe, pairs)


def emptied(grants: Grants, before: Mapping[int, int | None]) -> set[str]:
    """Channels with a refused listing that came to zero since it had the exposure `before`.

    What it was refused for may be over: a recipe that changed is taken over from a settled zero.
    """
    return {
        one.channel
        for one in grants.all()
        if one.state is ListingState.REFUSED and one.grant.exposure == 0 and before.get(one.id)
    }


async def refuse_listing(
    tx: AsyncConnection, listing: Listing, reason: str, *, now: Instant
) -> None:
    """Stop syncing a listing that the channel says is unfit. Its exposure stays charged."""
    await tx.execute(
        sa.update(tables.listings)
        .where(tables.listings.c.id == listing.id)
        .values(state=ListingState.REFUSED, refusal=reason)
    )
    await raise_alarm(
        tx,
        "listing_refused",
        f"{listing.channel}/{listing.sku}",
        reason,
        now=now,
        channel=listing.channel,
    )
