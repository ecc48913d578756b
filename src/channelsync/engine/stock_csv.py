"""Stock by CSV: the whole sheet out, a sheet in. A sheet is applied as a whole or not at all.

An import takes the sheet's `on_hand` as counts of one instant that the caller states: units that
came or went since are applied again, so a sheet may be imported hours after its units were counted.
Numbers that agree with the books leave no movement, hence importing an export changes nothing.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from operator import itemgetter

import sqlalchemy as sa
import structlog
from sqlalchemy.ext.asyncio import AsyncConnection

from channelsync.domain.vocabulary import Instant
from channelsync.engine.stock_changes import count_move, spoken_instant, write_changes
from channelsync.engine.stock_checks import check_reason
from channelsync.engine.stock_errors import CsvRefused, StockRefused
from channelsync.engine.stock_rows import SheetLine, SheetOrder, resolve_rows
from channelsync.engine.stock_sheet import SheetRow, read_sheet, write_sheet
from channelsync.ports import Environment
from channelsync.store.database import Database
from channelsync.store.ledger import StockMove
from channelsync.store.stock_queries import (
    Item,
    Place,
    StoredLevel,
    find_items,
    load_items,
    load_levels,
    load_locations,
)
from channelsync.store.tables import MovementKind, Quantity, items

__all__ = ["ImportReport", "SheetChange", "export_stock", "import_stock"]

_log = structlog.get_logger("channelsync.stock")


@dataclass(frozen=True, slots=True, kw_only=True)
class SheetChange:
    """One cell that differs from the books."""

    row: int
    sku: str
    location: str
    """Empty for a name, which an item has once."""
    field: str
    before: int | str | None
    """None: the item is new."""
    after: int | str


@dataclass(frozen=True, slots=True, kw_only=True)
class ImportReport:
    """What an import changed or, as a dry run, would change."""

    rows: int
    counted_at: Instant
    """The instant that its counts are of."""
    changes: tuple[SheetChange, ...]
    created: tuple[str, ...]
    dry_run: bool


async def export_stock(database: Database) -> str:
    """Every item at every location where it has stock, as a sheet; items without any as well."""
    async with database.read() as tx:
        known = await load_items(tx)
        levels = await load_levels(tx)
        places = await load_locations(tx)
    codes = {location.id: code for code, location in places.items()}
    by_item: dict[int, list[tuple[str, StoredLevel]]] = {}
    for (item_id, location_id), stored in levels.items():
        by_item.setdefault(item_id, []).append((codes[location_id], stored))
    rows = (row for item in known for row in _export_rows(item, by_item.get(item.id, [])))
    return write_sheet(rows)


def _export_rows(item: Item, own: list[tuple[str, StoredLevel]]) -> Iterator[SheetRow]:
    if not own:
        yield SheetRow(row=0, sku=item.sku, name=item.name)
    for code, stored in sorted(own, key=itemgetter(0)):
        yield SheetRow(
            row=0,
            sku=item.sku,
            location=code,
            on_hand=stored.level.on_hand,
            safety_stock=stored.level.safety_stock,
            name=item.name,
        )


async def import_stock(  # noqa: PLR0913 - how a sheet is to be taken has this many sides
    database: Database,
    environment: Environment,
    content: bytes | str,
    *,
    source: str,
    counted_at: Instant | None,
    reason: str,
    create_missing: bool = False,
    dry_run: bool = False,
    default_location: str | None = None,
) -> ImportReport:
    """Apply a sheet, or with `dry_run` say what it would change.

    `source` names the file in messages and movements (`csv:stock.csv:12`). Unknown SKUs are
    mistakes unless `create_missing`. Rows that name no location belong to `default_location`.

    Without `counted_at` the counts are of this moment, and refused where units moved since the last
    count: nobody can tell then what the sheet has seen.

    Raises:
        CsvRefused: with every mistake of the sheet; nothing was applied.
        StockRefused: `counted_at` lies in the future, or there is no reason.
    """
    check_reason(reason)
    now = environment.now()
    at = now if counted_at is None else counted_at
    if at > now:
        raise StockRefused(f"the counts lie in the future, at {spoken_instant(at)}")
    rows, errors = read_sheet(content, source=source)
    if default_location is not None:
        rows = [replace(row, location=row.location or default_location) for row in rows]
    order = SheetOrder(
        source=source,
        counted_at=at,
        at_is_stated=counted_at is not None,
        reason=reason,
        now=now,
        create_missing=create_missing,
    )
    transaction = database.read() if dry_run else database.write()
    async with transaction as tx:
        lines = await resolve_rows(tx, rows, order, errors)
        if errors:
            raise CsvRefused(source, tuple(sorted(errors)))
        changes = tuple(change for line in lines for change in _changes(line))
        created = tuple(dict.fromkeys(line.sku for line in lines if line.item is None))
        if not dry_run:
            await _apply(tx, lines, order)
    if not dry_run:
        _log.info("stock imported", source=source, changes=len(changes), created=len(created))
    return ImportReport(
        rows=len(rows),
        counted_at=at,
        changes=_once_per_name(changes),
        created=created,
        dry_run=dry_run,
    )


def _once_per_name(changes: tuple[SheetChange, ...]) -> tuple[SheetChange, ...]:
    """An item with several rows is named in each of them, and changes once."""
    seen: set[str] = set()
    kept = []
    for change in changes:
        if change.field != "name" or change.sku not in seen:
            kept.append(change)
        if change.field == "name":
            seen.add(change.sku)
    return tuple(kept)


# ------------------------------------------------------------------ changes


def _changes(line: SheetLine) -> Iterator[SheetChange]:
    before: int | str | None
    code = line.location.code if line.location else ""
    new = line.item is None
    if line.count is not None and (new or line.count.after != line.count.before):
        before = None if new else line.count.before
        yield _change(line, code, "on_hand", before, line.count.after)
    safety = line.row.safety_stock
    if safety is not None and (new or safety != line.stored.level.safety_stock):
        before = None if new else line.stored.level.safety_stock
        yield _change(line, code, "safety_stock", before, safety)
    if line.row.name is not None and (line.item is None or line.row.name != line.item.name):
        yield _change(line, "", "name", line.item.name if line.item else None, line.row.name)


def _change(
    line: SheetLine, location: str, name: str, before: int | str | None, after: int | str
) -> SheetChange:
    return SheetChange(
        row=line.row.row, sku=line.sku, location=location, field=name, before=before, after=after
    )


async def _apply(tx: AsyncConnection, lines: list[SheetLine], order: SheetOrder) -> None:
    ids = await _write_items(tx, lines, order)
    moves: list[StockMove] = []
    counted: dict[Place, Instant] = {}
    for line in lines:
        if line.location is None:
            continue
        place = (ids[line.sku], line.location.id)
        actor = f"csv:{order.source}:{line.row.row}"
        if line.count is not None:
            counted[place] = order.counted_at
        if line.count is not None and line.count.after != line.count.before:
            moves.append(
                count_move(
                    place,
                    line.count,
                    counted_at=order.counted_at,
                    reason=order.reason,
                    actor=actor,
                    now=order.now,
                )
            )
        if line.row.safety_stock is not None:
            moves.append(
                StockMove(
                    item_id=place[0],
                    location_id=place[1],
                    quantity=Quantity.SAFETY_STOCK,
                    delta=line.row.safety_stock - line.stored.level.safety_stock,
                    kind=MovementKind.SAFETY_STOCK,
                    actor=actor,
                    at=order.now,
                    note=order.reason,
                )
            )
    await write_changes(tx, moves, now=order.now, counted=counted)


async def _write_items(
    tx: AsyncConnection, lines: list[SheetLine], order: SheetOrder
) -> dict[str, int]:
    """Make new items, name the others anew where asked. Returns ids by SKU."""
    fresh: dict[str, dict[str, object]] = {}
    names: dict[int, str] = {}
    for line in lines:
        if line.item is None:
            row = fresh.setdefault(line.sku, {"sku": line.sku, "name": "", "created_at": order.now})
            row["name"] = line.row.name or row["name"]
        elif line.row.name is not None and line.row.name != line.item.name:
            names[line.item.id] = line.row.name
    if fresh:
        await tx.execute(sa.insert(items), list(fresh.values()))
    if names:
        statement = (
            sa.update(items)
            .where(items.c.id == sa.bindparam("the_item"))
            .values(name=sa.bindparam("the_name"))
        )
        rows = [{"the_item": key, "the_name": name} for key, name in sorted(names.items())]
        await tx.execute(statement, rows)
    return {sku: item.id for sku, item in (await find_items(tx, {x.sku for x in lines})).items()}
