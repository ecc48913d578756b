"""Restored: what to do after an old backup took the place of the books.

Whatever happened since then is unknown: pushes went out that these books do not know, so every
exposure may be too low. Hence each listing counts as "all" until it is settled anew, which waits
until nothing that may have been sent can still apply, and until every order is polled again, from
the cursor of the backup on. Until then its items are raised nowhere.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Final

import sqlalchemy as sa
from msgspec.structs import replace
from sqlalchemy.ext.asyncio import AsyncConnection

from channelsync.domain.escrow import ChannelLimits, SettleReason, want_settle
from channelsync.domain.vocabulary import Instant, PushSemantics
from channelsync.engine.core import Engine, limits_of
from channelsync.engine.grants import Grants, Listing
from channelsync.engine.recover import UNOPENED
from channelsync.engine.work import WorkKind, mark, mark_items
from channelsync.store.tables import MovementKind, channels, listings, readings

__all__ = ["Doubted", "doubt_everything"]

AT_ONCE: Final = 500


@dataclass(frozen=True, slots=True, kw_only=True)
class Doubted:
    """What must be proven anew."""

    channels: int
    listings: int


async def doubt_everything(engine: Engine, *, actor: str) -> Doubted:
    """Take back every certainty about what listings hold. No daemon may be working.

    Listings of `live` channels hold what the books say, and keep it.
    """
    async with engine.database.read() as connection:
        names = (await connection.execute(sa.select(channels.c.name))).scalars().all()
        known = sa.select(listings.c.id).where(
            listings.c.exposure.is_not(None), listings.c.semantics != PushSemantics.LIVE
        )
        ids = (await connection.execute(known.order_by(listings.c.id))).scalars().all()
    rest = iter(ids)
    while part := list(islice(rest, AT_ONCE)):
        await _doubt(engine, part, actor)

    async def look_again(tx: AsyncConnection) -> None:
        for name in sorted(names):
            for kind in (WorkKind.POLL, WorkKind.SETTLE):
                await mark(tx, kind, name, not_before=0.0)

    await engine.database.transact(look_again)
    return Doubted(channels=len(names), listings=len(ids))


async def _doubt(engine: Engine, ids: Sequence[int], actor: str) -> None:
    async def act(tx: AsyncConnection) -> None:
        now = engine.now()
        grants = Grants(tx, now, actor)
        await grants.load(ids)
        for listing in grants.all():
            _doubt_one(grants, listing, _limits(engine, listing.channel), now)
        await grants.flush()
        await tx.execute(sa.delete(readings).where(readings.c.listing_id.in_(ids)))
        await mark_items(tx, _items(grants.all()), now)

    await engine.database.transact(act)


def _doubt_one(grants: Grants, listing: Listing, limits: ChannelLimits, now: Instant) -> None:
    grant = want_settle(listing.grant, SettleReason.ADOPTING)
    doubted = replace(
        grant,
        push_seq=grant.push_seq + 1,
        outstanding_until=max(grant.outstanding_until, now + limits.apply_limit_seconds),
        lowered_until=max(grant.lowered_until, now + limits.quarantine_seconds),
    )
    grants.put(listing.id, doubted, MovementKind.SETTLE)
    grants.update(listing.id, remote=None)


def _limits(engine: Engine, channel: str) -> ChannelLimits:
    running = engine.channels.get(channel)
    return UNOPENED if running is None else limits_of(running)


def _items(found: Iterable[Listing]) -> set[int]:
    return {item for listing in found for item in listing.recipe}
