"""A proposed configuration, tried without being applied.

It is tried on temporary copies of the two tables that it speaks of, in front of the real ones,
inside a read transaction that is rolled back: no lock is taken, the daemon goes on undisturbed.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection

from channelsync.domain.vocabulary import Instant
from channelsync.engine.policy import Policy
from channelsync.engine.setup import Setup
from channelsync.store.tables import ChannelState, channels, locations

__all__ = ["Proposal", "propose"]

_COPIES = (
    "CREATE TEMPORARY TABLE channels AS SELECT * FROM channels",
    "CREATE TEMPORARY TABLE locations AS SELECT * FROM locations",
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Proposal:
    """A configuration that somebody proposes, as the engine would use it."""

    setup: Setup
    policy: Policy


async def propose(tx: AsyncConnection, setup: Setup, *, now: Instant) -> tuple[str, ...]:
    """From here on the transaction reads as if `setup` were applied. Returns what would change.

    Temporary tables come before real ones of the same name, on SQLite and PostgreSQL alike, and
    go when the caller rolls back, as `Database.read` always does.
    """
    known = {row.name: row.state for row in await tx.execute(sa.select(channels))}
    places = {row.code: row.active for row in await tx.execute(sa.select(locations))}
    for statement in _COPIES:
        await tx.execute(sa.text(statement))
    await _propose_channels(tx, setup, known, now)
    await _propose_locations(tx, setup, places)
    return (*_channel_notes(setup, known), *_location_notes(setup, places))


async def _propose_channels(
    tx: AsyncConnection, setup: Setup, known: Mapping[str, str], now: Instant
) -> None:
    names = [channel.name for channel in setup.channels]
    for channel in setup.channels:
        values: dict[str, object] = {
            "connector": channel.connector,
            "pool": channel.pool,
            "mode": channel.mode,
        }
        if known.get(channel.name) in {None, ChannelState.REMOVED}:
            values["state"] = ChannelState.ADOPTING
        if channel.name in known:
            statement = sa.update(channels).where(channels.c.name == channel.name)
            await tx.execute(statement.values(values))
        else:
            await tx.execute(
                sa.insert(channels).values(values | {"name": channel.name, "baseline_at": now})
            )
    gone = sa.update(channels).where(channels.c.name.not_in(names))
    await tx.execute(gone.values(state=ChannelState.REMOVED))


async def _propose_locations(tx: AsyncConnection, setup: Setup, places: Collection[str]) -> None:
    """A new location holds nothing yet, so it changes no plan."""
    codes = [location.code for location in setup.locations]
    for location in setup.locations:
        if location.code in places:
            values = {"pool": location.pool, "priority": location.priority, "active": True}
            statement = sa.update(locations).where(locations.c.code == location.code)
            await tx.execute(statement.values(values))
    gone = sa.update(locations).where(locations.c.code.not_in(codes))
    await tx.execute(gone.values(active=False))


def _channel_notes(setup: Setup, known: Mapping[str, str]) -> Iterable[str]:
    names = {channel.name for channel in setup.channels}
    for name in sorted(names - known.keys()):
        yield (
            f"channel {name} is new: its listings are found when the daemon adopts it, and nothing"
            " of their items is raised anywhere until they are settled"
        )
    for name in sorted(known.keys() - names):
        if known[name] != ChannelState.REMOVED:
            yield f"channel {name} is not in the file: what it may still sell is taken back"


def _location_notes(setup: Setup, places: Mapping[str, bool]) -> Iterable[str]:
    codes = {location.code for location in setup.locations}
    for code in sorted(codes - places.keys()):
        yield f"location {code} is new: it holds no stock yet"
    for code in sorted(places.keys() - codes):
        if places[code]:
            yield f"location {code} is not in the file: its stock is offered no more"
