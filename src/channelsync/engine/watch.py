"""Watch: the assumptions that nobody proves on the way, and channels that went quiet."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection

from channelsync.domain.vocabulary import Instant
from channelsync.engine.alarms import clear_alarm, raise_alarm
from channelsync.engine.assumptions import record_findings
from channelsync.engine.core import Engine
from channelsync.engine.first_load import note_load
from channelsync.engine.measure import forget_old_alarms
from channelsync.engine.settle import request_drift_check
from channelsync.engine.work import Claim, mark_items, require_lease
from channelsync.ports import RunningChannel
from channelsync.sdk.connector import PullsDeliveries, Reads, Subscribes, TestsItself
from channelsync.sdk.types import Assumption, AssumptionFinding
from channelsync.store import tables
from channelsync.store.tables import ChannelState, ListingState

__all__ = ["subscribe", "watch"]

EVERY_SECONDS = 60.0
SUBSCRIPTIONS_EVERY_SECONDS = 3_600.0
DRIFT_CHECK_EVERY_SECONDS = 900.0
EXPIRY_WARNING_SECONDS = 14 * 86_400.0
DRIFT_CHECKS_MAX = 100
"""Listings re-read a pass, those looked at longest ago first: every one gets its turn."""


async def subscribe(engine: Engine, held: Claim, public_url: str | None) -> Instant | None:
    """Make the channel call us. Without a public URL, or a queue, polling alone does the work."""
    running = engine.channels.get(held.key)
    if running is None or not isinstance(running.channel, Subscribes):
        return None
    pulled = isinstance(running.channel, PullsDeliveries)
    if public_url is None and not pulled:
        return None
    url = "" if pulled else f"{(public_url or '').rstrip('/')}/webhooks/{running.name}"
    await running.channel.ensure_subscriptions(url)
    async with engine.database.write() as tx:
        await require_lease(tx, held, now=engine.now())
        await tx.execute(
            sa.update(tables.channels)
            .where(tables.channels.c.name == running.name)
            .values(subscribed_at=engine.now())
        )
    return engine.now() + SUBSCRIPTIONS_EVERY_SECONDS


async def watch(engine: Engine, held: Claim) -> Instant | None:
    """Check one channel. Returns when to check again."""
    running = engine.channels.get(held.key)
    if running is None:
        return None
    findings: list[AssumptionFinding] = []
    if isinstance(running.channel, TestsItself):
        findings += await running.channel.check_assumptions()
    async with engine.database.write() as tx:
        now = engine.now()
        await require_lease(tx, held, now=now)
        findings.append(await _feed(tx, running, now))
        await _note_ending_credential(tx, running, now)
        await record_findings(tx, running.name, findings, now=now)
        await forget_old_alarms(tx, running.name, now=now)
        await note_load(tx, running, now=now)
        await _mark_listed_items(tx, running.name, now)
        if isinstance(running.channel, Reads):
            await _check_drift(tx, running.name, now)
    return engine.now() + min(EVERY_SECONDS, running.quiet_limit_seconds / 3)


async def _feed(tx: AsyncConnection, running: RunningChannel, now: Instant) -> AssumptionFinding:
    row = (
        await tx.execute(sa.select(tables.channels).where(tables.channels.c.name == running.name))
    ).one()
    quiet = _quiet_since(row)
    late = row.state == ChannelState.ACTIVE and now - quiet > running.quiet_limit_seconds
    why = f"no sign of life from its order feed for {now - quiet:.0f} s" if late else ""
    if late:
        await raise_alarm(tx, "feed_quiet", running.name, why, now=now, channel=running.name)
    else:
        await clear_alarm(tx, "feed_quiet", running.name, now=now)
    return AssumptionFinding(assumption=Assumption.FEED_COMPLETE, holds=not late, why=why)


async def _note_ending_credential(
    tx: AsyncConnection, running: RunningChannel, now: Instant
) -> None:
    ends = running.credentials_expire_at
    if ends is None or ends - now > EXPIRY_WARNING_SECONDS:
        await clear_alarm(tx, "credential_expiring", running.name, now=now)
        return
    spoken = datetime.fromtimestamp(ends, UTC).strftime("%Y-%m-%d %H:%MZ")
    message = f"a credential of {running.name} ends {spoken}"
    await raise_alarm(
        tx, "credential_expiring", running.name, message, now=now, channel=running.name
    )


def _quiet_since(row: Any) -> Instant:
    signs = [at for at in (row.last_poll_at, row.last_delivery_at) if at is not None]
    return max(signs, default=float(row.baseline_at))


async def _mark_listed_items(tx: AsyncConnection, channel: str, now: Instant) -> None:
    """A feed that went quiet or came back changes targets: let every item be looked at."""
    changed = sa.select(sa.literal(1)).where(
        tables.assumptions.c.channel == channel, tables.assumptions.c.since == now
    )
    if (await tx.execute(changed)).first() is None:
        return
    recipes, listings = tables.recipes, tables.listings
    query = (
        sa.select(recipes.c.item_id)
        .join(listings, listings.c.id == recipes.c.listing_id)
        .where(listings.c.channel == channel)
    )
    await mark_items(tx, (await tx.execute(query)).scalars(), now)


async def _check_drift(tx: AsyncConnection, channel: str, now: Instant) -> None:
    listings = tables.listings
    query = (
        sa.select(listings.c.id)
        .where(
            listings.c.channel == channel,
            listings.c.state == ListingState.ACTIVE,
            sa.not_(listings.c.settle_wanted),
            listings.c.settled_at < now - DRIFT_CHECK_EVERY_SECONDS,
        )
        .order_by(listings.c.settled_at)
        .limit(DRIFT_CHECKS_MAX)
    )
    due = (await tx.execute(query)).scalars().all()
    if due:
        await request_drift_check(tx, channel, due, now=now)
