"""Explain: why a channel shows the number that it shows, from the shelf to the listing."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection

from channelsync.domain.allocation import Step
from channelsync.domain.allocation_rules import WHOLE, Rule, Strategy
from channelsync.domain.intents import Intent
from channelsync.domain.rebalance import rebalance
from channelsync.domain.vocabulary import Instant
from channelsync.engine.channel_desk import require_channel
from channelsync.engine.core import Engine
from channelsync.engine.explain_causes import Cause, Sources, view_causes
from channelsync.engine.grants import Grants, Listing
from channelsync.engine.item_view import ItemView, view_item
from channelsync.engine.listing_rows import spelled
from channelsync.engine.plan import (
    PlannedPush,
    StockNumbers,
    drop_unsent,
    planned_push,
    waits_for,
)
from channelsync.engine.stock_errors import UnknownItem
from channelsync.engine.stock_view import PoolView, view_stock
from channelsync.store.stock_queries import (
    Item,
    closest,
    find_items,
    load_items,
    load_levels,
    load_locations,
)
from channelsync.store.tables import ListingState, attempts, listings, pushes

__all__ = [
    "Explanation",
    "ListingExplanation",
    "OpenPush",
    "PoolExplanation",
    "Unlisted",
    "explain",
]

_OF_ONE_ITEM = frozenset({"atp", "shares"})
"""Steps of the allocation that are about one item, which their explanation names first."""


@dataclass(frozen=True, slots=True, kw_only=True)
class OpenPush:
    """The push of a listing that is not closed yet."""

    kind: str
    units: int
    state: str
    """planned, sending, quarantine or doubtful."""
    copies: int
    """Requests sent so far."""
    cause: str
    last_outcome: str | None
    """What the latest ended request came to."""
    opened_at: Instant
    release_at: Instant | None
    """A cut: when its quarantine ends."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ListingExplanation:
    """One listing, in listing units."""

    channel: str
    sku: str
    units: int
    """Units of the item in one listing unit."""
    mode: str
    quota: float | None
    """Percent of ATP, where the rule shares by quota."""
    allocated: int
    """What the rule gives it."""
    target: int
    """What it should hold now: 0 while its units are wanted back."""
    exposure: int | None
    """What it may still sell that we have not counted; None: never settled, counts as "all"."""
    shown: int | None
    """What the channel is believed to show."""
    shown_at: Instant | None
    settled_at: Instant | None
    settle_reasons: tuple[str, ...]
    waits: str | None
    """Why no push of it is planned; None where its number is right."""
    next_push: PlannedPush | None
    open_push: OpenPush | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Unlisted:
    """An offer of this SKU that is not synced."""

    channel: str
    sku: str
    state: str
    why: str


