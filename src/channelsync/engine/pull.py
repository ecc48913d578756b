"""Pull: fetch a channel's queue, commit what it holds, and only then say that it was taken."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

from channelsync.domain.vocabulary import Instant
from channelsync.engine.alarms import raise_alarm
from channelsync.engine.core import Engine
from channelsync.engine.inbox import Inbox, Received
from channelsync.engine.work import Claim
from channelsync.sdk.connector import PullsDeliveries
from channelsync.sdk.types import Pulled
from channelsync.tracing import causes_here

__all__ = ["pull"]


async def pull(engine: Engine, held: Claim) -> Instant | None:
    """Fetch once. Returns when to fetch again: at once, for the fetch itself waits.

    A message that cannot be understood is told and taken all the same: it would come for ever, and
    polling finds what it was about.
    """
    running = engine.channels.get(held.key)
    if running is None or not isinstance(running.channel, PullsDeliveries):
        return None
    messages = await running.channel.pull()
    if messages:
        await _store(engine, running.name, messages)
        await running.channel.acknowledge([one.receipt for one in messages])
    return engine.now()


async def _store(engine: Engine, channel: str, messages: Sequence[Pulled]) -> None:
    inbox, now = Inbox(engine), engine.now()
    received = [
        Received(
            channel=channel,
            delivery=one.delivery,
            body=one.body,
            at=now,
            causes=causes_here(),
        )
        for one in messages
        if one.delivery is not None
    ]
    await asyncio.gather(*(inbox.store(one) for one in received))
    for problem in sorted({one.problem for one in messages if one.delivery is None}):
        async with engine.database.write() as tx:
            await raise_alarm(tx, "malformed_delivery", channel, problem, now=now, channel=channel)
