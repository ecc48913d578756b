"""What the stock desk refuses. Each message says what was wrong, where, and what to do.

StockError
├── UnknownItem       no item has this SKU; the closest one is suggested
├── UnknownLocation   no location of the configuration has this code; likewise
├── ItemExists        the SKU is taken
├── StaleCount        a later count of the same place is already in the books
├── StockRefused      the change makes no sense as it was asked for
└── CsvRefused        a file with mistakes; `errors` has every one of them
"""

from __future__ import annotations

from dataclasses import dataclass

__all__ = [
    "CsvRefused",
    "ItemExists",
    "RowError",
    "StaleCount",
    "StockError",
    "StockRefused",
    "UnknownItem",
    "UnknownLocation",
]


class StockError(Exception):
    """Base of everything the stock desk refuses; nothing was changed."""


class UnknownItem(StockError):
    """No item has this SKU."""

    def __init__(self, sku: str, suggestion: str | None = None) -> None:
        super().__init__(f"there is no item {sku!r}{_hint(suggestion)}")
        self.sku = sku
        self.suggestion = suggestion


class UnknownLocation(StockError):
    """No location has this code."""

    def __init__(self, code: str, suggestion: str | None = None) -> None:
        hint = _hint(suggestion)
        super().__init__(f"there is no location {code!r}{hint} (see `locations:`)")
        self.code = code
        self.suggestion = suggestion


class ItemExists(StockError):
    """The SKU is taken."""

    def __init__(self, sku: str) -> None:
        super().__init__(f"there is an item {sku!r} already")
        self.sku = sku


class StaleCount(StockError):
    """A later count of the same place is already in the books."""

    def __init__(self, what: str, counted_at: str, last_counted_at: str) -> None:
        super().__init__(
            f"{what} was counted again at {last_counted_at}, after this count of {counted_at}:"
            " count once more, or correct the difference with an adjustment"
        )


class StockRefused(StockError):
    """The change makes no sense as it was asked for."""


@dataclass(frozen=True, slots=True, kw_only=True, order=True)
class RowError:
    """One mistake in a file. Rows count from 1; the header is row 1 unless blank rows precede."""

    row: int
    column: str
    """Empty where the row as a whole is wrong."""
    message: str

    @property
    def text(self) -> str:
        """The mistake with its place."""
        where = f"row {self.row}, {self.column}" if self.column else f"row {self.row}"
        return f"{where}: {self.message}"


class CsvRefused(StockError):
    """A file with mistakes."""

    def __init__(self, source: str, errors: tuple[RowError, ...]) -> None:
        lines = "\n".join(f"  {error.text}" for error in errors)
        count = "1 mistake" if len(errors) == 1 else f"{len(errors)} mistakes"
        super().__init__(f"{source} has {count}, so nothing of it was applied:\n{lines}")
        self.source = source
        self.errors = errors


def _hint(suggestion: str | None) -> str:
    return f"; did you mean {suggestion!r}?" if suggestion else ""
