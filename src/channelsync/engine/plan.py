"""Plan: what would be pushed now and why. Nothing is written."""

from __future__ import annotations

from collections import Counter
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from dataclasses import dataclass, field

import sqlalchemy as sa
from msgspec import Struct
from sqlalchemy.ext.asyncio import AsyncConnection

from channelsync.domain.escrow import withdraw
from channelsync.domain.intents import Cut, Drain, Intent, ListingState, Raise, Resize, Set, Zero
from channelsync.domain.rebalance import rebalance
from channelsync.domain.stock import PoolStock
from channelsync.domain.vocabulary import Instant
from channelsync.engine.core import Engine
from channelsync.engine.grants import Grants, Listing
from channelsync.engine.item_view import ItemView, read_facts, views_of
from channelsync.engine.stock_errors import UnknownItem
from channelsync.store.stock_queries import Item, closest, find_items, load_items
from channelsync.store.tables import (
    MovementKind,
    items,
    recipes,
)

__all__ = [
    "ItemPlan",
    "ListingPlan",
    "PlannedPush",
    "StockNumbers",
    "StockPlan",
    "drop_unsent",
    "planned_push",
    "view_plan",
    "waits_for",
]

NOTES_MAX = 50
ITEMS_AT_ONCE = 500
"""Items whose rows are read together: memory stays the same however many there are."""


class StockNumbers(Struct, frozen=True, kw_only=True):
    """An item over the locations of a pool: `atp` is on hand less reserved less safety stock."""

    on_hand: int
    reserved: int
    safety_stock: int
    atp: int
    on_order: int
    future_atp: int
    """ATP once everything on order has arrived."""

    @classmethod
    def of(cls, stock: PoolStock) -> StockNumbers:
        """The same numbers."""
        return cls(
            on_hand=stock.on_hand,
            reserved=stock.reserved,
            safety_stock=stock.safety_stock,
            atp=stock.atp,
            on_order=stock.on_order,
            future_atp=stock.future_atp,
        )


class PlannedPush(Struct, frozen=True, kw_only=True):
    """One push that the daemon would open now."""

    kind: str
    """raise, cut, set, zero, drain (zero now, set later) or resize (a live channel's slice)."""
    units: int
    """Raise and cut: the distance. Set, drain and resize: the new value. Zero: 0."""
    reason: str
    shadow: bool
    """Computed and logged only, since the channel runs in shadow mode."""


class ListingPlan(Struct, frozen=True, kw_only=True):
    """One listing, in listing units."""

    channel: str
    sku: str
    """As the channel spells it."""
    exposure: int | None
    """What it may still sell; None: never settled."""
    target: int
    push: PlannedPush | None
    waits: str | None
    """Why no push of it is planned; None where its number is right."""


