"""`stock import` and `stock export`: the whole sheet in, the whole sheet out."""

from __future__ import annotations

import hashlib
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from channelsync.cli.commands.stock_door import open_books
from channelsync.cli.failures import Refused
from channelsync.cli.output import Grid, Screen, spoken
from channelsync.cli.session import Session
from channelsync.cli.times import teller
from channelsync.cli.trail import Told, change
from channelsync.domain.wording import counted

if TYPE_CHECKING:
    from channelsync.engine.stock_csv import ImportReport
    from channelsync.store.database import Database

__all__ = ["export_file", "import_file"]

CHANGES_SHOWN_MAX = 50
CHANGES_TOLD_MAX = 100


async def import_file(
    session: Session,
    file: Annotated[Path, typer.Argument(help="A CSV file, or - for standard input.")],
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Say what would change, and change nothing.")
    ] = False,
    create_items: Annotated[
        bool, typer.Option("--create-items", help="Make items that do not exist yet.")
    ] = False,
    location: Annotated[
        str | None,
        typer.Option("--location", "-l", help="Where rows without one belong.", show_default=False),
    ] = None,
    at: Annotated[
        str | None,
        typer.Option(
            "--at",
            help="When it was counted, or now; needed once units have moved since the last count.",
            metavar="TIME",
            show_default="now",
        ),
    ] = None,
    reason: Annotated[str, typer.Option("--reason", "-r", help="Why.")] = "import",
) -> None:
    """Take a stock sheet into the books: `sku,location,on_hand,safety_stock,name`.

    All of it or, with a mistake in any row, nothing. Counts are taken as of `--at`: what was sold
    or shipped since is applied to them again.
    """
    from channelsync.engine.stock_csv import import_stock

    content = _content(file)
    counted_at = teller(session, at)

    async def use(database: Database) -> Told[ImportReport]:
        report = await import_stock(
            database,
            session.environment,
            content,
            source="standard input" if str(file) == "-" else file.name,
            counted_at=counted_at(),
            reason=reason,
            create_missing=create_items,
            dry_run=dry_run,
            default_location=location,
        )
        return _told(report, content, reason)

    async with open_books(session) as database:
        if dry_run:
            report = (await use(database)).result
        else:
            report = await change(session, database, "stock.import", use)
    session.output.result(report, lambda screen: _show(screen, report))


def _told(report: ImportReport, content: bytes, reason: str) -> Told[ImportReport]:
    """The sheet by its digest, and the first cells that it changed: the ledger has them all."""
    told = report.changes[:CHANGES_TOLD_MAX]
    where = [{"row": one.row, "sku": one.sku, "location": one.location} for one in told]
    before = [place | {one.field: one.before} for place, one in zip(where, told, strict=True)]
    after = {
        "reason": reason,
        "sheet_sha256": hashlib.sha256(content).hexdigest(),
        "rows": report.rows,
        "changed": len(report.changes),
        "created": len(report.created),
        "cells": [place | {one.field: one.after} for place, one in zip(where, told, strict=True)],
    }
    return Told(result=report, subject="stock", before={"cells": before}, after=after)


def _content(file: Path) -> bytes:
    if str(file) == "-":
        return sys.stdin.buffer.read()
    try:
        return file.read_bytes()
    except OSError as error:
        raise Refused(f"{file} cannot be read: {error.strerror}") from error


def _show(screen: Screen, report: ImportReport) -> None:
    verb = "would change" if report.dry_run else "changed"
    new = f", {counted(len(report.created), 'new item')}" if report.created else ""
    values = counted(len(report.changes), "value")
    screen.line(f"{counted(report.rows, 'row')}: {values} {verb}{new}")
    if any(one.field == "on_hand" for one in report.changes):
        screen.line(f"Counted at {spoken(report.counted_at)}.")
    if not report.changes:
        return
    grid = Grid("Row", "SKU", "Location", "What", "Before", "After", right=("Row",))
    for one in report.changes[:CHANGES_SHOWN_MAX]:
        before = "new" if one.before is None else str(one.before)
        what = one.field.replace("_", " ")
        grid.row(str(one.row), one.sku, one.location, what, before, str(one.after))
    screen.grid(grid)
    if (more := len(report.changes) - CHANGES_SHOWN_MAX) > 0:
        screen.line(f"… and {more} more")


async def export_file(
    session: Session,
    file: Annotated[
        Path | None,
        typer.Argument(help="Where to write it.", show_default="standard output"),
    ] = None,
) -> None:
    """Write all stock as a sheet that `stock import` takes back."""
    from channelsync.engine.stock_csv import export_stock

    async with open_books(session, create=False) as database:
        sheet = await export_stock(database)
    rows = sheet.count("\n") - 1
    if file is None and not session.output.as_json:
        session.output.text(sheet)
        return
    if file is not None:
        _write_whole(file, sheet)
    data = {"file": None if file is None else str(file), "csv": sheet if file is None else None}
    session.output.result(
        data, lambda screen: screen.line(f"wrote {counted(rows, 'row')} to {file}")
    )


def _write_whole(file: Path, sheet: str) -> None:
    """All of it or nothing: half a sheet is a sheet as well, and would be believed."""
    if not file.parent.is_dir() or file.is_dir():
        raise Refused(f"{file} cannot be written: name a file in a folder that is there")
    part = file.with_name(f".{file.name}.part")
    try:
        part.write_text(sheet, encoding="utf-8", newline="")
        part.replace(file)
    finally:
        part.unlink(missing_ok=True)
