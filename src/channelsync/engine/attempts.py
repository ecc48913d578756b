"""Attempts: what one copy of a request was, and what its end means for the books."""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import sqlalchemy as sa
import structlog
from sqlalchemy.ext.asyncio import AsyncConnection

from channelsync.domain.escrow import Grant, Outcome, Push, finish_attempt
from channelsync.domain.vocabulary import Instant, PushKind, PushSemantics
from channelsync.engine.core import Engine, limits_of
from channelsync.engine.grants import Grants, Listing, PushNote
from channelsync.engine.listings import refuse_listing
from channelsync.engine.measure import note_taken
from channelsync.engine.work import WorkKind, mark, mark_items
from channelsync.ports import RunningChannel
from channelsync.sdk.types import ChangeResult, PushRequest
from channelsync.store import tables
from channelsync.store.many import updating
from channelsync.store.tables import MovementKind
from channelsync.tracing import Cause

__all__ = ["Sending", "finish_request", "push_as_sent", "record"]

_log = structlog.get_logger("channelsync.publish")

_ENDED_AT: Final = (
    sa.select(tables.attempts.c.ended_at)
    .where(tables.attempts.c.id == sa.bindparam("attempt_id"))
    .with_for_update()
)
_END: Final = updating(tables.attempts, "ended_at", "outcome", "detail")
_FINISH: Final = updating(tables.requests, "done")

RETRY_SECONDS_FIRST = 1.0
RETRY_SECONDS_MAX = 300.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Sending:
    """One copy, committed and about to leave."""

    attempt_id: int
    request_id: str
    request: PushRequest
    deadline: Instant
    pushes: Mapping[str, tuple[int, Push]]
    """Listing id and push by push id, as they were when the copy left."""
    causes: tuple[Cause, ...] = ()
    """What the pushes come of."""


def push_as_sent(row: Any) -> Push:
    """The push of a stored row, as far as the end of an attempt asks for it."""
    return Push(
        push_id=row.id,
        kind=PushKind(row.kind),
        units=row.units,
        compare=row.compare_with,
        retry_until=row.retry_until,
        charged=row.charged,
        copies=row.copies,
        refused=row.refused,
    )


async def record(
    engine: Engine,
    tx: AsyncConnection,
    running: RunningChannel,
    sending: Sending,
    results: Sequence[ChangeResult],
) -> None:
    """Take the attempt's end into the books; it stays outstanding until this is committed."""
    now = engine.now()
    by_push = {result.push_id: result for result in results}
    grants = Grants(tx, now, f"push:{running.name}")
    await grants.load(listing_id for listing_id, _ in sending.pushes.values())
    if not await _is_ours(tx, sending.attempt_id):
        _log.warning("an answer came after its sender was taken for dead", channel=running.name)
        await mark(tx, WorkKind.SETTLE, running.name, not_before=now)
        return
    for push_id, (listing_id, push) in sorted(sending.pushes.items()):
        missing = ChangeResult(
            push_id=push_id, outcome=Outcome.UNKNOWN, reason="the connector gave no result"
        )
        await _record_one(tx, running, grants, listing_id, push, by_push.get(push_id, missing), now)
    still_open = [
        listing_id
        for push_id, (listing_id, _) in sending.pushes.items()
        if _is_open(grants[listing_id].grant, push_id)
    ]
    await grants.flush()
    sets = {key for key, (_, push) in sending.pushes.items() if push.kind is PushKind.SET}
    await note_taken(tx, [result for result in results if result.push_id in sets], now=now)
    await _end_attempt(tx, running, sending, results, now, retry=bool(still_open))
    if all(result.outcome is Outcome.UNSENT for result in results):
        return
    looked_at = _all_quarantined_until(grants, sending)
    if looked_at is None:
        items = {item for listing in grants.all() for item in listing.recipe}
        await mark_items(tx, items, now)
    await mark(tx, WorkKind.SETTLE, running.name, not_before=looked_at or now)


