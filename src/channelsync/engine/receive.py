"""Deliveries: stored before they are acknowledged (`inbox`), applied here, each exactly once."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import chain
from typing import Any, Final

import sqlalchemy as sa
import structlog
from sqlalchemy.ext.asyncio import AsyncConnection

from channelsync.domain.vocabulary import Instant
from channelsync.engine.alarms import raise_alarm
from channelsync.engine.core import Engine
from channelsync.engine.ends import Finished, finish_here
from channelsync.engine.holdable import require_holdable
from channelsync.engine.intake import apply_orders
from channelsync.engine.look import look
from channelsync.engine.reconcile import reconcile_marked
from channelsync.engine.registers import hear_sequences
from channelsync.engine.till_counts import apply_counts
from channelsync.engine.work import Claim, require_lease
from channelsync.sdk.connector import PullsDeliveries, ReceivesWebhooks
from channelsync.sdk.errors import BadDelivery
from channelsync.sdk.types import Delivery, LookAt, Parsed
from channelsync.store import tables
from channelsync.store.many import among
from channelsync.tracing import read_causes

__all__ = ["apply_parsed", "intake"]

_log = structlog.get_logger("channelsync.intake")

_FIRST: Final = (
    sa.select(tables.inbox.c.delivery_id)
    .where(tables.inbox.c.channel == sa.bindparam("channel"))
    .order_by(tables.inbox.c.delivery_id)
    .limit(sa.bindparam("most"))
    .subquery()
)
_PENDING: Final = (
    sa.select(
        *(tables.deliveries.c[name] for name in ("id", "dedupe_key", "topic", "reduced", "trace"))
    )
    .join(_FIRST, _FIRST.c.delivery_id == tables.deliveries.c.id)
    .order_by(tables.deliveries.c.id)
)

DELIVERIES_MAX = 2_000
"""Of one batch, which is one transaction: an item is locked, read and written once for all."""
DELIVERIES_MAX_ON_SQLITE = 1_000
"""There whoever else would write waits for it."""
FEW_DELIVERIES = 100
"""So many keep the next sale waiting for no longer than reconciling them by itself would."""


async def intake(engine: Engine, held: Claim) -> Instant | Finished | None:
    """Apply what waits on one channel. Returns when to look again.

    What a few deliveries change is looked at with them: the pushes that follow from a sale are
    planned when it is committed. A backlog is counted first, and looked at afterwards.
    """
    running = engine.channels.get(held.key)
    if running is None or not isinstance(running.channel, ReceivesWebhooks | PullsDeliveries):
        return None
    async with engine.database.write() as tx:
        now = engine.now()
        await require_lease(tx, held, now=now)
        # Not before it is our turn to write: what came in meanwhile need not wait for the next.
        most = DELIVERIES_MAX_ON_SQLITE if engine.database.is_sqlite else DELIVERIES_MAX
        rows = await _pending(tx, running.name, most)
        if not rows:
            return await finish_here(tx, held)
        engine.tracing.link([cause for *_, trace in rows if trace for cause in read_causes(trace)])
        parsed, bad = _parse_all(running.channel, rows)
        joined = _joined(parsed)
        for delivery_id, reason in bad:
            await _bury(tx, running.name, delivery_id, reason, now)
        await _take_out(tx, running.name, [delivery_id for delivery_id, *_ in rows])
        # Counts first: what was sold before one is no part of it any more.
        await apply_counts(tx, running.name, joined.counts, now=now)
        await apply_parsed(tx, running.name, joined, now=now)
        if len(rows) <= FEW_DELIVERIES:
            await reconcile_marked(engine, tx, now=now)
        again_at = now if len(rows) == most else None
        return await finish_here(tx, held, again_at=again_at)


async def _pending(tx: AsyncConnection, channel: str, most: int) -> Sequence[Any]:
    return (await tx.execute(_PENDING, {"channel": channel, "most": most})).all()


async def _take_out(tx: AsyncConnection, channel: str, delivery_ids: Sequence[int]) -> None:
    inbox = tables.inbox
    theirs = sa.and_(inbox.c.channel == channel, among(tx, inbox.c.delivery_id, delivery_ids))
    await tx.execute(sa.delete(inbox).where(theirs))


def _parse_all(
    door: ReceivesWebhooks | PullsDeliveries, rows: Sequence[Any]
) -> tuple[list[Parsed], list[tuple[int, str]]]:
    """What the deliveries say, and those that say nothing we understand."""
    told: list[tuple[int, Parsed]] = []
    bad: list[tuple[int, str]] = []
    parse = door.parse
    for delivery_id, dedupe_key, topic, reduced, _ in rows:
        try:
            news = parse(Delivery(dedupe_key=dedupe_key, topic=topic, reduced=reduced))
        except BadDelivery as error:
            bad.append((delivery_id, str(error)))
        else:
            told.append((delivery_id, news))
    told, beyond = _holdable(told)
    return [news for _, news in told], [*bad, *beyond]


def _holdable(
    told: list[tuple[int, Parsed]],
) -> tuple[list[tuple[int, Parsed]], list[tuple[int, str]]]:
    """Those that the store can hold, and those that it cannot: mostly one look finds none."""
    try:
        require_holdable(_joined([news for _, news in told]))
    except BadDelivery:
        good, bad = [], []
        for delivery_id, news in told:
            try:
                require_holdable(news)
                good.append((delivery_id, news))
            except BadDelivery as error:
                bad.append((delivery_id, str(error)))
        return good, bad
    return told, []


async def _bury(
    tx: AsyncConnection, channel: str, delivery_id: int, reason: str, now: Instant
) -> None:
    """Set a delivery aside, so that it does not block its neighbours; polling finds its order."""
    await tx.execute(
        sa.insert(tables.dead_letters).values(
            kind="delivery",
            reference=str(delivery_id),
            channel=channel,
            reason=reason[:500],
            created_at=now,
        )
    )
    subject = f"delivery/{delivery_id}"
    await raise_alarm(tx, "dead_letter", subject, reason, now=now, channel=channel)


def _joined(parsed: Sequence[Parsed]) -> Parsed:
    looks = [one.look_at for one in parsed if one.look_at is not None]
    every = chain.from_iterable
    return Parsed(
        facts=tuple(every(one.facts for one in parsed)),
        voids=tuple(every(one.voids for one in parsed)),
        counts=tuple(every(one.counts for one in parsed)),
        sequences=tuple(every(one.sequences for one in parsed)),
        notices=tuple(every(one.notices for one in parsed)),
        look_at=LookAt(
            orders=tuple(every(look.orders for look in looks)),
            listings=tuple(every(look.listings for look in looks)),
            shown=tuple(every(look.shown for look in looks)),
            tickets=tuple(every(look.tickets for look in looks)),
            catalogue=any(look.catalogue for look in looks),
            subscriptions=any(look.subscriptions for look in looks),
            feed=any(look.feed for look in looks),
        ),
    )


async def apply_parsed(tx: AsyncConnection, channel: str, parsed: Parsed, *, now: Instant) -> None:
    """What a batch of deliveries says, counts excepted, in the caller's transaction."""
    await apply_orders(tx, channel, parsed.facts, parsed.voids, now=now)
    await hear_sequences(tx, channel, parsed.sequences, now=now)
    if parsed.look_at is not None:
        await look(tx, channel, parsed.look_at, now=now)
    for notice in parsed.notices:
        await raise_alarm(tx, "channel_notice", channel, notice.message, now=now, channel=channel)
        if notice.stop:
            await tx.execute(
                sa.update(tables.channels)
                .where(tables.channels.c.name == channel)
                .values(paused_reason=notice.message)
            )
