"""One item as policy and protocol see it: stock, targets with their trace, every listing's state.

Built in one transaction from the tables alone. `reconcile` acts on it; `plan` and `explain` show
it.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from math import inf
from typing import Any, Final, NamedTuple

import sqlalchemy as sa
from msgspec import Struct
from sqlalchemy.ext.asyncio import AsyncConnection

from channelsync.domain.allocation import Allocation, Offer, allocate_recipes
from channelsync.domain.allocation_rules import Rule, RulesNow
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
from channelsync.store.prepared import Prepared
from channelsync.store.tables import ChannelState
from channelsync.store.tables import ListingState as StoredState

__all__ = ["Facts", "ItemView", "read_facts", "view_item", "views_of"]

FAST_LEAD_SECONDS = 5.0
READ_BACK_SECONDS = 30.0
NOBODYS = Rule(name="no rule: nothing is listed")
_ITEMS: Final = Prepared(
    lambda listed: sa.select(tables.items.c.id, tables.items.c.sku, tables.items.c.tags).where(
        listed(tables.items.c.id, "ids")
    )
)
_CHANNELS: Final = sa.select(tables.channels)


class NamedItem(NamedTuple):
    """What rules and explanations know an item by."""

    id: int
    sku: str
    tags: Sequence[str]


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


class ItemView(Struct, frozen=True, kw_only=True):
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
    items: Mapping[int, NamedItem]
    channels: Mapping[str, ChannelFacts]
    stock: Mapping[str, StockBooks]
    rules: Mapping[str, RulesNow]
    """By pool."""
    broken: Mapping[str, Mapping[int, str]]
    """Why listings cannot be relied on: by channel, by listing id; 0 is the whole channel."""
    listed: Mapping[int, Sequence[int]]
    """Listing ids by item, in order; complete for related items."""

    def listings_of(self, item_ids: Iterable[int], grants: Grants) -> list[Listing]:
        """The items' listings as they are now, by id."""
        of_each = [self.listed.get(item_id, ()) for item_id in item_ids]
        ids = of_each[0] if len(of_each) == 1 else sorted(set().union(*of_each))
        return [grants[key] for key in ids]


