"""Publish: charged pushes become requests, requests become attempts, attempts become outcomes.

One publisher a channel at a time, by lease. A request's key and bytes are committed before the
first copy leaves, and so is every attempt; what the books must charge for a copy is charged in
that same transaction. Immediately before writing, the sender checks its lease and the attempt's
deadline: a sender that was stalled sends nothing.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, Final

import sqlalchemy as sa
import structlog
from sqlalchemy.ext.asyncio import AsyncConnection

from channelsync.domain.escrow import (
    Outcome,
    Push,
    give_up,
    may_retry,
    start_attempt,
)
from channelsync.domain.vocabulary import Instant, PushKind
from channelsync.engine.attempts import Sending, finish_request, record
from channelsync.engine.core import Engine
from channelsync.engine.ends import Finished, finish_here
from channelsync.engine.follow import follow, hand_over, next_look, ticket_of
from channelsync.engine.grants import Grants, Listing, PushNote
from channelsync.engine.listings import takeable_for
from channelsync.engine.waiting import due_requests, planned, what_waits
from channelsync.engine.work import (
    Claim,
    WorkKind,
    mark,
    mark_items,
    require_lease,
)
from channelsync.ports import RunningChannel
from channelsync.sdk.connector import Pushes
from channelsync.sdk.errors import ConnectorError
from channelsync.sdk.types import Change, ChangeResult, PushRequest
from channelsync.store import tables
from channelsync.store.tables import MovementKind
from channelsync.tracing import Cause, SpanKind, meeting, read_causes

__all__ = ["publish"]

_log = structlog.get_logger("channelsync.publish")

_MODE: Final = sa.select(tables.channels.c.mode, tables.channels.c.paused_reason).where(
    tables.channels.c.name == sa.bindparam("channel")
)
_ADD_REQUEST: Final = sa.insert(tables.requests)
_ADD_ATTEMPT: Final = sa.insert(tables.attempts)

SEND_WITHIN_SECONDS = 10.0
"""An attempt that has not begun to write this long after its commit is never written."""
COPIES_MAX = 12
LEASE_SECONDS_LEFT = 30.0
"""A slow channel's next request begins under a fresh lease."""
REQUESTS_MAX = 8
"""Of one call: giving the lease back and taking it again would cost two turns of the writer, and
whoever stops the process waits for the call."""


async def publish(engine: Engine, held: Claim) -> Instant | Finished | None:
    """Send what waits on one channel, a few requests a call. Returns when to look again."""
    running = engine.channels.get(held.key)
    if running is None or not isinstance(running.channel, Pushes):
        return None
    await follow(engine, held, running)
    for _ in range(REQUESTS_MAX):
        # Before the request is composed, so that what is planned until it may leave goes with it.
        await running.room()
        done = await _send_one(engine, held, running)
        if not isinstance(done, Sending):
            return done
        if engine.now() > held.lease_until - LEASE_SECONDS_LEFT:
            break
    return engine.now()


async def _send_one(
    engine: Engine, held: Claim, running: RunningChannel
) -> Sending | Instant | Finished | None:
    """Send the next copy and return it; where there is none, return what ends the run."""
    sending: Sending | None = None
    try:
        async with engine.database.write() as tx:
            now = engine.now()
            await require_lease(tx, held, now=now)
            if not await _may_send(tx, running.name):
                again_at = await next_look(tx, running)
                return await finish_here(tx, held, again_at=again_at)
            sending = await _next_copy(engine, tx, running, now)
            if sending is None:
                _, again_at = await what_waits(tx, running)
                return await finish_here(tx, held, again_at=again_at)
            # From before the commit on: its end is ours to record.
            engine.sending.add(sending.request_id)
        results = await _send(engine, held, running, sending)
        # Whatever the database is up to, the answer must not be lost for want of a second try.
        sent = sending
        return await engine.database.transact(
            lambda tx: _note_end(engine, tx, held, running, sent, results)
        )
    finally:
        if sending is not None:
            engine.sending.discard(sending.request_id)


