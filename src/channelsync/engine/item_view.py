"""One item as policy and protocol see it: stock, targets with their trace, every listing's state.

Built in one transaction from the tables alone. `reconcile` acts on it; `plan` and `explain` show
it.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from math import inf
from typing import Any

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection

from channelsync.domain.allocation import Allocation, Offer, allocate_recipes
from channelsync.domain.allocation_rules import Rule, match_rule
from channelsync.domain.books import ItemBooks
from channelsync.domain.demand import expected_rates
from channelsync.domain.escrow import may_be_overtaken
from channelsync.domain.grant import Grant
from channelsync.domain.intents import ItemState, ListingState
from channelsync.domain.intents import Policy as Knobs
from channelsync.domain.stock import PoolStock
from channelsync.domain.vocabulary import Enforces, Instant, PushKind, PushSemantics
from channelsync.engine import demand
from channelsync.engine.assumptions import broken_listings
from channelsync.engine.books import StockBooks, books_of, load_stock
from channelsync.engine.core import Engine
from channelsync.engine.grants import Grants, Listing
from channelsync.engine.recipes import related_items
from channelsync.store import tables
from channelsync.store.many import among
from channelsync.store.tables import ChannelState
from channelsync.store.tables import ListingState as StoredState

__all__ = ["Facts", "ItemView", "read_facts", "view_item", "views_of"]

FAST_LEAD_SECONDS = 5.0
READ_BACK_SECONDS = 30.0
NOBODYS = Rule(name="no rule: nothing is listed")


@dataclass(frozen=True, slots=True, kw_only=True)
class ChannelFacts:
    """What of a channel bears on its listings."""

    name: str
    connector: str
    mode: str
    frozen: str | None
    """Why nothing may be pushed at all, if so."""
    withdrawn: str | None
    """Why its units are wanted back, if so."""
    enforces: Enforces
    lead_seconds: float
    settle_seconds: float
    raises_without_compare: bool
    key_life_seconds: float


@dataclass(frozen=True, slots=True, kw_only=True)
class ItemView:
    """Everything about one item in one pool."""

    item_id: int
    sku: str
    pool: str
    stock: PoolStock
    books: ItemBooks
    rule: Rule
    allocation: Allocation
    state: ItemState
    listings: Mapping[str, Listing]
    channels: Mapping[str, ChannelFacts]
    reasons: Mapping[str, str]
    """Why a listing's target is 0 or frozen, by listing id."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Facts:
    """What the views of some items are built from, beside their listings: read once for all."""

    now: Instant
    related: Mapping[int, set[int]]
    """For each item asked for, all items that hang together with it."""
    items: Mapping[int, Any]
    channels: Mapping[str, ChannelFacts]
    stock: Mapping[str, StockBooks]
    broken: Mapping[str, Mapping[int, str]]
    """Why listings cannot be relied on: by channel, by listing id; 0 is the whole channel."""
    listed: Mapping[int, Sequence[int]]
    """Listing ids by item; complete for related items."""

    def listings_of(self, item_ids: Iterable[int], grants: Grants) -> list[Listing]:
        """The items' listings as they are now, by id."""
        ids = {key for item_id in item_ids for key in self.listed.get(item_id, ())}
        return [grants[key] for key in sorted(ids)]


async def read_facts(
    engine: Engine, tx: AsyncConnection, grants: Grants, item_ids: Iterable[int], *, now: Instant
) -> Facts:
    """Read what views of these items need, in as many statements as for one of them.

    Their listings, and those of related items, are brought into `grants`.
    """
    related = await related_items(tx, item_ids)
    wanted = {item for group in related.values() for item in group}
    await grants.lock(wanted)
    await grants.load_items(wanted)
    listed: dict[int, list[int]] = {}
    for listing in grants.all():
        for item in listing.recipe:
            listed.setdefault(item, []).append(listing.id)
    named = wanted | listed.keys()
    return Facts(
        now=now,
        related=related,
        items=await _items(tx, named),
        channels=await channel_facts(engine, tx, now),
        stock={
            pool: await load_stock(tx, pool, named)
            for pool in sorted({listing.pool for listing in grants.all()})
        },
        broken=await broken_listings(tx, {listing.channel for listing in grants.all()}),
        listed=listed,
    )


