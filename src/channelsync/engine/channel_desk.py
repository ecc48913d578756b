"""The channel desk: what an operator does to a channel by hand.

ChannelDeskError
├── UnknownChannel   the store has no channel of this name; the closest one is suggested
└── ChannelRefused   the channel is not in a state that allows it; the message says what to do
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa
import structlog
from sqlalchemy.ext.asyncio import AsyncConnection

from channelsync.domain.errors import NotSettleable
from channelsync.domain.escrow import ChannelLimits, Reading, UnitsAround, settle
from channelsync.domain.vocabulary import Instant
from channelsync.engine.alarms import clear_alarm
from channelsync.engine.core import Engine
from channelsync.engine.grants import Grants, PushNote
from channelsync.engine.setup import CHANNEL_WORK
from channelsync.engine.work import WorkKind, mark, mark_items
from channelsync.store.stock_queries import closest
from channelsync.store.tables import (
    ChannelState,
    ListingState,
    MovementKind,
    channels,
    listings,
    readings,
    recipes,
)

__all__ = [
    "ChannelDeskError",
    "ChannelRefused",
    "Forgotten",
    "UnknownChannel",
    "forget_channel",
    "look_again",
    "pause_channel",
    "require_channel",
    "resume_channel",
]

_log = structlog.get_logger("channelsync.channels")

AT_ONCE = ChannelLimits(apply_limit_seconds=0.0, quarantine_seconds=0.0)
"""The operator states what is true now: no lag lies between the statement and its instant."""


class ChannelDeskError(Exception):
    """Base of what the channel desk refuses; nothing was changed."""


class UnknownChannel(ChannelDeskError):
    """The store has no channel of this name."""

    def __init__(self, name: str, suggestion: str | None) -> None:
        hint = (
            f"did you mean {suggestion!r}?"
            if suggestion
            else "a channel of the configuration is known once the daemon has started with it"
        )
        super().__init__(f"there is no channel {name!r}; {hint}")


class ChannelRefused(ChannelDeskError):
    """The channel is not in a state that allows it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Forgotten:
    """What forgetting a channel gave back."""

    channel: str
    listings: int
    units: int
    """Listing units that were set aside for it."""


async def require_channel(tx: AsyncConnection, name: str) -> Any:
    """The channel's row.

    Raises:
        UnknownChannel: there is none.
    """
    row = (await tx.execute(sa.select(channels).where(channels.c.name == name))).one_or_none()
    if row is None:
        known = (await tx.execute(sa.select(channels.c.name))).scalars().all()
        raise UnknownChannel(name, closest(name, known))
    return row


async def pause_channel(engine: Engine, name: str, reason: str) -> None:
    """Push nothing to the channel until it is resumed. Its orders are counted all the same.

    What it may sell by now stays set aside for it: a pause takes nothing off sale.

    Raises:
        UnknownChannel: there is none of this name.
        ChannelRefused: it is paused already, or was removed.
    """
    async with engine.database.write() as tx:
        row = await require_channel(tx, name)
        if row.paused_reason is not None:
            raise ChannelRefused(f"channel {name} is paused already: {row.paused_reason}")
        if row.state == ChannelState.REMOVED:
            raise ChannelRefused(f"channel {name} was removed from the configuration")
        await _set_pause(engine, tx, name, reason)
    _log.info("channel paused", channel=name, reason=reason)


async def resume_channel(engine: Engine, name: str) -> None:
    """Push to the channel again; also lifts a stop that the channel asked for itself.

    Raises:
        UnknownChannel: there is none of this name.
        ChannelRefused: it is not paused, or is paused by the configuration.
    """
    async with engine.database.write() as tx:
        row = await require_channel(tx, name)
        if row.paused_reason is None and row.mode == "paused":
            raise ChannelRefused(
                f"channel {name} is paused in the configuration: set its mode there to live"
            )
        if row.paused_reason is None:
            raise ChannelRefused(f"channel {name} is not paused")
        await _set_pause(engine, tx, name, None)
        await clear_alarm(tx, "channel_notice", name, now=engine.now())
        for kind in (WorkKind.PUBLISH, WorkKind.SETTLE):
            await mark(tx, kind, name, not_before=engine.now())
    _log.info("channel resumed", channel=name)


