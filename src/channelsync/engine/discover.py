"""Discover: find a channel's offers and map them to items, by exact SKU or by hand."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import sqlalchemy as sa
import structlog
from sqlalchemy.ext.asyncio import AsyncConnection

from channelsync.domain.escrow import SettleReason
from channelsync.domain.vocabulary import Instant
from channelsync.engine.alarms import clear_alarm, raise_alarm
from channelsync.engine.catalogue import (
    begin_search,
    end_search,
    kept_offers,
    load_search,
    note_page,
    note_search,
)
from channelsync.engine.core import Engine
from channelsync.engine.first_load import begin_load, note_load
from channelsync.engine.intake import reapply_parked
from channelsync.engine.recipes import recipes_of
from channelsync.engine.work import Claim, WorkKind, mark, mark_items, require_lease
from channelsync.ports import RunningChannel
from channelsync.sdk.connector import Discovers, DiscoversInPages
from channelsync.sdk.errors import Retryable
from channelsync.sdk.types import RemoteListing
from channelsync.store import tables
from channelsync.store.locks import lock_items, lock_orders
from channelsync.store.tables import ChannelState, ListingState

__all__ = ["discover"]

_log = structlog.get_logger("channelsync.discover")

BATCH = 500
RUN_SECONDS = 20.0
"""A run reads and maps for so long at most; its lease is longer, and the next run goes on."""
EVERY_SECONDS = 3_600.0
SHARE_MAX = 0.1
"""Searches take no more of the time than this: the channel's calls are needed for other things."""
RECIPE_CHANGED = "its recipe changed: it is taken to 0, and sold by the new recipe from then on"


@dataclass(frozen=True, slots=True, kw_only=True)
class _Mapped:
    """An offer with its recipe, or the reason why it is refused."""

    remote: RemoteListing
    recipe: Mapping[int, int]
    refusal: str | None
    unmapped: bool = False
    """Fit as far as the channel goes, yet no item has its SKU and nobody mapped it by hand."""


async def discover(engine: Engine, held: Claim) -> Instant | None:
    """Search the whole catalogue of one channel, or go on with that. Returns when to look again."""
    running = engine.channels.get(held.key)
    if running is None:
        return None
    if isinstance(running.channel, DiscoversInPages):
        return await _in_pages(engine, held, running, running.channel)
    started_at = engine.now()
    seen: set[str] = set()
    async for offers in _batches(engine, running):
        async with engine.database.write() as tx:
            await require_lease(tx, held, now=engine.now())
            await _take_in(engine, tx, running, offers)
        seen.update(one.sku for one in offers)
    async with engine.database.write() as tx:
        now = engine.now()
        await require_lease(tx, held, now=now)
        await _mark_gone(tx, running.name, seen, now)
        await _finish(tx, running, started_at, now)
    return _again_at(started_at, engine.now())


async def _in_pages(
    engine: Engine, held: Claim, running: RunningChannel, channel: DiscoversInPages
) -> Instant:
    """Go on with a search for a while, or end it."""
    until = engine.now() + RUN_SECONDS
    async with engine.database.write() as tx:
        now = engine.now()
        await require_lease(tx, held, now=now)
        await begin_load(tx, running, now=now)
        search = await load_search(tx, running.name, now=now)
        if search is None:
            search = await begin_search(tx, running.name, now=now)
    while not search.read:
        if engine.now() >= until:
            return engine.now()
        page = await channel.offers_page(search.cursor)
        if page.cursor is not None and page.cursor == search.cursor:
            raise Retryable(f"the pages of {running.name}'s catalogue do not end")
        async with engine.database.write() as tx:
            await require_lease(tx, held, now=engine.now())
            search = await note_page(tx, running.name, search, page)
    async with engine.database.read() as connection:
        offers = channel.whole_catalogue(await kept_offers(connection, running.name))
    while search.stored < len(offers):
        if engine.now() >= until:
            return engine.now()
        batch = offers[search.stored : search.stored + BATCH]
        search = replace(search, stored=search.stored + len(batch))
        async with engine.database.write() as tx:
            await require_lease(tx, held, now=engine.now())
            await _take_in(engine, tx, running, batch)
            await note_search(tx, running.name, search)
    async with engine.database.write() as tx:
        now = engine.now()
        await require_lease(tx, held, now=now)
        await _mark_gone(tx, running.name, {one.sku for one in offers}, now)
        await end_search(tx, running.name)
        await _finish(tx, running, search.began_at, now)
    return _again_at(search.began_at, engine.now())


