"""Reconcile: one item's listings towards their targets, as the books allow. Level-triggered."""

from __future__ import annotations

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
from channelsync.engine import demand
from channelsync.engine.alarms import clear_alarm, raise_alarm
from channelsync.engine.core import Engine
from channelsync.engine.grants import Grants, Listing, PushNote
from channelsync.engine.item_view import ChannelFacts, ItemView, view_item
from channelsync.engine.listings import takeable_for
from channelsync.engine.tell import untold
from channelsync.engine.work import Claim, WorkKind, mark_many, require_lease
from channelsync.store.tables import MovementKind

__all__ = ["reconcile"]

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
        return await reconcile_item(engine, tx, int(held.key), now=now)


async def reconcile_item(
    engine: Engine, tx: AsyncConnection, item_id: int, *, now: Instant
) -> Instant | None:
    """The same inside the caller's transaction."""
    grants = Grants(tx, now, ACTOR)
    await grants.load_items((item_id,))
    _withdraw_unsent(grants)
    again: list[Instant] = []
    touched: set[str] = set()
    for view in await view_item(engine, tx, grants, item_id, now=now):
        _remember(grants, view, now)
        await _note_deficit(tx, view, now)
        plan = rebalance(view.state)
        if plan.look_again_at is not None:
            again.append(plan.look_again_at)
        for intent in plan.intents:
            channel = view.channels[view.listings[intent.listing_id].channel]
            if channel.mode == "shadow":
                _log.info("shadow push", channel=channel.name, sku=view.sku, intent=str(intent))
            elif await _carry_out(engine, tx, grants, view, intent, now):
                touched.add(channel.name)
    unseen = {listing.channel for listing in grants.all() if listing.remote is None}
    await grants.flush()
    await mark_many(tx, WorkKind.PUBLISH, sorted(touched), not_before=now)
    await mark_many(tx, WorkKind.SETTLE, sorted(unseen), not_before=now)
    await mark_many(tx, WorkKind.TELL, sorted(untold(engine, grants.all())), not_before=now)
    return min(again, default=None)


def _withdraw_unsent(grants: Grants) -> None:
    """What was planned and never sent is planned anew from the present state."""
    for listing in grants.all():
        push = listing.grant.push
        if push is not None and push.copies == 0:
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


async def _note_deficit(tx: AsyncConnection, view: ItemView, now: Instant) -> None:
    """More is promised than there is: said at once, and until cuts or stock have mended it."""
    subject = f"{view.pool}/{view.sku}"
    if view.books.deficit == 0:
        await clear_alarm(tx, "deficit", subject, now=now)
        return
    message = (
        f"{view.books.deficit} units more are promised or on sale than can be: ATP"
        f" {view.books.atp}, on sale {view.books.exposure}; listings are being cut"
    )
    await raise_alarm(tx, "deficit", subject, message, now=now)


# ------------------------------------------------------------------ intents


async def _carry_out(
    engine: Engine,
    tx: AsyncConnection,
    grants: Grants,
    view: ItemView,
    intent: Intent,
    now: Instant,
) -> bool:
    """Turn one intent into a push or a resized slice. Returns whether something must be sent."""
    listing = grants[int(intent.listing_id)]
    takeable = await takeable_for(engine, tx, grants, listing)
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
