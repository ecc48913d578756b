"""Proposals: what one user asks for and another must approve before it is done.

A proposal keeps the request as it was made and what it was about as that was then. Whoever
approves does exactly this, and only while it is about the same.

ProposalError
├── UnknownProposal   there is none of this number, or it is out of reach
└── ProposalRefused   it has ended, is one's own, or what it is about has changed
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection

from channelsync.domain.permissions import Reach
from channelsync.domain.vocabulary import Instant
from channelsync.store.tables import api_keys, proposals

__all__ = [
    "About",
    "ProposalError",
    "ProposalRefused",
    "Proposed",
    "UnknownProposal",
    "decide_proposal",
    "list_proposals",
    "make_proposal",
    "require_another",
    "waiting_proposal",
]

WAITING_MAX: Final = 100
SHOWN_MAX: Final = 100
KEEP_SECONDS: Final = 90 * 86_400.0
"""So long a proposal that has ended is shown; the trail tells of it for ever."""


class ProposalError(Exception):
    """Base of what is refused of proposals."""


class UnknownProposal(ProposalError):
    """There is none of this number, or it is out of reach."""

    def __init__(self, number: int) -> None:
        super().__init__(f"there is no proposal {number}")


class ProposalRefused(ProposalError):
    """It has ended, is one's own, or what it is about has changed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class About:
    """What a request is about, as it is now."""

    seen: Mapping[str, Any]
    """JSON: once it is another, the proposal is for another world."""
    channel: str | None = None
    """Who reaches it; None: it belongs to no channel."""
    locations: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Proposed:
    """A proposal."""

    id: int
    kind: str
    request: Mapping[str, Any]
    about: About
    state: str
    """waiting, approved, refused or expired."""
    created_at: Instant
    created_by: str
    expires_at: Instant
    decided_at: Instant | None
    decided_by: str | None

    def is_within(self, reach: Reach) -> bool:
        """Whether everything that it is about is within reach."""
        channel = self.about.channel
        near = channel is None or reach.has_channel(channel)
        return near and all(reach.has_location(one) for one in self.about.locations)


async def make_proposal(
    tx: AsyncConnection,
    kind: str,
    request: Mapping[str, Any],
    about: About,
    *,
    actor: str,
    now: Instant,
    seconds: float,
) -> Proposed:
    """Keep a request for somebody else's approval.

    Raises:
        ProposalRefused: the same waits already, or too much does.
    """
    gone = sa.and_(proposals.c.state != "waiting", proposals.c.decided_at <= now - KEEP_SECONDS)
    old = sa.or_(gone, proposals.c.expires_at <= now - KEEP_SECONDS)
    await tx.execute(sa.delete(proposals).where(old))
    waiting = [one for one in await list_proposals(tx, now=now) if one.state == "waiting"]
    same = [one.id for one in waiting if (one.kind, one.request) == (kind, request)]
    if same:
        raise ProposalRefused(f"it is proposed already: proposal {same[0]} waits for an approval")
    if len(waiting) >= WAITING_MAX:
        raise ProposalRefused(f"{WAITING_MAX} proposals wait already: decide about some of them")
    values = {
        "kind": kind,
        "request": _text(request),
        "seen": _text(about.seen),
        "channel": about.channel,
        "locations": list(about.locations),
        "created_at": now,
        "created_by": actor,
        "expires_at": now + seconds,
    }
    made = sa.insert(proposals).values(values).returning(*proposals.c)
    return _proposed((await tx.execute(made)).one(), now)


async def list_proposals(tx: AsyncConnection, *, now: Instant) -> Sequence[Proposed]:
    """Those that wait, and the newest of the others; the newest first."""
    waits = sa.and_(proposals.c.state == "waiting", proposals.c.expires_at > now)
    query = sa.select(proposals).order_by(sa.not_(waits), proposals.c.id.desc())
    rows = await tx.execute(query.limit(WAITING_MAX + SHOWN_MAX))
    return tuple(_proposed(row, now) for row in rows)


async def waiting_proposal(
    tx: AsyncConnection, number: int, reach: Reach, *, now: Instant
) -> Proposed:
    """One that waits, locked until the transaction ends.

    Raises:
        UnknownProposal: there is none of this number within reach.
        ProposalRefused: it has ended.
    """
    mine = sa.select(proposals).where(proposals.c.id == number).with_for_update()
    row = (await tx.execute(mine)).one_or_none()
    found = None if row is None else _proposed(row, now)
    if found is None or not found.is_within(reach):
        raise UnknownProposal(number)
    if found.state != "waiting":
        raise ProposalRefused(f"proposal {number} is {found.state} already")
    return found


async def require_another(tx: AsyncConnection, proposed: Proposed, actor: str) -> None:
    """Refuse whoever has proposed it himself, or has made the key that did.

    Raises:
        ProposalRefused: he approves his own, or is no user.
    """
    kind, _, key_id = proposed.created_by.partition(":")
    maker = None
    if kind == "key":
        maker = await tx.scalar(sa.select(api_keys.c.created_by).where(api_keys.c.id == key_id))
    if actor in {proposed.created_by, maker}:
        raise ProposalRefused("nobody approves what he has proposed himself: ask somebody else to")
    if not actor.startswith("user:"):
        raise ProposalRefused("a user must approve it, on the dashboard")


async def decide_proposal(
    tx: AsyncConnection, proposed: Proposed, state: str, *, actor: str, now: Instant
) -> Proposed:
    """End it."""
    mine = sa.update(proposals).where(proposals.c.id == proposed.id)
    ended = mine.values(state=state, decided_at=now, decided_by=actor).returning(*proposals.c)
    return _proposed((await tx.execute(ended)).one(), now)


def _text(value: Mapping[str, Any]) -> str:
    return json.dumps(value, sort_keys=True, ensure_ascii=False)


def _proposed(row: Any, now: Instant) -> Proposed:
    expired = row.state == "waiting" and row.expires_at <= now
    about = About(seen=json.loads(row.seen), channel=row.channel, locations=tuple(row.locations))
    return Proposed(
        id=row.id,
        kind=row.kind,
        request=json.loads(row.request),
        about=about,
        state="expired" if expired else row.state,
        created_at=row.created_at,
        created_by=row.created_by,
        expires_at=row.expires_at,
        decided_at=row.decided_at,
        decided_by=row.decided_by,
    )