def _all_quarantined_until(grants: Grants, sending: Sending) -> Instant | None:
    """From when on a read may give back what was cut; None where there is more to do than wait.

    A cut that applied changes neither what is free nor what may be planned beside it, so that its
    items need no look before its quarantine ends.
    """
    until = []
    for push_id, (listing_id, _) in sending.pushes.items():
        push = grants[listing_id].grant.push
        if push is None or push.push_id != push_id or push.release_after is None:
            return None
        until.append(push.release_after)
    return min(until, default=None)


async def _is_ours(tx: AsyncConnection, attempt_id: int) -> bool:
    """Whether nobody has ended the attempt in our place."""
    return (await tx.execute(_ENDED_AT, {"attempt_id": attempt_id})).scalar_one() is None


def _is_open(grant: Grant, push_id: str) -> bool:
    push = grant.push
    return (
        push is not None
        and push.push_id == push_id
        and push.release_after is None
        and not push.closed_to_retry
    )


async def _record_one(
    tx: AsyncConnection,
    running: RunningChannel,
    grants: Grants,
    listing_id: int,
    push: Push,
    result: ChangeResult,
    now: Instant,
) -> None:
    listing = grants[listing_id]
    grant = finish_attempt(listing.grant, push, result.outcome, now=now, limits=limits_of(running))
    if result.stale:
        # The counter moved without our knowing, by a sale as a rule: look before the next push.
        grants.update(listing_id, remote=None)
    note = PushNote(result=result.outcome, reason=result.reason[:300])
    grants.put(listing_id, grant, MovementKind.UNCHARGE, reference=push.push_id, note=note)
    if result.outcome is Outcome.APPLIED:
        shown = _shown_after(listing, push, result)
        grants.update(listing_id, remote=shown, remote_at=now)
    if result.refuse_listing is not None:
        await refuse_listing(tx, listing, result.refuse_listing, now=now)


def _shown_after(listing: Listing, push: Push, result: ChangeResult) -> int | None:
    """What the channel is believed to show now; None where nothing is known."""
    if listing.grant.semantics is PushSemantics.ABSOLUTE:
        return push.units
    if listing.remote is None:
        return result.actual
    return listing.remote + (push.units if push.kind is PushKind.RAISE else -push.units)


async def _end_attempt(
    tx: AsyncConnection,
    running: RunningChannel,
    sending: Sending,
    results: Sequence[ChangeResult],
    now: Instant,
    *,
    retry: bool,
) -> None:
    outcomes = sorted({result.outcome.value for result in results})
    reasons = sorted({result.reason for result in results if result.reason})
    end = {"ended_at": now, "outcome": ",".join(outcomes), "detail": "; ".join(reasons)[:500]}
    await _END.run(tx, [{"id": sending.attempt_id, **end}])
    _log.info("push sent", channel=running.name, changes=len(results), outcome=",".join(outcomes))
    if not retry:
        await finish_request(tx, sending.request_id)
        return
    pause = await _pause(tx, sending, results)
    await tx.execute(
        sa.update(tables.requests)
        .where(tables.requests.c.id == sending.request_id)
        .values(not_before=now + pause)
    )


async def _pause(tx: AsyncConnection, sending: Sending, results: Sequence[ChangeResult]) -> float:
    """How long to leave the request alone.

    Its turn at the channel's rate comes when it comes: nothing has failed, so that nothing is to be
    tried ever more rarely.
    """
    asked = [result.after_seconds for result in results if result.after_seconds is not None]
    if asked and all(result.outcome is Outcome.UNSENT for result in results):
        return max(asked)
    mine = tables.attempts.c.request_id == sending.request_id
    tried = (await tx.execute(sa.select(sa.func.count()).where(mine))).scalar_one()
    return max(*asked, _backoff(tried), 0.0)


def _backoff(tried: int) -> float:
    """Growing pauses with jitter, so that many channels do not come back at once."""
    longest = min(RETRY_SECONDS_FIRST * 2.0 ** min(tried - 1, 16), RETRY_SECONDS_MAX)
    return random.uniform(longest / 2, longest)  # noqa: S311 - jitter is no secret


async def finish_request(tx: AsyncConnection, request_id: str) -> None:
    """No further copy of the request will leave."""
    await _FINISH.run(tx, [{"id": request_id, "done": True}])
