"""`users …`: who may sign in."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from channelsync.cli.commands.channels import YES, require_yes
from channelsync.cli.failures import Refused
from channelsync.cli.output import Grid, Screen, spoken
from channelsync.cli.session import Session
from channelsync.domain.permissions import Reach, Role

if TYPE_CHECKING:
    from collections.abc import Sequence

    from channelsync.engine.users_desk import User, UsersDesk
    from channelsync.store.database import Database

__all__ = [
    "CHANNELS",
    "LOCATIONS",
    "add",
    "list_users",
    "password",
    "reach_from",
    "remove",
    "second_factor_off",
]

NAME = Annotated[str, typer.Argument(help="The name to sign in with.")]
CHANNELS = Annotated[
    list[str] | None,
    typer.Option("--channel", help="Keep to this channel; may be repeated.", show_default="all"),
]
LOCATIONS = Annotated[
    list[str] | None,
    typer.Option("--location", help="Keep to this location; may be repeated.", show_default="all"),
]
PASSWORD_FILE = Annotated[
    Path | None,
    typer.Option(
        help="Read the password from this file's first line; - is stdin.",
        metavar="FILE",
        show_default="asked for",
    ),
]


def reach_from(channels: list[str] | None, locations: list[str] | None) -> Reach:
    """What `--channel` and `--location` say; without them everything is within reach."""
    return Reach(
        channels=frozenset(channels) if channels else None,
        locations=frozenset(locations) if locations else None,
    )


async def add(
    session: Session,
    name: NAME,
    role: Annotated[Role, typer.Option(help="What they may do.")] = Role.VIEWER,
    channels: CHANNELS = None,
    locations: LOCATIONS = None,
    password_file: PASSWORD_FILE = None,
) -> None:
    """Let somebody sign in. The first user must be an admin.

    From the first user on, pages and API ask everybody to sign in, on this machine too.
    """
    given = _password(password_file)
    reach = reach_from(channels, locations)
    async with session.store(create=True) as database:
        made = await _desk(session, database).add(
            name, given, role, actor=session.actor, reach=reach
        )
    session.output.result({"user": made}, lambda screen: screen.line(f"{made.name} may sign in"))


async def list_users(session: Session) -> None:
    """List who may sign in, as what, and how far they reach."""
    async with session.store() as database, database.read() as tx:
        found = await _desk(session, database).list(tx)
    session.output.result({"users": found}, lambda screen: _show(screen, found))


async def remove(session: Session, name: NAME, yes: YES = False) -> None:
    """Let somebody in no more; whoever is signed in is out at once. Their traces stay."""
    require_yes(yes, f"{name} will not be able to sign in any more.")
    async with session.store() as database:
        await _desk(session, database).remove(name, actor=session.actor)
    session.output.result({"name": name}, lambda screen: screen.line(f"{name} is removed"))


async def password(
    session: Session,
    name: NAME,
    password_file: PASSWORD_FILE = None,
) -> None:
    """Give somebody another password; whoever is signed in as them is out."""
    given = _password(password_file)
    async with session.store() as database:
        await _desk(session, database).change(name, actor=session.actor, password=given)
    session.output.result(
        {"name": name}, lambda screen: screen.line(f"{name} has another password")
    )


async def second_factor_off(session: Session, name: NAME, yes: YES = False) -> None:
    """Take somebody's second factor off, who has lost it; whoever is signed in as them is out."""
    require_yes(yes, f"{name}'s password alone will let in, until another is switched on.")
    async with session.store() as database:
        await _desk(session, database).take_off_factor(name, actor=session.actor)
    session.output.result(
        {"name": name}, lambda screen: screen.line(f"{name} has no second factor any more")
    )


def _desk(session: Session, database: Database) -> UsersDesk:
    from channelsync.engine.users_desk import UsersDesk

    return UsersDesk(database, session.environment.now)


def _password(file: Path | None) -> str:
    """The password: from a file, from stdin, or asked for twice on a terminal."""
    if file is None and not sys.stdin.isatty():
        raise Refused("nobody can be asked for the password here: give --password-file FILE, or -")
    if file is None:
        return str(typer.prompt("Password", hide_input=True, confirmation_prompt=True, err=True))
    text = sys.stdin.readline() if str(file) == "-" else _first_line(file)
    return text.rstrip("\r\n")


def _first_line(file: Path) -> str:
    try:
        with file.open(encoding="utf-8") as opened:
            return opened.readline()
    except UnicodeDecodeError as error:
        raise Refused(f"{file} is no UTF-8 text") from error


def _show(screen: Screen, found: Sequence[User]) -> None:
    if not found:
        screen.line("Nobody yet: channelsync users add NAME --role admin")
        return
    grid = Grid("Name", "Role", "Channels", "Locations", "Second factor", "Since")
    for one in found:
        reach = (_named(one.channels), _named(one.locations))
        factor = "off" if one.second_factor_since is None else spoken(one.second_factor_since)
        grid.row(one.name, one.role, *reach, factor, spoken(one.created_at))
    screen.grid(grid)


def _named(names: tuple[str, ...] | None) -> str:
    return "all" if names is None else ", ".join(names)