async def view_item(
    engine: Engine, tx: AsyncConnection, grants: Grants, item_id: int, *, now: Instant
) -> list[ItemView]:
    """The item, once for every pool in which it is listed."""
    facts = await read_facts(engine, tx, grants, (item_id,), now=now)
    return views_of(engine, facts, grants, item_id)


def views_of(engine: Engine, facts: Facts, grants: Grants, item_id: int) -> list[ItemView]:
    """The same from facts that were read; changes that wait in `grants` count."""
    related = facts.listings_of(facts.related[item_id], grants)
    pools = sorted({entry.pool for entry in facts.listings_of((item_id,), grants)})
    return [
        _view(engine, facts, [entry for entry in related if entry.pool == pool], item_id, pool)
        for pool in pools
    ]


async def _items(tx: AsyncConnection, item_ids: Iterable[int]) -> dict[int, Any]:
    items = tables.items
    rows = await tx.execute(sa.select(items).where(among(tx, items.c.id, sorted(item_ids))))
    return {row.id: row for row in rows.all()}


async def channel_facts(
    engine: Engine, tx: AsyncConnection, now: Instant
) -> dict[str, ChannelFacts]:
    """Every channel's bearing on its listings."""
    rows = (await tx.execute(sa.select(tables.channels))).all()
    return {row.name: _facts(engine, row, now) for row in rows}


def _facts(engine: Engine, row: Any, now: Instant) -> ChannelFacts:
    running = engine.channels.get(row.name)
    manifest = running.manifest if running is not None else None
    live = manifest is not None and manifest.push_semantics is PushSemantics.LIVE
    frozen = withdrawn = None
    if row.mode == "paused":
        frozen = "the channel is paused"
    elif row.paused_reason is not None:
        frozen = row.paused_reason
    if row.state == ChannelState.REMOVED:
        withdrawn = "the channel was removed from the configuration"
    quiet = _quiet_for(row, now)
    if running is not None and quiet > running.quiet_limit_seconds:
        said = f"its feed has been quiet for {quiet:.0f} s"
        # A silent till may have sold offline: its slice must neither shrink nor grow.
        frozen, withdrawn = (said, withdrawn) if live else (frozen, said)
    late = manifest is not None and not manifest.confirms_at_once
    quarantine = running.quarantine_seconds if running is not None else 0.0
    return ChannelFacts(
        name=row.name,
        connector=row.connector,
        mode=row.mode,
        frozen=frozen,
        withdrawn=withdrawn,
        enforces=manifest.enforces if manifest is not None else Enforces.STRICT,
        lead_seconds=READ_BACK_SECONDS * 5 if late else FAST_LEAD_SECONDS,
        settle_seconds=quarantine + READ_BACK_SECONDS,
        raises_without_compare=manifest is not None and manifest.raises_without_compare,
        key_life_seconds=manifest.key_life_seconds if manifest is not None else 0.0,
    )


def _quiet_for(row: Any, now: Instant) -> float:
    signs = [at for at in (row.last_poll_at, row.last_delivery_at) if at is not None]
    return now - max(signs) if signs else 0.0


def _view(
    engine: Engine, facts: Facts, listings: Sequence[Listing], item_id: int, pool: str
) -> ItemView:
    items, channels, now = facts.items, facts.channels, facts.now
    stock_books = facts.stock[pool]
    own = [entry for entry in listings if _takes_part(entry)]
    mine = [entry for entry in own if item_id in entry.recipe]
    used = sorted({item_id} | {item for entry in own for item in entry.recipe})
    safety_stock = engine.policy.safety_stock_in(pool)
    stock = {i: stock_books.pool_stock(i, safety_stock) for i in used}
    books = {i: books_of(i, pool, stock[i].atp, own) for i in used}
    rules = {i: _rule(engine, items[i], pool, own, now) for i in used}
    rates = _rates(own, rules[item_id])
    offers = [
        Offer(
            listing_id=str(entry.id),
            channel=entry.channel,
            recipe={items[i].sku: units for i, units in entry.recipe.items()},
        )
        for entry in own
        if entry.state is StoredState.ACTIVE
    ]
    allocation = allocate_recipes(
        {items[i].sku: stock[i].atp for i in used},
        offers,
        {items[i].sku: rules[i] for i in used},
        rates,
    )
    reasons = _reasons(mine, facts)
    states = [
        _listing_state(entry, item_id, channels[entry.channel], allocation, rates, reasons, books)
        for entry in mine
    ]
    sales = [at for e in mine if (at := demand.last_sale_at(e.demand)) is not None]
    return ItemView(
        item_id=item_id,
        sku=items[item_id].sku,
        pool=pool,
        stock=stock[item_id],
        books=books[item_id],
        rule=rules[item_id],
        allocation=allocation,
        state=ItemState(
            now=now,
            free=books[item_id].free,
            takeable=books[item_id].takeable,
            listings=tuple(states),
            last_sale_at=max(sales, default=-inf),
            policy=_knobs(engine, rules[item_id]),
        ),
        listings={str(entry.id): entry for entry in mine},
        channels=channels,
        reasons=reasons,
    )