async def look_again(engine: Engine, name: str) -> None:
    """Have everything of the channel looked at now, rather than at its time or after a rest.

    Offers are searched, orders polled, listings read back, assumptions checked. It only makes the
    usual work due: what that finds and proves is the same as ever.

    Raises:
        UnknownChannel: there is none of this name.
        ChannelRefused: it was removed from the configuration, so nothing of it can be asked.
    """
    async with engine.database.write() as tx:
        row = await require_channel(tx, name)
        if row.state == ChannelState.REMOVED:
            raise ChannelRefused(f"channel {name} was removed from the configuration")
        for kind in CHANNEL_WORK:
            await mark(tx, kind, name, not_before=engine.now())
    _log.info("channel looked at by hand", channel=name)


async def _set_pause(engine: Engine, tx: AsyncConnection, name: str, reason: str | None) -> None:
    mine = sa.update(channels).where(channels.c.name == name)
    await tx.execute(mine.values(paused_reason=reason))
    await _mark_items(tx, name, engine.now())


async def _mark_items(tx: AsyncConnection, name: str, now: Instant) -> None:
    query = (
        sa.select(recipes.c.item_id)
        .join(listings, listings.c.id == recipes.c.listing_id)
        .where(listings.c.channel == name)
    )
    await mark_items(tx, (await tx.execute(query)).scalars(), now)


async def forget_channel(engine: Engine, name: str, *, actor: str) -> Forgotten:
    """Give back what is set aside for a channel that was removed from the configuration.

    Nothing can be read from it any more, so the operator states in its place what a reading would
    prove: its listings show 0, and every order of it is counted. Where that is wrong, units may be
    sold twice. Everything else that a settle asks for is still asked for.

    Raises:
        UnknownChannel: there is none of this name.
        ChannelRefused: it is still configured, or something sent to it may still apply.
    """
    async with engine.database.write() as tx:
        now = engine.now()
        row = await require_channel(tx, name)
        if row.state != ChannelState.REMOVED:
            raise ChannelRefused(
                f"channel {name} is still in the configuration: remove it there first, and let the"
                " daemon take it in"
            )
        grants = Grants(tx, now, actor)
        query = sa.select(listings.c.id).where(listings.c.channel == name)
        await grants.load((await tx.execute(query)).scalars().all())
        units = sum(listing.grant.exposure or 0 for listing in grants.all())
        for listing in grants.all():
            _settle_at_nothing(grants, listing.id, now)
        await grants.flush()
        gone = sa.update(listings).where(listings.c.channel == name)
        await tx.execute(gone.values(state=ListingState.GONE))
        ids = [listing.id for listing in grants.all()]
        await tx.execute(sa.delete(readings).where(readings.c.listing_id.in_(ids)))
        await clear_alarm(tx, "channel_removed", name, now=now)
        await _mark_items(tx, name, now)
    _log.warning("channel forgotten", channel=name, units=units, actor=actor)
    return Forgotten(channel=name, listings=len(ids), units=units)


def _settle_at_nothing(grants: Grants, listing_id: int, now: Instant) -> None:
    listing = grants[listing_id]
    stated = Reading(quantity=0, sent_at=now, received_at=now, push_seq=listing.grant.push_seq)
    try:
        settled = settle(listing.grant, stated, UnitsAround(), watermark=now, limits=AT_ONCE)
    except NotSettleable as error:
        raise ChannelRefused(
            f"{listing.channel} cannot be forgotten yet, because of {listing.sku}: {error}; try"
            " again later"
        ) from error
    note = PushNote(result="settled", reason="the operator forgot the channel")
    grants.put(listing_id, settled, MovementKind.SETTLE, reference="forgotten", note=note)
    grants.update(listing_id, settled_at=now, settled_from=now, remote=0, remote_at=now, target=0)
