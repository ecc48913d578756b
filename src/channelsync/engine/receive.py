"""Deliveries: stored before they are acknowledged (`inbox`), applied here, each exactly once."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import sqlalchemy as sa
import structlog
from sqlalchemy.ext.asyncio import AsyncConnection

from channelsync.domain.vocabulary import Instant
from channelsync.engine.alarms import raise_alarm
from channelsync.engine.core import Engine
from channelsync.engine.intake import apply_orders
from channelsync.engine.poll import fetch_key
from channelsync.engine.registers import hear_sequences
from channelsync.engine.settle import request_drift_check
from channelsync.engine.till_counts import apply_counts
from channelsync.engine.work import Claim, WorkKind, mark, mark_many, require_lease
from channelsync.sdk.connector import ReceivesWebhooks
from channelsync.sdk.errors import BadDelivery
from channelsync.sdk.types import Delivery, LookAt, Parsed, ShownQuantity
from channelsync.store import tables

__all__ = ["apply_parsed", "intake"]

_log = structlog.get_logger("channelsync.intake")

DELIVERIES_MAX = 200
ECHO_SECONDS = 10.0
"""How far a channel's clock and ours may differ when it tells what it showed."""


async def intake(engine: Engine, held: Claim) -> Instant | None:
    """Apply what waits on one channel. Returns when to look again."""
    running = engine.channels.get(held.key)
    if running is None or not isinstance(running.channel, ReceivesWebhooks):
        return None
    async with engine.database.read() as connection:
        rows = await _pending(connection, running.name)
    if not rows:
        return None
    parsed, bad = _parse_all(running.channel, rows)
    joined = _joined(parsed)
    # Counts first: a repetition after a crash finds them in the books and changes nothing.
    await apply_counts(engine, running.name, joined.counts)
    async with engine.database.write() as tx:
        now = engine.now()
        await require_lease(tx, held, now=now)
        for delivery_id, reason in bad:
            await _bury(tx, running.name, delivery_id, reason, now)
        await apply_parsed(tx, running.name, joined, now=now)
        await tx.execute(
            sa.update(tables.deliveries)
            .where(tables.deliveries.c.id.in_([row.id for row in rows]))
            .values(done_at=now)
        )
    return engine.now() if len(rows) == DELIVERIES_MAX else None


async def _pending(tx: AsyncConnection, channel: str) -> Sequence[Any]:
    deliveries = tables.deliveries
    query = (
        sa.select(deliveries)
        .where(deliveries.c.channel == channel, deliveries.c.done_at.is_(None))
        .order_by(deliveries.c.id)
        .limit(DELIVERIES_MAX)
    )
    return (await tx.execute(query)).all()


def _parse_all(
    door: ReceivesWebhooks, rows: Sequence[Any]
) -> tuple[list[Parsed], list[tuple[int, str]]]:
    """What the deliveries say, and those that say nothing we understand."""
    parsed, bad = [], []
    for row in rows:
        delivery = Delivery(dedupe_key=row.dedupe_key, topic=row.topic, reduced=row.reduced)
        try:
            parsed.append(door.parse(delivery))
        except BadDelivery as error:
            bad.append((row.id, str(error)))
    return parsed, bad


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
    return Parsed(
        facts=tuple(fact for one in parsed for fact in one.facts),
        voids=tuple(void for one in parsed for void in one.voids),
        counts=tuple(count for one in parsed for count in one.counts),
        sequences=tuple(sequence for one in parsed for sequence in one.sequences),
        notices=tuple(notice for one in parsed for notice in one.notices),
        look_at=LookAt(
            orders=tuple(order for look in looks for order in look.orders),
            listings=tuple(listing for look in looks for listing in look.listings),
            shown=tuple(shown for look in looks for shown in look.shown),
            catalogue=any(look.catalogue for look in looks),
            subscriptions=any(look.subscriptions for look in looks),
        ),
    )


async def apply_parsed(tx: AsyncConnection, channel: str, parsed: Parsed, *, now: Instant) -> None:
    """What a batch of deliveries says, counts excepted, in the caller's transaction."""
    await apply_orders(tx, channel, parsed.facts, parsed.voids, now=now)
    await hear_sequences(tx, channel, parsed.sequences, now=now)
    if parsed.look_at is not None:
        await _look(tx, channel, parsed.look_at, now)
    for notice in parsed.notices:
        await raise_alarm(tx, "channel_notice", channel, notice.message, now=now, channel=channel)
        if notice.stop:
            await tx.execute(
                sa.update(tables.channels)
                .where(tables.channels.c.name == channel)
                .values(paused_reason=notice.message)
            )


async def _look(tx: AsyncConnection, channel: str, look: LookAt, now: Instant) -> None:
    keys = sorted({fetch_key(channel, order_id) for order_id in look.orders})
    await mark_many(tx, WorkKind.FETCH, keys, not_before=now)
    if look.catalogue:
        await mark(tx, WorkKind.DISCOVER, channel, not_before=now)
    if look.subscriptions:
        await mark(tx, WorkKind.SUBSCRIBE, channel, not_before=now)
    suspects: set[int] = set()
    for rows in await _matching(tx, channel, look.listings):
        suspects.update(row.id for row in rows)
    told = await _matching(tx, channel, [shown.external for shown in look.shown])
    for shown, rows in zip(look.shown, told, strict=True):
        for row in rows:
            if await _contradicts(tx, row, shown):
                suspects.add(row.id)
    if suspects:
        await request_drift_check(tx, channel, suspects, now=now)


async def _contradicts(tx: AsyncConnection, row: Any, shown: ShownQuantity) -> bool:
    """Whether the counter showed more than the books have held since a little before then."""
    if row.exposure is None or shown.quantity <= row.exposure:
        return False
    moved = tables.movements
    lowered = sa.select(sa.func.coalesce(sa.func.sum(moved.c.delta), 0)).where(
        moved.c.listing_id == row.id, moved.c.at >= shown.at - ECHO_SECONDS, moved.c.delta < 0
    )
    held = row.exposure - int((await tx.execute(lowered)).scalar_one())
    return bool(shown.quantity > held)


async def _matching(
    tx: AsyncConnection, channel: str, externals: Sequence[Mapping[str, str]]
) -> list[list[Any]]:
    """For each set of the channel's identifiers, the listings that carry all of them.

    One statement for every identifier in use, however many deliveries name it: each is a pass over
    the channel's listings.
    """
    listings = tables.listings
    columns = sa.select(listings.c.id, listings.c.exposure, listings.c.external)
    found: dict[tuple[str, str], list[Any]] = {}
    for name in sorted({_first(external)[0] for external in externals}):
        values = {one[name] for one in externals if _first(one)[0] == name}
        carried = listings.c.external[name].as_string()
        query = columns.where(listings.c.channel == channel, carried.in_(sorted(values)))
        for row in await tx.execute(query):
            found.setdefault((name, row.external[name]), []).append(row)
    return [
        [row for row in found.get(_first(one), ()) if one.items() <= row.external.items()]
        for one in externals
    ]


def _first(external: Mapping[str, str]) -> tuple[str, str]:
    """The identifier that a set is looked up by; the others are compared."""
    return min(external.items())
