"""A table as a file: CSV of exactly the rows that a page shows, all pages of it, as a stream.

UTF-8 with a byte order mark, RFC 4180: spreadsheets open it as it is. A text that a spreadsheet
would run as a formula gets a `'` before it. Instants are ISO 8601 in UTC.
"""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, Final

from channelsync.web.dashboard.table import Column, Mark
from channelsync.web.dashboard.words import day_of

__all__ = ["MARK_OF_ORDER", "csv_lines", "values_of"]

MARK_OF_ORDER: Final = "\N{ZERO WIDTH NO-BREAK SPACE}"
_RISKY: Final = re.compile(r"\s*[=+\-@\uff0b\uff0d\uff1d\uff20|%]|[\t\r\n]")


def csv_lines(rows: Iterable[Sequence[Any]]) -> str:
    """Rows as lines of a file."""
    target = io.StringIO(newline="")
    csv.writer(target).writerows([_cell(value) for value in row] for row in rows)
    return target.getvalue()


def values_of(columns: Sequence[Column], row: Mapping[str, Any]) -> list[Any]:
    """A row's cells in the order of the columns, instants as ISO 8601."""
    return [_WRITTEN.get(column.look, _same)(row.get(column.key)) for column in columns]


def _cell(value: Any) -> Any:
    if value is None:
        return ""
    if isinstance(value, Mark):
        return _safe(f"{value.words}: {value.why}" if value.why else value.words)
    if isinstance(value, bool | int | float):
        return value
    return _safe(str(value))


def _safe(text: str) -> str:
    return f"'{text}" if _RISKY.match(text) else text


def _same(value: Any) -> Any:
    return value


def _iso(value: Any) -> Any:
    if value is None:
        return None
    return datetime.fromtimestamp(value, UTC).isoformat(timespec="milliseconds")


_WRITTEN: Final[Mapping[str, Callable[[Any], Any]]] = {"when": _iso, "day": day_of}
