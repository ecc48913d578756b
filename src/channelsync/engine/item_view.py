"""One item as policy and protocol see it: stock, targets with their trace, every listing's state.

Built in one transaction from the tables alone. `reconcile` acts on it; `plan` and `explain` show
it.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from math import inf
from typing import Final, NamedTuple

import sqlalchemy as sa
from msgspec import Struct
from sqlalchemy.ext.asyncio import AsyncConnection

from channelsync.domain.allocation import Allocation, Offer, allocate_recipes
from channelsync.domain.allocation_rules import Rule, RulesNow
from channelsync.domain.books import ItemBooks
from channelsync.domain.demand import expected_rates
from channelsync.domain.escrow import may_be_overtaken
from channelsync.domain.grant import Push
from channelsync.domain.intents import ItemState, ListingState
from channelsync.domain.intents import Policy as Knobs
from channelsync.domain.stock import PoolStock
from channelsync.domain.vocabulary import Instant, PushKind
from channelsync.engine import demand
from channelsync.engine.assumptions import broken_listings
from channelsync.engine.books import StockBooks, books_of, load_stock
from channelsync.engine.channel_facts import ChannelFacts, channel_facts
from channelsync.engine.core import Engine
from channelsync.engine.grants import Grants, Listing
from channelsync.engine.recipes import related_items
from channelsync.store import tables
from channelsync.store.prepared import Prepared
from channelsync.store.tables import ListingState as StoredState

__all__ = [
    "NAMED",
    "Facts",
    "ItemView",
    "NamedItem",
    "load_named",
    "read_facts",
    "view_item",
    "views_of",
]

NOWHERE: Final[frozenset[str]] = frozenset()
NOBODYS = Rule(name="no rule: nothing is listed")


class NamedItem(NamedTuple):
    """What rules and explanations know an item by."""

    id: int
    sku: str
    tags: Sequence[str]


NAMED: Final = sa.select(tables.items.c.id, tables.items.c.sku, tables.items.c.tags)
"""What `NamedItem` is made from."""
_ITEMS: Final = Prepared(lambda listed: NAMED.where(listed(tables.items.c.id, "ids")))


class ItemView(Struct, frozen=True, gc=False, kw_only=True):
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
    traced: bool
    """Whether a view says how its targets came about."""

    def listings_of(self, item_ids: Iterable[int], grants: Grants) -> list[Listing]:
        """The items' listings as they are now, by id."""
        of_each = [self.listed.get(item_id, ()) for item_id in item_ids]
        ids = of_each[0] if len(of_each) == 1 else sorted(set().union(*of_each))
        return grants.some(ids)


