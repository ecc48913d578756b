"""Plan: what would be pushed now and why, under the present configuration or a proposed one.

Nothing is written. A proposed configuration is tried on temporary copies of the two tables that
it speaks of, in front of the real ones, inside a read transaction that is rolled back: no lock is
taken, the daemon goes on undisturbed.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection

from channelsync.domain.escrow import withdraw
from channelsync.domain.intents import Cut, Drain, Intent, Raise, Resize, Set, Zero
from channelsync.domain.rebalance import rebalance
from channelsync.domain.stock import PoolStock
from channelsync.domain.vocabulary import Instant
from channelsync.engine.core import Engine
from channelsync.engine.grants import Grants, Listing
from channelsync.engine.item_view import ItemView, read_facts, views_of
from channelsync.engine.policy import Policy
from channelsync.engine.setup import Setup
from channelsync.engine.stock_errors import UnknownItem
from channelsync.store.stock_queries import Item, closest, find_items, load_items
from channelsync.store.tables import ChannelState, MovementKind, channels, locations, recipes

__all__ = [
    "ItemPlan",
    "ListingPlan",
    "PlannedPush",
    "Proposal",
    "StockNumbers",
    "StockPlan",
    "drop_unsent",
    "planned_push",
    "propose",
    "view_plan",
    "waits_for",
]

NOTES_MAX = 50
ITEMS_AT_ONCE = 500
"""Items whose rows are read together: memory stays the same however many there are."""
_COPIES = (
    "CREATE TEMPORARY TABLE channels AS SELECT * FROM channels",
    "CREATE TEMPORARY TABLE locations AS SELECT * FROM locations",
)


@dataclass(frozen=True, slots=True, kw_only=True)
class StockNumbers:
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


@dataclass(frozen=True, slots=True, kw_only=True)
class PlannedPush:
    """One push that the daemon would open now."""

    kind: str
    """raise, cut, set, zero, drain (zero now, set later) or resize (a live channel's slice)."""
    units: int
    """Raise and cut: the distance. Set, drain and resize: the new value. Zero: 0."""
    reason: str
    shadow: bool
    """Computed and logged only, since the channel runs in shadow mode."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ListingPlan:
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


@dataclass(frozen=True, slots=True, kw_only=True)
class ItemPlan:
    """One item in one pool."""

    sku: str
    pool: str
    rule: str
    stock: StockNumbers
    free: int
    listings: tuple[ListingPlan, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class StockPlan:
    """Every item asked for, and what else a person should know."""

    at: Instant
    items: tuple[ItemPlan, ...]
    notes: tuple[str, ...]

    def counts(self) -> Counter[str]:
        """Pushes that would be sent, by kind."""
        return Counter(push.kind for push in self._pushes() if not push.shadow)

    @property
    def pushes(self) -> int:
        """How many pushes would be sent."""
        return sum(self.counts().values())

    @property
    def shadow_pushes(self) -> int:
        """How many would be sent were their channels live."""
        return sum(push.shadow for push in self._pushes())

    def _pushes(self) -> Iterable[PlannedPush]:
        return (one.push for item in self.items for one in item.listings if one.push is not None)


async def view_plan(
    engine: Engine,
    tx: AsyncConnection,
    skus: Sequence[str] = (),
    *,
    notes: Sequence[str] = (),
    on_item: Callable[[int, int], None] = lambda _done, _of: None,
) -> StockPlan:
    """Plan these items, or every item that is listed.

    `on_item` hears how many items are done, and of how many.

    Raises:
        UnknownItem: one of `skus` does not exist.
    """
    now = engine.now()
    said = list(notes)
    wanted = await _wanted(tx, skus)
    planned: list[ItemPlan] = []
    for first in range(0, len(wanted), ITEMS_AT_ONCE):
        on_item(first, len(wanted))
        group = wanted[first : first + ITEMS_AT_ONCE]
        grants = Grants(tx, now, "plan")
        facts = await read_facts(engine, tx, grants, [item.id for item in group], now=now)
        drop_unsent(grants)
        for item in group:
            views = views_of(engine, facts, grants, item.id)
            planned += [_item_plan(view, grants) for view in views]
            if not views:
                said.append(f"{item.sku} is listed on no channel")
    return StockPlan(at=now, items=tuple(planned), notes=tuple(said[:NOTES_MAX]))


async def _wanted(tx: AsyncConnection, skus: Sequence[str]) -> list[Item]:
    if not skus:
        listed = set((await tx.execute(sa.select(recipes.c.item_id).distinct())).scalars())
        return [item for item in await load_items(tx) if item.id in listed]
    found = await find_items(tx, skus)
    for sku in skus:
        if sku not in found:
            raise UnknownItem(sku, closest(sku, [item.sku for item in await load_items(tx)]))
    return [found[sku] for sku in dict.fromkeys(skus)]


def drop_unsent(grants: Grants) -> None:
    """Forget, in memory, what was planned and never sent: the daemon plans it anew as well."""
    for listing in grants.all():
        push = listing.grant.push
        if push is not None and push.copies == 0:
            grants.put(listing.id, withdraw(listing.grant), MovementKind.UNCHARGE)


def _item_plan(view: ItemView, grants: Grants) -> ItemPlan:
    intents = {intent.listing_id: intent for intent in rebalance(view.state).intents}
    listings = [
        _listing_plan(view, key, grants[listing.id], intents.get(key))
        for key, listing in sorted(view.listings.items(), key=lambda one: _order(one[1]))
    ]
    return ItemPlan(
        sku=view.sku,
        pool=view.pool,
        rule=view.rule.name,
        stock=StockNumbers.of(view.stock),
        free=view.books.free,
        listings=tuple(listings),
    )


def _order(listing: Listing) -> tuple[str, str]:
    return listing.channel, listing.sku


def _listing_plan(view: ItemView, key: str, listing: Listing, intent: Intent | None) -> ListingPlan:
    state = next(one for one in view.state.listings if one.listing_id == key)
    return ListingPlan(
        channel=listing.channel,
        sku=listing.sku,
        exposure=listing.grant.exposure,
        target=state.target,
        push=planned_push(view, listing, intent),
        waits=None if intent is not None else waits_for(view, key),
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


# ------------------------------------------------------------------ a proposed configuration


@dataclass(frozen=True, slots=True, kw_only=True)
class Proposal:
    """A configuration that somebody proposes, as the engine would use it."""

    setup: Setup
    policy: Policy


async def propose(tx: AsyncConnection, setup: Setup, *, now: Instant) -> tuple[str, ...]:
    """From here on the transaction reads as if `setup` were applied. Returns what would change.

    Temporary tables come before real ones of the same name, on SQLite and PostgreSQL alike, and
    go when the caller rolls back, as `Database.read` always does.
    """
    known = {row.name: row.state for row in await tx.execute(sa.select(channels))}
    places = {row.code: row.active for row in await tx.execute(sa.select(locations))}
    for statement in _COPIES:
        await tx.execute(sa.text(statement))
    await _propose_channels(tx, setup, known, now)
    await _propose_locations(tx, setup, places)
    return (*_channel_notes(setup, known), *_location_notes(setup, places))


async def _propose_channels(
    tx: AsyncConnection, setup: Setup, known: Mapping[str, str], now: Instant
) -> None:
    names = [channel.name for channel in setup.channels]
    for channel in setup.channels:
        values: dict[str, object] = {
            "connector": channel.connector,
            "pool": channel.pool,
            "mode": channel.mode,
        }
        if known.get(channel.name) in {None, ChannelState.REMOVED}:
            values["state"] = ChannelState.ADOPTING
        if channel.name in known:
            statement = sa.update(channels).where(channels.c.name == channel.name)
            await tx.execute(statement.values(values))
        else:
            await tx.execute(
                sa.insert(channels).values(values | {"name": channel.name, "baseline_at": now})
            )
    gone = sa.update(channels).where(channels.c.name.not_in(names))
    await tx.execute(gone.values(state=ChannelState.REMOVED))


async def _propose_locations(tx: AsyncConnection, setup: Setup, places: Collection[str]) -> None:
    """A new location holds nothing yet, so it changes no plan."""
    codes = [location.code for location in setup.locations]
    for location in setup.locations:
        if location.code in places:
            values = {"pool": location.pool, "priority": location.priority, "active": True}
            statement = sa.update(locations).where(locations.c.code == location.code)
            await tx.execute(statement.values(values))
    gone = sa.update(locations).where(locations.c.code.not_in(codes))
    await tx.execute(gone.values(active=False))


def _channel_notes(setup: Setup, known: Mapping[str, str]) -> Iterable[str]:
    names = {channel.name for channel in setup.channels}
    for name in sorted(names - known.keys()):
        yield (
            f"channel {name} is new: its listings are found when the daemon adopts it, and nothing"
            " of their items is raised anywhere until they are settled"
        )
    for name in sorted(known.keys() - names):
        if known[name] != ChannelState.REMOVED:
            yield f"channel {name} is not in the file: what it may still sell is taken back"


def _location_notes(setup: Setup, places: Mapping[str, bool]) -> Iterable[str]:
    codes = {location.code for location in setup.locations}
    for code in sorted(codes - places.keys()):
        yield f"location {code} is new: it holds no stock yet"
    for code in sorted(places.keys() - codes):
        if places[code]:
            yield f"location {code} is not in the file: its stock is offered no more"
