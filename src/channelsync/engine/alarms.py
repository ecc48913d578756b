"""Alarms and shortfalls: nothing is silent, and nothing is said twice."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Final

import sqlalchemy as sa
import structlog
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.ext.asyncio import AsyncConnection

from channelsync.domain.vocabulary import Instant
from channelsync.engine.emit import EventType, emit, emit_all
from channelsync.store import tables
from channelsync.store.many import inserting, updating
from channelsync.store.prepared import Prepared

__all__ = [
    "IS_SHORT",
    "SOLD_AGAIN",
    "Shortfall",
    "clear_alarm",
    "clear_alarms",
    "raise_alarm",
    "raise_alarms",
    "record_shortfall",
    "record_shortfalls",
    "standing_alarms",
]

SOLD_AGAIN: Final = "sold_again"
"""The cause of a shortfall that turned out to be none: a cancel had put the units back before they
were sold, and was heard of later."""
IS_SHORT: Final = tables.shortfalls.c.cause != sa.literal_column(f"'{SOLD_AGAIN}'")
"""Which shortfalls stand."""

_RAISE: Final = inserting(tables.alarms, "kind", "subject", "message", "raised_at", "channel")
_CLEAR: Final = updating(
    tables.alarms,
    "cleared_at",
    by=("kind", "subject"),
    where=tables.alarms.c.cleared_at.is_(None),
)
_FALL_SHORT: Final = inserting(
    tables.shortfalls,
    *("at", "channel", "item_id", "listing_id", "units", "cause", "reference"),
)

_STANDING: Final = Prepared(
    lambda listed: sa.select(tables.alarms.c.subject).where(
        tables.alarms.c.kind == sa.bindparam("kind"),
        listed(tables.alarms.c.subject, "subjects"),
        tables.alarms.c.cleared_at.is_(None),
    )
)
_SKUS: Final = Prepared(
    lambda listed: sa.select(tables.items.c.id, tables.items.c.sku).where(
        listed(tables.items.c.id, "ids")
    )
)

_log = structlog.get_logger("channelsync.alarms")


async def raise_alarm(
    tx: AsyncConnection,
    kind: str,
    subject: str,
    message: str,
    *,
    now: Instant,
    channel: str | None = None,
) -> None:
    """Raise an alarm, unless the same one (kind and subject) already stands."""
    insert = (sqlite if tx.dialect.name == "sqlite" else postgresql).insert(tables.alarms)
    statement = insert.on_conflict_do_nothing(
        index_elements=["kind", "subject"], index_where=tables.alarms.c.cleared_at.is_(None)
    ).values(kind=kind, subject=subject, message=message, raised_at=now, channel=channel)
    result = await tx.execute(statement)
    if result.rowcount:
        told = {"kind": kind, "subject": subject, "message": message, "channel": channel}
        await emit(tx, EventType.ALARM_RAISED, told, now=now)
        _log.warning("alarm raised", alarm=kind, subject=subject, channel=channel, why=message)


async def clear_alarm(tx: AsyncConnection, kind: str, subject: str, *, now: Instant) -> None:
    """The alarm's cause is gone."""
    alarms = tables.alarms
    statement = (
        sa.update(alarms)
        .where(alarms.c.kind == kind, alarms.c.subject == subject, alarms.c.cleared_at.is_(None))
        .values(cleared_at=now)
    )
    if (await tx.execute(statement)).rowcount:
        await emit(tx, EventType.ALARM_CLEARED, {"kind": kind, "subject": subject}, now=now)
        _log.info("alarm cleared", alarm=kind, subject=subject)


async def standing_alarms(tx: AsyncConnection, kind: str, subjects: Iterable[str]) -> set[str]:
    """Those of the subjects whose alarm of this kind stands."""
    wanted = sorted(set(subjects))
    return {subject for (subject,) in await _STANDING.rows(tx, kind=kind, subjects=wanted)}


async def raise_alarms(
    tx: AsyncConnection, kind: str, told: Mapping[str, str], *, now: Instant
) -> None:
    """Raise the alarm of many subjects that have none: what to say of each, by subject.

    The caller keeps others away from what they are about.
    """
    rows = [
        {"kind": kind, "subject": subject, "message": message, "raised_at": now, "channel": None}
        for subject, message in sorted(told.items())
    ]
    await _RAISE.run(tx, rows)
    names = ("kind", "subject", "message", "channel")
    events = [(EventType.ALARM_RAISED, {name: row[name] for name in names}) for row in rows]
    await emit_all(tx, events, now=now)
    for subject, message in sorted(told.items()):
        _log.warning("alarm raised", alarm=kind, subject=subject, channel=None, why=message)


async def clear_alarms(
    tx: AsyncConnection, kind: str, subjects: Iterable[str], *, now: Instant
) -> None:
    """The causes of many standing alarms are gone."""
    gone = sorted(set(subjects))
    await _CLEAR.run(tx, [{"kind": kind, "subject": one, "cleared_at": now} for one in gone])
    events = [(EventType.ALARM_CLEARED, {"kind": kind, "subject": one}) for one in gone]
    await emit_all(tx, events, now=now)
    for subject in gone:
        _log.info("alarm cleared", alarm=kind, subject=subject)


@dataclass(frozen=True, slots=True, kw_only=True)
class Shortfall:
    """Accepted demand beyond what the books allowed, with its cause."""

    item_id: int
    units: int
    cause: str
    channel: str | None = None
    listing_id: int | None = None
    reference: str = ""


async def record_shortfall(tx: AsyncConnection, *, now: Instant, **what: Any) -> None:
    """Write down one shortfall: what `Shortfall` takes."""
    await record_shortfalls(tx, [Shortfall(**what)], now=now)


async def record_shortfalls(
    tx: AsyncConnection, found: Sequence[Shortfall], *, now: Instant
) -> None:
    """Write shortfalls down, in their order."""
    if not found:
        return
    await _FALL_SHORT.run(tx, [{"at": now, **asdict(one)} for one in found])
    skus = {row.id: row.sku for row in await _SKUS.rows(tx, ids=sorted({f.item_id for f in found}))}
    events = [
        (
            EventType.SHORTFALL_RECORDED,
            {
                "sku": skus.get(one.item_id),
                "units": one.units,
                "cause": one.cause,
                "channel": one.channel,
                "reference": one.reference,
            },
        )
        for one in found
    ]
    await emit_all(tx, events, now=now)
    for one in found:
        _log.warning(
            "shortfall", item=one.item_id, units=one.units, cause=one.cause, channel=one.channel
        )
