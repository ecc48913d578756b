"""What the API and the pages both do: use cases with what the audit trail is told of them."""

from __future__ import annotations

from typing import Literal

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection

from channelsync.domain.permissions import Reach
from channelsync.engine.alarm_desk import UnknownAlarm, acknowledge_alarm, require_alarm
from channelsync.engine.channel_desk import (
    forget_channel,
    look_again,
    pause_channel,
    require_channel,
    resume_channel,
)
from channelsync.engine.core import Engine
from channelsync.engine.dead_letters import (
    UnknownDeadLetter,
    drop_dead_letter,
    replay_dead_letter,
)
from channelsync.store.tables import dead_letters
from channelsync.web.api.counter import Deed, Risky, UseCase
from channelsync.web.api.shapes import Shown

__all__ = [
    "Acknowledged",
    "Decided",
    "LookedAt",
    "Paused",
    "acknowledging",
    "deciding",
    "dropping",
    "forgetting",
    "looking_again",
    "pausing",
    "resuming",
]


class Paused(Shown):
    """Whether it is paused now, and why."""

    channel: str
    paused: str | None


class LookedAt(Shown):
    """A channel that is being looked at."""

    channel: str


class ForgottenShown(Shown):
    """What forgetting a channel gave back."""

    channel: str
    listings: int
    units: int


class Decided(Shown):
    """What became of it."""

    id: int
    state: Literal["replayed", "dropped"]


class Acknowledged(Shown):
    """An alarm that has ended by a person's word."""

    id: int
    kind: str


def pausing(channel: str, reason: str) -> UseCase:
    """Push nothing to a channel."""

    async def act(joined: Engine, _tx: AsyncConnection) -> Deed:
        await pause_channel(joined, channel, reason)
        return Deed(
            subject=f"channel:{channel}",
            answer=Paused(channel=channel, paused=reason),
            before={"paused": None},
            after={"paused": reason},
        )

    return act


def resuming(channel: str) -> UseCase:
    """Push to it again."""

    async def act(joined: Engine, tx: AsyncConnection) -> Deed:
        was = (await require_channel(tx, channel)).paused_reason
        await resume_channel(joined, channel)
        return Deed(
            subject=f"channel:{channel}",
            answer=Paused(channel=channel, paused=None),
            before={"paused": was},
            after={"paused": None},
        )

    return act


def looking_again(channel: str) -> UseCase:
    """Have everything of a channel looked at now."""

    async def act(joined: Engine, _tx: AsyncConnection) -> Deed:
        await look_again(joined, channel)
        return Deed(subject=f"channel:{channel}", answer=LookedAt(channel=channel))

    return act


def forgetting(channel: str, actor: str) -> UseCase:
    """Give back what is set aside for a removed channel."""

    async def act(joined: Engine, _tx: AsyncConnection) -> Deed:
        gone = await forget_channel(joined, channel, actor=actor)
        return Deed(
            subject=f"channel:{channel}",
            answer=ForgottenShown.model_validate(gone),
            before={"listings": gone.listings, "units_set_aside": gone.units},
            after={"listings": gone.listings, "units_set_aside": 0},
        )

    return act


def deciding(number: int, verb: Literal["replay", "drop"], reach: Reach) -> UseCase:
    """Decide about a dead letter within reach."""

    async def act(joined: Engine, tx: AsyncConnection) -> Deed:
        mine = sa.select(dead_letters.c.channel).where(dead_letters.c.id == number)
        row = (await tx.execute(mine)).one_or_none()
        if row is None or not reach.has_channel(row.channel or ""):
            raise UnknownDeadLetter(number)
        decide = replay_dead_letter if verb == "replay" else drop_dead_letter
        await decide(joined, number)
        state: Literal["replayed", "dropped"] = "replayed" if verb == "replay" else "dropped"
        return Deed(
            subject=f"dead_letter:{number}",
            answer=Decided(id=number, state=state),
            before={"state": "dead"},
            after={"state": state},
        )

    return act


def dropping(number: int) -> Risky:
    """That a dead letter is dropped."""
    return Risky("dead_letter.drop", {"number": number})


def acknowledging(number: int, reach: Reach) -> UseCase:
    """End an alarm about something past, within reach."""

    async def act(joined: Engine, tx: AsyncConnection) -> Deed:
        row = await require_alarm(tx, number)
        if not reach.has_channel(row.channel or ""):
            raise UnknownAlarm(number)
        await acknowledge_alarm(joined, number)
        return Deed(
            subject=f"alarm:{number}",
            answer=Acknowledged(id=number, kind=row.kind),
            before={"kind": row.kind, "subject": row.subject, "message": row.message},
            after={"cleared": True},
        )

    return act
