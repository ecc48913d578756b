"""Reconcile: the listings of items towards their targets, as the books allow. Level-triggered."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

import sqlalchemy as sa
import structlog
from sqlalchemy.ext.asyncio import AsyncConnection

from channelsync.domain.errors import InsufficientFree, PushConflict
from channelsync.domain.escrow import (
    Push,
    open_push,
    resize_slice,
    withdraw,
)
from channelsync.domain.intents import Cut, Drain, Intent, Raise, Resize, Set, Zero
from channelsync.domain.rebalance import rebalance
from channelsync.domain.vocabulary import Instant, PushKind, PushSemantics
from channelsync.domain.wording import counted
from channelsync.engine import demand
from channelsync.engine.alarms import clear_alarms, raise_alarms, standing_alarms
from channelsync.engine.channel_facts import ChannelFacts
from channelsync.engine.core import Engine
from channelsync.engine.grants import Grants, Listing, PushNote
from channelsync.engine.item_view import Facts, ItemView, read_facts, views_of
from channelsync.engine.listings import emptied, takeable_by, takeable_for
from channelsync.engine.tell import untold
from channelsync.engine.work import (
    Claim,
    WorkKind,
    finish_together,
    mark,
    mark_many,
    marks_taken_back,
    require_lease,
    require_leases,
)
from channelsync.store.tables import MovementKind
from channelsync.tracing import SpanKind

__all__ = ["reconcile", "reconcile_items", "reconcile_marked", "reconcile_together"]

_log = structlog.get_logger("channelsync.reconcile")

HOT_SECONDS = 60.0
"""A listing that sold this recently is raised without comparing, where its channel allows it: a
compare would fail at every sale."""
KEY_LIFE_SHARE = 0.8
ACTOR = "reconcile"


async def reconcile(engine: Engine, held: Claim) -> Instant | None:
    """Close the gap of one item. Returns when to look again though nothing happens."""
    now = engine.now()
    async with engine.database.write() as tx:
        await require_lease(tx, held, now=now)
        item_id = int(held.key)
        return (await reconcile_items(engine, tx, (item_id,), now=now))[item_id]


async def reconcile_together(engine: Engine, claims: Sequence[Claim]) -> None:
    """Close the gaps of many items and finish their keys, in one transaction.

    What one item's decision takes, the next one sees taken. Keys that others hold by now are left
    to them.
    """
    now = engine.now()
    async with engine.database.write() as tx:
        standing = await require_leases(tx, claims, now=now)
        ids = {held.key: int(held.key) for held in standing}
        again = await reconcile_items(engine, tx, ids.values(), now=now)
        await finish_together(tx, [(held, again[ids[held.key]]) for held in standing])


async def reconcile_marked(engine: Engine, tx: AsyncConnection, *, now: Instant) -> None:
    """Do at once what this transaction has asked for: its items are read and locked already.

    Where that fails nothing of it is kept, and the items stay marked.
    """
    marks = marks_taken_back(tx, WorkKind.RECONCILE)
    due = [key for key, at in marks.items() if at <= now]
    try:
        if due:
            said = {"channelsync.keys": len(due)}
            span = engine.tracing.span(WorkKind.RECONCILE, SpanKind.INTERNAL, attributes=said)
            with span:
                async with tx.begin_nested():
                    again = await reconcile_items(engine, tx, map(int, due), now=now)
            marks = {key: at for key, at in marks.items() if at > now}
            marks |= {str(item_id): at for item_id, at in again.items() if at is not None}
    except sa.exc.DBAPIError:
        raise  # the whole transaction may be lost
    except Exception as error:  # noqa: BLE001 - whose it is shows when they are done one by one
        _log.info("reconciling with the orders failed", keys=len(due), why=str(error))
    for key, at in marks.items():
        await mark(tx, WorkKind.RECONCILE, key, not_before=at)


async def reconcile_items(
    engine: Engine, tx: AsyncConnection, item_ids: Iterable[int], *, now: Instant
) -> dict[int, Instant | None]:
    """When to look at each item again though nothing happens."""
    wanted = sorted(set(item_ids))
    run = _Run(engine, tx, Grants(tx, now, ACTOR), now)
    facts = await read_facts(engine, tx, run.grants, wanted, now=now)
    mine = [listing.id for listing in facts.listings_of(wanted, run.grants)]
    before = {one.id: one.grant.exposure for one in run.grants.all()}
    _withdraw_unsent(run.grants, mine)
    again = {item_id: await run.item(facts, item_id) for item_id in wanted}
    await _note_deficits(tx, run.deficits, now)
    unseen = {run.grants[key].channel for key in mine if _is_unseen(run.grants[key])}
    searched = emptied(run.grants, before)
    await run.grants.flush()
    await mark_many(tx, WorkKind.DISCOVER, sorted(searched), not_before=now)
    await mark_many(tx, WorkKind.PUBLISH, sorted(run.touched), not_before=now)
    await mark_many(tx, WorkKind.SETTLE, sorted(unseen), not_before=now)
    untold_channels = untold(engine, [run.grants[key] for key in mine])
    await mark_many(tx, WorkKind.TELL, sorted(untold_channels), not_before=now)
    return again


def _is_unseen(listing: Listing) -> bool:
    """Whether a read must tell what it shows; a live channel shows no number of its own."""
    return listing.remote is None and listing.grant.semantics is not PushSemantics.LIVE


@dataclass(slots=True)
class _Run:
    """One pass over some items."""

    engine: Engine
    tx: AsyncConnection
    grants: Grants
    now: Instant
    touched: set[str] = field(default_factory=set)
    """Channels that something must be sent to."""
    deficits: dict[str, str | None] = field(default_factory=dict)
    """By pool and SKU: what to say of a deficit; None: there is none."""

    async def item(self, facts: Facts, item_id: int) -> Instant | None:
        """Close the gap of one item. Returns when to look again though nothing happens."""
        again: list[Instant] = []
        for view in views_of(self.engine, facts, self.grants, item_id):
            _remember(self.grants, view, self.now)
            self.deficits[f"{view.pool}/{view.sku}"] = _deficit_text(view)
            plan = rebalance(view.state)
            if plan.look_again_at is not None:
                again.append(plan.look_again_at)
            for intent in plan.intents:
                await self._intent(facts, view, intent)
        return min(again, default=None)

    async def _intent(self, facts: Facts, view: ItemView, intent: Intent) -> None:
        listing = self.grants[int(intent.listing_id)]
        channel = view.channels[listing.channel]
        if channel.mode == "shadow":
            _log.info("shadow push", channel=channel.name, sku=view.sku, intent=str(intent))
            return
        if listing.recipe.keys() <= facts.related[view.item_id]:
            takeable = takeable_by(self.engine, facts, self.grants, listing)
        else:
            takeable = await takeable_for(self.engine, self.tx, self.grants, listing)
        if _carry_out(self.engine, self.grants, view, intent, takeable, self.now):
            self.touched.add(channel.name)


def _withdraw_unsent(grants: Grants, listing_ids: Iterable[int]) -> None:
    """What was planned and never sent is planned anew from the present state.

    A zero on a listing that waits for its settle stays: it is safe whatever comes of that, and
    nothing else could be planned meanwhile.
    """
    for listing in [grants[listing_id] for listing_id in listing_ids]:
        push = listing.grant.push
        stays = push is not None and push.kind is PushKind.ZERO and listing.grant.inexact
        if push is not None and push.copies == 0 and not stays:
            note = PushNote(result="withdrawn", reason="planned anew before it was sent")
            grants.put(listing.id, withdraw(listing.grant), MovementKind.UNCHARGE, note=note)


def _remember(grants: Grants, view: ItemView, now: Instant) -> None:
    """Targets and exposed time, for explanations and for demand."""
    for key, listing in view.listings.items():
        exposed = bool(listing.grant.exposure)
        grants.update(
            listing.id,
            target=view.allocation.targets.get(key, 0),
            demand=demand.record_time(listing.demand, now=now, exposed=exposed),
        )


def _deficit_text(view: ItemView) -> str | None:
    if view.books.deficit == 0:
        return None
    return (
        f"{counted(view.books.deficit, 'unit')} beyond what can be promised: ATP"
        f" {view.books.atp}, on sale {view.books.exposure}; listings are being cut"
    )


async def _note_deficits(
    tx: AsyncConnection, deficits: Mapping[str, str | None], now: Instant
) -> None:
    """More is promised than there is: said at once, and until cuts or stock have mended it."""
    standing = await standing_alarms(tx, "deficit", deficits)
    fresh = {one: text for one, text in deficits.items() if text and one not in standing}
    mended = [one for one in standing if deficits[one] is None]
    await clear_alarms(tx, "deficit", mended, now=now)
    await raise_alarms(tx, "deficit", fresh, now=now)


# ------------------------------------------------------------------ intents


def _carry_out(
    engine: Engine, grants: Grants, view: ItemView, intent: Intent, takeable: int, now: Instant
) -> bool:
    """Turn one intent into a push or a resized slice. Returns whether something must be sent."""
    listing = grants[int(intent.listing_id)]
    if isinstance(intent, Resize):
        return _resize(grants, listing, intent, takeable)
    facts = view.channels[listing.channel]
    push = _push_for(engine, listing, intent, facts, now)
    if push is None:
        grants.update(listing.id, remote=None)
        return False
    try:
        grant = open_push(listing.grant, push, takeable=takeable)
    except (InsufficientFree, PushConflict) as refusal:
        _log.debug("intent not possible", listing=listing.sku, why=str(refusal))
        return False
    note = PushNote(cause=intent.reason)
    grants.put(listing.id, grant, MovementKind.CHARGE, reference=push.push_id, note=note)
    drain = intent.target if isinstance(intent, Drain) else None
    grants.update(listing.id, drain_target=drain)
    return True


def _resize(grants: Grants, listing: Listing, intent: Resize, takeable: int) -> bool:
    try:
        grant = resize_slice(listing.grant, intent.exposure, takeable=takeable)
    except InsufficientFree as refusal:
        _log.debug("slice not resized", listing=listing.sku, why=str(refusal))
        return False
    grants.put(listing.id, grant, MovementKind.SLICE, reference=intent.reason)
    return True


def _push_for(
    engine: Engine,
    listing: Listing,
    intent: Raise | Cut | Set | Zero | Drain,
    facts: ChannelFacts,
    now: Instant,
) -> Push | None:
    """The push for an intent; None where the channel must be looked at first."""
    kind, units, compare = _shape(listing, intent, facts, now)
    compares = listing.grant.semantics is PushSemantics.KEYED_COMPARE_AND_SET
    blind = kind is PushKind.RAISE and facts.raises_without_compare
    if (kind is PushKind.CUT and units < 1) or (compares and compare is None and not blind):
        return None
    return Push(
        push_id=engine.environment.new_id(),
        kind=kind,
        units=units,
        compare=compare,
        retry_until=now + facts.key_life_seconds * KEY_LIFE_SHARE,
    )


def _shape(
    listing: Listing, intent: Raise | Cut | Set | Zero | Drain, facts: ChannelFacts, now: Instant
) -> tuple[PushKind, int, int | None]:
    compares = listing.grant.semantics is PushSemantics.KEYED_COMPARE_AND_SET
    match intent:
        case Raise():
            sold_at = demand.last_sale_at(listing.demand) or 0.0
            blind = facts.raises_without_compare and now - sold_at < HOT_SECONDS
            compare = listing.remote if compares and not blind else None
            return PushKind.RAISE, intent.units, compare
        case Cut():
            shown = max(listing.remote or 0, 0)
            return PushKind.CUT, min(intent.units, shown), shown if compares else None
        case Set():
            return PushKind.SET, intent.quantity, None
        case Zero() | Drain():
            return PushKind.ZERO, 0, None
