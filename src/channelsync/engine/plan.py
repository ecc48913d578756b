"""Plan: what would be pushed now and why. Nothing is written."""

from __future__ import annotations

from collections import Counter
from collections.abc import AsyncIterator, Callable, Collection, Iterable, Mapping, Sequence
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
from channelsync.engine.item_view import (
    NAMED,
    ItemView,
    NamedItem,
    load_named,
    read_facts,
    views_of,
)
from channelsync.engine.stock_errors import UnknownItem
from channelsync.store.stock_queries import closest, find_items, load_items
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
ITEMS_AT_ONCE = 1_000
"""Items whose rows are read together: memory stays the same however many there are."""


class StockNumbers(Struct, frozen=True, gc=False, kw_only=True):
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


class PlannedPush(Struct, frozen=True, gc=False, kw_only=True):
    """One push that the daemon would open now."""

    kind: str
    """raise, cut, set, zero, drain (zero now, set later) or resize (a live channel's slice)."""
    units: int
    """Raise and cut: the distance. Set, drain and resize: the new value. Zero: 0."""
    reason: str
    shadow: bool
    """Computed and logged only, since the channel runs in shadow mode."""


class ListingPlan(Struct, frozen=True, gc=False, kw_only=True):
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


class ItemPlan(Struct, frozen=True, gc=False, kw_only=True):
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

    def take(self, pushes: Iterable[PlannedPush]) -> None:
        self.looked_at += 1
        for push in pushes:
            if push.shadow:
                self.shadow_pushes += 1
            else:
                self.by_kind[push.kind] += 1


def _every(_pushes: Collection[PlannedPush]) -> bool:
    return True


async def view_plan(
    engine: Engine,
    tx: AsyncConnection,
    skus: Sequence[str] = (),
    *,
    notes: Sequence[str] = (),
    on_item: Callable[[int, int], None] = lambda _done, _of: None,
    keep: Callable[[Collection[PlannedPush]], bool] = _every,
    at_once: int = ITEMS_AT_ONCE,
) -> StockPlan:
    """Plan these items, or every item that is listed.

    `on_item` hears how many items are done, and of how many. `keep` is asked about each by its
    pushes. Items that it does not want are counted and forgotten: what they take is the same for a
    thousand of them and for a million.

    Raises:
        UnknownItem: one of `skus` does not exist.
    """
    now = engine.now()
    said, kept, sums, done = list(notes), list[ItemPlan](), _Sums(), 0
    of, groups = await _wanted(tx, skus, at_once)
    async for group in groups:
        on_item(done, of)
        done += len(group)
        grants = Grants(tx, now, "plan", only_looks=True)
        ids = [item.id for item in group]
        facts = await read_facts(engine, tx, grants, ids, now=now, known=group)
        drop_unsent(grants)
        for item in group:
            views = views_of(engine, facts, grants, item.id)
            if not views and len(said) < NOTES_MAX:
                said.append(f"{item.sku} is listed on no channel")
            for view in views:
                pushes = _pushes(view)
                sums.take(pushes.values())
                if keep(pushes.values()):
                    kept.append(_item_plan(view, pushes))
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
) -> tuple[int, AsyncIterator[Sequence[NamedItem]]]:
    """How many items are to be planned, and they themselves, some at a time."""
    if not skus:
        listed = sa.select(sa.func.count(sa.distinct(recipes.c.item_id)))
        return int((await tx.execute(listed)).scalar_one()), _listed(tx, at_once)
    found = await find_items(tx, skus)
    for sku in skus:
        if sku not in found:
            raise UnknownItem(sku, closest(sku, [item.sku for item in await load_items(tx)]))
    ids = [found[sku].id for sku in dict.fromkeys(skus)]
    return len(ids), _parts(tx, ids, at_once)


async def _parts(
    tx: AsyncConnection, item_ids: Sequence[int], at_once: int
) -> AsyncIterator[Sequence[NamedItem]]:
    for first in range(0, len(item_ids), at_once):
        part = item_ids[first : first + at_once]
        found = await load_named(tx, part)
        yield [found[key] for key in part]


async def _listed(tx: AsyncConnection, at_once: int) -> AsyncIterator[Sequence[NamedItem]]:
    """Items that are listed, in the order of their SKUs."""
    is_listed = sa.exists().where(recipes.c.item_id == items.c.id)
    query = NAMED.where(is_listed).order_by(items.c.sku).limit(at_once)
    last = None
    while True:
        page = query if last is None else query.where(items.c.sku > last)
        found = [NamedItem._make(row) for row in (await tx.execute(page)).all()]
        if not found:
            return
        yield found
        last = found[-1].sku


def drop_unsent(grants: Grants) -> None:
    """Forget, in memory, what was planned and never sent: the daemon plans it anew as well."""
    for listing in grants.all():
        push = listing.grant.push
        if push is not None and push.copies == 0:
            grants.put(listing.id, withdraw(listing.grant), MovementKind.UNCHARGE)


def _pushes(view: ItemView) -> dict[str, PlannedPush]:
    """What would be pushed of an item, by listing id."""
    return {
        intent.listing_id: planned_push(view, view.listings[intent.listing_id], intent)
        for intent in rebalance(view.state).intents
    }


def _item_plan(view: ItemView, pushes: Mapping[str, PlannedPush]) -> ItemPlan:
    listings = [
        _listing_plan(view, view.listings[state.listing_id], state, pushes.get(state.listing_id))
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
    view: ItemView, listing: Listing, state: ListingState, push: PlannedPush | None
) -> ListingPlan:
    return ListingPlan(
        channel=listing.channel,
        sku=listing.sku,
        exposure=listing.grant.exposure,
        target=state.target,
        push=push,
        waits=None if push is not None else waits_for(view, state.listing_id),
    )


def planned_push(view: ItemView, listing: Listing, intent: Intent) -> PlannedPush:
    """An intent as people read it."""
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
