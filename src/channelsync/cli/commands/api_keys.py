"""`keys …`: programs that may ask."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from channelsync.cli.commands.people import CHANNELS, LOCATIONS, reach_from
from channelsync.cli.output import Grid, Screen, spoken
from channelsync.cli.session import Session
from channelsync.domain.permissions import Permission

if TYPE_CHECKING:
    from collections.abc import Sequence

    from channelsync.engine.keys_desk import Key, KeysDesk, MadeKey
    from channelsync.store.database import Database

__all__ = ["create", "list_keys", "revoke"]


async def list_keys(session: Session) -> None:
    """List the API keys there were, without what proves them."""
    async with session.store() as database, database.read() as tx:
        found = await _desk(session, database).list(tx)
    now = session.environment.now()
    session.output.result({"keys": found}, lambda screen: _show(screen, found, now))


async def create(
    session: Session,
    name: Annotated[str, typer.Argument(help="What it is for.")],
    scopes: Annotated[
        list[Permission], typer.Option("--scope", help="What it may do; may be repeated.")
    ],
    days: Annotated[float, typer.Option(help="So long it is good.", min=0.01)] = 365.0,
    channels: CHANNELS = None,
    locations: LOCATIONS = None,
) -> None:
    """Make an API key and show it, this once: only its hash is kept.

    Example: channelsync keys create "web shop" --scope holds:write --channel shop
    """
    reach = reach_from(channels, locations)
    async with session.store(create=True) as database:
        made = await _desk(session, database).create(
            name, set(scopes), actor=session.actor, days=days, reach=reach
        )
    session.output.result({"key": made.key, "text": made.text}, lambda screen: _tell(screen, made))


async def revoke(
    session: Session,
    key_id: Annotated[str, typer.Argument(metavar="ID", help="Its id, as `list` shows it.")],
) -> None:
    """Let a key in no more, at once."""
    async with session.store() as database:
        gone = await _desk(session, database).revoke(key_id, actor=session.actor)
    session.output.result(
        {"key": gone}, lambda screen: screen.line(f"{gone.id} ({gone.name}) is revoked")
    )


def _desk(session: Session, database: Database) -> KeysDesk:
    from channelsync.engine.keys_desk import KeysDesk

    return KeysDesk(database, session.environment.now)


def _tell(screen: Screen, made: MadeKey) -> None:
    screen.line(made.text)
    screen.line(f"Good until {spoken(made.key.expires_at)}. Keep it: it is not shown again.")


def _show(screen: Screen, found: Sequence[Key], now: float) -> None:
    if not found:
        screen.line("No key yet: channelsync keys create NAME --scope read")
        return
    grid = Grid("ID", "Name", "May", "State", "Used last")
    for one in found:
        used = None if one.used_at is None else spoken(one.used_at)
        grid.row(one.id, one.name, ", ".join(one.scopes), _state(one, now), used)
    screen.grid(grid)


def _state(key: Key, now: float) -> str:
    if key.revoked_at is not None:
        return f"revoked {spoken(key.revoked_at)}"
    return f"{'ended' if key.expires_at <= now else 'good until'} {spoken(key.expires_at)}"
