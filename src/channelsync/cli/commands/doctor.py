"""`doctor`: what is wrong with this installation, and what to do about each of it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from channelsync.cli.exit_codes import ExitCode
from channelsync.cli.output import Screen
from channelsync.cli.session import Session
from channelsync.domain.wording import counted

if TYPE_CHECKING:
    from channelsync.cli.doctor.lines import Line, Verdict

__all__ = ["doctor"]


async def doctor(
    session: Session,
    offline: Annotated[
        bool, typer.Option("--offline", help="Ask neither marketplaces nor the daemon.")
    ] = False,
) -> int:
    """Look at everything that can be wrong, and say how to put it right.

    Configuration, secrets, database, clock, disk, channels, feeds, dead letters, drift, broken
    assumptions, credentials, Redis, the public URL. Works with the daemon running or not, and
    changes nothing.

    Exit code 0: all is well. 2: it works, and something wants attention. 1: something is broken.
    """
    from channelsync.cli.doctor.lines import Verdict, worst

    lines = await _lines(session, offline=offline)
    verdict = worst(lines)
    data = {"at": session.environment.now(), "verdict": verdict, "checks": lines}
    session.output.result(data, lambda screen: _show(screen, lines))
    codes: dict[Verdict, ExitCode] = {
        Verdict.OK: ExitCode.DONE,
        Verdict.ATTENTION: ExitCode.CHANGES,
        Verdict.BROKEN: ExitCode.FAILED,
    }
    return codes[verdict]


async def _lines(session: Session, *, offline: bool) -> list[Line]:
    from channelsync.cli.doctor.books import books_lines
    from channelsync.cli.doctor.house import configuration_line, house_lines
    from channelsync.cli.doctor.outside import daemon_line, outside_lines

    first, configuration = configuration_line(session)
    lines = [first, *house_lines(session, configuration)]
    lines += await books_lines(session, configuration)
    if not offline:
        lines.append(await daemon_line(session.settings))
        lines += await outside_lines(session, configuration)
    return lines


def _show(screen: Screen, lines: list[Line]) -> None:
    from channelsync.cli.doctor.lines import Verdict

    styles: dict[Any, str | None] = {
        Verdict.OK: None,
        Verdict.ATTENTION: "yellow",
        Verdict.BROKEN: "red",
    }
    for line in lines:
        said = f"{line.verdict.mark} {line.area}: {line.message}"
        screen.line(said, style=styles[line.verdict])
        if line.fix is not None:
            screen.line(line.fix, indent=4)
        if line.page is not None:
            screen.line(f"Or with a button: {line.page}", indent=4)
    broken = sum(line.verdict is Verdict.BROKEN for line in lines)
    asking = sum(line.verdict is Verdict.ATTENTION for line in lines)
    screen.line()
    if broken or asking:
        screen.line(f"{broken} broken, {asking} to look at, of {counted(len(lines), 'line')}")
    else:
        screen.line(f"all is well ({counted(len(lines), 'line')})")
