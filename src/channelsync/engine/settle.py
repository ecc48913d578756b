"""Settle: release proven cuts, prove exposures by read-back, notice drift.

Two steps, each its own transaction, so that nothing is held while the channel answers: first the
readings are taken and stored; then, once every order up to a reading is counted, the exposure is
replaced by what reading and order facts prove. A crash between the two costs a reading.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final

import sqlalchemy as sa
import structlog
from sqlalchemy.ext.asyncio import AsyncConnection

from channelsync.domain.errors import NotSettleable
from channelsync.domain.escrow import (
    ChannelLimits,
    Grant,
    Reading,
    SettleReason,
    UnitsAround,
    check_provable,
    release_cut,
    want_settle,
)
from channelsync.domain.escrow import (
    settle as settle_grant,
)
from channelsync.domain.vocabulary import Instant
from channelsync.engine.assumptions import record_findings
from channelsync.engine.core import Engine, limits_of
from channelsync.engine.evidence import Evidence, load_evidence
from channelsync.engine.grants import Grants, Listing, PushNote
from channelsync.engine.listings import emptied
from channelsync.engine.measure import Settled, judge, look_for_applied
from channelsync.engine.settle_due import Wanted, due_reads
from channelsync.engine.work import (
    Claim,
    WorkKind,
    is_under_way,
    mark,
    mark_items,
    mark_many,
    require_lease,
)
from channelsync.ports import RunningChannel
from channelsync.sdk.connector import Reads
from channelsync.sdk.types import Assumption, AssumptionFinding, RemoteReading
from channelsync.store import tables
from channelsync.store.tables import MovementKind

__all__ = ["settle"]

_Waiting = tuple[Instant, Instant]
"""Up to when orders must be counted for the first and for the last of some readings."""

_log = structlog.get_logger("channelsync.settle")

POLL_SECONDS: Final = 1.0
"""A short poll takes about so long."""
SOON_SHARE: Final = 0.25
"""Readings do not hurry polls nearer to one another than this share of their usual distance."""

# Asked again and again: made once, for making them costs more than running them.
_readings, _listings = tables.readings, tables.listings
_SECONDS: Final = _readings.c.sent_at.type
_OF_CHANNEL: Final = sa.bindparam("_channel", type_=_listings.c.channel.type)
_TRUE_FROM: Final = _readings.c.sent_at - sa.bindparam("_lag", type_=_SECONDS)
_WATERMARK: Final = sa.select(tables.channels.c.watermark).where(
    tables.channels.c.name == _OF_CHANNEL
)
_WAITS_FOR_ORDERS: Final = sa.and_(
    _readings.c.received_at + sa.bindparam("_skew", type_=_SECONDS)
    > sa.bindparam("_watermark", type_=_SECONDS),
    _readings.c.push_seq == _listings.c.push_seq,
    _listings.c.settle_wanted,
    _listings.c.attempts_open == 0,
    sa.func.coalesce(_listings.c.outstanding_until, 0.0) < _TRUE_FROM,
    sa.func.coalesce(_listings.c.lowered_until, 0.0) < _TRUE_FROM,
)
"""Readings of which the columns alone show that they wait for orders to be counted (`_waits`).

