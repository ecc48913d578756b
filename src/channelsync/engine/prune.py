"""Prune: what nobody needs any more goes, a few rows at a time, so that the store stops growing.

Never pruned are the ledger with its seals (`channelsync.engine.fold` moves old movements), the
audit trail, order lines with what they moved, and shortfalls: they are evidence. What goes is
machinery: webhooks that were applied long ago, pushes that were closed long ago with their requests
and attempts, messages that were sent, holds that ended. What counters say of them is carried
forward in the same transaction.

Each kind has a least age (`Retention`). It is what the protocol needs: marketplaces repeat a
webhook for days, an absolute set may be asked about for a week, a restored backup is noticed late.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Awaitable, Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import sqlalchemy as sa
import structlog
from sqlalchemy.ext.asyncio import AsyncConnection

from channelsync.domain.vocabulary import Instant
from channelsync.engine.core import Engine
from channelsync.engine.notice_events import happenings
from channelsync.engine.work import Claim, require_lease
from channelsync.store.many import among, inserting
from channelsync.store.tables import (
    attempts,
    dead_letters,
    deliveries,
    hold_lines,
    holds,
    inbox,
    notices,
    pruned,
    pushes,
    requests,
)

__all__ = [
    "PRUNE_KEY",
    "Retention",
    "count_prunable",
    "prune",
    "prune_some",
]

_log = structlog.get_logger("channelsync.prune")

PRUNE_KEY: Final = "store"
ROWS_AT_ONCE: Final = 500
"""Rows of one transaction: it writes for some milliseconds."""
TRANSACTIONS_MAX: Final = 40
"""Of one run; what is left waits for the next, which follows at once."""
PAUSE_SECONDS: Final = 1.0
"""Between two runs while something is left, so that it never has the writer for itself."""
EVERY_SECONDS: Final = 3_600.0
DAY_SECONDS: Final = 86_400.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Retention:
    """How many days each kind is kept after it was done with."""

    deliveries_days: float = 60.0
    pushes_days: float = 180.0
    notices_days: float = 90.0
    holds_days: float = 365.0

    def before(self, now: Instant) -> Mapping[str, Instant]:
        """Until when each kind may go."""
        return {
            "deliveries": now - self.deliveries_days * DAY_SECONDS,
            "pushes": now - self.pushes_days * DAY_SECONDS,
            "notices": now - self.notices_days * DAY_SECONDS,
            "holds": now - self.holds_days * DAY_SECONDS,
        }


async def prune(engine: Engine, held: Claim, retention: Retention) -> Instant:
    """Prune for a while. Returns when to go on."""

    async def act(tx: AsyncConnection) -> Counter[str]:
        await require_lease(tx, held, now=engine.now())
        return await prune_some(tx, retention, now=engine.now())

    gone: Counter[str] = Counter()
    is_through = False
    for _ in range(TRANSACTIONS_MAX):
        found = await engine.database.transact(act)
        gone += found
        if is_through := not found:
            break
    if gone:
        _log.info("old rows pruned", **gone)
    return engine.now() + (EVERY_SECONDS if is_through else PAUSE_SECONDS)


async def prune_some(
    tx: AsyncConnection, retention: Retention, *, now: Instant, limit: int = ROWS_AT_ONCE
) -> Counter[str]:
    """Prune at most `limit` rows of the first kind that has any. Empty: nothing is old enough."""
    for kind, before in retention.before(now).items():
        rows = await _first(tx, kind, before, now, limit)
        if rows:
            counts = await _DROP[kind](tx, rows)
            await _CARRY.run(
                tx,
                [
                    {"kind": of, "channel": channel, "cause": cause, "rows": number}
                    for (of, channel, cause), number in sorted(counts.items())
                ],
            )
            return Counter({kind: len(rows)})
    return Counter()


async def _first(
    tx: AsyncConnection, kind: str, before: Instant, now: Instant, limit: int
) -> Sequence[Any]:
    """The oldest rows that may go."""
    going_on: Collection[str] = ()
    if kind == "notices":
        # Forgotten before what it tells of is over, it would be told a second time.
        going_on = await happenings(tx, now, with_low_stock=True)
    rows = (await tx.execute(_old(kind, before).limit(limit + len(going_on)))).all()
    return [row for row in rows if not going_on or row.event not in going_on][:limit]


async def count_prunable(
    tx: AsyncConnection, retention: Retention, *, now: Instant
) -> Mapping[str, int]:
    """How many rows of each kind are old enough."""
    return {
        kind: int(
            (
                await tx.execute(sa.select(sa.func.count()).select_from(_old(kind, at).subquery()))
            ).scalar_one()
        )
        for kind, at in retention.before(now).items()
    }


# ------------------------------------------------------------------ what is old


def _old(kind: str, before: Instant) -> sa.Select[Any]:
    """The rows of a kind that may go, oldest first."""
    return {
        "deliveries": _old_deliveries,
        "pushes": _old_pushes,
        "notices": _old_notices,
        "holds": _old_holds,
    }[kind](before)


def _old_deliveries(before: Instant) -> sa.Select[Any]:
    """Applied ones; what lies among the dead letters may be replayed."""
    waits = sa.exists().where(
        inbox.c.channel == deliveries.c.channel, inbox.c.delivery_id == deliveries.c.id
    )
    may_wait = sa.exists().where(
        dead_letters.c.state == "dead",
        dead_letters.c.kind == "delivery",
        dead_letters.c.reference == sa.cast(deliveries.c.id, sa.Text),
    )
    return (
        sa.select(deliveries.c.id, deliveries.c.channel)
        .where(deliveries.c.received_at < before, ~waits, ~may_wait)
        .order_by(deliveries.c.received_at)
    )


def _old_pushes(before: Instant) -> sa.Select[Any]:
    """Closed ones whose request is done, and asks for nothing any more."""
    waits = sa.exists().where(requests.c.id == pushes.c.request_id, sa.not_(requests.c.done))
    open_attempt = sa.exists().where(
        attempts.c.request_id == pushes.c.request_id, attempts.c.ended_at.is_(None)
    )
    return (
        sa.select(pushes.c.id, pushes.c.channel, pushes.c.result, pushes.c.request_id)
        .where(
            pushes.c.opened_at < before,
            pushes.c.closed_at < before,
            ~waits,
            ~open_attempt,
        )
        .order_by(pushes.c.opened_at)
    )


def _old_notices(before: Instant) -> sa.Select[Any]:
    """Those that were sent or given up, unless what they tell of goes on."""
    return (
        sa.select(notices.c.id, notices.c.event, notices.c.kind)
        .where(notices.c.ended_at < before)
        .order_by(notices.c.ended_at)
    )


def _old_holds(before: Instant) -> sa.Select[Any]:
    return (
        sa.select(holds.c.id, holds.c.channel, holds.c.state)
        .where(holds.c.ended_at < before, holds.c.state != "active")
        .order_by(holds.c.ended_at)
    )


# ------------------------------------------------------------------ how it goes

Counts = Counter[tuple[str, str, str]]
"""Rows by kind, channel and outcome."""


async def _drop_deliveries(tx: AsyncConnection, rows: Sequence[Any]) -> Counts:
    await tx.execute(sa.delete(deliveries).where(among(tx, deliveries.c.id, _ids(rows))))
    return Counter(("deliveries", row.channel, "") for row in rows)


async def _drop_pushes(tx: AsyncConnection, rows: Sequence[Any]) -> Counts:
    """With the requests and attempts of which nothing is left."""
    await tx.execute(sa.delete(pushes).where(among(tx, pushes.c.id, _ids(rows))))
    wanted = sorted({row.request_id for row in rows if row.request_id is not None})
    carried = sa.select(pushes.c.request_id).where(among(tx, pushes.c.request_id, wanted))
    kept = set((await tx.execute(carried)).scalars())
    bare = [request_id for request_id in wanted if request_id not in kept]
    await tx.execute(sa.delete(attempts).where(among(tx, attempts.c.request_id, bare)))
    await tx.execute(sa.delete(requests).where(among(tx, requests.c.id, bare)))
    return Counter(("pushes", row.channel, row.result or "") for row in rows)


async def _drop_notices(tx: AsyncConnection, rows: Sequence[Any]) -> Counts:
    await tx.execute(sa.delete(notices).where(among(tx, notices.c.id, _ids(rows))))
    return Counter(("notices", "", row.kind) for row in rows)


async def _drop_holds(tx: AsyncConnection, rows: Sequence[Any]) -> Counts:
    await tx.execute(sa.delete(hold_lines).where(among(tx, hold_lines.c.hold_id, _ids(rows))))
    await tx.execute(sa.delete(holds).where(among(tx, holds.c.id, _ids(rows))))
    return Counter(("holds", row.channel or "", row.state) for row in rows)


def _ids(rows: Sequence[Any]) -> list[Any]:
    return [row.id for row in rows]


_DROP: Final[Mapping[str, Callable[[AsyncConnection, Sequence[Any]], Awaitable[Counts]]]] = {
    "deliveries": _drop_deliveries,
    "pushes": _drop_pushes,
    "notices": _drop_notices,
    "holds": _drop_holds,
}


def _added(insert: Any) -> Any:
    return insert.on_conflict_do_update(
        index_elements=[pruned.c.kind, pruned.c.channel, pruned.c.cause],
        set_={"rows": pruned.c.rows + insert.excluded.rows},
    )


_CARRY: Final = inserting(pruned, "kind", "channel", "cause", "rows", conflict=_added)
