"""The alarm desk: a person's word about what nothing else ends.

AlarmError
├── UnknownAlarm   no alarm has this number
└── AlarmStands    it ends by itself once its cause is gone, or has ended
"""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa
import structlog
from sqlalchemy.ext.asyncio import AsyncConnection

from channelsync.domain.repair_words import ENDED_BY_A_PERSON, words_for
from channelsync.engine.alarms import clear_alarm
from channelsync.engine.core import Engine
from channelsync.store.tables import alarms, channels

__all__ = ["AlarmError", "AlarmStands", "UnknownAlarm", "acknowledge_alarm", "require_alarm"]

_log = structlog.get_logger("channelsync.alarms")


class AlarmError(Exception):
    """Base of what is refused; nothing was changed."""


class UnknownAlarm(AlarmError):
    """No alarm has this number."""

    def __init__(self, number: int) -> None:
        super().__init__(f"there is no alarm {number}")


class AlarmStands(AlarmError):
    """It ends by itself, or has ended."""


async def require_alarm(tx: AsyncConnection, number: int) -> Any:
    """The alarm's row.

    Raises:
        UnknownAlarm: there is none of this number.
    """
    row = (await tx.execute(sa.select(alarms).where(alarms.c.id == number))).one_or_none()
    if row is None:
        raise UnknownAlarm(number)
    return row


async def acknowledge_alarm(engine: Engine, number: int) -> None:
    """End an alarm about something past. Should it happen again, it is raised again.

    Raises:
        UnknownAlarm: there is none of this number.
        AlarmStands: it ends by itself once its cause is gone, or has ended.
    """
    async with engine.database.write() as tx:
        row = await require_alarm(tx, number)
        if row.cleared_at is not None:
            raise AlarmStands(f"alarm {number} has ended already")
        if row.kind not in ENDED_BY_A_PERSON:
            raise AlarmStands(
                f"alarm {number} ({words_for(row.kind).title}) ends by itself once its cause is"
                " gone"
            )
        if await _is_stopped_by(tx, row):
            raise AlarmStands(f"channel {row.channel} was stopped with it: resume the channel")
        await clear_alarm(tx, row.kind, row.subject, now=engine.now())
    _log.info("alarm acknowledged", number=number, alarm=row.kind, channel=row.channel)


async def _is_stopped_by(tx: AsyncConnection, alarm: Any) -> bool:
    if alarm.kind != "channel_notice":
        return False
    query = sa.select(channels.c.paused_reason).where(channels.c.name == alarm.channel)
    return bool(await tx.scalar(query))