async def _note_end(
    engine: Engine,
    tx: AsyncConnection,
    held: Claim,
    running: RunningChannel,
    sending: Sending,
    results: Sequence[ChangeResult],
) -> Sending | Instant | Finished | None:
    """What the copy's answer says, or that the channel is to be asked for it later.

    Returns the copy; where nothing waits for the next, what ends the run.
    """
    ticket = ticket_of(results)
    if ticket is None:
        await record(engine, tx, running, sending, results)
    else:
        await hand_over(tx, sending, ticket, now=engine.now())
    is_more, again_at = await what_waits(tx, running)
    if is_more or (again_at is not None and again_at <= engine.now()):
        return sending
    return await finish_here(tx, held, again_at=again_at)


async def _may_send(tx: AsyncConnection, channel: str) -> bool:
    row = (await tx.execute(_MODE, {"channel": channel})).one_or_none()
    return row is not None and row.mode == "live" and row.paused_reason is None


# ------------------------------------------------------------------ choosing and committing a copy


async def _next_copy(
    engine: Engine, tx: AsyncConnection, running: RunningChannel, now: Instant
) -> Sending | None:
    """Commit one more copy of a waiting request, or the first of a new one."""
    for row in await due_requests(tx, running, now=now):
        sending = await _another_copy(engine, tx, running, row, now)
        if sending is not None:
            return sending
    return await _new_request(engine, tx, running, now)


async def _another_copy(
    engine: Engine, tx: AsyncConnection, running: RunningChannel, row: Any, now: Instant
) -> Sending | None:
    """The same bytes again, if every push they carry is still open and may be sent.

    A settle may have closed one of them: its exposure no longer covers the change, so these bytes
    must never leave again.
    """
    pushes = tables.pushes
    carried = (await tx.execute(sa.select(pushes).where(pushes.c.request_id == row.id))).all()
    grants = Grants(tx, now, f"push:{running.name}")
    await grants.load(push.listing_id for push in carried)
    if not await _all_may_leave(engine, tx, grants, carried, now):
        for push in carried:
            listing = grants[push.listing_id]
            if _is_current(listing, push.id):
                note = PushNote(result="given up", reason="no further copy may be sent")
                grants.put(listing.id, give_up(listing.grant), MovementKind.UNCHARGE, note=note)
        await grants.flush()
        await finish_request(tx, row.id)
        items = {item for listing in grants.all() for item in listing.recipe}
        await mark_items(tx, items, now)
        await mark(tx, WorkKind.SETTLE, running.name, not_before=now)
        return None
    request = PushRequest(
        key=row.key,
        body=row.body,
        push_ids=tuple(push.id for push in carried),
        operation=row.operation,
    )
    return await _commit_copy(engine, tx, grants, carried, row.id, request, now)


async def _all_may_leave(
    engine: Engine, tx: AsyncConnection, grants: Grants, carried: Sequence[Any], now: Instant
) -> bool:
    for push in carried:
        listing = grants[push.listing_id]
        if not _is_current(listing, push.id) or push.copies >= COPIES_MAX:
            return False
        takeable = await _takeable_for_copy(engine, tx, grants, listing)
        if not may_retry(listing.grant, now=now, takeable=takeable):
            return False
    return bool(carried)


async def _takeable_for_copy(
    engine: Engine, tx: AsyncConnection, grants: Grants, listing: Listing
) -> int:
    """What a copy may still charge: only further copies of an absolute set charge anything."""
    push = listing.grant.push
    if push is None or push.kind is not PushKind.SET or push.copies == 0:
        return 0
    return await takeable_for(engine, tx, grants, listing)