@dataclass(frozen=True, slots=True, kw_only=True)
class PoolExplanation:
    """The item in one pool, in item units."""

    pool: str
    stock: StockNumbers
    exposure: int
    free: int
    rule: str | None
    """None where no channel of the pool lists the item."""
    strategy: str | None
    guarantee: str | None
    listings: tuple[ListingExplanation, ...]
    trace: tuple[Step, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Explanation:
    """Everything about one item."""

    at: Instant
    sku: str
    name: str
    pools: tuple[PoolExplanation, ...]
    unlisted: tuple[Unlisted, ...]
    causes: tuple[Cause, ...]
    """What happened last, newest first."""


async def explain(
    engine: Engine, tx: AsyncConnection, sku: str, *, channel: str | None = None
) -> Explanation:
    """Explain an item; with `channel`, that channel's listings and causes alone.

    Raises:
        UnknownItem: nothing has the SKU.
        UnknownChannel: there is no such channel.
    """
    if channel is not None:
        await require_channel(tx, channel)
    now = engine.now()
    item = await _item(tx, sku)
    grants = Grants(tx, now, "explain")
    await grants.load_items((item.id,))
    drop_unsent(grants)
    views = {view.pool: view for view in await view_item(engine, tx, grants, item.id, now=now)}
    pushed = await _open_pushes(tx, [one.id for one in grants.all()])
    pools = [
        _pool(view, views.get(view.pool), pushed, channel)
        for view in await _stock(engine, tx, item)
    ]
    mine = [one for one in grants.all() if item.id in one.recipe and channel in {None, one.channel}]
    sources = Sources(
        item_id=None if channel is not None else item.id,
        listings={one.id: _offer(one, item) for one in mine},
    )
    return Explanation(
        at=now,
        sku=item.sku,
        name=item.name,
        pools=tuple(pools),
        unlisted=await _unlisted(tx, item, _in_view(views.values()), channel),
        causes=await view_causes(tx, sources),
    )


def _offer(listing: Listing, item: Item) -> str:
    same = listing.sku == item.sku
    return listing.channel if same else f"{listing.channel} {listing.sku}"


async def _item(tx: AsyncConnection, sku: str) -> Item:
    found = await find_items(tx, [sku])
    if sku not in found:
        raise UnknownItem(sku, closest(sku, [item.sku for item in await load_items(tx)]))
    return found[sku]


async def _stock(engine: Engine, tx: AsyncConnection, item: Item) -> Sequence[PoolView]:
    """By pool, of locations in use alone: the others' units are offered by nobody."""
    places = [place for place in (await load_locations(tx)).values() if place.active]
    levels = await load_levels(tx, [item.id])
    found: list[PoolView] = []
    for pool in sorted({place.pool for place in places}):
        own = [place for place in places if place.pool == pool]
        default = engine.policy.safety_stock_in(pool)
        found += view_stock(item, own, levels, default_safety_stock=default).pools
    return found


async def _open_pushes(tx: AsyncConnection, listing_ids: Iterable[int]) -> dict[int, OpenPush]:
    latest = (
        sa.select(attempts.c.outcome)
        .where(attempts.c.request_id == pushes.c.request_id, attempts.c.ended_at.is_not(None))
        .order_by(attempts.c.id.desc())
        .limit(1)
        .scalar_subquery()
    )
    query = sa.select(pushes, latest.label("last_outcome")).where(
        pushes.c.listing_id.in_(sorted(listing_ids)), pushes.c.closed_at.is_(None)
    )
    return {row.listing_id: _open_push(row) for row in await tx.execute(query)}


def _open_push(row: Any) -> OpenPush:
    return OpenPush(
        kind=row.kind,
        units=row.units,
        state=row.state,
        copies=row.copies,
        cause=row.cause,
        last_outcome=row.last_outcome,
        opened_at=row.opened_at,
        release_at=row.release_after,
    )


def _in_view(views: Iterable[ItemView]) -> set[int]:
    return {listing.id for view in views for listing in view.listings.values()}


async def _unlisted(
    tx: AsyncConnection, item: Item, listed: set[int], channel: str | None
) -> tuple[Unlisted, ...]:
    query = (
        sa.select(listings)
        .where(spelled(item.sku), listings.c.id.not_in(sorted(listed)))
        .order_by(listings.c.channel)
    )
    if channel is not None:
        query = query.where(listings.c.channel == channel)
    return tuple(
        Unlisted(
            channel=row.channel,
            sku=row.sku,
            state=row.state,
            why=row.refusal or _unlisted_because(row.state),
        )
        for row in await tx.execute(query)
    )


def _unlisted_because(state: str) -> str:
    if state == ListingState.GONE:
        return "the channel no longer lists it"
    return "it is mapped by hand to other items"


# ------------------------------------------------------------------ one pool


def _pool(
    stock: PoolView,
    view: ItemView | None,
    pushed: Mapping[int, OpenPush],
    channel: str | None,
) -> PoolExplanation:
    if view is None:
        return PoolExplanation(
            pool=stock.pool,
            stock=StockNumbers.of(stock.stock),
            exposure=0,
            free=stock.stock.atp,
            rule=None,
            strategy=None,
            guarantee=None,
            listings=(),
            trace=(),
        )
    intents = {intent.listing_id: intent for intent in rebalance(view.state).intents}
    shown = sorted(view.listings, key=lambda key: _order(view.listings[key]))
    return PoolExplanation(
        pool=view.pool,
        stock=StockNumbers.of(view.stock),
        exposure=view.books.exposure,
        free=view.books.free,
        rule=view.rule.name,
        strategy=view.rule.strategy,
        guarantee=view.rule.guarantee,
        listings=tuple(
            _listing(view, key, intents.get(key), pushed.get(view.listings[key].id))
            for key in shown
            if channel in {None, view.listings[key].channel}
        ),
        trace=tuple(_named(step, view) for step in view.allocation.trace if _concerns(step, view)),
    )


def _order(listing: Listing) -> tuple[str, str]:
    return listing.channel, listing.sku


def _listing(
    view: ItemView, key: str, intent: Intent | None, open_push: OpenPush | None
) -> ListingExplanation:
    listing = view.listings[key]
    state = next(one for one in view.state.listings if one.listing_id == key)
    return ListingExplanation(
        channel=listing.channel,
        sku=listing.sku,
        units=listing.recipe[view.item_id],
        mode=view.channels[listing.channel].mode,
        quota=_quota(view.rule, listing.channel),
        allocated=view.allocation.targets.get(key, 0),
        target=state.target,
        exposure=listing.grant.exposure,
        shown=listing.remote,
        shown_at=listing.remote_at,
        settled_at=listing.settled_at,
        settle_reasons=tuple(sorted(listing.grant.settle_reasons)),
        waits=None if intent is not None else waits_for(view, key),
        next_push=None if intent is None else planned_push(view, listing, intent),
        open_push=open_push,
    )


def _quota(rule: Rule, channel: str) -> float | None:
    if rule.strategy is not Strategy.QUOTA:
        return None
    return rule.quotas.get(channel, 0) * 100 / WHOLE


def _named(step: Step, view: ItemView) -> Step:
    """The step with listings called by channel and SKU instead of their numbers.

    Numbers of listings that do not contain the item (they share a bundle with it) are left out.
    """
    names = {key: _name(listing, view) for key, listing in view.listings.items()}
    subject, colon, rest = step.explanation.partition(": ")
    text = f"{names[subject]}{colon}{rest}" if subject in names else step.explanation
    numbers = {
        names.get(key, key): number
        for key, number in step.numbers.items()
        if key in names or not key.isdecimal()
    }
    return Step(step.name, text, numbers)


def _concerns(step: Step, view: ItemView) -> bool:
    """Whether a step is about this item or one of its listings."""
    subject, colon, _ = step.explanation.partition(": ")
    if not colon or subject in {view.sku, *view.listings}:
        return True
    return not subject.isdecimal() and step.name not in _OF_ONE_ITEM


def _name(listing: Listing, view: ItemView) -> str:
    alone = sum(one.channel == listing.channel for one in view.listings.values()) == 1
    return listing.channel if alone else f"{listing.channel} {listing.sku}"
