"""How far somebody reaches, as a form asks for it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection

from channelsync.domain.permissions import Reach
from channelsync.store.tables import ChannelState, channels, locations
from channelsync.web.desk.forms import Form

__all__ = ["Places", "known_places", "reach_from"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Places:
    """What there is to be kept to."""

    channels: Sequence[str]
    locations: Sequence[str]


async def known_places(tx: AsyncConnection) -> Places:
    """Every channel and location of the house."""
    there = channels.c.state != ChannelState.REMOVED
    names = sa.select(channels.c.name).where(there).order_by(channels.c.name)
    codes = sa.select(locations.c.code).where(locations.c.active).order_by(locations.c.code)
    return Places(
        channels=(await tx.execute(names)).scalars().all(),
        locations=(await tx.execute(codes)).scalars().all(),
    )


def reach_from(form: Form) -> Reach:
    """All of a kind unless it says `only`; then those that are ticked, which may be none."""
    return Reach(channels=_only(form, "channels"), locations=_only(form, "locations"))


def _only(form: Form, what: str) -> frozenset[str] | None:
    return frozenset(form.all(what)) if form.get(f"{what}_are") == "only" else None