def _takes_part(listing: Listing) -> bool:
    return bool(listing.recipe) and (listing.state is StoredState.ACTIVE or listing.grant.settled)


def _rule(engine: Engine, item: Any, pool: str, listings: Sequence[Listing], now: Instant) -> Rule:
    offered_on = {entry.channel for entry in listings if item.id in entry.recipe}
    rules = engine.policy.rules.get(pool, ())
    return match_rule(rules, item.sku, item.tags, now, offered_on) or NOBODYS


def _rates(listings: Sequence[Listing], rule: Rule) -> dict[str, float]:
    return expected_rates(
        {str(entry.id): demand.velocity_of(entry.demand) for entry in listings},
        {str(entry.id): float(rule.quotas.get(entry.channel, 0)) for entry in listings},
        prior_units=rule.demand_prior_units,
    )


def _knobs(engine: Engine, rule: Rule) -> Knobs:
    return Knobs(
        low_water=rule.low_water,
        hold_back=False,
        min_gap_seconds=engine.policy.min_gap_seconds,
    )


def _reasons(listings: Sequence[Listing], facts: Facts) -> dict[str, str]:
    """Why listings sell nothing or stand still, by listing id."""
    found = {str(e.id): _reason(e, facts.channels[e.channel], facts.broken) for e in listings}
    return {listing_id: why for listing_id, why in found.items() if why is not None}


def _reason(
    listing: Listing, channel: ChannelFacts, broken: Mapping[str, Mapping[int, str]]
) -> str | None:
    found = broken[listing.channel]
    why = channel.withdrawn or found.get(0) or found.get(listing.id)
    if listing.state is not StoredState.ACTIVE:
        why = why or f"the listing is {listing.state}"
    return why or channel.frozen


def _returning(grant: Grant) -> int:
    """What the open push is expected to give back; without it one deficit would be cut twice."""
    push = grant.push
    if push is None or push.kind is PushKind.RAISE:
        return 0
    if push.kind is PushKind.CUT:
        return push.units
    return max((grant.exposure or 0) - push.units, 0)


def _listing_state(
    listing: Listing,
    item_id: int,
    channel: ChannelFacts,
    allocation: Allocation,
    rates: Mapping[str, float],
    reasons: Mapping[str, str],
    books: Mapping[int, ItemBooks],
) -> ListingState:
    key, grant = str(listing.id), listing.grant
    withdrawn = key in reasons and channel.frozen is None
    elsewhere = [books[i].takeable // units for i, units in listing.recipe.items() if i != item_id]
    return ListingState(
        listing_id=key,
        channel=listing.channel,
        semantics=grant.semantics,
        enforces=channel.enforces,
        exposure=grant.exposure,
        target=0 if withdrawn else allocation.targets.get(key, 0),
        withdraw=withdrawn,
        units=listing.recipe[item_id],
        takeable_elsewhere=min(elsewhere) if elsewhere else None,
        remote_quantity=listing.remote,
        push_open=grant.push is not None,
        returning=_returning(grant),
        overtakable=may_be_overtaken(grant.push) and channel.frozen is None,
        settling=grant.inexact or channel.frozen is not None,
        last_push_at=-inf if listing.last_push_at is None else listing.last_push_at,
        drain_target=listing.drain_target,
        rate_per_hour=rates.get(key, 0.0),
        lead_seconds=channel.lead_seconds,
        settle_seconds=channel.settle_seconds,
    )
