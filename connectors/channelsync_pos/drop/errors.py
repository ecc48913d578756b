"""What is wrong with a dropped file, row by row."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

__all__ = ["RowError", "SheetRefused"]


@dataclass(frozen=True, slots=True, kw_only=True, order=True)
class RowError:
    """One mistake. Rows count from 1, the header is row 1; row 0 is the file as a whole."""

    row: int
    column: str
    """Empty where the row as a whole is wrong."""
    message: str

    def as_json(self) -> dict[str, Any]:
        """For the file beside it."""
        return {"row": self.row, "column": self.column, "message": self.message}

    @property
    def text(self) -> str:
        """For people."""
        where = f"row {self.row}, {self.column}" if self.column else f"row {self.row}"
        return f"{where}: {self.message}" if self.row else self.message


class SheetRefused(Exception):
    """A file with mistakes: nothing of it may be counted."""

    def __init__(self, errors: list[RowError]) -> None:
        super().__init__("; ".join(error.text for error in sorted(errors)))
        self.errors = tuple(sorted(errors))
