"""`deadletters …`: deliveries that said nothing we understood."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from channelsync.cli.commands.channels import YES, require_yes, say_alone
from channelsync.cli.output import Grid, Screen, spoken
from channelsync.cli.session import Session
from channelsync.cli.trail import Told, change

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from channelsync.engine.core import Engine
    from channelsync.engine.dead_letters import DeadLetter
    from channelsync.store.database import Database

__all__ = ["drop", "list_letters", "replay"]

NUMBER = Annotated[int, typer.Argument(metavar="ID", help="Its number, as `list` shows it.")]


async def list_letters(session: Session) -> None:
    """List what waits for a decision, oldest first."""
    from channelsync.engine.dead_letters import list_dead_letters

    async with session.store() as database, database.read() as tx:
        letters = await list_dead_letters(tx)
    session.output.result({"dead_letters": letters}, lambda screen: _show(screen, letters))


def _show(screen: Screen, letters: tuple[DeadLetter, ...]) -> None:
    if not letters:
        screen.line("No dead letter.")
        return
    grid = Grid("ID", "Since", "Channel", "Topic", "Why", right=("ID",))
    for one in letters:
        grid.row(one.id, spoken(one.created_at), one.channel, one.topic, one.reason)
    screen.grid(grid)


async def replay(session: Session, number: NUMBER) -> None:
    """Have it applied once more; what fails again comes back as a new dead letter."""
    from channelsync.engine.dead_letters import replay_dead_letter

    await _decide(session, number, "replay", "replayed", replay_dead_letter)
    session.output.result(
        {"id": number, "state": "replayed"},
        lambda screen: screen.line(f"{number} will be applied again by the daemon"),
    )


async def drop(session: Session, number: NUMBER, yes: YES = False) -> None:
    """Decide that it is not needed."""
    from channelsync.engine.dead_letters import drop_dead_letter

    require_yes(
        yes,
        f"Dropping {number} means that its delivery is never applied; its order is still found by"
        " polling,\nwhere the channel can be polled.",
    )
    say_alone(session)
    await _decide(session, number, "drop", "dropped", drop_dead_letter)
    session.output.result(
        {"id": number, "state": "dropped"}, lambda screen: screen.line(f"{number} is dropped")
    )


async def _decide(
    session: Session,
    number: int,
    verb: str,
    state: str,
    decide: Callable[[Engine, int], Awaitable[None]],
) -> None:
    async def use(joined: Database) -> Told[None]:
        await decide(session.engine(joined, None), number)
        sides = {"before": {"state": "dead"}, "after": {"state": state}}
        return Told(result=None, subject=f"dead_letter:{number}", **sides)

    async with session.store() as database:
        await change(session, database, f"dead_letter.{verb}", use)