def _again_at(began_at: Instant, now: Instant) -> Instant:
    """When to search again; what the channel tells of its offers meanwhile is looked at at once."""
    return now + max(EVERY_SECONDS, (now - began_at) * (1 / SHARE_MAX - 1))


async def _take_in(
    engine: Engine, tx: AsyncConnection, running: RunningChannel, offers: Sequence[RemoteListing]
) -> None:
    mapped = await _map(engine, tx, running.name, offers)
    await _store(tx, running, mapped, engine.now())


async def _batches(engine: Engine, running: RunningChannel) -> AsyncIterator[list[RemoteListing]]:
    batch: list[RemoteListing] = []
    async for offer in _offers(engine, running):
        batch.append(offer)
        if len(batch) == BATCH:
            yield batch
            batch = []
    if batch:
        yield batch


async def _offers(engine: Engine, running: RunningChannel) -> AsyncIterator[RemoteListing]:
    if isinstance(running.channel, Discovers):
        async for offer in running.channel.listings():
            yield offer
        return
    # A till sells whatever lies in the shop: every item is on offer there.
    async with engine.database.read() as connection:
        rows = (await connection.execute(sa.select(tables.items).order_by("id"))).all()
    for row in rows:
        yield RemoteListing(sku=row.sku, external={}, title=row.name)


async def _map(
    engine: Engine, tx: AsyncConnection, channel: str, offers: Sequence[RemoteListing]
) -> list[_Mapped]:
    by_hand = engine.policy.recipes
    wanted = {sku for offer in offers for sku in by_hand.get((channel, offer.sku), {offer.sku: 1})}
    query = sa.select(tables.items.c.id, tables.items.c.sku).where(
        tables.items.c.sku.in_(sorted(wanted))
    )
    ids = {row.sku: row.id for row in await tx.execute(query)}
    return [_map_one(offer, by_hand.get((channel, offer.sku)), ids) for offer in offers]


def _map_one(
    offer: RemoteListing, by_hand: Mapping[str, int] | None, ids: Mapping[str, int]
) -> _Mapped:
    recipe = by_hand or {offer.sku: 1}
    missing = sorted(recipe.keys() - ids.keys())
    refusal = offer.refused
    if refusal is None and missing:
        refusal = f"there is no item {missing[0]!r}: import it with its stock, or map it by hand"
    units = {} if missing else {ids[sku]: units for sku, units in recipe.items()}
    unmapped = bool(missing) and by_hand is None and offer.refused is None
    return _Mapped(remote=offer, recipe=units, refusal=refusal, unmapped=unmapped)


async def _store(
    tx: AsyncConnection, running: RunningChannel, mapped: Sequence[_Mapped], now: Instant
) -> None:
    known = await _known(tx, running.name, mapped)
    fresh = [one for one in mapped if one.remote.sku not in known and one.remote.external]
    renamed = await _renamed(tx, running.name, fresh)
    # A recipe may change: nobody may sell or push by the old one meanwhile.
    recipes = await recipes_of(tx, [*(row.id for row in known.values()), *renamed])
    used = [*recipes.values(), *(one.recipe for one in mapped)]
    await lock_items(tx, (item for recipe in used for item in recipe))
    await _follow_renames(tx, running.name, renamed)
    known = await _known(tx, running.name, mapped)
    await _insert(tx, running, [one for one in mapped if one.remote.sku not in known])
    touched: set[int] = set()
    for one in mapped:
        row = known.get(one.remote.sku)
        if row is not None and _is_unchanged(row, one, recipes.get(row.id, {})):
            continue
        if row is not None:
            touched |= await _update(tx, running.name, row, one, now)
        elif one.refusal is None:
            touched |= one.recipe.keys()
    await mark_items(tx, touched, now)


