"""`notify …`: who was told what, and whether a message arrives."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from channelsync.cli.exit_codes import ExitCode
from channelsync.cli.failures import Refused
from channelsync.cli.output import Grid, Screen, ago
from channelsync.cli.session import Session
from channelsync.cli.trail import Told, change

if TYPE_CHECKING:
    from collections.abc import Sequence

    from channelsync.engine.notify import Sent
    from channelsync.engine.try_targets import Tried
    from channelsync.store.database import Database

__all__ = ["list_notices", "try_targets"]


async def list_notices(
    session: Session,
    limit: Annotated[int, typer.Option(help="At most so many.", min=1, max=10_000)] = 50,
) -> None:
    """List what was sent or waits to be, newest first."""
    from channelsync.engine.notify import recent_notices

    async with session.store() as database, database.read() as tx:
        found = await recent_notices(tx, limit)
    now = session.environment.now()
    session.output.result({"notices": found}, lambda screen: _show(screen, found, now))


def _show(screen: Screen, found: Sequence[Sent], now: float) -> None:
    if not found:
        screen.line("Nothing was to be told yet. Who is told what stands under `notifications`.")
    grid = Grid("When", "To", "What", "State", "Message")
    for one in found:
        state = one.state.replace("_", " ")
        if one.error is not None:
            state = f"{state} ({one.error})"
        when, what = ago(one.happened_at, now), one.kind.replace("_", " ")
        grid.row(when, one.target, what, state, one.message)
    screen.grid(grid)


async def try_targets(
    session: Session,
    target: Annotated[
        str | None, typer.Argument(help="Only this one; all without it.", show_default=False)
    ] = None,
) -> int:
    """Send a test message to the targets of the configuration. Needs no daemon.

    Exit code 1: one of them did not take it.
    """
    from channelsync.engine.try_targets import ACTION, UnknownTarget, told, try_targets
    from channelsync.notify.apprise_notifier import AppriseNotifier

    configuration = session.configuration()
    notifier = AppriseNotifier(configuration.notice_targets)
    try:
        results = await try_targets(notifier, target)
    except UnknownTarget as error:
        raise Refused(str(error)) from None

    async def use(_joined: Database) -> Told[None]:
        return Told(result=None, **told(results))

    async with session.store(create=True) as database:
        await change(session, database, ACTION, use)
    ok = all(one.ok for one in results)
    session.output.result({"ok": ok, "targets": results}, lambda screen: _tell(screen, results))
    return ExitCode.DONE if ok else ExitCode.FAILED


def _tell(screen: Screen, results: Sequence[Tried]) -> None:
    for one in results:
        style = None if one.ok else "red"
        screen.line(f"{one.target}: {one.message}", style=style)
