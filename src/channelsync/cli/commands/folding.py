"""`db fold`: move movements of long ago into an archive."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from channelsync.cli.failures import Refused
from channelsync.cli.output import Screen, spoken
from channelsync.cli.session import Session
from channelsync.cli.times import instant_of
from channelsync.domain.wording import counted

__all__ = ["fold"]


async def fold(
    session: Session,
    before: Annotated[
        str,
        typer.Option("--before", help="Fold what happened before this time.", metavar="TIME"),
    ],
    archive: Annotated[
        Path,
        typer.Option("--archive", help="The new file that it is moved into.", metavar="FILE"),
    ],
) -> None:
    """Move movements of long ago from the ledger into an archive; what they come to stays.

    One opening for each balance takes their place. The archive proves itself, and what stays
    (`channelsync verify --archive`): keep it as long as your books. The last 400 days always stay.
    A fold that was interrupted is ended by the next run. The daemon may be at work meanwhile.
    """
    from channelsync.engine.fold import fold_ledger

    at = instant_of(session, before)
    if at is None:  # pragma: no cover - the option is required
        raise Refused("say before when")
    async with session.store() as database:
        done = await fold_ledger(
            database, session.environment, before=at, archive=archive, actor=session.actor
        )

    def show(screen: Screen) -> None:
        if done is None:
            screen.line(f"nothing of before {spoken(at)} is left to fold")
            return
        screen.line(
            f"{counted(done.archived, 'movement')} of before {spoken(done.before_at)} moved into an"
            f" archive; {counted(done.remaining, 'movement')} in their place"
        )
        if done.archive is None:
            screen.line("That fold was begun by an earlier run; run again for another.")
        else:
            screen.line(f"Keep {done.archive}: `channelsync verify --archive` proves it.")

    session.output.result({"folded": done}, show)