def _is_unchanged(row: Any, one: _Mapped, recipe: Mapping[int, int]) -> bool:
    """Whether a search tells nothing new of a listing that takes part."""
    return (
        one.refusal is None
        and row.state == ListingState.ACTIVE
        and row.exposure is not None
        and dict(row.external) == dict(one.remote.external)
        and row.title == one.remote.title
        and dict(recipe) == dict(one.recipe)
    )


async def _known(
    tx: AsyncConnection, channel: str, mapped: Sequence[_Mapped]
) -> dict[str, sa.Row[Any]]:
    listings = tables.listings
    query = sa.select(listings).where(
        listings.c.channel == channel,
        listings.c.sku.in_([one.remote.sku for one in mapped]),
    )
    return {row.sku: row for row in await tx.execute(query)}


async def _renamed(tx: AsyncConnection, channel: str, fresh: Sequence[_Mapped]) -> dict[int, str]:
    """Listings whose offer has another SKU by now, and that SKU, by listing id."""
    listings, channels = tables.listings, tables.channels
    searched = sa.select(channels.c.discovered_at).where(channels.c.name == channel)
    if not fresh or (await tx.execute(searched)).scalar() is None:
        return {}  # before the first search nothing could have been renamed
    by_identity = {_identity(one.remote.external): one.remote.sku for one in fresh}
    identity = sa.cast(listings.c.external, sa.Text)
    query = (
        sa.select(listings.c.id, identity.label("identity"))
        .where(listings.c.channel == channel, identity.in_(sorted(by_identity)))
        .order_by(listings.c.state != ListingState.ACTIVE, listings.c.id)
    )
    rows = (await tx.execute(query)).all()
    # Of several of one identity, the one that still takes part; a SKU goes to one listing only.
    first = {row.identity: row.id for row in reversed(rows)}
    return {listing_id: by_identity[identity] for identity, listing_id in first.items()}


async def _follow_renames(tx: AsyncConnection, channel: str, renamed: Mapping[int, str]) -> None:
    """Give listings the SKUs that their offers have now.

    The channel's own identifiers say that it is the same offer: its exposure, its orders and what
    may come back of them stay with the listing.
    """
    listings = tables.listings
    for listing_id, sku in sorted(renamed.items()):
        await tx.execute(sa.update(listings).where(listings.c.id == listing_id).values(sku=sku))
        _log.info("offer renamed", channel=channel, listing=listing_id, new_sku=sku)


def _identity(external: Mapping[str, str]) -> str:
    """A channel's identifiers as the store keeps them."""
    return json.dumps(dict(external))


async def _insert(tx: AsyncConnection, running: RunningChannel, fresh: Sequence[_Mapped]) -> None:
    if not fresh:
        return
    listings = tables.listings
    rows = [
        {
            "channel": running.name,
            "sku": one.remote.sku,
            "title": one.remote.title,
            "external": dict(one.remote.external),
            "state": ListingState.REFUSED if one.refusal else ListingState.ACTIVE,
            "refusal": one.refusal,
            "semantics": running.manifest.push_semantics,
            "settle_wanted": one.refusal is None,
            "remote": one.remote.quantity,
        }
        for one in fresh
    ]
    await tx.execute(sa.insert(listings), rows)
    query = sa.select(listings.c.id, listings.c.sku).where(
        listings.c.channel == running.name,
        listings.c.sku.in_([one.remote.sku for one in fresh]),
    )
    ids = {row.sku: row.id for row in await tx.execute(query)}
    recipes = [
        {"listing_id": ids[one.remote.sku], "item_id": item_id, "units": units}
        for one in fresh
        for item_id, units in one.recipe.items()
    ]
    if recipes:
        await tx.execute(sa.insert(tables.recipes), recipes)