async def read_facts(
    engine: Engine,
    tx: AsyncConnection,
    grants: Grants,
    item_ids: Iterable[int],
    *,
    now: Instant,
    known: Iterable[NamedItem] = (),
    traced: bool = False,
) -> Facts:
    """Read what views of these items need, in as many statements as for one of them.

    Their listings, and those of related items, are brought into `grants`. `known` are items that
    were read in this transaction. `traced`: the views are to be explained to somebody.
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
    items = {item.id: item for item in known}
    items |= await load_named(tx, named - items.keys())
    return Facts(
        now=now,
        related=related.groups,
        items=items,
        channels=await channel_facts(engine, tx, now),
        stock={
            pool: await load_stock(tx, pool, named)
            for pool in sorted({listing.pool for listing in listings})
        },
        rules={pool: RulesNow(rules, now) for pool, rules in engine.policy.rules.items()},
        broken=await broken_listings(tx, {listing.channel for listing in listings}),
        listed=listed,
        traced=traced,
    )


async def view_item(
    engine: Engine, tx: AsyncConnection, grants: Grants, item_id: int, *, now: Instant
) -> list[ItemView]:
    """The item, once for every pool in which it is listed, with the trace of its targets."""
    facts = await read_facts(engine, tx, grants, (item_id,), now=now, traced=True)
    return views_of(engine, facts, grants, item_id)


def views_of(engine: Engine, facts: Facts, grants: Grants, item_id: int) -> list[ItemView]:
    """The same from facts that were read; changes that wait in `grants` count."""
    related = facts.listings_of(facts.related[item_id], grants)
    pools = {entry.pool for entry in related if item_id in entry.recipe}
    return [
        _view(engine, facts, [entry for entry in related if entry.pool == pool], item_id, pool)
        for pool in sorted(pools)
    ]


async def load_named(tx: AsyncConnection, item_ids: Collection[int]) -> dict[int, NamedItem]:
    """Items by id."""
    if not item_ids:
        return {}
    rows = await _ITEMS.rows(tx, ids=sorted(item_ids))
    return {row[0]: NamedItem._make(row) for row in rows}


class _Part(NamedTuple):
    """What one of the items brings that hang together."""

    sku: str
    stock: PoolStock
    books: ItemBooks
    rule: Rule


def _view(
    engine: Engine, facts: Facts, listings: Sequence[Listing], item_id: int, pool: str
) -> ItemView:
    own = {str(entry.id): entry for entry in listings if _takes_part(entry)}
    # Asked of the listings as well: a recipe may have changed until its items were locked.
    sizes = {len(entry.recipe) for entry in own.values()}
    if len(facts.related[item_id]) == 1 and sizes <= {1}:
        mine, used = own, [item_id]  # nearly every item: no listing is shared with another
    else:
        mine = {key: entry for key, entry in own.items() if item_id in entry.recipe}
        used = sorted({item_id}.union(*(entry.recipe for entry in own.values())))
    parts = {i: _part(engine, facts, own, i, pool) for i in used}
    sku, stock, books, rule = parts[item_id]
    rates = _rates(own, rule)
    allocation = allocate_recipes(
        {part.sku: part.stock.atp for part in parts.values()},
        _offers(own, parts),
        {part.sku: part.rule for part in parts.values()},
        rates,
        traced=facts.traced,
    )
    reasons = _reasons(mine, facts)
    state = ItemState(
        now=facts.now,
        free=books.free,
        takeable=books.takeable,
        listings=_states(item_id, mine, facts, allocation, rates, reasons, parts),
        last_sale_at=_last_sale_at(mine.values()),
        policy=_knobs(rule.low_water, engine.policy.min_gap_seconds),
    )
    return ItemView(
        item_id=item_id,
        sku=sku,
        pool=pool,
        stock=stock,
        books=books,
        rule=rule,
        allocation=allocation,
        state=state,
        listings=mine,
        channels=facts.channels,
        reasons=reasons,
    )


def _takes_part(listing: Listing) -> bool:
    return bool(listing.recipe) and (listing.state is StoredState.ACTIVE or listing.grant.settled)


def _part(
    engine: Engine, facts: Facts, listings: Mapping[str, Listing], item_id: int, pool: str
) -> _Part:
    item = facts.items[item_id]
    stock = facts.stock[pool].pool_stock(item_id, engine.policy.safety_stock_in(pool))
    books = books_of(item_id, pool, stock.atp, listings.values())
    return _Part(item.sku, stock, books, _rule(facts, item, pool, listings.values()))


def _rule(facts: Facts, item: NamedItem, pool: str, listings: Iterable[Listing]) -> Rule:
    rules = facts.rules.get(pool)
    if rules is None:
        return NOBODYS
    offered_on = NOWHERE
    if rules.by_channel:
        offered_on = frozenset([entry.channel for entry in listings if item.id in entry.recipe])
    return rules.match(item.sku, item.tags, offered_on) or NOBODYS


def _rates(listings: Mapping[str, Listing], rule: Rule) -> dict[str, float]:
    velocities, shares, quotas = {}, {}, rule.quotas
    for key, entry in listings.items():
        velocities[key] = demand.velocity_of(entry.demand)
        shares[key] = float(quotas.get(entry.channel, 0))
    return expected_rates(velocities, shares, prior_units=rule.demand_prior_units)


def _offers(listings: Mapping[str, Listing], parts: Mapping[int, _Part]) -> list[Offer]:
    return [
        Offer(
            listing_id=key,
            channel=entry.channel,
            recipe={parts[i].sku: units for i, units in entry.recipe.items()},
        )
        for key, entry in listings.items()
        if entry.state is StoredState.ACTIVE
    ]


def _last_sale_at(listings: Iterable[Listing]) -> Instant:
    sales = [demand.last_sale_at(entry.demand) for entry in listings if entry.demand]
    return max([at for at in sales if at is not None], default=-inf)


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


def _returning(push: Push, exposure: int) -> int:
    """What an open push is expected to give back; without it one deficit would be cut twice."""
    if push.kind is PushKind.RAISE:
        return 0
    if push.kind is PushKind.CUT:
        return push.units
    return max(exposure - push.units, 0)


def _states(
    item_id: int,
    listings: Mapping[str, Listing],
    facts: Facts,
    allocation: Allocation,
    rates: Mapping[str, float],
    reasons: Mapping[str, str],
    parts: Mapping[int, _Part],
) -> tuple[ListingState, ...]:
    targets = allocation.targets
    found = []
    for key, listing in listings.items():
        channel, grant, recipe = facts.channels[listing.channel], listing.grant, listing.recipe
        is_frozen, push = channel.frozen is not None, grant.push
        withdrawn = key in reasons and not is_frozen
        found.append(
            ListingState(
                listing_id=key,
                channel=listing.channel,
                semantics=grant.semantics,
                enforces=channel.enforces,
                exposure=grant.exposure,
                target=0 if withdrawn else targets.get(key, 0),
                withdraw=withdrawn,
                units=recipe[item_id],
                takeable_elsewhere=None if len(recipe) == 1 else _elsewhere(item_id, recipe, parts),
                remote_quantity=listing.remote,
                push_open=push is not None,
                returning=0 if push is None else _returning(push, grant.exposure or 0),
                overtakable=push is not None and may_be_overtaken(push) and not is_frozen,
                settling=is_frozen or grant.inexact,
                last_push_at=-inf if listing.last_push_at is None else listing.last_push_at,
                drain_target=listing.drain_target,
                rate_per_hour=rates.get(key, 0.0),
                lead_seconds=channel.lead_seconds,
                settle_seconds=channel.settle_seconds,
            )
        )
    return tuple(found)


def _elsewhere(item_id: int, recipe: Mapping[int, int], parts: Mapping[int, _Part]) -> int:
    """Listing units that the other components of a bundle allow."""
    return min(parts[i].books.takeable // units for i, units in recipe.items() if i != item_id)
