"""Emit: an event in the transaction of what it tells of. Its place in the stream comes later."""

from __future__ import annotations

import json
from collections.abc import Mapping
from enum import StrEnum
from typing import Any

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection

from channelsync.domain.vocabulary import Instant
from channelsync.store.tables import events

__all__ = ["EventType", "emit"]


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
    values = {"at": now, "type": kind, "data": json.dumps(data), "endpoint_id": endpoint_id}
    await tx.execute(sa.insert(events).values(values))