class ItemPlan(Struct, frozen=True, kw_only=True):
    """One item in one pool."""

    sku: str
    pool: str
    rule: str
    stock: StockNumbers
    free: int
    listings: tuple[ListingPlan, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class StockPlan:
    """The items asked for, summed up, and what else a person should know."""

    at: Instant
    looked_at: int
    """Items that were planned, each counted once for every pool that lists it."""
    items: tuple[ItemPlan, ...]
    """Those that were to be kept."""
    by_kind: Mapping[str, int]
    """Pushes that would be sent, of all items."""
    shadow_pushes: int
    """How many more would be sent were their channels live."""
    notes: tuple[str, ...]

    def counts(self) -> Counter[str]:
        """Pushes that would be sent, by kind."""
        return Counter(self.by_kind)

    @property
    def pushes(self) -> int:
        """How many pushes would be sent."""
        return sum(self.by_kind.values())


@dataclass(slots=True)
class _Sums:
    """What is counted of every item, kept or not."""

    looked_at: int = 0
    by_kind: Counter[str] = field(default_factory=Counter)
    shadow_pushes: int = 0

    def take(self, item: ItemPlan) -> None:
        self.looked_at += 1
        for listing in item.listings:
            if listing.push is not None and listing.push.shadow:
                self.shadow_pushes += 1
            elif listing.push is not None:
                self.by_kind[listing.push.kind] += 1


def _every(_item: ItemPlan) -> bool:
    return True


async def view_plan(
    engine: Engine,
    tx: AsyncConnection,
    skus: Sequence[str] = (),
    *,
    notes: Sequence[str] = (),
    on_item: Callable[[int, int], None] = lambda _done, _of: None,
    keep: Callable[[ItemPlan], bool] = _every,
    at_once: int = ITEMS_AT_ONCE,
) -> StockPlan:
    """Plan these items, or every item that is listed.

    `on_item` hears how many items are done, and of how many. Items that `keep` does not want are
    counted and forgotten: what they take is the same for a thousand of them and for a million.

    Raises:
        UnknownItem: one of `skus` does not exist.
    """
    now = engine.now()
    said, kept, sums, done = list(notes), list[ItemPlan](), _Sums(), 0
    of, groups = await _wanted(tx, skus, at_once)
    async for group in groups:
        on_item(done, of)
        done += len(group)
        grants = Grants(tx, now, "plan")
        facts = await read_facts(engine, tx, grants, [item.id for item in group], now=now)
        drop_unsent(grants)
        for item in group:
            views = views_of(engine, facts, grants, item.id)
            if not views and len(said) < NOTES_MAX:
                said.append(f"{item.sku} is listed on no channel")
            for planned in map(_item_plan, views):
                sums.take(planned)
                if keep(planned):
                    kept.append(planned)
    return StockPlan(
        at=now,
        looked_at=sums.looked_at,
        items=tuple(kept),
        by_kind=sums.by_kind,
        shadow_pushes=sums.shadow_pushes,
        notes=tuple(said[:NOTES_MAX]),
    )


async def _wanted(
    tx: AsyncConnection, skus: Sequence[str], at_once: int
) -> tuple[int, AsyncIterator[Sequence[Item]]]:
    """How many items are to be planned, and they themselves, some at a time."""
    if not skus:
        listed = sa.select(sa.func.count(sa.distinct(recipes.c.item_id)))
        return int((await tx.execute(listed)).scalar_one()), _listed(tx, at_once)
    found = await find_items(tx, skus)
    for sku in skus:
        if sku not in found:
            raise UnknownItem(sku, closest(sku, [item.sku for item in await load_items(tx)]))
    return len(found), _parts([found[sku] for sku in dict.fromkeys(skus)], at_once)


async def _parts(wanted: Sequence[Item], at_once: int) -> AsyncIterator[Sequence[Item]]:
    for first in range(0, len(wanted), at_once):
        yield wanted[first : first + at_once]


async def _listed(tx: AsyncConnection, at_once: int) -> AsyncIterator[Sequence[Item]]:
    """Items that are listed, in the order of their SKUs."""
    is_listed = sa.exists().where(recipes.c.item_id == items.c.id)
    query = sa.select(items.c.id, items.c.sku, items.c.name).where(is_listed)
    query = query.order_by(items.c.sku).limit(at_once)
    last = None
    while True:
        page = query if last is None else query.where(items.c.sku > last)
        rows = (await tx.execute(page)).all()
        if not rows:
            return
        yield [Item(id=key, sku=sku, name=name) for key, sku, name in rows]
        last = rows[-1].sku


def drop_unsent(grants: Grants) -> None:
    """Forget, in memory, what was planned and never sent: the daemon plans it anew as well."""
    for listing in grants.all():
        push = listing.grant.push
        if push is not None and push.copies == 0:
            grants.put(listing.id, withdraw(listing.grant), MovementKind.UNCHARGE)


def _item_plan(view: ItemView) -> ItemPlan:
    intents = {intent.listing_id: intent for intent in rebalance(view.state).intents}
    listings = [
        _listing_plan(view, view.listings[state.listing_id], state, intents.get(state.listing_id))
        for state in view.state.listings
    ]
    listings.sort(key=_order)
    return ItemPlan(
        sku=view.sku,
        pool=view.pool,
        rule=view.rule.name,
        stock=StockNumbers.of(view.stock),
        free=view.books.free,
        listings=tuple(listings),
    )


def _order(listing: ListingPlan) -> tuple[str, str]:
    return listing.channel, listing.sku


def _listing_plan(
    view: ItemView, listing: Listing, state: ListingState, intent: Intent | None
) -> ListingPlan:
    return ListingPlan(
        channel=listing.channel,
        sku=listing.sku,
        exposure=listing.grant.exposure,
        target=state.target,
        push=planned_push(view, listing, intent),
        waits=None if intent is not None else waits_for(view, state.listing_id),
    )


def planned_push(view: ItemView, listing: Listing, intent: Intent | None) -> PlannedPush | None:
    """An intent as people read it."""
    if intent is None:
        return None
    kind, units = _shape(intent)
    shadow = view.channels[listing.channel].mode == "shadow"
    return PlannedPush(kind=kind, units=units, reason=intent.reason, shadow=shadow)


def _shape(intent: Intent) -> tuple[str, int]:
    match intent:
        case Raise():
            return "raise", intent.units
        case Cut():
            return "cut", intent.units
        case Set():
            return "set", intent.quantity
        case Zero():
            return "zero", 0
        case Drain():
            return "drain", intent.target
        case Resize():
            return "resize", intent.exposure


def waits_for(view: ItemView, key: str) -> str | None:
    """Why no push of a listing is planned; None where what it may sell is its target."""
    grant = view.listings[key].grant
    if (why := view.reasons.get(key)) is not None:
        return why
    if grant.push is not None and grant.push.copies:
        return f"its {grant.push.kind} push is not closed yet"
    if not grant.settled:
        return "it was never settled: nothing of its items is raised anywhere until it is"
    if grant.settle_reasons:
        return f"a settle is due ({', '.join(sorted(grant.settle_reasons))})"
    if view.books.unsettled:
        return "another listing of the item was never settled"
    return _at_rest(view, key)


def _at_rest(view: ItemView, key: str) -> str | None:
    state = next(one for one in view.state.listings if one.listing_id == key)
    exposure = state.exposure or 0
    if exposure > state.target:
        return "above its target; its units go where they are needed"
    if exposure == state.target:
        return None
    if exposure and exposure >= state.target * view.state.policy.low_water:
        return "above its low water"
    if view.state.takeable < state.units:
        return "nothing is free to raise it with"
    if state.takeable_elsewhere == 0:
        return "nothing is free of another item in it"
    return "its turn has not come (a push just now, or units on their way back)"
