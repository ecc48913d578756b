"""Measure: how late a channel applies what it took in, and how late its orders show.

The guarantee rests on limits that no channel promises in writing, and on our being the only writer.
Both are measured all the time; a listing that contradicts them raises an alarm and is taken off
sale until a read-back proves it again.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection

from channelsync.domain.escrow import ChannelLimits, Reading, SettleReason, UnitsAround
from channelsync.domain.orders import LineEventKind
from channelsync.domain.vocabulary import Enforces, Instant, PushKind, PushSemantics
from channelsync.engine.alarms import SOLD_AGAIN, clear_alarm, raise_alarm
from channelsync.engine.assumptions import record_findings
from channelsync.engine.core import Engine
from channelsync.engine.grants import Grants, Listing
from channelsync.engine.work import Claim, require_lease
from channelsync.ports import RunningChannel
from channelsync.sdk.connector import Reads
from channelsync.sdk.types import (
    Assumption,
    AssumptionFinding,
    ChangeResult,
    Outcome,
    RemoteReading,
)
from channelsync.store import tables

__all__ = [
    "BEYOND_GRANT",
    "LIMITS",
    "Settled",
    "forget_old_alarms",
    "judge",
    "look_for_applied",
    "note_late_orders",
    "note_taken",
]

LOOK_SECONDS_FIRST = 5.0
LOOKS_MAX = 9
"""Doubling pauses: the last look is 21 minutes after the push was taken in."""
LISTINGS_MAX = 100
SUSPECT_SECONDS = 7 * 86_400.0
"""A set that was sent no longer ago may be the one that shows now."""
ALARM_SECONDS = 86_400.0
"""The alarm about a limit that was too short stands so long after the last time."""
BEYOND_GRANT = "beyond_grant"
"""Why an item ran short, as long as nothing more is known of it."""
APPLY_ALARM = "apply_limit_exceeded"
ORDER_ALARM = "order_shown_late"
LIMITS = (Assumption.APPLIES_IN_TIME, Assumption.SOLE_WRITER, Assumption.FEED_COMPLETE)


# ------------------------------------------------------------------ application


async def note_taken(tx: AsyncConnection, results: Sequence[ChangeResult], *, now: Instant) -> None:
    """The channel took these pushes in; from now on they are looked for."""
    pushes = tables.pushes
    for outcome in (Outcome.ACCEPTED, Outcome.APPLIED):
        ids = [one.push_id for one in results if one.outcome is outcome and one.ticket is None]
        values: dict[str, Any] = {"accepted_at": sa.func.coalesce(pushes.c.accepted_at, now)}
        if outcome is Outcome.APPLIED:
            values["seen_at"] = now
        statement = sa.update(pushes).where(
            pushes.c.id.in_(ids), pushes.c.kind == PushKind.SET, pushes.c.seen_at.is_(None)
        )
        if ids:
            await tx.execute(statement.values(values))


def _is_sought(channel: str) -> sa.ColumnElement[bool]:
    """Sets whose application was not seen yet.

    Only a set above what was shown before is seen surely: sales alone never raise a number.
    """
    pushes = tables.pushes.c
    return sa.and_(
        pushes.channel == channel,
        pushes.kind == PushKind.SET,
        pushes.closed_at.is_(None),
        pushes.accepted_at.is_not(None),
        pushes.seen_at.is_(None),
        pushes.shown_before < pushes.units,
        pushes.looks < LOOKS_MAX,
    )


_ASKED_AGAIN = frozenset({SettleReason.EXCESS, SettleReason.DOUBTFUL_TIMES})
"""An excess asks where its units came from; a settle that had doubts leaves the question."""
_DUE_AT: sa.ColumnElement[Instant] = tables.pushes.c.accepted_at + LOOK_SECONDS_FIRST * (
    sa.literal(1).bitwise_lshift(tables.pushes.c.looks)
)


async def look_for_applied(engine: Engine, held: Claim, running: RunningChannel) -> Instant | None:
    """Look at what should have been applied by now. Returns when to look again.

    Nothing of the books rests on these looks: they measure.
    """
    channel, pushes = running.channel, tables.pushes.c
    if not isinstance(channel, Reads):
        return None
    query = sa.select(pushes.id, pushes.listing_id, pushes.shown_before)
    query = query.where(_is_sought(running.name), engine.now() >= _DUE_AT)
    async with engine.database.read() as connection:
        due = (
            await connection.execute(query.order_by(pushes.accepted_at).limit(LISTINGS_MAX))
        ).all()
        grants = Grants(connection, engine.now(), f"measure:{running.name}")
        await grants.load(one.listing_id for one in due)
    if due:
        readings = await channel.read([grants[one.listing_id].ref for one in due])
        shown = {one.listing_id: one for one in readings if one.quantity is not None}
        async with engine.database.write() as tx:
            await require_lease(tx, held, now=engine.now())
            await _note_looks(tx, due, shown)
    following = sa.select(sa.func.min(_DUE_AT)).where(_is_sought(running.name))
    async with engine.database.read() as connection:
        look_again: Instant | None = (await connection.execute(following)).scalar()
    return look_again


async def _note_looks(
    tx: AsyncConnection, due: Sequence[Any], shown: Mapping[str, RemoteReading]
) -> None:
    pushes = tables.pushes.c
    looked = []
    for one in due:
        reading = shown.get(str(one.listing_id))
        above = reading is not None and (reading.quantity or 0) > one.shown_before
        seen_at = reading.received_at if reading is not None and above else None
        looked.append({"push_id": one.id, "seen": seen_at})
    statement = sa.update(tables.pushes).where(pushes.id == sa.bindparam("push_id"))
    await tx.execute(statement.values(looks=pushes.looks + 1, seen_at=sa.bindparam("seen")), looked)


# ------------------------------------------------------------------ judging a settle


@dataclass(frozen=True, slots=True, kw_only=True)
class Settled:
    """A listing as it was before a settle, and what settled it."""

    listing: Listing
    reading: Reading
    around: UnitsAround


async def judge(
    tx: AsyncConnection,
    running: RunningChannel,
    settles: Sequence[Settled],
    *,
    limits: ChannelLimits,
    now: Instant,
) -> None:
    """What settles say of the assumptions of listings.

    More units than the books held, and than cancels explain, were put there by a write that applied
    late or twice, or by somebody else; so were units sold beyond the grant where the counter did
    not fall alike. A settle without such a surprise proves the listing again; what it had sold
    beyond its grant were units that cancels had put back, where so many were heard of since.
    """
    strict = running.manifest.enforces is Enforces.STRICT
    proven: list[int] = []
    for one in settles:
        surplus = await _surplus(tx, one)
        beyond = 0 if surplus else await _asked_about(tx, one, strict=strict)
        if surplus := surplus or _sold_surplus(one, beyond):
            await _blame(tx, one, surplus, limits, now)
            continue
        proven.append(one.listing.id)
        if beyond and one.reading.quantity >= 0:
            await _explain(tx, one.listing, beyond)
    await _prove_again(tx, running.name, proven, now)


async def _surplus(tx: AsyncConnection, one: Settled) -> int:
    """Units that it shows and that nothing in the books explains."""
    held = one.around.exposure_at_read
    if held is None or one.reading.quantity <= held + one.around.relisted_after:
        return 0
    back = one.around.relisted_after + await _put_back(tx, one.listing.id, one.reading.sent_at)
    return max(one.reading.quantity - held - back, 0)


async def _asked_about(tx: AsyncConnection, one: Settled, *, strict: bool) -> int:
    """Units sold beyond the grant of which the reading tells where they came from.

    A till that sells whatever is in the buyer's hand goes below 0 by as much, or stays at 0.
    """
    if not one.listing.grant.settle_reasons & _ASKED_AGAIN or one.around.doubtful:
        return 0
    if not strict and one.reading.quantity == 0:
        return 0
    return await _sold_beyond(tx, one.listing)


def _sold_surplus(one: Settled, beyond: int) -> int:
    """Of units sold beyond the grant, those that the counter had and the books had not."""
    around = one.around
    shown = one.reading.quantity - around.sold_after + around.relisted_after
    return min(max(shown - (one.listing.grant.exposure or 0) + beyond, 0), beyond)


def _beyond_grant(listing: Listing) -> sa.ColumnElement[bool]:
    """Shortfalls of a listing whose cause nobody knows yet, since its last settle without doubt.

    One with doubts says nothing of them: the next one has to.
    """
    shortfalls = tables.shortfalls
    return sa.and_(
        shortfalls.c.listing_id == listing.id,
        shortfalls.c.cause == BEYOND_GRANT,
        shortfalls.c.at >= (listing.proven_at or 0.0),
    )


async def _sold_beyond(tx: AsyncConnection, listing: Listing) -> int:
    """In listing units, since the last settle without doubt."""
    item_id, units = min(listing.recipe.items())
    shortfalls = tables.shortfalls
    query = sa.select(sa.func.coalesce(sa.func.sum(shortfalls.c.units), 0)).where(
        _beyond_grant(listing), shortfalls.c.item_id == item_id
    )
    return int((await tx.execute(query)).scalar_one()) // units


async def _blame(
    tx: AsyncConnection, one: Settled, surplus: int, limits: ChannelLimits, now: Instant
) -> None:
    listing = one.listing
    surprise = (
        f"it shows {one.reading.quantity} where the books allow {one.around.exposure_at_read}"
        if one.reading.quantity > (one.around.exposure_at_read or 0)
        else f"it sold {surplus} more than it was granted"
    )
    late = await _late_write(tx, one, surplus, now)
    assumption = Assumption.SOLE_WRITER if late is None else Assumption.APPLIES_IN_TIME
    why = f"{surprise}: somebody else wrote it"
    if late is not None:
        why = (
            f"{surprise}: a write of {now - late:.0f} s ago applied after the limit of"
            f" {limits.apply_limit_seconds:g} s, or twice; set a longer apply_limit_seconds"
        )
        message, subject = f"{listing.sku}: {why}", listing.channel
        await raise_alarm(tx, APPLY_ALARM, subject, message, now=now, channel=listing.channel)
    # What was seen first stays; why it could happen is added.
    both = tables.shortfalls.c.cause + f": {assumption.value}"
    await tx.execute(sa.update(tables.shortfalls).where(_beyond_grant(listing)).values(cause=both))
    await _record(tx, listing.channel, listing.id, assumption, why, now)


async def _explain(tx: AsyncConnection, listing: Listing, beyond: int) -> None:
    """Units put back before they were sold, and heard of only after that, are short of nothing."""
    short = _beyond_grant(listing)
    first = sa.select(sa.func.min(tables.shortfalls.c.at)).where(short)
    began: Instant = (await tx.execute(first)).scalar_one()
    if await _put_back(tx, listing.id, began) >= beyond:
        await tx.execute(sa.update(tables.shortfalls).where(short).values(cause=SOLD_AGAIN))


async def _put_back(tx: AsyncConnection, listing_id: int, since: Instant) -> int:
    """Units that cancels had put on the counter, of which we heard only since then."""
    events = tables.line_events
    query = sa.select(sa.func.coalesce(sa.func.sum(events.c.units), 0)).where(
        events.c.listing_id == listing_id,
        events.c.kind != LineEventKind.SALE,
        events.c.heard_at >= since,
    )
    return int((await tx.execute(query)).scalar_one())


async def _late_write(
    tx: AsyncConnection, one: Settled, surplus: int, now: Instant
) -> Instant | None:
    """When the latest write of ours was opened that could have done it; None: there is none.

    A set puts there what it says. A raise adds as much as it says, and its own answer proves that
    it came once: only one that was sent again, or was never answered, may have come late or twice.
    """
    pushes = tables.pushes
    absolute = one.listing.grant.semantics is PushSemantics.ABSOLUTE
    query = sa.select(sa.func.max(pushes.c.opened_at)).where(
        pushes.c.listing_id == one.listing.id,
        pushes.c.copies > 0,
        pushes.c.units >= (max(one.reading.quantity, surplus) if absolute else surplus),
        pushes.c.opened_at > now - SUSPECT_SECONDS,
        pushes.c.kind == (PushKind.SET if absolute else PushKind.RAISE),
    )
    if not absolute:
        query = query.where(sa.or_(pushes.c.copies > 1, pushes.c.result == "settled"))
    opened_at: Instant | None = (await tx.execute(query)).scalar()
    return opened_at


async def _record(
    tx: AsyncConnection,
    channel: str,
    listing_id: int,
    assumption: Assumption,
    why: str,
    now: Instant,
) -> None:
    finding = AssumptionFinding(
        assumption=assumption, holds=not why, why=why, listing_id=str(listing_id)
    )
    await record_findings(tx, channel, [finding], now=now)


async def _prove_again(
    tx: AsyncConnection, channel: str, listing_ids: Sequence[int], now: Instant
) -> None:
    known = tables.assumptions
    query = sa.select(known.c.listing_id, known.c.assumption).where(
        known.c.channel == channel,
        known.c.listing_id.in_(listing_ids),
        known.c.assumption.in_(LIMITS),
        sa.not_(known.c.holds),
    )
    for listing_id, assumption in (await tx.execute(query)).all() if listing_ids else ():
        await _record(tx, channel, listing_id, Assumption(assumption), "", now)


# ------------------------------------------------------------------ orders


async def note_late_orders(
    tx: AsyncConnection,
    grants: Grants,
    channel: str,
    rows: Sequence[Any],
    *,
    watermark: Instant | None,
    now: Instant,
) -> set[tuple[str, str]]:
    """Orders first heard of now whose counter moved before every order was thought counted.

    A line that an edit adds to an order moved the counter later than the order tells: of those,
    only the lines of orders that are new to us. Returns the lines that showed late.
    """
    late: set[tuple[str, str]] = set()
    for row in rows if watermark is not None else ():
        listing_id, sold_at = row["listing_id"], row["sold_at"]
        if listing_id is None or sold_at is None or sold_at >= watermark or not row["ordered"]:
            continue
        listing = grants[listing_id]
        if listing.grant.semantics is PushSemantics.LIVE or not row["moves_counter"]:
            continue
        why = (
            f"order {row['order_id']} showed {now - sold_at:.0f} s after it was placed, when every"
            " order of that time was taken as known; set a longer visibility lag"
        )
        await raise_alarm(tx, ORDER_ALARM, channel, why, now=now, channel=channel)
        await _record(tx, channel, listing_id, Assumption.FEED_COMPLETE, why, now)
        late.add((row["order_id"], row["line_id"]))
    return late


async def forget_old_alarms(tx: AsyncConnection, channel: str, *, now: Instant) -> None:
    """Limits that were kept for a day are no longer in doubt."""
    alarms = tables.alarms
    query = sa.select(alarms.c.kind).where(
        alarms.c.kind.in_((APPLY_ALARM, ORDER_ALARM)),
        alarms.c.subject == channel,
        alarms.c.cleared_at.is_(None),
        alarms.c.raised_at < now - ALARM_SECONDS,
    )
    for kind in (await tx.execute(query)).scalars().all():
        await clear_alarm(tx, kind, channel, now=now)
