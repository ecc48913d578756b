"""Notify: tells people what wants them, each thing once, whatever crashes on the way.

What is to be told is a row, written once for every rule and target. It is marked as being sent, and
committed, before anything leaves; a row that is found so marked was left by a worker that died, and
is sent again with the remark that it may have arrived. So nothing is lost, and what is doubled says
so of itself. Without a rule there is nothing to do, and nothing is done.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

import sqlalchemy as sa
import structlog
from sqlalchemy.ext.asyncio import AsyncConnection

from channelsync.domain.notices import (
    NOTICE_FAILING,
    Happening,
    NoticePolicy,
    NoticeRule,
    concerns,
    worded,
)
from channelsync.domain.vocabulary import Instant
from channelsync.engine.alarms import clear_alarm, raise_alarm
from channelsync.engine.core import Engine
from channelsync.engine.notice_events import happenings, note_short_items, short_items
from channelsync.engine.work import Claim, require_lease
from channelsync.ports import NoticeRefused, NoticeUnanswered, Notifier
from channelsync.store import tables
from channelsync.store.locks import in_parts

__all__ = ["NOTICES_KEY", "Notifying", "Sent", "notify", "recent_notices"]

_log = structlog.get_logger("channelsync.notify")

NOTICES_KEY: Final = "notices"
EVERY_SECONDS: Final = 15.0
LOW_STOCK_EVERY_SECONDS: Final = 300.0
RETRY_SECONDS_FIRST: Final = 60.0
RETRY_SECONDS_MAX: Final = 3_600.0
ATTEMPTS_MAX: Final = 30
"""A day and more; then it is given up, which the standing alarm says."""
SENT_AT_ONCE_MAX: Final = 500
"""Notices of one message; the others make the next one."""

_ROWS: Final = tables.notices
_OPEN: Final = _ROWS.c.ended_at.is_(None)


class _Nobody:
    """Sends nothing, for there is nobody to send to."""

    def names(self) -> tuple[str, ...]:
        """None."""
        return ()

    async def send(self, target: str, title: str, body: str) -> None:
        """Refuse.

        Raises:
            NoticeRefused: always.
        """
        raise NoticeRefused(f"there is no target {target!r}: name it under notifications.targets")


@dataclass(slots=True)
class Notifying:
    """What is told to whom, and how. A changed configuration changes it in place."""

    policy: NoticePolicy = field(default_factory=NoticePolicy)
    notifier: Notifier = field(default_factory=_Nobody)
    _looked_for_low_stock_at: Instant | None = None

    def low_stock_is_due(self, now: Instant) -> bool:
        """Whether stock is to be looked through; says yes once every few minutes."""
        last = self._looked_for_low_stock_at
        if self.policy.low_stock is None or (
            last is not None and 0 <= now - last < LOW_STOCK_EVERY_SECONDS
        ):
            return False
        self._looked_for_low_stock_at = now
        return True


@dataclass(frozen=True, slots=True, kw_only=True)
class Sent:
    """One notice, as people look at it."""

    happened_at: Instant
    rule: str
    target: str
    kind: str
    message: str
    state: str
    """waiting, sending, sent or given_up."""
    attempts: int
    ended_at: Instant | None
    error: str | None


async def notify(engine: Engine, held: Claim, notifying: Notifying) -> Instant | None:
    """Write down what is to be told, then send one message that is due. Returns when to go on."""
    policy = notifying.policy
    if not policy.rules:
        return None
    if notifying.low_stock_is_due(engine.now()):
        await _look_for_low_stock(engine, held, policy)
    await _collect(engine, held, policy)
    now = engine.now()
    if policy.muted_until is not None and now < policy.muted_until:
        return min(now + EVERY_SECONDS, policy.muted_until)
    sent = await _send_one(engine, held, notifying)
    return engine.now() + (0.0 if sent else EVERY_SECONDS)


async def recent_notices(tx: AsyncConnection, limit: int) -> tuple[Sent, ...]:
    """The latest, newest first."""
    rows = await tx.execute(sa.select(_ROWS).order_by(_ROWS.c.id.desc()).limit(limit))
    return tuple(
        Sent(
            happened_at=row.happened_at,
            rule=row.rule,
            target=row.target,
            kind=row.kind,
            message=row.message,
            state=row.state,
            attempts=row.attempts,
            ended_at=row.ended_at,
            error=row.error,
        )
        for row in rows
    )


# ------------------------------------------------------------------ what is to be told


async def _look_for_low_stock(engine: Engine, held: Claim, policy: NoticePolicy) -> None:
    async with engine.database.read() as tx:
        found = await short_items(engine, tx, policy.low_stock or 0)

    async def act(tx: AsyncConnection) -> None:
        await require_lease(tx, held, now=engine.now())
        await note_short_items(tx, found, engine.now())

    await engine.database.transact(act)


async def _collect(engine: Engine, held: Claim, policy: NoticePolicy) -> None:
    """Write a row for every thing, rule and target that has none yet."""
    now = engine.now()
    async with engine.database.read() as tx:
        found = await happenings(tx, now, with_low_stock=policy.low_stock is not None)
        known = await _known(tx, found)
    rows = [
        _row(event, happening, rule, target, now)
        for event, happening in found.items()
        for rule in policy.rules
        if _wants(rule, event, happening, known, now)
        for target in rule.targets
        if (event, rule.name, target) not in known
    ]
    if not rows:
        return

    async def act(tx: AsyncConnection) -> None:
        await require_lease(tx, held, now=engine.now())
        await tx.execute(sa.insert(_ROWS), rows)

    await engine.database.transact(act)


async def _known(tx: AsyncConnection, found: Mapping[str, Happening]) -> set[tuple[str, str, str]]:
    """The rows there are of these events, and of the alarms whose end they are."""
    events = sorted({*found, *(event.removesuffix("/over") for event in found)})
    known: set[tuple[str, str, str]] = set()
    for part in in_parts(events):
        query = sa.select(_ROWS.c.event, _ROWS.c.rule, _ROWS.c.target).where(
            _ROWS.c.event.in_(part)
        )
        known |= {(row.event, row.rule, row.target) for row in await tx.execute(query)}
    return known


def _wants(
    rule: NoticeRule,
    event: str,
    happening: Happening,
    known: set[tuple[str, str, str]],
    now: Instant,
) -> bool:
    if not happening.is_over:
        return concerns(rule, happening, now)
    began = event.removesuffix("/over")
    return rule.tells_ends and any((began, rule.name, one) in known for one in rule.targets)


def _row(
    event: str, happening: Happening, rule: NoticeRule, target: str, now: Instant
) -> dict[str, Any]:
    return {
        "event": event,
        "rule": rule.name,
        "target": target,
        "kind": happening.kind,
        "channel": happening.channel,
        "subject": happening.subject,
        "message": happening.message,
        "is_over": happening.is_over,
        "happened_at": happening.at,
        "created_at": now,
        "due_at": now + rule.digest_seconds,
    }


# ------------------------------------------------------------------ sending


async def _send_one(engine: Engine, held: Claim, notifying: Notifying) -> bool:
    """Send everything that waits for the target and rule whose oldest is due first."""
    rows = await engine.database.transact(lambda tx: _take(engine, tx, held))
    if not rows:
        return False
    wording = worded([_happening(row) for row in rows], repeated=any(row.repeated for row in rows))
    target, failure = rows[0].target, None
    try:
        await notifying.notifier.send(target, wording.title, wording.body)
    except NoticeRefused as refused:
        failure = refused
        _log.warning("a notice could not be sent", target=target, why=str(refused))
    await engine.database.transact(lambda tx: _close(engine, tx, held, rows, failure))
    return True


async def _take(engine: Engine, tx: AsyncConnection, held: Claim) -> Sequence[Any]:
    now = engine.now()
    await require_lease(tx, held, now=now)
    left = sa.update(_ROWS).where(_OPEN, _ROWS.c.state == "sending")
    await tx.execute(left.values(state="waiting", repeated=True))
    first = sa.select(_ROWS).where(_OPEN, _ROWS.c.due_at <= now).order_by(_ROWS.c.due_at).limit(1)
    due = (await tx.execute(first)).one_or_none()
    if due is None:
        return ()
    # What failed is told apart from what is new: its next copy must hold what the first one held.
    group = sa.and_(
        _OPEN,
        _ROWS.c.rule == due.rule,
        _ROWS.c.target == due.target,
        _ROWS.c.attempts == due.attempts,
        _ROWS.c.repeated == due.repeated,
    )
    query = sa.select(_ROWS).where(group).order_by(_ROWS.c.id).limit(SENT_AT_ONCE_MAX)
    rows = (await tx.execute(query)).all()
    await _write(tx, rows, state="sending")
    return rows


async def _close(
    engine: Engine,
    tx: AsyncConnection,
    held: Claim,
    rows: Sequence[Any],
    failure: NoticeRefused | None,
) -> None:
    now = engine.now()
    await require_lease(tx, held, now=now)
    target, attempts = rows[0].target, rows[0].attempts + 1
    if failure is None:
        await _write(tx, rows, state="sent", attempts=attempts, ended_at=now, error=None)
        await clear_alarm(tx, NOTICE_FAILING, target, now=now)
        return
    said = str(failure)[:500]
    if attempts >= ATTEMPTS_MAX:
        await _write(tx, rows, state="given_up", attempts=attempts, ended_at=now, error=said)
    else:
        pause = min(RETRY_SECONDS_FIRST * 2.0 ** (attempts - 1), RETRY_SECONDS_MAX)
        again = {"state": "waiting", "due_at": now + pause, "attempts": attempts, "error": said}
        repeated = isinstance(failure, NoticeUnanswered) or rows[0].repeated
        await _write(tx, rows, repeated=repeated, **again)
    await raise_alarm(tx, NOTICE_FAILING, target, said, now=now)


async def _write(tx: AsyncConnection, rows: Sequence[Any], **values: Any) -> None:
    for part in in_parts([row.id for row in rows]):
        await tx.execute(sa.update(_ROWS).where(_ROWS.c.id.in_(part)).values(**values))


def _happening(row: Any) -> Happening:
    return Happening(
        kind=row.kind,
        message=row.message,
        at=row.happened_at,
        channel=row.channel,
        subject=row.subject,
        is_over=row.is_over,
    )
