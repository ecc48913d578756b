"""Alarms and shortfalls: nothing is silent, and nothing is said twice."""

from __future__ import annotations

from collections.abc import Iterable

import sqlalchemy as sa
import structlog
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.ext.asyncio import AsyncConnection

from channelsync.domain.vocabulary import Instant
from channelsync.engine.emit import EventType, emit
from channelsync.store import tables

__all__ = ["clear_alarm", "raise_alarm", "record_shortfall", "standing_alarms"]

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
    alarms = tables.alarms
    query = sa.select(alarms.c.subject).where(
        alarms.c.kind == kind,
        alarms.c.subject.in_(sorted(set(subjects))),
        alarms.c.cleared_at.is_(None),
    )
    return set((await tx.execute(query)).scalars())


async def record_shortfall(
    tx: AsyncConnection,
    *,
    item_id: int,
    units: int,
    cause: str,
    now: Instant,
    channel: str | None = None,
    listing_id: int | None = None,
    reference: str = "",
) -> None:
    """Write down accepted demand beyond what the books allowed, with its cause."""
    values = {
        "at": now,
        "channel": channel,
        "item_id": item_id,
        "listing_id": listing_id,
        "units": units,
        "cause": cause,
        "reference": reference,
    }
    await tx.execute(sa.insert(tables.shortfalls).values(values))
    sku = sa.select(tables.items.c.sku).where(tables.items.c.id == item_id)
    told = {"sku": (await tx.execute(sku)).scalar(), "units": units, "cause": cause}
    told |= {"channel": channel, "reference": reference}
    await emit(tx, EventType.SHORTFALL_RECORDED, told, now=now)
    _log.warning("shortfall", item=item_id, units=units, cause=cause, channel=channel)
