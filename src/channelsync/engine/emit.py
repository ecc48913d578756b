"""Emit: an event in the transaction of what it tells of. Its place in the stream comes later."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from enum import StrEnum
from typing import Any, Final

from sqlalchemy.ext.asyncio import AsyncConnection

from channelsync.domain.vocabulary import Instant
from channelsync.store.many import inserting
from channelsync.store.tables import events

__all__ = ["EventType", "emit", "emit_all"]

_APPEND: Final = inserting(events, "at", "type", "data", "endpoint_id")


class EventType(StrEnum):
    """What may be told."""

    STOCK_CHANGED = "stock.changed"
    """An item's stock moved: its present levels."""
    SHORTFALL_RECORDED = "shortfall.recorded"
    """Demand was accepted beyond what the books allowed."""
    ALARM_RAISED = "alarm.raised"
    """Something wants a person."""
    ALARM_CLEARED = "alarm.cleared"
    """It does no more."""
    ENDPOINT_TESTED = "endpoint.tested"
    """Somebody tries whether an endpoint listens."""
    MARK = "mark"
    """Internal: how far stock is told. Never in the stream."""


async def emit(
    tx: AsyncConnection,
    kind: EventType,
    data: Mapping[str, Any],
    *,
    now: Instant,
    endpoint_id: str | None = None,
) -> None:
    """Have an event told once the transaction is committed."""
    await _write(tx, [(kind, data)], now, endpoint_id)


async def emit_all(
    tx: AsyncConnection, told: Iterable[tuple[EventType, Mapping[str, Any]]], *, now: Instant
) -> None:
    """Have many events told, in this order, once the transaction is committed."""
    await _write(tx, told, now, None)


async def _write(
    tx: AsyncConnection,
    told: Iterable[tuple[EventType, Mapping[str, Any]]],
    now: Instant,
    endpoint_id: str | None,
) -> None:
    rows = [
        {"at": now, "type": kind, "data": json.dumps(data), "endpoint_id": endpoint_id}
        for kind, data in told
    ]
    await _APPEND.run(tx, rows)
