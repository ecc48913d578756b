"""The stock sheet as text: `sku,location,on_hand,safety_stock,name`, read and written.

Written as UTF-8, RFC 4180. Read as spreadsheets save it: a byte order mark, `;` or tabs between the
columns, columns in any order. A cell that is left empty changes nothing.

A text that a spreadsheet would run as a formula (leading `=`, `+`, `-`, `@`, tab or carriage
return) is written with a `'` before it, and loses it again when it is read; a text that begins with
`'` and such a character gets one more, so that every text comes back as it was.
"""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from channelsync.engine.stock_checks import UNITS_MAX
from channelsync.engine.stock_errors import CsvRefused, RowError
from channelsync.store.stock_queries import closest

__all__ = ["COLUMNS", "SheetRow", "read_sheet", "write_sheet"]

COLUMNS: Final = ("sku", "location", "on_hand", "safety_stock", "name")
_DELIMITERS: Final = (",", ";", "\t")
_RISKY: Final = re.compile(r"'*[=+\-@\t\r]")
_ESCAPED: Final = re.compile(r"'+[=+\-@\t\r]")
_WHOLE: Final = re.compile(r"[+-]?[0-9]+")
_DIGITS_MAX: Final = 20
_NAMES: Final = ", ".join(COLUMNS)


@dataclass(frozen=True, slots=True, kw_only=True)
class SheetRow:
    """One row. None: the cell is empty or its column missing, so nothing is asked for."""

    row: int
    sku: str
    location: str | None = None
    on_hand: int | None = None
    safety_stock: int | None = None
    name: str | None = None


def read_sheet(content: bytes | str, *, source: str) -> tuple[list[SheetRow], list[RowError]]:
    """Read a sheet: its sound rows, and every mistake of the others. Rows count from 1.

    Raises:
        CsvRefused: it is no text, or its header is wrong, so that no row can be read.
    """
    text = _text(content, source)
    delimiter = _delimiter(text)
    records = [(row, cells) for row, cells in _records(text, delimiter, source) if _filled(cells)]
    if not records:
        raise _refusal(source, 1, f"there is nothing in it; its first row names {_NAMES}")
    columns = _columns(*records[0], source)
    rows: list[SheetRow] = []
    errors: list[RowError] = []
    for row, cells in records[1:]:
        mistakes: list[RowError] = []
        found = _row(row, _named(row, cells, columns, mistakes), mistakes)
        errors += mistakes
        if not mistakes:
            rows.append(found)
    return rows, errors


def write_sheet(rows: Iterable[SheetRow]) -> str:
    """Write rows under the full header."""
    target = io.StringIO(newline="")
    writer = csv.writer(target)
    writer.writerow(COLUMNS)
    for row in rows:
        numbers = (row.on_hand, row.safety_stock)
        texts = [_escaped(text or "") for text in (row.sku, row.location, row.name)]
        writer.writerow(
            [*texts[:2], *("" if number is None else number for number in numbers), texts[2]]
        )
    return target.getvalue()


# ------------------------------------------------------------------ the file


def _text(content: bytes | str, source: str) -> str:
    try:
        text = content if isinstance(content, str) else content.decode("utf-8")
    except UnicodeDecodeError as error:
        row = bytes(error.object[: error.start]).count(b"\n") + 1
        raise _refusal(source, row, "it is not UTF-8: save it as CSV UTF-8") from error
    if "\0" in text:
        row = text[: text.index("\0")].count("\n") + 1
        raise _refusal(source, row, "it has a NUL character, so it is no text")
    return text.removeprefix("\ufeff")


def _delimiter(text: str) -> str:
    """What stands between the columns of the header; a comma where nothing tells."""
    header = next((line for line in text.splitlines() if line.strip()), "")
    return max(_DELIMITERS, key=header.count)


def _records(text: str, delimiter: str, source: str) -> Iterator[tuple[int, list[str]]]:
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, strict=True)
    row = 0
    try:
        for row, cells in enumerate(reader, start=1):
            yield row, cells
    except csv.Error as error:
        raise _refusal(source, row + 1, f"it cannot be read ({error}): check its quotes") from error


def _columns(row: int, cells: Sequence[str], source: str) -> list[str]:
    """The header, checked."""
    columns = [cell.strip().casefold() for cell in cells]
    errors = []
    for column in dict.fromkeys(columns):
        if column not in COLUMNS:
            near = closest(column, COLUMNS)
            hint = f"; did you mean {near}?" if near else f"; known are {_NAMES}"
            errors.append(RowError(row=row, column=column, message=f"unknown column{hint}"))
        elif columns.count(column) > 1:
            errors.append(RowError(row=row, column=column, message="the column is there twice"))
    if "sku" not in columns:
        errors.append(RowError(row=row, column="sku", message="the column is missing"))
    if errors:
        raise CsvRefused(source, tuple(errors))
    return columns


def _filled(cells: Sequence[str]) -> bool:
    return any(cell.strip() for cell in cells)


def _refusal(source: str, row: int, message: str) -> CsvRefused:
    return CsvRefused(source, (RowError(row=row, column="", message=message),))


# ------------------------------------------------------------------ one row


def _named(
    row: int, cells: Sequence[str], columns: Sequence[str], mistakes: list[RowError]
) -> dict[str, str]:
    if _filled(cells[len(columns) :]) or len(cells) < len(columns):
        message = f"it has {len(cells)} cells, the header {len(columns)}: check its separators"
        mistakes.append(RowError(row=row, column="", message=message))
        return {}
    return dict(zip(columns, cells, strict=False))


def _row(row: int, cells: Mapping[str, str], mistakes: list[RowError]) -> SheetRow:
    sku = _unescaped(cells.get("sku", ""))
    if cells and not sku.strip():
        mistakes.append(RowError(row=row, column="sku", message="it is empty"))
    return SheetRow(
        row=row,
        sku=sku,
        location=_unescaped(cells.get("location", "")) or None,
        on_hand=_number(row, "on_hand", cells, mistakes),
        safety_stock=_number(row, "safety_stock", cells, mistakes),
        name=_unescaped(cells.get("name", "")) or None,
    )


def _number(
    row: int, column: str, cells: Mapping[str, str], mistakes: list[RowError]
) -> int | None:
    text = cells.get(column, "").strip()
    if not text:
        return None
    # The length is checked first: Python refuses to read endless digits.
    if len(text) <= _DIGITS_MAX and _WHOLE.fullmatch(text) and abs(int(text)) <= UNITS_MAX:
        return int(text)
    shown = text if len(text) <= _DIGITS_MAX else f"{text[:_DIGITS_MAX]}…"
    message = f"{shown!r} is not a whole number up to {UNITS_MAX:,}"
    mistakes.append(RowError(row=row, column=column, message=message))
    return None


def _escaped(text: str) -> str:
    return f"'{text}" if _RISKY.match(text) else text


def _unescaped(text: str) -> str:
    return text[1:] if _ESCAPED.match(text) else text
