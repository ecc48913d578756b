"""`verify`: do the books add up?"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from channelsync.cli.exit_codes import ExitCode
from channelsync.cli.failures import Refused
from channelsync.cli.output import Grid, Screen, spoken
from channelsync.cli.session import Session
from channelsync.cli.trail import Told, change
from channelsync.domain.wording import counted

if TYPE_CHECKING:
    from channelsync.store.archive import ArchiveReport
    from channelsync.store.audit_chain import AuditReport
    from channelsync.store.chain_check import Anchor, ChainReport
    from channelsync.store.checks import Finding
    from channelsync.store.database import Database
    from channelsync.store.verify import Report

__all__ = ["verify"]

FINDINGS_TOLD_MAX = 100


async def verify(
    session: Session,
    repair: Annotated[
        bool, typer.Option("--repair", help="Put right what differs; every step leaves a trace.")
    ] = False,
    anchor: Annotated[
        str | None,
        typer.Option(
            "--anchor",
            help="Heads of the ledger told earlier: a file of JSON lines, or POSITION:DIGEST.",
            metavar="FILE",
            show_default=False,
        ),
    ] = None,
    archive: Annotated[
        list[Path] | None,
        typer.Option(
            "--archive",
            help="An archive of folded movements, to be proven as well; may be given again.",
            metavar="FILE",
            show_default=False,
        ),
    ] = None,
) -> int:
    """Rebuild every number from the ledger and the orders, and name each that differs.

    The ledger and the audit trail are proven by their chains of digests; with --anchor the ledger
    also against what was told outside, with --archive what was folded. May run at any time. Exit
    code 3: something differs (and, with --repair, could not be put right).
    """
    from channelsync.engine.bookkeeping import verify_books

    anchors = _anchors(anchor)
    found: tuple[Finding, ...] = ()
    async with session.store() as database:
        if repair:
            found = await _repair(session, database)
        report = await verify_books(database, anchors)
    archives = _archives(archive or (), report, anchors)
    ok = report.ok and not any(one.breaks for one in archives)
    data = {
        "ok": ok,
        "findings": [_json(one) for one in report.findings],
        "repaired": [_json(one) for one in found],
        "notes": report.notes,
        "checked": report.checked,
        "ledger": _ledger_json(report.chain),
        "archives": archives,
        "audit": {
            "entries": report.audit.entries,
            "position": report.audit.position,
            "digest": report.audit.digest,
            "breaks": report.audit.breaks,
        },
    }
    session.output.result(data, lambda screen: _show(screen, report, found, archives))
    return ExitCode.DONE if ok else ExitCode.INVARIANT_VIOLATED


async def _repair(session: Session, database: Database) -> tuple[Finding, ...]:
    from channelsync.engine.bookkeeping import repair_books

    async def use(joined: Database) -> Told[tuple[Finding, ...]]:
        repaired = await repair_books(joined, session.environment, actor=session.actor)
        told = repaired.findings[:FINDINGS_TOLD_MAX]
        before = [{"what": _named(one), "units": one.stored} for one in told]
        after = [{"what": _named(one), "units": one.rebuilt} for one in told]
        count = {"repaired": len(repaired.findings)}
        sides = {"before": {"numbers": before}, "after": {**count, "numbers": after}}
        return Told(result=repaired.findings, subject="books", **sides)

    return await change(session, database, "books.repair", use)


def _named(finding: Finding) -> str:
    return f"{finding.table}.{finding.column} of {finding.key}"


def _anchors(given: str | None) -> list[Anchor]:
    from channelsync.engine.anchor import read_anchors

    if given is None:
        return []
    path = Path(given)
    try:
        return read_anchors(path.read_text(encoding="utf-8") if path.exists() else given)
    except OSError as error:
        raise Refused(f"{path} cannot be read: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise Refused(f"{path} is no UTF-8 text") from error


def _archives(
    paths: Iterable[Path], report: Report, anchors: Sequence[Anchor]
) -> tuple[ArchiveReport, ...]:
    from channelsync.store.archive import ArchiveUnreadable, check_archive

    try:
        return tuple(check_archive(path, report.chain.folds, anchors) for path in paths)
    except ArchiveUnreadable as error:
        raise Refused(str(error)) from error


def _ledger_json(chain: ChainReport) -> dict[str, object]:
    return {
        "sealed": chain.sealed,
        "unsealed": chain.unsealed,
        "unsealed_since": chain.unsealed_since,
        "position": chain.head.position,
        "digest": chain.head.digest,
        "anchors": chain.anchors,
        "anchors_in_archives": chain.archived_anchors,
        "folds": [
            {
                "before_at": one.before_at,
                "position": one.head.position,
                "archived": one.remains.archived,
                "ended_at": one.ended_at,
            }
            for one in chain.folds
        ],
        "breaks": [
            {
                "kind": one.kind,
                "position": one.position,
                "movement": one.movement_id,
                "message": one.message,
            }
            for one in chain.breaks
        ],
    }


def _json(finding: Finding) -> dict[str, object]:
    return {
        "check": finding.check,
        "table": finding.table,
        "column": finding.column,
        "key": finding.key,
        "stored": finding.stored,
        "rebuilt": finding.rebuilt,
    }


def _show(
    screen: Screen,
    report: Report,
    repaired: tuple[Finding, ...],
    archives: Sequence[ArchiveReport],
) -> None:
    if repaired:
        screen.line(f"{counted(len(repaired), 'number')} put right:", style="bold")
        screen.grid(_findings(repaired))
    if report.findings:
        screen.line(f"{counted(len(report.findings), 'number')} not as it should be:", style="bold")
        screen.grid(_findings(report.findings))
        screen.line("`channelsync verify --repair` puts them right and leaves a trace.")
    for note in report.notes:
        screen.line(f"note: {note.message}")
    _show_chain(screen, report.chain)
    _show_folds(screen, report.chain, archives)
    _show_audit(screen, report.audit)
    rows = ", ".join(f"{count} {name.replace('_', ' ')}" for name, count in report.checked.items())
    if report.ok:
        screen.line(f"The books add up: {rows} checked.", style="bold green")
    else:
        screen.line(f"The books do not add up: {rows} checked.", style="bold red")


def _show_chain(screen: Screen, chain: ChainReport) -> None:
    if chain.breaks:
        screen.line("The ledger was tampered with:", style="bold red")
        for one in chain.breaks:
            screen.line(f"  {one.message}")
        screen.line("Nothing can put this right but a backup from before it happened.")
    tail = f"; {counted(chain.unsealed, 'movement')} not sealed yet" if chain.unsealed else ""
    since = f" (since {spoken(chain.unsealed_since)})" if chain.unsealed else ""
    told = f", {counted(chain.anchors, 'anchor')} compared" if chain.anchors else ""
    screen.line(f"Ledger: {counted(chain.sealed, 'movement')} sealed{told}{tail}{since}.")
    if chain.head.position:
        screen.line(f"Head: {chain.head.position}:{chain.head.digest}")


def _show_folds(screen: Screen, chain: ChainReport, archives: Sequence[ArchiveReport]) -> None:
    for fold in chain.folds:
        at = f"{counted(fold.remains.archived, 'movement')} of before {spoken(fold.before_at)}"
        if fold.ended_at is None:
            screen.line(f"{at} are being folded: run `channelsync db fold` again to end it.")
        else:
            screen.line(f"{at} lie in an archive.")
    for one in archives:
        for message in one.breaks:
            screen.line(f"{one.path}: {message}", style="bold red")
        if not one.breaks:
            screen.line(f"{one.path}: {counted(one.movements, 'movement')}, as they were sealed.")
    unseen = chain.archived_anchors - sum(one.anchors for one in archives)
    if unseen > 0:
        screen.line(
            f"{counted(unseen, 'anchor')} not compared: of movements in an archive (--archive)."
        )


def _show_audit(screen: Screen, audit: AuditReport) -> None:
    if audit.breaks:
        screen.line("The audit trail was tampered with:", style="bold red")
        for one in audit.breaks:
            screen.line(f"  {one.message}")
    if audit.entries:
        screen.line(f"Audit trail: {counted(audit.entries, 'change')} chained.")


def _findings(findings: tuple[Finding, ...]) -> Grid:
    grid = Grid("What", "Row", "Stored", "Should be", right=("Stored", "Should be"))
    for one in findings:
        stored = "unknown" if one.stored is None else one.stored
        rebuilt = "unknown" if one.rebuilt is None else one.rebuilt
        grid.row(f"{one.table}.{one.column}", one.key, stored, rebuilt)
    return grid
