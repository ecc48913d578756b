"""`verify`: do the books add up?"""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from channelsync.cli.exit_codes import ExitCode
from channelsync.cli.output import Grid, Screen, counted
from channelsync.cli.session import Session

if TYPE_CHECKING:
    from channelsync.store.checks import Finding
    from channelsync.store.verify import Report

__all__ = ["verify"]


async def verify(
    session: Session,
    repair: Annotated[
        bool, typer.Option("--repair", help="Put right what differs; every step leaves a trace.")
    ] = False,
) -> int:
    """Rebuild every number from the ledger and the orders, and name each that differs.

    May run at any time. Exit code 3: something differs (and, with --repair, could not be put
    right).
    """
    from channelsync.engine.bookkeeping import repair_books, verify_books

    found: tuple[Finding, ...] = ()
    async with session.store() as database:
        if repair:
            repaired = await repair_books(database, session.environment, actor=session.actor)
            report, found = repaired.after, repaired.findings
        else:
            report = await verify_books(database)
    data = {
        "ok": report.ok,
        "findings": [_json(one) for one in report.findings],
        "repaired": [_json(one) for one in found],
        "notes": report.notes,
        "checked": report.checked,
    }
    session.output.result(data, lambda screen: _show(screen, report, found))
    return ExitCode.DONE if report.ok else ExitCode.INVARIANT_VIOLATED


def _json(finding: Finding) -> dict[str, object]:
    return {
        "check": finding.check,
        "table": finding.table,
        "column": finding.column,
        "key": finding.key,
        "stored": finding.stored,
        "rebuilt": finding.rebuilt,
    }


def _show(screen: Screen, report: Report, repaired: tuple[Finding, ...]) -> None:
    if repaired:
        screen.line(f"{counted(len(repaired), 'number')} put right:", style="bold")
        screen.grid(_findings(repaired))
    if report.findings:
        screen.line(f"{counted(len(report.findings), 'number')} not as it should be:", style="bold")
        screen.grid(_findings(report.findings))
        screen.line("`channelsync verify --repair` puts them right and leaves a trace.")
    for note in report.notes:
        screen.line(f"note: {note.message}")
    rows = ", ".join(f"{count} {name.replace('_', ' ')}" for name, count in report.checked.items())
    if report.ok:
        screen.line(f"The books add up: {rows} checked.", style="bold green")
    else:
        screen.line(f"The books do not add up: {rows} checked.", style="bold red")


def _findings(findings: tuple[Finding, ...]) -> Grid:
    grid = Grid("What", "Row", "Stored", "Should be", right=("Stored", "Should be"))
    for one in findings:
        stored = "unknown" if one.stored is None else one.stored
        rebuilt = "unknown" if one.rebuilt is None else one.rebuilt
        grid.row(f"{one.table}.{one.column}", one.key, stored, rebuilt)
    return grid