async def _update(
    tx: AsyncConnection, channel: str, row: Any, one: _Mapped, now: Instant
) -> set[int]:
    """Refresh a known listing. Returns the items to look at when its standing changed."""
    recipe = await _recipe(tx, row.id)
    refusal, wanted = one.refusal, one.recipe
    if one.unmapped and recipe:
        # The item was renamed on our side alone: the listing is known by more than its SKU.
        refusal, wanted = None, recipe
    if refusal is None and recipe != wanted:
        refusal = await _change_recipe(tx, row, wanted)
    state = ListingState.REFUSED if refusal else ListingState.ACTIVE
    values: dict[str, object] = {
        "external": dict(one.remote.external),
        "title": one.remote.title,
        "state": state,
        "refusal": refusal,
    }
    if state is ListingState.ACTIVE and row.exposure is None:
        values["settle_wanted"] = True
    elif dict(row.external) != dict(one.remote.external):
        # Another offer under a known SKU: what the old one may sell says nothing of this one.
        values |= {"settle_reasons": [SettleReason.ADOPTING], "settle_wanted": True, "remote": None}
    await tx.execute(
        sa.update(tables.listings).where(tables.listings.c.id == row.id).values(values)
    )
    subject = f"{channel}/{row.sku}"
    if refusal is None:
        await clear_alarm(tx, "listing_refused", subject, now=now)
    elif row.state == ListingState.ACTIVE:
        await raise_alarm(tx, "listing_refused", subject, refusal, now=now, channel=channel)
    return set(recipe) | set(wanted) if state != row.state or recipe != wanted else set()


async def _recipe(tx: AsyncConnection, listing_id: int) -> dict[int, int]:
    query = sa.select(tables.recipes).where(tables.recipes.c.listing_id == listing_id)
    return {row.item_id: row.units for row in await tx.execute(query)}


async def _change_recipe(tx: AsyncConnection, row: Any, recipe: Mapping[int, int]) -> str | None:
    """Give a listing another recipe: sound only from a settled zero. Returns why not yet.

    Orders counted so far keep the recipe that they were sold by. Refused, the listing is taken to
    zero; the settle that proves it asks for a discovery (`settle`), which then comes through here.
    """
    if await _recipe(tx, row.id) and row.exposure != 0:
        return RECIPE_CHANGED
    lines = tables.order_lines
    await tx.execute(
        sa.update(lines).where(lines.c.listing_id == row.id).values(old_recipe=sa.true())
    )
    await tx.execute(sa.delete(tables.recipes).where(tables.recipes.c.listing_id == row.id))
    rows = [{"listing_id": row.id, "item_id": i, "units": units} for i, units in recipe.items()]
    await tx.execute(sa.insert(tables.recipes), rows)
    return None


async def _mark_gone(tx: AsyncConnection, channel: str, seen: set[str], now: Instant) -> None:
    """Offers that the catalogue no longer holds. What they may have sold stays charged."""
    listings = tables.listings
    query = sa.select(listings.c.id, listings.c.sku).where(
        listings.c.channel == channel, listings.c.state != ListingState.GONE
    )
    gone = [row for row in await tx.execute(query) if row.sku not in seen]
    if not gone:
        return
    await tx.execute(
        sa.update(listings)
        .where(listings.c.id.in_([row.id for row in gone]))
        .values(state=ListingState.GONE)
    )
    for row in gone:
        message = "the channel no longer lists it; the units it may have sold stay charged"
        await raise_alarm(
            tx, "listing_gone", f"{channel}/{row.sku}", message, now=now, channel=channel
        )
    _log.warning("listings gone", channel=channel, count=len(gone))


async def _finish(
    tx: AsyncConnection, running: RunningChannel, started_at: Instant, now: Instant
) -> None:
    await lock_orders(tx, running.name)
    channels = tables.channels
    mine = channels.c.name == running.name
    row = (await tx.execute(sa.select(channels).where(mine))).one()
    values: dict[str, object] = {"discovered_at": started_at}
    if row.state == ChannelState.ADOPTING and row.orders_imported:
        values["state"] = ChannelState.ACTIVE
    await tx.execute(sa.update(channels).where(mine).values(values))
    await begin_load(tx, running, now=started_at)
    await note_load(tx, running, now=now)
    await reapply_parked(tx, running.name, now=now)
    await mark(tx, WorkKind.POLL, running.name, not_before=now)
    await mark(tx, WorkKind.SETTLE, running.name, not_before=now)