async def _new_request(
    engine: Engine, tx: AsyncConnection, running: RunningChannel, now: Instant
) -> Sending | None:
    waiting = await planned(tx, running)
    if not waiting:
        return None
    # One request is of one form: comparing or not.
    form = waiting[0].compare_with is None
    chosen = [push for push in waiting if (push.compare_with is None) is form]
    grants = Grants(tx, now, f"push:{running.name}")
    await grants.load(push.listing_id for push in chosen)
    # Until its item was locked, another process may have withdrawn one and planned its listing
    # anew: the bytes of the one must never leave on the account of the other.
    chosen = [push for push in chosen if _is_current(grants[push.listing_id], push.id)]
    channel = running.channel
    if not chosen or not isinstance(channel, Pushes):
        return None
    changes = [_change(push, grants[push.listing_id]) for push in chosen]
    request = channel.prepare(changes, key=engine.environment.new_id())
    request_id = engine.environment.new_id()
    row = {
        "id": request_id,
        "channel": running.name,
        "operation": request.operation,
        "key": request.key,
        "body": request.body,
        "created_at": now,
        "first_sent_at": now,
    }
    await tx.execute(_ADD_REQUEST, row)
    for push in chosen:
        grants.update(push.listing_id, request_id=request_id)
    return await _commit_copy(engine, tx, grants, chosen, request_id, request, now)


def _is_current(listing: Listing, push_id: str) -> bool:
    return listing.grant.push is not None and listing.grant.push.push_id == push_id


def _change(push: Any, listing: Listing) -> Change:
    return Change(
        push_id=push.id,
        listing=listing.ref,
        kind=PushKind(push.kind),
        units=push.units,
        compare=push.compare_with,
        shown_at=None if listing.remote is None else listing.remote_at,
    )


async def _commit_copy(
    engine: Engine,
    tx: AsyncConnection,
    grants: Grants,
    carried: Iterable[Any],
    request_id: str,
    request: PushRequest,
    now: Instant,
) -> Sending:
    """Account for the copy: charged where it must be, outstanding from now on."""
    leaving: dict[str, tuple[int, Push]] = {}
    causes: dict[Cause, None] = {}
    for row in carried:
        listing = grants[row.listing_id]
        takeable = await _takeable_for_copy(engine, tx, grants, listing)
        grant = start_attempt(listing.grant, now=now, takeable=takeable)
        grants.put(listing.id, grant, MovementKind.CHARGE, reference=row.id)
        grants.update(listing.id, last_push_at=now)
        causes |= dict.fromkeys(read_causes(row.trace))
        if grant.push is not None:
            leaving[row.id] = (listing.id, grant.push)
    await grants.flush()
    # To account for a large request takes seconds itself.
    deadline = engine.now() + SEND_WITHIN_SECONDS
    attempt = {
        "request_id": request_id,
        "started_at": now,
        "deadline": deadline,
        "owner": engine.environment.owner,
    }
    result = await tx.execute(_ADD_ATTEMPT, attempt)
    key = result.inserted_primary_key
    if key is None:  # pragma: no cover - every supported engine returns it
        raise LookupError("the store returned no attempt id")
    return Sending(
        attempt_id=key[0],
        request_id=request_id,
        request=request,
        deadline=deadline,
        pushes=leaving,
        causes=tuple(causes),
    )


# ------------------------------------------------------------------ the copy itself


async def _send(
    engine: Engine, held: Claim, running: RunningChannel, sending: Sending
) -> Sequence[ChangeResult]:
    """Let the bytes go, unless it is too late for them."""
    channel = running.channel
    now = engine.now()
    if now >= min(sending.deadline, held.lease_until) or not isinstance(channel, Pushes):
        return _same_for_all(sending, Outcome.UNSENT, "the send deadline had passed")
    if not engine.presence.held:
        return _same_for_all(sending, Outcome.UNSENT, "the other processes cannot see this one")
    said: dict[str, str | int] = {
        "channelsync.channel": running.name,
        "channelsync.operation": sending.request.operation,
        "channelsync.pushes": len(sending.pushes),
    }
    with engine.tracing.span(
        "attempt", SpanKind.INTERNAL, causes=meeting(sending.causes), attributes=said
    ) as span:
        try:
            results = await channel.push(sending.request)
        except ConnectorError as error:
            # A connector raises only before a byte has left.
            results = _same_for_all(sending, Outcome.UNSENT, str(error))
        span.note("channelsync.outcome", ",".join(sorted({one.outcome for one in results})))
    return results


def _same_for_all(sending: Sending, outcome: Outcome, reason: str) -> list[ChangeResult]:
    return [
        ChangeResult(push_id=push_id, outcome=outcome, reason=reason)
        for push_id in sending.request.push_ids
    ]
