"""`deadletters …`: deliveries that said nothing we understood."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from channelsync.cli.commands.channels import YES, require_yes
from channelsync.cli.output import Grid, Screen, spoken
from channelsync.cli.session import Session

if TYPE_CHECKING:
    from channelsync.engine.dead_letters import DeadLetter

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

    sides = {"before": {"state": "dead"}, "after": {"state": "replayed"}}
    async with (
        session.store() as database,
        session.audited(database, "dead_letter.replay", f"dead_letter:{number}", **sides) as joined,
    ):
        await replay_dead_letter(session.engine(joined, None), number)
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
    sides = {"before": {"state": "dead"}, "after": {"state": "dropped"}}
    async with (
        session.store() as database,
        session.audited(database, "dead_letter.drop", f"dead_letter:{number}", **sides) as joined,
    ):
        await drop_dead_letter(session.engine(joined, None), number)
    session.output.result(
        {"id": number, "state": "dropped"}, lambda screen: screen.line(f"{number} is dropped")
    )