async def read_facts(
    engine: Engine, tx: AsyncConnection, grants: Grants, item_ids: Iterable[int], *, now: Instant
) -> Facts:
    """Read what views of these items need, in as many statements as for one of them.

    Their listings, and those of related items, are brought into `grants`.
    """
    related = await related_items(tx, item_ids)
    wanted = {item for group in related.groups.values() for item in group}
    await grants.load_items(wanted, related.recipes)
    listings = grants.all()
    listed: dict[int, list[int]] = {}
    for listing in listings:
        for item in listing.recipe:
            listed.setdefault(item, []).append(listing.id)
    named = wanted | listed.keys()
    return Facts(
        now=now,
        related=related.groups,
        items=await _items(tx, named),
        channels=await channel_facts(engine, tx, now),
        stock={
            pool: await load_stock(tx, pool, named)
            for pool in sorted({listing.pool for listing in listings})
        },
        rules={pool: RulesNow(rules, now) for pool, rules in engine.policy.rules.items()},
        broken=await broken_listings(tx, {listing.channel for listing in listings}),
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
    pools = sorted({entry.pool for entry in related if item_id in entry.recipe})
    return [
        _view(engine, facts, [entry for entry in related if entry.pool == pool], item_id, pool)
        for pool in pools
    ]


async def _items(tx: AsyncConnection, item_ids: Iterable[int]) -> dict[int, NamedItem]:
    rows = await _ITEMS.rows(tx, ids=sorted(item_ids))
    return {row[0]: NamedItem._make(row) for row in rows}


async def channel_facts(
    engine: Engine, tx: AsyncConnection, now: Instant
) -> dict[str, ChannelFacts]:
    """Every channel's bearing on its listings."""
    rows = (await tx.execute(_CHANNELS)).all()
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
    items, channels = facts.items, facts.channels
    own = {str(entry.id): entry for entry in listings if _takes_part(entry)}
    mine = {key: entry for key, entry in own.items() if item_id in entry.recipe}
    used = sorted({item_id}.union(*(entry.recipe for entry in own.values())))
    skus = {i: items[i].sku for i in used}
    safety_stock = engine.policy.safety_stock_in(pool)
    stock = {i: facts.stock[pool].pool_stock(i, safety_stock) for i in used}
    books = {i: books_of(i, pool, stock[i].atp, own.values()) for i in used}
    rules = {i: _rule(facts, items[i], pool, own.values()) for i in used}
    rates = _rates(own, rules[item_id])
    allocation = allocate_recipes(
        {skus[i]: stock[i].atp for i in used},
        _offers(own, skus),
        {skus[i]: rules[i] for i in used},
        rates,
    )
    reasons = _reasons(mine, facts)
    return ItemView(
        item_id=item_id,
        sku=skus[item_id],
        pool=pool,
        stock=stock[item_id],
        books=books[item_id],
        rule=rules[item_id],
        allocation=allocation,
        state=ItemState(
            now=facts.now,
            free=books[item_id].free,
            takeable=books[item_id].takeable,
            listings=tuple(
                _listing_state(
                    key, one, item_id, channels[one.channel], allocation, rates, reasons, books
                )
                for key, one in mine.items()
            ),
            last_sale_at=_last_sale_at(mine.values()),
            policy=_knobs(rules[item_id].low_water, engine.policy.min_gap_seconds),
        ),
        listings=mine,
        channels=channels,
        reasons=reasons,
    )


def _takes_part(listing: Listing) -> bool:
    return bool(listing.recipe) and (listing.state is StoredState.ACTIVE or listing.grant.settled)


def _rule(facts: Facts, item: NamedItem, pool: str, listings: Iterable[Listing]) -> Rule:
    rules = facts.rules.get(pool)
    if rules is None:
        return NOBODYS
    offered_on = frozenset(entry.channel for entry in listings if item.id in entry.recipe)
    return rules.match(item.sku, item.tags, offered_on) or NOBODYS


def _rates(listings: Mapping[str, Listing], rule: Rule) -> dict[str, float]:
    quotas = rule.quotas
    return expected_rates(
        {key: demand.velocity_of(entry.demand) for key, entry in listings.items()},
        {key: float(quotas.get(entry.channel, 0)) for key, entry in listings.items()},
        prior_units=rule.demand_prior_units,
    )


def _offers(listings: Mapping[str, Listing], skus: Mapping[int, str]) -> list[Offer]:
    return [
        Offer(
            listing_id=key,
            channel=entry.channel,
            recipe={skus[i]: units for i, units in entry.recipe.items()},
        )
        for key, entry in listings.items()
        if entry.state is StoredState.ACTIVE
    ]


def _last_sale_at(listings: Iterable[Listing]) -> Instant:
    sales = (demand.last_sale_at(entry.demand) for entry in listings if entry.demand)
    return max((at for at in sales if at is not None), default=-inf)


@lru_cache
def _knobs(low_water: float, min_gap_seconds: float) -> Knobs:
    return Knobs(low_water=low_water, hold_back=False, min_gap_seconds=min_gap_seconds)


def _reasons(listings: Mapping[str, Listing], facts: Facts) -> dict[str, str]:
    """Why listings sell nothing or stand still, by listing id."""
    found = {}
    for key, entry in listings.items():
        why = _reason(entry, facts.channels[entry.channel], facts.broken[entry.channel])
        if why is not None:
            found[key] = why
    return found


def _reason(listing: Listing, channel: ChannelFacts, broken: Mapping[int, str]) -> str | None:
    why = channel.withdrawn or broken.get(0) or broken.get(listing.id)
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
    key: str,
    listing: Listing,
    item_id: int,
    channel: ChannelFacts,
    allocation: Allocation,
    rates: Mapping[str, float],
    reasons: Mapping[str, str],
    books: Mapping[int, ItemBooks],
) -> ListingState:
    grant = listing.grant
    withdrawn = key in reasons and channel.frozen is None
    others = [(i, units) for i, units in listing.recipe.items() if i != item_id]
    return ListingState(
        listing_id=key,
        channel=listing.channel,
        semantics=grant.semantics,
        enforces=channel.enforces,
        exposure=grant.exposure,
        target=0 if withdrawn else allocation.targets.get(key, 0),
        withdraw=withdrawn,
        units=listing.recipe[item_id],
        takeable_elsewhere=min((books[i].takeable // n for i, n in others), default=None),
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
