"""What the desk lists, as files: the same form as that of every other table."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from starlette.responses import Response

from channelsync.web.dashboard.sheets import MARK_OF_ORDER, csv_lines, values_of
from channelsync.web.dashboard.table import Column

__all__ = ["file_of", "told"]


def file_of(name: str, columns: Sequence[Column], rows: Iterable[Mapping[str, Any]]) -> Response:
    """All rows, to be saved under this name."""
    lines = csv_lines(
        [[column.label for column in columns], *(values_of(columns, row) for row in rows)]
    )
    return Response(
        MARK_OF_ORDER + lines,
        media_type="text/csv; charset=utf-8",
        headers={"content-disposition": f'attachment; filename="{name}.csv"'},
    )


def told(names: Sequence[str] | None) -> str:
    """Which of them; all of them where none is named."""
    return "all" if names is None else ", ".join(names)
