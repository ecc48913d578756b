"""Gapless numbering of till registers: a gap is a sale that we have not heard of."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection

from channelsync.domain.vocabulary import Instant
from channelsync.engine.alarms import clear_alarm, raise_alarm
from channelsync.engine.work import WorkKind, mark
from channelsync.sdk.types import RegisterSequence
from channelsync.store import tables

__all__ = ["hear_sequences"]

_MINE: Final = sa.and_(
    tables.registers.c.channel == sa.bindparam("_channel"),
    tables.registers.c.register_id == sa.bindparam("_register"),
)
_KNOWN: Final = sa.select(tables.registers).where(_MINE)
_HEARD: Final = (
    sa.update(tables.registers)
    .where(_MINE)
    .values(
        {name: sa.bindparam(name) for name in ("complete_to", "beyond", "heard_at", "gap_since")}
    )
)


async def hear_sequences(
    tx: AsyncConnection, channel: str, heard: Sequence[RegisterSequence], *, now: Instant
) -> None:
    """Take sequence numbers in, in whatever order. A gap asks the till for what is missing."""
    by_register: dict[str, set[int]] = {}
    for one in heard:
        by_register.setdefault(one.register_id, set()).add(one.sequence)
    for register_id, numbers in sorted(by_register.items()):
        await _hear(tx, channel, register_id, numbers, now)


async def _hear(
    tx: AsyncConnection, channel: str, register_id: str, numbers: set[int], now: Instant
) -> None:
    mine = {"_channel": channel, "_register": register_id}
    row = (await tx.execute(_KNOWN, mine)).one_or_none()
    # The first number heard begins the count: what came before us is not ours to miss.
    complete_to = row.complete_to if row is not None else min(numbers)
    beyond = set(row.beyond if row is not None else ()) | {n for n in numbers if n > complete_to}
    while complete_to + 1 in beyond:
        complete_to += 1
        beyond.discard(complete_to)
    gap_since = None
    if beyond:
        gap_since = row.gap_since if row is not None and row.gap_since is not None else now
    values = {
        "complete_to": complete_to,
        "beyond": sorted(beyond),
        "heard_at": now,
        "gap_since": gap_since,
    }
    if row is None:
        key = {"channel": channel, "register_id": register_id}
        await tx.execute(sa.insert(tables.registers).values(key | values))
    else:
        await tx.execute(_HEARD, mine | values)
    subject = f"{channel}/{register_id}"
    if not beyond:
        if row is None or row.gap_since is not None:  # else no alarm of it stands
            await clear_alarm(tx, "register_gap", subject, now=now)
        return
    missing = (
        f"{complete_to + 1}"
        if min(beyond) == complete_to + 2
        else (f"{complete_to + 1} to {min(beyond) - 1}")
    )
    message = f"register {register_id} skipped sale {missing}: sales are missing until it re-sends"
    await raise_alarm(tx, "register_gap", subject, message, now=now, channel=channel)
    await mark(tx, WorkKind.POLL, channel, not_before=now)