There may be very many of them: while a large catalogue is adopted they are read for minutes before
the first can be used.
"""
_JOINED: Final = _readings.join(_listings, _listings.c.id == _readings.c.listing_id)
_FIRST_AND_LAST_WAITING: Final = (
    sa.select(sa.func.min(_readings.c.received_at), sa.func.max(_readings.c.received_at))
    .select_from(_JOINED)
    .where(_listings.c.channel == _OF_CHANNEL, _WAITS_FOR_ORDERS)
)
_USABLE: Final = (
    sa.select(_readings)
    .select_from(_JOINED)
    .where(_listings.c.channel == _OF_CHANNEL, sa.not_(_WAITS_FOR_ORDERS))
    .order_by(_readings.c.listing_id)
)


async def settle(engine: Engine, held: Claim) -> Instant | None:
    """One pass over a channel. Returns when to look again."""
    running = engine.channels.get(held.key)
    if running is None or not isinstance(running.channel, Reads):
        return None
    async with engine.database.write() as tx:
        await require_lease(tx, held, now=engine.now())
        waiting_for = await _use_readings(engine, tx, running)
        ask_at = None
        if waiting_for is not None:
            ask_at = await _ask_for_poll(tx, running, waiting_for, engine.now())
        wanted, later = await due_reads(tx, running, engine.now())
    if wanted:
        await _read(engine, held, running, wanted)
        return engine.now()
    look_at = await look_for_applied(engine, held, running)
    return min((at for at in (ask_at, later, look_at) if at is not None), default=None)


async def _ask_for_poll(
    tx: AsyncConnection, running: RunningChannel, waiting_for: _Waiting, now: Instant
) -> Instant | None:
    """Readings prove nothing before the orders up to them are counted: by a poll, which marks us.

    The first of them is asked for, so that a long row of readings is used while it is still being
    read; the last one, where hurry would not help. Returns when to come back because a poll runs
    now: what is asked of it meanwhile it would do at once.
    """
    columns = tables.channels.c
    query = sa.select(columns.watermark_lag, columns.last_poll_at)
    row = (await tx.execute(query.where(columns.name == running.name))).one()
    polled_at = row.last_poll_at or 0.0
    first, at = waiting_for[0] + row.watermark_lag, waiting_for[1] + row.watermark_lag
    # A channel that applies late takes large batches one after another: what is proven by and by
    # would fill its queue with small ones. And where a poll has run and did not suffice, a line
    # that is not counted holds the watermark back.
    if polled_at < first and running.manifest.confirms_at_once:
        at = min(at, max(first, polled_at + running.poll_interval_seconds * SOON_SHARE))
    # A poll that took longer than the one before it may have stopped a hair short of them.
    fell_short = waiting_for[1] <= polled_at < at
    if at <= now and not fell_short:
        return None
    if await is_under_way(tx, WorkKind.POLL, running.name, now=now):
        return now + POLL_SECONDS
    await mark(tx, WorkKind.POLL, running.name, not_before=max(at, now))
    return None


# ------------------------------------------------------------------ reading


async def _read(
    engine: Engine, held: Claim, running: RunningChannel, wanted: Sequence[Wanted]
) -> None:
    channel = running.channel
    if not isinstance(channel, Reads):  # pragma: no cover - checked at the door
        return
    readings = await channel.read([one.listing.ref for one in wanted])
    sequence = {str(one.listing.id): one.push_seq for one in wanted}
    async with engine.database.write() as tx:
        now = engine.now()
        await require_lease(tx, held, now=now)
        await _store_readings(tx, [r for r in readings if r.listing_id in sequence], sequence)
        await record_findings(tx, running.name, _findings(readings), now=now)


async def _store_readings(
    tx: AsyncConnection, readings: Sequence[RemoteReading], sequence: Mapping[str, int]
) -> None:
    rows = [
        {
            "listing_id": int(reading.listing_id),
            "quantity": reading.quantity,
            "sent_at": reading.sent_at,
            "received_at": reading.received_at,
            "push_seq": sequence[reading.listing_id],
        }
        for reading in readings
        if reading.quantity is not None
    ]
    if rows:
        await _forget(tx, (int(r.listing_id) for r in readings))
        await tx.execute(sa.insert(tables.readings), rows)


def _findings(readings: Iterable[RemoteReading]) -> list[AssumptionFinding]:
    found = []
    for reading in readings:
        found += list(reading.findings)
        found.append(
            AssumptionFinding(
                assumption=Assumption.READS_BACK,
                holds=reading.quantity is not None,
                why="" if reading.quantity is not None else "the channel shows no such counter",
                listing_id=reading.listing_id,
            )
        )
    return found


async def _forget(tx: AsyncConnection, listing_ids: Iterable[int]) -> None:
    await tx.execute(
        sa.delete(tables.readings).where(tables.readings.c.listing_id.in_(sorted(listing_ids)))
    )


# ------------------------------------------------------------------ using readings


async def _use_readings(
    engine: Engine, tx: AsyncConnection, running: RunningChannel
) -> _Waiting | None:
    """Settle or release what the stored readings prove. Returns which of them still wait."""
    now, limits = engine.now(), limits_of(running)
    watermark = await _watermark(tx, running.name)
    given = {
        "_channel": running.name,
        "_watermark": watermark,
        "_skew": limits.clock_skew_seconds,
        "_lag": limits.read_lag_seconds + limits.clock_skew_seconds,
    }
    span = (await tx.execute(_FIRST_AND_LAST_WAITING, given)).one()
    waiting = [at + limits.clock_skew_seconds for at in span if at is not None]
    rows = (await tx.execute(_USABLE, given)).all()
    if not rows:
        return _first_and_last(waiting)
    grants = Grants(tx, now, f"settle:{running.name}")
    await grants.load(row.listing_id for row in rows)
    readings = {row.listing_id: _reading(row) for row in rows}
    usable = {
        listing_id: reading
        for listing_id, reading in readings.items()
        if not _waits(grants[listing_id].grant, reading, watermark, limits)
    }
    evidence = await load_evidence(tx, usable, limits)
    held = {one.id: one.grant.exposure for one in grants.all()}
    done: list[int] = []
    items: set[int] = set()
    settles: list[Settled] = []
    for listing_id, reading in usable.items():
        if _use_one(grants, listing_id, reading, evidence, watermark, limits, now, settles):
            done.append(listing_id)
            items.update(grants[listing_id].recipe)
    searched = emptied(grants, held)
    await grants.flush()
    await judge(tx, running, settles, limits=limits, now=now)
    await _forget(tx, done)
    await mark_items(tx, items, now)
    await mark_many(tx, WorkKind.DISCOVER, sorted(searched), not_before=now)
    waiting += [readings[listing_id].latest(limits) for listing_id in readings.keys() - set(done)]
    return _first_and_last(waiting)


def _first_and_last(waiting: Sequence[Instant]) -> _Waiting | None:
    return (min(waiting), max(waiting)) if waiting else None


def _reading(row: Any) -> Reading:
    return Reading(
        quantity=row.quantity,
        sent_at=row.sent_at,
        received_at=row.received_at,
        push_seq=row.push_seq,
    )


async def _watermark(tx: AsyncConnection, channel: str) -> Instant:
    return (await tx.execute(_WATERMARK, {"_channel": channel})).scalar() or 0.0


def _waits(grant: Grant, reading: Reading, watermark: Instant, limits: ChannelLimits) -> bool:
    """Whether the reading can prove something, but not before more orders are counted."""
    if watermark >= reading.latest(limits) or not _provable(grant, reading, limits):
        return False
    released_by_it = grant.push is not None and grant.push.release_after is not None
    proves = not grant.settled or bool(grant.settle_reasons)
    return proves and not (released_by_it and not grant.settle_reasons)


def _provable(grant: Grant, reading: Reading, limits: ChannelLimits) -> bool:
    """Whether nothing but orders still to be counted keeps the reading from settling.

    What is not provable now never will be: waiting for orders would only put off the next read.
    """
    try:
        check_provable(grant, reading, limits=limits)
    except NotSettleable:
        return False
    return True


def _use_one(
    grants: Grants,
    listing_id: int,
    reading: Reading,
    evidence: Evidence,
    watermark: Instant,
    limits: ChannelLimits,
    now: Instant,
    settles: list[Settled],
) -> bool:
    """Use one reading. Returns whether it is spent (used, or of no use any more)."""
    listing = grants[listing_id]
    grant = listing.grant
    held_back = grant.push is not None and grant.push.release_after is not None
    if held_back and not grant.settle_reasons:
        return _release(grants, listing, reading)
    around = evidence.around(listing, reading, limits)
    shown = {
        "remote": evidence.shown_now(listing_id, reading),
        "remote_at": reading.received_at,
    }
    if grant.settled and not grant.settle_reasons and not _shows_too_much(reading, around):
        grants.update(listing_id, **shown)
        return True
    if watermark < reading.latest(limits):
        if grant.attempts_open or grant.push_seq != reading.push_seq:
            return True
        if _provable(grant, reading, limits):
            return False
    try:
        settled = settle_grant(grant, reading, around, watermark=watermark, limits=limits)
    except NotSettleable:
        grants.update(listing_id, **shown)
        return True
    settles.append(Settled(listing=listing, reading=reading, around=around))
    _note_drift(listing, settled.exposure or 0, reading)
    note = PushNote(result="settled", reason="closed by a settle")
    grants.put(listing_id, settled, MovementKind.SETTLE, note=note)
    span = {"settled_from": reading.earliest(limits), "settled_to": reading.latest(limits)}
    proven_at = listing.proven_at if around.doubtful else now
    grants.update(listing_id, settled_at=now, proven_at=proven_at, **span, **shown)
    return True


def _shows_too_much(reading: Reading, around: UnitsAround) -> bool:
    held = around.exposure_at_read
    return held is not None and max(reading.quantity, 0) > held


def _release(grants: Grants, listing: Listing, reading: Reading) -> bool:
    try:
        released = release_cut(listing.grant, reading)
    except NotSettleable:
        return True
    note = PushNote(result="released", reason="its quarantine is over")
    grants.put(listing.id, released, MovementKind.CUT_RELEASE, note=note)
    return True


def _note_drift(listing: Listing, proven: int, reading: Reading) -> None:
    before = listing.grant.exposure
    if before is not None and proven != before:
        _log.info(
            "exposure settled",
            channel=listing.channel,
            sku=listing.sku,
            was=before,
            proven=proven,
            shown=reading.quantity,
        )


async def request_drift_check(
    tx: AsyncConnection, channel: str, listing_ids: Iterable[int], *, now: Instant
) -> None:
    """Ask for listings to be read and proven, because something contradicts the books."""
    grants = Grants(tx, now, f"settle:{channel}")
    await grants.load(listing_ids)
    for listing in grants.all():
        grant = want_settle(listing.grant, SettleReason.DRIFT)
        grants.put(listing.id, grant, MovementKind.SETTLE)
    await grants.flush()
    await mark(tx, WorkKind.SETTLE, channel, not_before=now)
